"""The report of an evaluation: one dictionary that JSON can hold, from which pages and figures are made.

Thresholds are chosen in one section and applied in another; every number has an interval from one bootstrap over the
patients of the test section. Equal input gives equal bytes: whatever changes from run to run is a fact that the caller
gives. Neither case nor patient is named.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lungscan_monai.evaluation.calibrating import calibration_facts
from lungscan_monai.evaluation.estimates import FEW_PATIENTS
from lungscan_monai.evaluation.predictions import Predictions
from lungscan_monai.evaluation.results import SectionResults
from lungscan_monai.evaluation.settings import ReportSettings
from lungscan_monai.evaluation.statistics import ClassStatistics
from lungscan_monai.evaluation.subgroups import find_subgroups
from lungscan_monai.evaluation.thresholds import ChosenThreshold, chosen_thresholds, other_rules, stored_thresholds
from lungscan_monai.metrics.calibration import N_BINS
from lungscan_monai.metrics.operating_points import OperatingPoint
from lungscan_monai.metrics.scaling import Calibration

REPORT_VERSION = 2

_INTERVALS = {
    "percentile": "percentile bootstrap",
    "bca": "BCa bootstrap (bias-corrected and accelerated, by a jackknife over patients)",
}


def build_report(
    predictions: Predictions,
    settings: ReportSettings | None = None,
    *,
    calibration: Calibration | None = None,
    points: Mapping[str, OperatingPoint] | None = None,
    case_facts: Mapping[str, Mapping[str, Any]] | None = None,
    facts: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Compute everything that the report says.

    Args:
        predictions: All predictions, of both sections; calibrated ones have the network's own beside them.
        settings: How the report is made; the usual way if None.
        calibration: The calibration that `predictions` were made with, None where they are the network's own.
        points: Operating points stored with the model, by label; None chooses them on the threshold section.
        case_facts: What the datalist says of each case (sex, age, view, ...), by its name; they make the subgroups.
        facts: What made the predictions: hashes of model and datalist, versions, seed, command; as JSON can hold it.

    Returns:
        The report; :mod:`lungscan_monai.evaluation.estimates` says how a number looks.

    Raises:
        DataError: If no case is from the test section, or a fact that shall make subgroups is unknown.
    """
    settings = settings or ReportSettings()
    test = predictions.section(settings.test_section)
    fitting = _section_if_any(predictions, settings.threshold_section)
    thresholds = _thresholds(test, fitting, settings, points)
    of_cases = [(case_facts or {}).get(case, {}) for case in test.case_ids]
    subgroups = find_subgroups(of_cases, settings.subgroups)
    results = SectionResults(test, fitting, thresholds, settings, subgroups)
    labels = results.labels()
    return {
        "report_version": REPORT_VERSION,
        "kind": predictions.kind,
        "label_names": list(predictions.label_names),
        "sections": {
            "threshold": _section_facts(settings.threshold_section, fitting),
            "test": _section_facts(settings.test_section, test),
        },
        "intervals": _interval_facts(test, settings),
        "calibration": {
            "binning": "equal mass (quantiles of the probabilities)",
            "n_bins": N_BINS,
            **calibration_facts(calibration, predictions.kind),
        },
        "overall": results.overall(labels),
        "confusion_matrix": _confusion_facts(test, labels),
        "labels": labels,
        "subgroups": results.subgroups(),
        "warnings": [
            *_warnings(predictions, settings.test_section, [chosen[0] for chosen in thresholds], calibration),
            *(_scarce(fitting) if points is None and fitting is not None else ()),
        ],
        "facts": {**predictions.facts, **(facts or {})},
    }


def _section_if_any(predictions: Predictions, name: str) -> Predictions | None:
    return predictions.section(name) if name in predictions.section_names else None


def _thresholds(
    test: Predictions,
    fitting: Predictions | None,
    settings: ReportSettings,
    points: Mapping[str, OperatingPoint] | None,
) -> list[list[ChosenThreshold]]:
    """Return for each label the threshold that decides, then those of the other rules."""
    labels, section = [target.label for target in test.targets()], settings.threshold_section
    if points is None:
        deciding = chosen_thresholds(labels, fitting, section, settings.rule, settings.target)
    else:
        deciding = stored_thresholds(labels, points)
    others = [] if fitting is None else other_rules(settings.rule)
    columns = [deciding, *(chosen_thresholds(labels, fitting, section, rule, target) for rule, target in others)]
    return [list(of_label) for of_label in zip(*columns, strict=True)]


def _section_facts(name: str, section: Predictions | None) -> dict[str, Any]:
    patients = () if section is None else section.patients
    return {
        "name": name,
        "cases": len(patients),
        "known_patients": len({patient for patient in patients if patient is not None}),
        "cases_of_unknown_patient": sum(patient is None for patient in patients),
    }


def _interval_facts(test: Predictions, settings: ReportSettings) -> dict[str, Any]:
    n_unknown = sum(patient is None for patient in test.patients)
    unit = "case" if n_unknown == len(test) else "patient"
    return {
        "method": f"{_INTERVALS[settings.interval]}, resampling patients with all their cases; a case of unknown "
        "patient stands for itself; thresholds and calibration are held fixed",
        "unit": unit,
        "level": 0.95,
        "n_resamples": settings.n_resamples,
        "seed": settings.seed,
        "exceptions": "ECE: reverse percentile, down to 0 if chance alone would give the value; in simulated "
        "studies it held the truth in 88 to 98 %. Proportions and AUC "
        "of exactly 0 or 1: Wilson, with the number of patients (for AUC, of pairs that share no patient). Curves: "
        "pointwise percentile bands. DeLong's interval, given beside the AUC, takes cases as independent.",
    }


def _confusion_facts(test: Predictions, labels: list[dict[str, Any]]) -> dict[str, Any] | None:
    if test.kind == "multilabel":
        return None
    if test.kind == "multiclass":
        how = "highest probability"
        counts = ClassStatistics(test.y_true, test.probabilities).table().astype(int).tolist()
    else:
        how, table = "operating point", labels[0]["table"]
        counts = [[table["tn"], table["fp"]], [table["fn"], table["tp"]]]
    return {"rows": "reference", "columns": "predicted", "predicted_by": how, "counts": counts}


def _scarce(fitting: Predictions) -> list[str]:
    """Name the labels whose threshold was chosen on so few cases of a class that chance chose it."""
    counts = [(label, int((y_true == 1).sum()), int((y_true == 0).sum())) for label, y_true, _ in fitting.targets()]
    return [
        f"{label}: the threshold was chosen on {positive} positive and {negative} negative cases; chance decided much"
        for label, positive, negative in counts
        if 0 < min(positive, negative) < FEW_PATIENTS
    ]


def _warnings(
    predictions: Predictions, test_section: str, deciding: list[ChosenThreshold], calibration: Calibration | None
) -> list[str]:
    patients = {name: set(predictions.section(name).patients) - {None} for name in predictions.section_names}
    tested = patients.pop(test_section)
    shared = [
        f"{len(others & tested)} patient(s) are in {name} and in {test_section}: the numbers flatter the model"
        for name, others in patients.items()
        if others & tested
    ]
    uncalibrated = [
        f"{scaling.label or 'all classes'}: the probabilities are not calibrated, because {scaling.reason}"
        for scaling in (calibration.scalings if calibration else ())
        if scaling.reason
    ]
    return [*shared, *(chosen.reason for chosen in deciding if chosen.reason), *uncalibrated]
