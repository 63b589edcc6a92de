import json

import numpy as np
import pytest

from lungscan_monai.errors import CheckpointError, LungScanWarning
from lungscan_monai.fitted import (
    load_calibration,
    load_input_check,
    load_operating_points,
    save_calibration,
    save_input_check,
    save_operating_points,
)
from lungscan_monai.metrics.familiarity import fit_familiarity
from lungscan_monai.metrics.operating_points import OperatingPoint
from lungscan_monai.metrics.scaling import Calibration, Scaling
from lungscan_monai.storage import sha256_file

POINTS = {
    "Mass": OperatingPoint(0.31, "target_sensitivity", 0.95, 0.7, "validation", 80, 0.95),
    "Edema": OperatingPoint(0.5, "youden", 0.9, 0.8, "validation", 80),
}
CALIBRATION = Calibration("multilabel", "validation", (Scaling("Mass", 0.7, -0.1, 80), Scaling("Edema", reason="few")))
NOTHING = Calibration("multilabel", "validation", (Scaling("Mass", reason="few"), Scaling("Edema", reason="few")))


def test_what_was_fitted_with_a_model_comes_back_for_that_model(tmp_path):
    save_calibration(tmp_path, CALIBRATION, "ab" * 32)
    save_operating_points(tmp_path, POINTS, "ab" * 32, CALIBRATION)
    assert load_calibration(tmp_path, "ab" * 32) == CALIBRATION
    assert load_operating_points(tmp_path, "ab" * 32, CALIBRATION) == POINTS


def test_where_nothing_was_fitted_there_is_nothing(tmp_path):
    assert load_calibration(tmp_path) is None
    assert load_operating_points(tmp_path, "ab" * 32) == {}


def test_the_hash_of_the_model_that_lies_there_is_taken_if_none_is_given(tmp_path):
    (tmp_path / "model.pt").write_bytes(b"weights")
    save_calibration(tmp_path, CALIBRATION, sha256_file(tmp_path / "model.pt"))
    assert load_calibration(tmp_path) == CALIBRATION
    (tmp_path / "model.pt").write_bytes(b"other weights")
    with pytest.warns(LungScanWarning, match="calibration.json belongs to another model and is not used"):
        assert load_calibration(tmp_path) is None


def test_another_model_gets_a_warning_and_nothing_else(tmp_path):
    save_operating_points(tmp_path, POINTS, "ab" * 32)
    with pytest.warns(LungScanWarning, match="operating_points.json belongs to another model"):
        assert load_operating_points(tmp_path, "cd" * 32) == {}


@pytest.mark.parametrize("now", [None, Calibration("multilabel", "validation", (Scaling("Mass"), Scaling("Edema")))])
def test_thresholds_of_probabilities_that_were_calibrated_otherwise_are_not_used(now, tmp_path):
    save_operating_points(tmp_path, POINTS, "ab" * 32, CALIBRATION)
    with pytest.warns(LungScanWarning, match="calibrated otherwise"):
        assert load_operating_points(tmp_path, "ab" * 32, now) == {}


def test_a_calibration_that_changes_nothing_is_as_none_and_removes_the_last(tmp_path):
    save_calibration(tmp_path, CALIBRATION, "ab" * 32)
    save_calibration(tmp_path, NOTHING, "ab" * 32)
    assert load_calibration(tmp_path, "ab" * 32) is None
    save_operating_points(tmp_path, POINTS, "ab" * 32, NOTHING)
    assert load_operating_points(tmp_path, "ab" * 32, None) == POINTS


def test_the_check_of_inputs_comes_back_for_its_own_model(tmp_path):
    features = np.random.default_rng(0).normal(size=(50, 6))
    check = fit_familiarity(features, np.arange(50), 0.9)
    save_input_check(tmp_path, check, "ab" * 32)
    loaded = load_input_check(tmp_path, "ab" * 32)
    np.testing.assert_array_equal(loaded.references, check.references)
    assert (loaded.limit, loaded.quantile, loaded.n) == (check.limit, 0.9, 50)
    first = (tmp_path / "input_check.npz").read_bytes()
    save_input_check(tmp_path, check, "ab" * 32)
    assert (tmp_path / "input_check.npz").read_bytes() == first
    with pytest.warns(LungScanWarning, match="input_check.npz belongs to another model"):
        assert load_input_check(tmp_path, "cd" * 32) is None
    save_input_check(tmp_path, None, "ab" * 32)
    assert load_input_check(tmp_path, "ab" * 32) is None
    (tmp_path / "input_check.npz").write_bytes(b"PK broken")
    with pytest.raises(CheckpointError, match="run the evaluation again"):
        load_input_check(tmp_path, "ab" * 32)


@pytest.mark.parametrize(
    "content", ["{", "[]", '{"model_sha256": "x"}', '{"model_sha256": "x", "scalings": [{"k": 1}]}']
)
def test_a_damaged_file_is_named_and_says_what_mends_it(content, tmp_path):
    for name in ("calibration.json", "operating_points.json"):
        (tmp_path / name).write_text(content)
    for load in (load_calibration, load_operating_points):
        with pytest.raises(CheckpointError, match=r"\.json: not readable .* run the evaluation again"):
            load(tmp_path, "x")


def test_the_files_are_json_for_people_and_other_programs(tmp_path):
    save_operating_points(tmp_path, POINTS, "ab" * 32, CALIBRATION)
    content = json.loads((tmp_path / "operating_points.json").read_text())
    assert content["points"]["Mass"]["threshold"] == 0.31
    assert content["calibration"] == [[0.7, -0.1], [1.0, 0.0]]
