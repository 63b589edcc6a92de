"""Verdicts on precisions: figures against tolerances, kept with the model they are about, for that model only."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import numpy as np
import pytest

from lungscan_monai.errors import CheckpointError, ConfigError
from lungscan_monai.inference.backends.verdicts import (
    VERDICTS_NAME,
    Figures,
    Recalled,
    Tolerances,
    Verdict,
    find_verdict,
    load_verdicts,
    save_verdict,
)
from lungscan_monai.storage import Manifest

GOOD = Figures(
    cases=400,
    decisions=400,
    changed_decisions=4,
    largest_difference=0.3,
    mean_difference=0.01,
    auc=0.95,
    auc_difference=-0.001,
    auc_low=-0.004,
    auc_high=0.002,
    speed=3.0,
)
MODEL, FITTED = "ab" * 32, "cd" * 32


def verdict(**changes) -> Verdict:
    known = {
        "backend": "openvino",
        "precision": "bfloat16",
        "engine": "openvino 1",
        "model_sha256": MODEL,
        "fitted": FITTED,
        "quantised_sha256": None,
        "datalist_sha256": "ef" * 32,
        "section": "validation",
        "figures": GOOD,
        "tolerances": Tolerances(),
        "answers": ((0.5, -2.0), (1.5, 0.25)),
    }
    return Verdict(**{**known, **changes})


def test_nothing_is_against_figures_within_the_tolerances():
    assert GOOD.objections(Tolerances()) == ()
    assert verdict().agrees


@pytest.mark.parametrize(
    ("changes", "objection"),
    [
        ({"changed_decisions": 5}, "more than 1.0% of the decisions change"),
        ({"mean_difference": 0.021}, "probabilities differ by more than 0.02 on average"),
        ({"mean_difference": float("nan")}, "probabilities differ by more than 0.02 on average"),
        ({"auc_low": -0.0101}, "a loss of ROC AUC of 0.01 is not excluded"),
        ({"auc_low": None, "auc_high": None}, "the patients of a class are too few"),
        ({"cases": 99, "decisions": 99, "changed_decisions": 0}, "99 cases are too few to tell, it takes 100"),
    ],
)
def test_one_figure_beyond_its_tolerance_is_enough(changes, objection):
    (found,) = replace(GOOD, **changes).objections(Tolerances())
    assert found.startswith(objection)
    assert not verdict(figures=replace(GOOD, **changes)).agrees
    assert objection in str(verdict(figures=replace(GOOD, **changes)))


def test_tolerances_that_allow_everything_need_no_interval():
    anything = Tolerances(changed_decisions=1.0, auc_loss=1.0, mean_difference=1.0, least_cases=1)
    assert replace(GOOD, changed_decisions=400, auc_low=None, auc_high=None, cases=1).objections(anything) == ()


@pytest.mark.parametrize("name", ["changed_decisions", "auc_loss", "mean_difference", "least_cases"])
def test_a_tolerance_that_allows_nothing_is_none(name):
    with pytest.raises(ConfigError, match=f"tolerance {name} is 0, expected a number above 0"):
        Tolerances(**{name: 0})


def test_the_sentence_has_the_figures_and_what_is_accepted():
    assert str(verdict()) == (
        "compared with float32, 4 of 400 decisions change (accepted: 1 %), ROC AUC 0.9500 changes by -0.0010 (-0.0040 "
        "to +0.0020; accepted: above -0.01), probabilities change by 0.01 on average (accepted: 0.02) and 0.3 at most, "
        "on 400 cases of section validation"
    )


def test_what_is_stored_is_found_again(tmp_path):
    save_verdict(tmp_path, verdict())
    assert load_verdicts(tmp_path, MODEL) == (verdict(),)
    assert find_verdict(tmp_path, MODEL, FITTED, "openvino", "bfloat16") == verdict()
    (entry,) = json.loads((tmp_path / VERDICTS_NAME).read_text())["verdicts"]
    assert entry["agrees"] is True and entry["objections"] == []
    assert Manifest(tmp_path).entries()[VERDICTS_NAME]["model_sha256"] == MODEL


def test_a_new_verdict_takes_the_place_of_the_one_on_the_same_backend_and_precision(tmp_path):
    worse = verdict(figures=replace(GOOD, changed_decisions=40))
    for one in (verdict(), verdict(backend="torch"), worse):
        save_verdict(tmp_path, one)
    assert load_verdicts(tmp_path, MODEL) == (worse, verdict(backend="torch"))


@pytest.mark.parametrize(
    "wanted",
    [
        ("00" * 32, FITTED, "openvino", "bfloat16"),
        (MODEL, "00" * 32, "openvino", "bfloat16"),
        (MODEL, FITTED, "torch", "bfloat16"),
        (MODEL, FITTED, "openvino", "int8"),
    ],
)
def test_for_another_model_threshold_backend_or_precision_there_is_none(tmp_path, wanted):
    save_verdict(tmp_path, verdict())
    assert find_verdict(tmp_path, *wanted) is None


def test_in_int8_it_holds_for_one_file_only(tmp_path):
    save_verdict(tmp_path, verdict(precision="int8", quantised_sha256="12" * 32))
    assert find_verdict(tmp_path, MODEL, FITTED, "openvino", "int8") is None
    Manifest(tmp_path).record("model_int8.onnx", "12" * 32, 1)
    assert find_verdict(tmp_path, MODEL, FITTED, "openvino", "int8") is not None
    Manifest(tmp_path).record("model_int8.onnx", "34" * 32, 1)
    assert find_verdict(tmp_path, MODEL, FITTED, "openvino", "int8") is None


def test_a_verdict_that_was_changed_by_hand_is_refused(tmp_path):
    save_verdict(tmp_path, verdict(figures=replace(GOOD, changed_decisions=40)))
    path = tmp_path / VERDICTS_NAME
    path.write_text(path.read_text().replace('"changed_decisions": 40', '"changed_decisions": 0'))
    with pytest.raises(CheckpointError, match="damaged or was exchanged"):
        load_verdicts(tmp_path, MODEL)
    save_verdict(tmp_path, verdict())
    assert load_verdicts(tmp_path, MODEL) == (verdict(),)


def test_a_file_of_another_form_is_refused(tmp_path):
    path = tmp_path / VERDICTS_NAME
    path.write_text('{"verdicts": [{"backend": "onnx"}]}')
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    Manifest(tmp_path).record(VERDICTS_NAME, digest, 1, model_sha256=MODEL)
    with pytest.raises(CheckpointError, match="not readable .*; delete the file and compare again"):
        load_verdicts(tmp_path, MODEL)


@pytest.mark.parametrize(("shift", "holds"), [(0.0, True), (0.09, True), (0.11, False), (np.nan, False)])
def test_an_engine_that_answers_otherwise_than_when_it_was_compared_is_refused(shift, holds):
    found = np.array(verdict().answers)
    found[1, 0] += shift
    recalled = Recalled(verdict(), found)
    assert recalled.holds is holds  # the largest logit is 2, and 0.05 of that is accepted
    assert ("compare again by `lungscan precision`" in str(recalled)) is not holds
    assert recalled.facts["compared"]["changed_decisions"] == 4
