"""The backend asked for, or the fastest that agrees with PyTorch; never one that does not."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import pytest

from lungscan_monai.errors import BackendError, ConfigError, MissingDependencyError
from lungscan_monai.inference.backends import choosing, starting
from lungscan_monai.inference.backends.base import Backend, Forward
from lungscan_monai.inference.backends.choosing import choose_backend
from lungscan_monai.inference.backends.exported import logits_of_samples
from lungscan_monai.inference.backends.torch_backend import TorchBackend
from lungscan_monai.inference.backends.verdicts import Figures, Tolerances, Verdict


class StandIn(Backend):
    """Answers like PyTorch but for a shift, and takes as long as told by the clock of the test."""

    engine = "stand-in 1"

    def __init__(self, name, network, precision="float32", shift=0.0):
        self.name, self.precision, self.shift = name, precision, shift
        self.inner = TorchBackend(network)

    def forward(self, images):
        found = self.inner.forward(images)
        return Forward(found.logits + np.float32(self.shift), found.features)


@pytest.fixture
def engines(network, monkeypatch):
    """Stand-ins by name and precision, and the seconds that a pass of each takes."""
    table = {("torch", "float32"): StandIn("torch", network)}
    seconds = {}

    def started(name, model, precision):
        if (name, precision) not in table:
            raise MissingDependencyError(f"{name} is not installed")
        return table[name, precision]

    def timed_pass(backend, images):
        return seconds[backend.name, backend.precision], backend.logits(images)

    monkeypatch.setattr(choosing, "_started", started)
    monkeypatch.setattr(choosing, "_pass", timed_pass)

    def add(name, passing, precision="float32", shift=0.0):
        table[name, precision] = StandIn(name, network, precision, shift)
        seconds[name, precision] = passing

    add("torch", 0.4)
    return add


def test_torch_in_float32_is_taken_without_a_comparison(model, judge):
    choice = choose_backend("torch", model, lambda logits: pytest.fail("compared"))
    assert choice.facts["backend"] == "torch" and choice.facts["precision"] == "float32"


def test_auto_takes_the_fastest_that_agrees_and_says_why(model, judge, engines, caplog):
    engines("onnx", 0.2)
    engines("openvino", 0.1)
    with caplog.at_level(logging.INFO, "lungscan_monai"):
        choice = choose_backend("auto", model, judge)
    assert choice.backend.name == "openvino"
    assert [row["images_per_second"] for row in choice.facts["candidates"]] == [10, 20, 40]
    assert choice.facts["largest_difference"] == 0 and choice.facts["tolerance"] == 1e-3
    assert "backend auto takes openvino in float32, the fastest that agrees" in caplog.text


def test_auto_refuses_a_faster_backend_that_disagrees_with_the_numbers(model, judge, engines, pictures):
    engines("onnx", 0.2)
    engines("openvino", 0.1, shift=0.5)
    choice = choose_backend("auto", model, judge, images=pictures)
    assert choice.backend.name == "onnx"
    assert "probabilities differ by up to 0." in choice.facts["candidates"][2]["refused"]


def test_auto_goes_by_a_package_that_is_missing(model, judge, engines):
    engines("onnx", 0.5)
    choice = choose_backend("auto", model, judge)
    assert choice.backend.name == "torch"
    assert choice.facts["candidates"][2]["refused"] == "openvino is not installed"


def test_auto_looks_at_bfloat16_only_when_told_to(model, judge, engines):
    engines("onnx", 0.2)
    engines("openvino", 0.2)
    engines("torch", 0.3, "bfloat16")
    engines("openvino", 0.05, "bfloat16", shift=1e-4)
    assert choose_backend("auto", model, judge).facts["precision"] == "float32"
    choice = choose_backend("auto", model, judge, "bfloat16")
    assert (choice.facts["backend"], choice.facts["precision"]) == ("openvino", "bfloat16")
    assert choice.facts["tolerance"] == 2e-2


@pytest.mark.parametrize(("shift", "message"), [(0.5, "probabilities differ by up to 0."), (np.nan, "up to inf")])
def test_a_backend_asked_for_that_disagrees_is_refused_with_the_numbers(
    model, judge, engines, shift, message, pictures
):
    engines("openvino", 0.1, shift=shift)
    with pytest.raises(BackendError, match=rf"backend openvino \(stand-in 1, float32\) is refused: .*{message}"):
        choose_backend("openvino", model, judge, images=pictures)


def test_a_backend_asked_for_that_is_missing_is_an_error(model, judge, engines):
    with pytest.raises(MissingDependencyError):
        choose_backend("onnx", model, judge)


@pytest.mark.parametrize(("name", "precision"), [("tensorflow", "float32"), ("torch", "int3")])
def test_an_unknown_backend_or_precision_is_refused(model, judge, name, precision):
    with pytest.raises(ConfigError, match="expected one of torch, torch-compile, onnx, openvino, auto"):
        choose_backend(name, model, judge, precision)


def test_on_a_gpu_only_pytorch_is_looked_at():
    assert choosing._to_examine("cuda", "float32") == [("torch", "float32")]
    assert choosing._to_examine("cuda", "bfloat16") == [("torch", "float32"), ("torch", "bfloat16")]


def test_what_is_installed_agrees_and_one_of_it_is_taken(model, judge, pictures, exported):
    choice = choose_backend("auto", model, judge, images=pictures)
    refused = [row for row in choice.facts["candidates"] if row["refused"]]
    assert all("not installed" in row["refused"] for row in refused)
    np.testing.assert_allclose(choice.backend.logits(pictures), TorchBackend(model.network).logits(pictures), atol=1e-3)


def test_with_a_network_whose_answers_are_no_numbers_auto_stays_with_pytorch(model, judge, pictures):
    choice = choose_backend("auto", model, judge, images=np.full_like(pictures, np.nan))
    assert choice.facts["backend"] == "torch" and "candidates" not in choice.facts


GOOD = Figures(400, 400, 4, 0.3, 0.01, 0.95, -0.001, -0.004, 0.002, 3.0)


@pytest.fixture
def verdicts(monkeypatch, network, model):
    """Verdicts by backend and precision, with what the stand-ins answer."""
    table = {}

    def add(name, precision, figures):
        answers = logits_of_samples(StandIn(name, network), model.image_shape, 4)
        known = (name, precision, "stand-in 1", "ab" * 32, "", None, "cd" * 32, "validation")
        table[name, precision] = Verdict(*known, figures, Tolerances(), tuple(map(tuple, answers.tolist())))

    monkeypatch.setattr(starting, "find_verdict", lambda *wanted: table.get(wanted[3:]))
    return add


def test_auto_takes_int8_where_labelled_cases_agree_and_says_so(model, judge, engines, verdicts, caplog):
    engines("onnx", 0.2)
    engines("onnx", 0.05, "int8", shift=1e-3)
    engines("openvino", 0.01, "int8")
    verdicts("onnx", "int8", GOOD)
    with caplog.at_level(logging.INFO, "lungscan_monai"):
        choice = choose_backend("auto", model, judge, "int8")
    assert (choice.facts["backend"], choice.facts["precision"]) == ("onnx", "int8")
    refused = {row["backend"]: row["refused"] for row in choice.facts["candidates"] if row["precision"] == "int8"}
    assert refused["onnx"] is None and "`lungscan precision" in refused["openvino"]
    assert "onnx in int8 80.0 images/s, compared with float32, 4 of 400 decisions change" in caplog.text


def test_auto_stays_in_float32_where_no_verdict_is_good(model, judge, engines, verdicts):
    engines("onnx", 0.2)
    engines("onnx", 0.05, "int8")
    verdicts("onnx", "int8", replace(GOOD, changed_decisions=12))
    choice = choose_backend("auto", model, judge, "int8")
    assert (choice.facts["backend"], choice.facts["precision"]) == ("onnx", "float32")
    assert "12 of 400 decisions change" in choice.facts["candidates"][-2]["refused"]


def test_bfloat16_goes_by_its_verdict_too(model, judge, engines, verdicts, pictures):
    engines("torch", 0.1, "bfloat16")
    verdicts("torch", "bfloat16", GOOD)
    assert choose_backend("torch", model, judge, "bfloat16").facts["compared"]["cases"] == 400
    verdicts("torch", "bfloat16", replace(GOOD, auc_low=-0.02))
    with pytest.raises(
        BackendError, match="torch in bfloat16 is refused: .* a loss of ROC AUC of 0.01 is not excluded"
    ):
        choose_backend("torch", model, judge, "bfloat16")


@pytest.mark.parametrize("name", ["torch", "torch-compile"])
def test_pytorch_has_no_int8(model, judge, name):
    with pytest.raises(ConfigError, match=f"backend {name} computes in float32 and bfloat16 only, not in int8"):
        choose_backend(name, model, judge, "int8")
