"""Measured explanations and the gallery of errors in words."""

from lungscan_monai.evaluation.explanation_measures import OfHeatmap, localisation, shortcuts
from lungscan_monai.evaluation.explanation_tables import error_gallery, explanations
from lungscan_monai.evaluation.settings import ReportSettings
from lungscan_monai.saliency.measures import Agreement
from lungscan_monai.saliency.shortcuts import Elsewhere

SETTINGS = ReportSettings(n_resamples=100)
MADE = {"folder": "explanations", "method": "gradcam", "cases": 3, "heatmaps": 4}
LESIONS = [
    OfHeatmap(f"p{number}", "Mass", number < 3, Agreement(number % 2 == 0, 0.2, 0.4, 0.1, 0.3, 0.05))
    for number in range(4)
]


def test_numbers_stand_beside_chance_with_their_cases():
    numbers = {"localisation": localisation(LESIONS, SETTINGS), "shortcuts": None}
    page = explanations({"explanations": {**MADE, **numbers}})
    assert "4 heatmap(s) of 3 case(s) by gradcam: see the folder [explanations](explanations)" in page
    assert "| Peak on the finding (pointing game) | all | 4 | 0.500 (" in page
    assert "| Peak on the finding (pointing game) | called present | 3 | 0.667 (" in page
    assert "| 0.200 |" in page
    assert "no finding can be" not in page


def test_a_number_of_fewer_cases_says_so():
    found = [OfHeatmap(None, "x", True, Elsewhere(None, None, 0.2, 0.36)) for _ in range(3)]
    found.append(OfHeatmap(None, "x", True, Elsewhere(0.1, 0.2, 0.3, 0.36)))
    page = explanations({"explanations": {**MADE, "shortcuts": shortcuts(found, SETTINGS)}})
    assert "| Outside the body | all | 1 | 0.100 | 0.200 |" in page
    assert "| In the outer 10 % of the image | all | 4 |" in page


def test_what_was_not_measured_says_why():
    reason = {"randomised_weights": {"not_computable": "because it is slow"}}
    assert "not computable because it is slow" in explanations({"explanations": {**MADE, **reason}})
    assert explanations({}) == ""


def test_errors_link_to_their_heatmaps_and_break_no_table():
    entry = {"case": "a|b]", "reference": "Normal", "predicted": "Ill", "probability": 0.9, "heatmap": "x/h.png"}
    label = {
        "label": "Ill",
        "false_positives": [entry],
        "false_negatives": [],
        "confident": [{**entry, "heatmap": None}],
    }
    page = error_gallery({"error_gallery": [label]})
    assert "| Called and not so | [a\\|b\\]](x/h.png) | Normal | Ill | 0.9 |" in page
    assert "| Called and so | a\\|b\\] | Normal | Ill | 0.9 |" in page
    assert error_gallery({}) == ""
