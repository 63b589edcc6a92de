"""Two evaluations of the same cases side by side: paired tests, and intervals of the differences."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from lungscan_monai.errors import DataError, NotComputableError
from lungscan_monai.evaluation.averages import AVERAGED
from lungscan_monai.evaluation.estimates import computed, enough_patients, not_computable, rounded, with_interval
from lungscan_monai.evaluation.predictions import Predictions, Target, load_predictions
from lungscan_monai.evaluation.report import REPORT_VERSION
from lungscan_monai.evaluation.statistics import LABEL_STATISTICS, SMALLER_CLASS, ClassStatistics, LabelStatistics
from lungscan_monai.metrics.delong import delong_difference, two_sided_p
from lungscan_monai.metrics.draws import Draws, combined, draws_of_all
from lungscan_monai.metrics.intervals import Bootstrap, patient_clusters
from lungscan_monai.metrics.paired import holm, mcnemar

COMPARISON_VERSION = 1


@dataclass(frozen=True, eq=False)
class Evaluated:
    """One evaluation as it lies in its folder.

    Args:
        name: Names of the folder and of the one above it, which says whose evaluation it is.
        test: Predictions of its test section.
        report: Its report.
    """

    name: str
    test: Predictions
    report: dict[str, Any]

    def called(self, index: int, target: Target) -> np.ndarray:
        """Return whether each case is called positive for a label, as the evaluation decided."""
        if self.test.kind == "multiclass":
            return self.test.probabilities.argmax(axis=1) == index
        return target.y_score >= self.report["labels"][index]["operating_point"]["threshold"]


def load_evaluation(folder: str | os.PathLike) -> Evaluated:
    """Read what `lungscan evaluate` left in a folder.

    Raises:
        DataError: If `report.json` or `predictions.csv` is missing, damaged, or of another version.
    """
    folder = Path(folder)
    path = folder / "report.json"
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
        version, section = report["report_version"], report["sections"]["test"]["name"]
    except FileNotFoundError as error:
        raise DataError(f"{folder}: there is no report.json; give the folder that `lungscan evaluate` wrote") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: not the report of an evaluation ({error}); evaluate again") from error
    if version != REPORT_VERSION:
        raise DataError(f"{path}: is of version {version}, expected {REPORT_VERSION}; evaluate again")
    return Evaluated("/".join(folder.resolve().parts[-2:]), load_predictions(folder).section(section), report)


def compare(
    first: Evaluated, second: Evaluated, n_resamples: int = 2000, seed: int = 0, interval: str = "percentile"
) -> dict[str, Any]:
    """Compare two evaluations; every difference is second minus first.

    Args:
        first: One evaluation.
        second: Another one, of the same cases.
        n_resamples: Number of bootstrap resamples of patients, the same for both.
        seed: Of the bootstrap.
        interval: ``"percentile"`` or ``"bca"``.

    Returns:
        What `compare.json` holds.

    Raises:
        DataError: If the two are not of the same labels, cases, reference labels and patients.
        NotComputableError: If the interval is unknown, or there is less than one resample.
    """
    second = _in_the_order_of(first, second)
    both = (first, second)
    statistics = [_label_statistics(one) for one in both]
    classes = [_class_statistics(one) for one in both]
    parts = [*statistics[0], *statistics[1], *classes[0], *classes[1]]
    bootstrap = Bootstrap(patient_clusters(first.test.patients), n_resamples, seed)
    draws = draws_of_all([part.columns for part in parts], bootstrap, interval)
    n_labels = len(statistics[0])
    pairs = list(zip(draws[:n_labels], draws[n_labels : 2 * n_labels], strict=True))
    labels = [_label(both, index, statistics, pair) for index, pair in enumerate(pairs)]
    _correct(labels)
    return {
        "comparison_version": COMPARISON_VERSION,
        "kind": first.test.kind,
        "first": _facts(first),
        "second": _facts(second),
        "cases": len(first.test),
        "patients": bootstrap.n_clusters,
        "intervals": {"method": interval, "level": 0.95, "n_resamples": n_resamples, "seed": seed},
        "labels": labels,
        "overall": {
            "macro": None if n_labels == 1 else _differences(AVERAGED, _macro(pairs), _fewest(first, statistics[0])),
            "classes": _classes(both, classes, draws[2 * n_labels :]),
        },
        "warnings": _warnings(both),
    }


def _in_the_order_of(first: Evaluated, second: Evaluated) -> Evaluated:
    """Check that both are of the same cases, and bring those of the second into the order of the first."""
    ours, theirs = first.test, second.test
    if (ours.kind, ours.label_names) != (theirs.kind, theirs.label_names):
        raise DataError(
            f"{first.name} is of {', '.join(ours.label_names)} ({ours.kind}), {second.name} of "
            f"{', '.join(theirs.label_names)} ({theirs.kind}); only evaluations of the same labels can be compared"
        )
    here, there = set(ours.case_ids), set(theirs.case_ids)
    if here != there:
        raise DataError(
            f"the evaluations are not of the same test cases: {len(here - there)} are in {first.name} only, "
            f"{len(there - here)} in {second.name} only, {len(here & there)} in both; evaluate both on one datalist"
        )
    place = {case: index for index, case in enumerate(theirs.case_ids)}
    ordered = theirs.chosen([place[case] for case in ours.case_ids])
    relabelled = ~np.isclose(ours.y_true, ordered.y_true, equal_nan=True).reshape(len(ours), -1).all(axis=1)
    if relabelled.any():
        raise DataError(f"{int(relabelled.sum())} of {len(ours)} cases have other reference labels in {second.name}")
    moved = sum(one != other for one, other in zip(ours.patients, ordered.patients, strict=True))
    if moved:
        raise DataError(f"{moved} of {len(ours)} cases are of other patients in {second.name}")
    return Evaluated(second.name, ordered, second.report)


def _label_statistics(one: Evaluated) -> list[LabelStatistics]:
    return [
        LabelStatistics(target.y_true, target.y_score, one.called(index, target))
        for index, target in enumerate(one.test.targets())
    ]


def _class_statistics(one: Evaluated) -> list[ClassStatistics]:
    return [ClassStatistics(one.test.y_true, one.test.probabilities)] if one.test.kind == "multiclass" else []


def _label(
    both: tuple[Evaluated, Evaluated],
    index: int,
    statistics: Sequence[Sequence[LabelStatistics]],
    draws: tuple[Draws, Draws],
) -> dict[str, Any]:
    first, second = (of_one[index] for of_one in statistics)
    assessed = ~np.isnan(first.y_true)
    right = [(one.called == (one.y_true == 1))[assessed] for one in (first, second)]
    return {
        "label": both[0].report["labels"][index]["label"],
        "positive": int((first.y_true == 1).sum()),
        "negative": int((first.y_true == 0).sum()),
        "metrics": _differences(LABEL_STATISTICS, draws, _smaller_class(both[0], first.y_true)),
        "delong": computed(partial(_delong, first, second)),
        "mcnemar": computed(partial(_mcnemar, *right)),
    }


def _smaller_class(one: Evaluated, y_true: np.ndarray) -> int:
    """Count the patients of the class that has fewer."""
    clusters = patient_clusters(one.test.patients)
    return min(np.unique(clusters[y_true == value]).size for value in (0, 1))


def _differences(names: Sequence[str], draws: tuple[Draws, Draws], n_smaller: int | None = None) -> dict[str, Any]:
    return {
        name: _difference(draws, index, n_smaller if name in SMALLER_CLASS else None)
        for index, name in enumerate(names)
    }


def _difference(draws: tuple[Draws, Draws], index: int, n_smaller: int | None) -> dict[str, Any]:
    """Return a number of both, and the difference with its interval."""
    values = [one.point[index] for one in draws]
    difference = combined(draws, lambda tables: tables[1][:, index] - tables[0][:, index])
    undefined = not_computable(NotComputableError("the cases or the calls do not define it"))
    named = {
        name: undefined if np.isnan(value) else {"value": rounded(value)}
        for name, value in zip(("first", "second"), values, strict=True)
    }
    value, interval = difference.point[0], partial(enough_patients, difference.interval, n_smaller)
    found = undefined if np.isnan(value) else with_interval(value, difference, interval)
    return named | {"difference": found}


def _fewest(one: Evaluated, statistics: Sequence[LabelStatistics]) -> int | None:
    """Count the patients of the smallest class of all labels that have two."""
    sizes = [_smaller_class(one, of_label.y_true) for of_label in statistics]
    return min((size for size in sizes if size), default=None)


def _macro(pairs: Sequence[tuple[Draws, Draws]]) -> tuple[Draws, Draws]:
    """Return the means over the labels that define a number for both."""
    chosen = [LABEL_STATISTICS.index(name) for name in AVERAGED]
    known = ~np.isnan([np.sum([one.point[chosen] for one in pair], axis=0) for pair in pairs])

    def mean(tables: list[np.ndarray]) -> np.ndarray:
        columns = np.stack([table[:, chosen] for table in tables])
        total = np.where(known[:, None], columns, 0.0).sum(axis=0)
        return np.where(known.any(axis=0), total / np.maximum(known.sum(axis=0), 1), np.nan)

    return combined([pair[0] for pair in pairs], mean), combined([pair[1] for pair in pairs], mean)


def _classes(
    both: tuple[Evaluated, Evaluated], classes: Sequence[Sequence[ClassStatistics]], draws: Sequence[Draws]
) -> dict[str, Any] | None:
    if not draws:
        return None
    right = [of_one[0].top_class[0] == 1 for of_one in classes]
    names = tuple(classes[0][0].by_name())
    return {"metrics": _differences(names, (draws[0], draws[1])), "mcnemar": computed(partial(_mcnemar, *right))}


def _delong(first: LabelStatistics, second: LabelStatistics) -> dict[str, Any]:
    found = delong_difference(first.y_true, first.y_score, second.y_score)
    numbers = {name: rounded(getattr(found, name)) for name in ("value", "low", "high", "standard_error")}
    return numbers | {"p": two_sided_p(found)}


def _mcnemar(first: np.ndarray, second: np.ndarray) -> dict[str, Any]:
    found = mcnemar(first, second)
    return {"only_first_right": found.only_first, "only_second_right": found.only_second, "p": found.p}


def _correct(labels: Sequence[dict[str, Any]]) -> None:
    """Add p values corrected for the number of labels."""
    for test in ("delong", "mcnemar"):
        tested = [label[test] for label in labels if "p" in label[test]]
        for entry, corrected in zip(tested, holm([entry["p"] for entry in tested]), strict=True):
            entry["p_holm"] = corrected


def _facts(one: Evaluated) -> dict[str, Any]:
    facts = one.report["facts"]
    known = {name: facts.get(name) for name in ("task", "task_version", "model_sha256", "datalist_sha256")}
    points = {label["label"]: label["operating_point"]["threshold"] for label in one.report["labels"]}
    return {"name": one.name, **known, "calibrated": one.test.raw_probabilities is not None, "thresholds": points}


def _warnings(both: tuple[Evaluated, Evaluated]) -> list[str]:
    first, second = map(_facts, both)
    found = []
    if first["model_sha256"] is not None and first["model_sha256"] == second["model_sha256"]:
        found.append("both evaluations are of the same model")
    if first["calibrated"] != second["calibrated"]:
        found.append("one has calibrated probabilities, the other has not: Brier score and calibration error show that")
    return found
