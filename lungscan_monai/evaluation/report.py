"""The report of an evaluation: one dictionary that JSON can hold, from which pages and figures are made.

Thresholds are chosen in one section and applied in another; every number has an interval from one bootstrap over the
patients of the test section. Equal input gives equal bytes: whatever changes from run to run is a fact that the caller
gives. Neither case nor patient is named.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from lungscan_monai.errors import DataError, NotComputableError
from lungscan_monai.evaluation.predictions import Predictions
from lungscan_monai.evaluation.results import SectionResults
from lungscan_monai.evaluation.statistics import ClassStatistics
from lungscan_monai.metrics.calibration import N_BINS
from lungscan_monai.metrics.decisions import DEFAULT_THRESHOLD
from lungscan_monai.metrics.operating_points import fit_operating_point, require_rule

REPORT_VERSION = 1


def build_report(
    predictions: Predictions,
    *,
    threshold_section: str = "validation",
    test_section: str = "test",
    rule: str = "youden",
    target: float | None = None,
    n_resamples: int = 2000,
    seed: int = 0,
    facts: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Compute everything that the report says.

    Args:
        predictions: All predictions, of both sections.
        threshold_section: Where the thresholds are chosen. If no case is from it, they are 0.5 and the report says so.
        test_section: Where everything is measured.
        rule: How the thresholds are chosen; see :mod:`lungscan_monai.metrics.operating_points`.
        target: Required sensitivity or specificity in [0, 1] for the rules that need one.
        n_resamples: Number of bootstrap resamples.
        seed: Of the bootstrap.
        facts: What made the predictions: hashes of model and datalist, versions, seed, command; as JSON can hold it.

    Returns:
        The report; :mod:`lungscan_monai.evaluation.estimates` says how a number looks.

    Raises:
        DataError: If no case is from `test_section`, or the two sections are the same.
        NotComputableError: If the rule is unknown or its target is missing.
    """
    require_rule(rule, target)
    if threshold_section == test_section:
        raise DataError(f"thresholds chosen and measured in {test_section!r} flatter the model; name two sections")
    test = predictions.section(test_section)
    chosen_on = predictions.section(threshold_section) if threshold_section in predictions.section_names else None
    points = _operating_points(test, chosen_on, threshold_section, rule, target)
    results = SectionResults(test, [point["threshold"] for point in points], n_resamples, seed)
    labels = [results.label(index) | {"operating_point": point} for index, point in enumerate(points)]
    return {
        "report_version": REPORT_VERSION,
        "kind": predictions.kind,
        "label_names": list(predictions.label_names),
        "sections": {
            "threshold": _section_facts(threshold_section, chosen_on),
            "test": _section_facts(test_section, test),
        },
        "intervals": _interval_facts(test, n_resamples, seed),
        "calibration": {"binning": "equal mass (quantiles of the probabilities)", "n_bins": N_BINS},
        "overall": results.overall(labels),
        "confusion_matrix": _confusion_facts(test, labels),
        "labels": labels,
        "warnings": _warnings(predictions, test_section, points),
        "facts": {**predictions.facts, **(facts or {})},
    }


def _operating_points(
    test: Predictions, chosen_on: Predictions | None, section: str, rule: str, target: float | None
) -> list[dict[str, Any]]:
    if chosen_on is None:
        error = NotComputableError(f"there is no section {section!r} to choose it in")
        return [_default_point(label, error) for label, _, _ in test.targets()]
    points = []
    for label, y_true, y_score in chosen_on.targets():
        try:
            point = fit_operating_point(y_true, y_score, rule, target, section)
        except NotComputableError as error:
            points.append(_default_point(label, error))
        else:
            points.append(asdict(point) | {"target": target, "reason": None})
    return points


def _default_point(label: str, error: NotComputableError) -> dict[str, Any]:
    return {
        "threshold": DEFAULT_THRESHOLD,
        "rule": "default",
        "sensitivity": None,
        "specificity": None,
        "fitted_on": None,
        "n": 0,
        "target": None,
        "reason": f"{label}: the threshold is {DEFAULT_THRESHOLD}, not chosen, because {error}",
    }


def _section_facts(name: str, section: Predictions | None) -> dict[str, Any]:
    patients = () if section is None else section.patients
    return {
        "name": name,
        "cases": len(patients),
        "known_patients": len({patient for patient in patients if patient is not None}),
        "cases_of_unknown_patient": sum(patient is None for patient in patients),
    }


def _interval_facts(test: Predictions, n_resamples: int, seed: int) -> dict[str, Any]:
    n_unknown = sum(patient is None for patient in test.patients)
    unit = "case" if n_unknown == len(test) else "patient"
    return {
        "method": "percentile bootstrap, resampling patients with all their cases; a case of unknown patient stands "
        "for itself; thresholds are held fixed",
        "unit": unit,
        "level": 0.95,
        "n_resamples": n_resamples,
        "seed": seed,
        "exceptions": "ECE: reverse percentile, down to 0 if chance alone would give the value; in simulated "
        "studies it held the truth in 88 to 98 %. Proportions and AUC "
        "of exactly 0 or 1: Wilson, with the number of patients (for AUC, of pairs that share no patient).",
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


def _warnings(predictions: Predictions, test_section: str, points: list[dict[str, Any]]) -> list[str]:
    patients = {name: set(predictions.section(name).patients) - {None} for name in predictions.section_names}
    tested = patients.pop(test_section)
    shared = [
        f"{len(others & tested)} patient(s) are in {name} and in {test_section}: the numbers flatter the model"
        for name, others in patients.items()
        if others & tested
    ]
    return shared + [point["reason"] for point in points if point["reason"]]
