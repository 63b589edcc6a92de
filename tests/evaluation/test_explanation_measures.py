"""Numbers of heatmaps with intervals over patients, against hand calculations."""

import numpy as np
import pytest

from lungscan_monai.evaluation.explanation_measures import (
    OfHeatmap,
    dependence_on_weights,
    faithfulness,
    localisation,
    shortcut_warnings,
    shortcuts,
)
from lungscan_monai.evaluation.settings import ReportSettings
from lungscan_monai.saliency.measures import Agreement
from lungscan_monai.saliency.perturbation import Curves
from lungscan_monai.saliency.randomisation import Likeness
from lungscan_monai.saliency.shortcuts import Elsewhere

SETTINGS = ReportSettings(n_resamples=400)


def lesion(patient, hit, label="Mass", called=True):
    return OfHeatmap(patient, label, called, Agreement(hit, 0.2, 0.5 + 0.1 * hit, 0.1, 0.3, 0.05))


def test_localisation_counts_hits_beside_chance_and_by_whether_the_finding_was_called():
    found = localisation(
        [lesion("a", True), lesion("a", False), lesion("b", True, called=False), lesion("c", True, "Edema")], SETTINGS
    )
    assert (found["cases"], found["patients"]) == (4, 3)
    game = found["pointing_game"]
    assert (game["value"], game["by_chance"]) == (0.75, 0.2)
    assert game["low"] < 0.75 < game["high"]
    assert found["saliency_inside"]["value"] == pytest.approx(0.575)
    assert found["called"]["cases"] == 3
    assert found["called"]["pointing_game_called"]["value"] == pytest.approx(2 / 3, abs=1e-6)
    assert [(part["label"], part["cases"]) for part in found["labels"]] == [("Mass", 3), ("Edema", 1)]
    assert found["labels"][1]["pointing_game"]["interval"] == "Wilson, 1 independent units"
    assert localisation([], SETTINGS) is None


def test_the_interval_is_over_patients():
    """Five patients with twenty images each, all alike: the width is that of five independent values."""
    values = np.random.default_rng(0).random(5)
    many = [OfHeatmap(f"p{i}", "x", True, Curves(v, 0, 0, 0, 1, 0)) for i, v in enumerate(values) for _ in range(20)]
    few = [OfHeatmap(f"p{i}", "x", True, Curves(v, 0, 0, 0, 1, 0)) for i, v in enumerate(values)]
    assert faithfulness(many, SETTINGS)["deletion"] == faithfulness(few, SETTINGS)["deletion"]


def test_gains_are_differences_to_the_random_order():
    curves = [OfHeatmap(None, "x", True, Curves(0.2, 0.5, 0.8, 0.7, 0.9, 0.1)) for _ in range(3)]
    found = faithfulness(curves, SETTINGS)
    assert found["deletion_gain"]["value"] == pytest.approx(0.3)
    assert found["insertion_gain"]["value"] == pytest.approx(0.1)
    assert (found["probability_whole"]["value"], found["probability_emptied"]["value"]) == (0.9, 0.1)
    assert "no_interval" in found["deletion"]
    assert found["labels"] == []
    assert faithfulness([], SETTINGS) is None


def test_maps_without_order_are_counted_and_left_out():
    pairs = [OfHeatmap(None, "x", True, each) for each in (Likeness(0.4, 0.2), None, Likeness(0.0, 0.4))]
    found = dependence_on_weights({"head": pairs, "whole network": [pairs[1]]}, SETTINGS)
    assert found["rank_correlation_head"]["value"] == pytest.approx(0.2)
    assert found["rank_correlation_head"]["not_compared"] == 1
    assert found["ssim_head"]["value"] == pytest.approx(0.3)
    assert found["rank_correlation_whole_network"]["not_computable"].startswith("because")
    assert dependence_on_weights({}, SETTINGS) is None


def elsewhere(label, outside, border):
    return [
        OfHeatmap(f"{label}{number}", label, True, Elsewhere(outside + 0.01 * number, 0.1, border, 0.36))
        for number in range(4)
    ]


def test_a_warning_names_the_label_whose_saliency_lies_elsewhere():
    found = shortcuts([*elsewhere("Normal", 0.01, 0.2), *elsewhere("Ill", 0.4, 0.2)], SETTINGS)
    assert found["outside_body"]["by_chance"] == pytest.approx(0.1)
    (warning,) = shortcut_warnings(found)
    assert warning.startswith("Ill: 42% of the saliency lies outside the body, which is 10% of the area")
    assert shortcut_warnings(shortcuts(elsewhere("Ill", 0.01, 0.2), SETTINGS)) == []
    assert shortcut_warnings(None) == []


def test_cases_without_a_body_are_left_out():
    items = [OfHeatmap(None, "x", True, Elsewhere(None, None, 0.2, 0.36)), *elsewhere("x", 0.2, 0.3)]
    found = shortcuts(items, SETTINGS)
    assert (found["cases"], found["outside_body"]["n"]) == (5, 4)
    nobody = shortcuts(items[:1], SETTINGS)
    assert nobody["outside_body"]["not_computable"].startswith("because")
    assert shortcut_warnings(nobody) == []


def test_a_warning_tells_of_saliency_on_burned_in_text_among_images_that_have_some():
    written = [OfHeatmap(f"p{n}", "x", True, Elsewhere(0.0, 0.1, 0.2, 0.36, 0.03 + 0.001 * n, 0.01)) for n in range(5)]
    found = shortcuts([*written, *elsewhere("x", 0.0, 0.2)], SETTINGS)
    assert (found["cases"], found["text"]["n"]) == (9, 5)
    assert found["text"]["value"] == pytest.approx(0.032)
    (warning,) = shortcut_warnings(found)
    assert warning.startswith("3.2% of the saliency lies on what looks like burned-in text, which is 1.0% of the area")


def test_text_that_was_looked_for_and_not_found_is_told_apart_from_text_not_looked_for():
    without_text = [OfHeatmap(f"p{n}", "x", True, Elsewhere(0.0, 0.1, 0.2, 0.36, None, 0.0)) for n in range(5)]
    text = shortcuts(without_text, SETTINGS)["text"]
    assert (text["n"], "not_computable" in text) == (0, True)
    assert "text" not in shortcuts(elsewhere("x", 0.0, 0.2), SETTINGS)
