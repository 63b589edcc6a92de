"""An engine is checked against the recorded answers of PyTorch each time it is started."""

from __future__ import annotations

import logging
import shutil
from dataclasses import replace

import numpy as np
import pytest

from lungscan_monai.errors import BackendError, CheckpointError, ConfigError
from lungscan_monai.inference.backends import starting
from lungscan_monai.inference.backends.exported import logits_of_samples
from lungscan_monai.inference.backends.quantised import ensure_quantised
from lungscan_monai.inference.backends.starting import ENGINES, checked_engine, start_engine
from lungscan_monai.inference.backends.torch_backend import TorchBackend
from lungscan_monai.inference.backends.verdicts import VERDICTS_NAME, Figures, Tolerances, Verdict, save_verdict

PACKAGES = {"onnx": "onnxruntime", "openvino": "openvino"}


@pytest.mark.parametrize("name", ENGINES)
def test_an_engine_that_agrees_is_started(exported, judge, name):
    pytest.importorskip(PACKAGES[name], reason=f"{PACKAGES[name]} is not installed")
    choice = checked_engine(name, exported, judge)
    assert choice.backend.name == choice.facts["backend"] == name
    assert choice.facts["largest_difference"] <= choice.facts["tolerance"] == 1e-3


@pytest.mark.parametrize("name", ENGINES)
def test_an_engine_that_disagrees_is_refused_with_the_numbers(exported, judge, name):
    pytest.importorskip(PACKAGES[name], reason=f"{PACKAGES[name]} is not installed")
    other = replace(exported, expected_logits=exported.expected_logits + 0.5)
    with pytest.raises(
        BackendError, match=r"backend \w+ \(.*\) is refused: probabilities differ by up to 0\.\d+ .*0\.001"
    ):
        checked_engine(name, other, judge)


def test_in_bfloat16_more_pictures_are_compared_and_no_promise_is_made(exported, judge, network, monkeypatch, caplog):
    backend = TorchBackend(network)
    backend.precision = "bfloat16"
    monkeypatch.setattr(starting, "start_engine", lambda *_: backend)
    with caplog.at_level(logging.WARNING, "lungscan_monai"):
        assert checked_engine("openvino", exported, judge, "bfloat16").backend is backend
    assert "bfloat16 agrees on 16 made-up pictures" in caplog.text
    other = exported.expected_logits.copy()
    other[9] += 10 * np.abs(other).max()
    with pytest.raises(BackendError, match="is refused"):
        checked_engine("openvino", replace(exported, expected_logits=other), judge, "bfloat16")


def test_another_precision_is_refused(exported):
    with pytest.raises(ConfigError, match="precision is 'int3', expected one of float32, bfloat16"):
        start_engine("openvino", exported, "int3")


def test_onnx_runtime_has_no_bfloat16(exported):
    with pytest.raises(ConfigError, match="backend onnx computes in float32 and int8 only, not in bfloat16"):
        start_engine("onnx", exported, "bfloat16")


GOOD = Figures(400, 400, 4, 0.3, 0.01, 0.95, -0.001, -0.004, 0.002, 3.0)
BAD = replace(GOOD, changed_decisions=12)


@pytest.fixture
def decided(exported, tmp_path, pictures, judge):
    """Lets a verdict on the export, copied, say what it is told; in int8 the model of int8 is made."""
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: pip install 'lungscan-monai[export]'")
    folder = shutil.copytree(exported.path.parent, tmp_path / "models")
    copied = replace(exported, path=folder / exported.path.name)

    def decide(name, precision, figures, shift=0.0):
        made = ensure_quantised(copied, lambda: [pictures], {}, lambda made: 0.0) if precision == "int8" else None
        backend = start_engine(name, copied, precision, threads=1)
        answers = logits_of_samples(backend, copied.image_shape, 4) + shift
        quantised = None if made is None else made.sha256
        known = (name, precision, "engine 1", copied.model_sha256, "fitted", quantised, "ab" * 32, "validation")
        save_verdict(folder, Verdict(*known, figures, Tolerances(), tuple(map(tuple, answers.tolist()))))
        return copied

    return decide


CASES = [("onnx", "int8"), ("openvino", "int8"), ("openvino", "bfloat16")]


@pytest.mark.parametrize(("name", "precision"), CASES)
def test_a_verdict_that_agrees_lets_the_engine_run_and_is_told(decided, judge, caplog, name, precision):
    pytest.importorskip(PACKAGES[name], reason=f"{PACKAGES[name]} is not installed")
    exported = decided(name, precision, GOOD)
    with caplog.at_level(logging.INFO, "lungscan_monai"):
        choice = checked_engine(name, exported, judge, precision, "fitted")
    assert (choice.facts["backend"], choice.facts["precision"]) == (name, precision)
    assert choice.facts["compared"]["changed_decisions"] == 4
    assert "compared with float32, 4 of 400 decisions change" in caplog.text
    assert "made-up pictures" not in caplog.text


@pytest.mark.parametrize(("name", "precision"), CASES)
def test_a_verdict_against_it_refuses_the_engine_with_the_figures(decided, judge, name, precision):
    pytest.importorskip(PACKAGES[name], reason=f"{PACKAGES[name]} is not installed")
    exported = decided(name, precision, BAD)
    message = (
        f"backend {name} in {precision} is refused: .* 12 of 400 decisions change .*; more than 1.0% of the decisions"
    )
    with pytest.raises(BackendError, match=message):
        checked_engine(name, exported, judge, precision, "fitted")


@pytest.mark.parametrize(("name", "precision"), CASES[:2])
def test_int8_without_a_verdict_is_refused_and_the_command_named(exported, judge, name, precision):
    with pytest.raises(BackendError, match="`lungscan precision BUNDLE --datalist FILE --precision int8` does that"):
        checked_engine(name, exported, judge, precision)


def test_a_verdict_on_other_thresholds_does_not_count(decided, judge):
    exported = decided("onnx", "int8", GOOD)
    with pytest.raises(BackendError, match="has not been compared with float32 on labelled cases of this model with"):
        checked_engine("onnx", exported, judge, "int8", "other")


def test_an_engine_that_answers_otherwise_than_when_it_was_compared_is_refused(decided, judge):
    exported = decided("onnx", "int8", GOOD, shift=5.0)
    with pytest.raises(BackendError, match="from those of engine 1 when it was compared .*; compare again"):
        checked_engine("onnx", exported, judge, "int8", "fitted")


def test_a_damaged_verdict_is_refused(decided, judge):
    exported = decided("onnx", "int8", GOOD)
    (exported.path.parent / VERDICTS_NAME).write_text("{}")
    with pytest.raises(CheckpointError, match="precision.json: SHA-256 is .* damaged"):
        checked_engine("onnx", exported, judge, "int8", "fitted")
