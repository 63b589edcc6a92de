"""What was measured on single heatmaps becomes numbers with intervals over patients, as the report holds them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import numpy as np

from lungscan_monai.errors import NotComputableError
from lungscan_monai.evaluation.estimates import estimate, not_computable, rounded
from lungscan_monai.evaluation.settings import ReportSettings
from lungscan_monai.metrics.draws import draws_of_all
from lungscan_monai.metrics.intervals import Bootstrap, patient_clusters
from lungscan_monai.saliency.measures import SALIENT_SHARE, TOLERANCE, Agreement
from lungscan_monai.saliency.perturbation import GRID, STEPS, Curves
from lungscan_monai.saliency.randomisation import Likeness
from lungscan_monai.saliency.shortcuts import BORDER, Elsewhere

_Found = TypeVar("_Found")


@dataclass(frozen=True)
class OfHeatmap(Generic[_Found]):
    """What was measured of one heatmap.

    Args:
        patient: Patient of the case, None where unknown.
        label: Name of the explained label.
        called: Whether the model called it present.
        found: What was measured.
    """

    patient: str | None
    label: str
    called: bool
    found: _Found


@dataclass
class Measured:
    """Everything that was measured, heatmap by heatmap.

    Args:
        lesions: Of findings whose place is known.
        elsewhere: Shares of saliency outside the body, at the border and on letters.
        curves: Deletion and insertion.
        likeness: For each stage of randomised weights, how alike the maps were; None where one had no order.
    """

    lesions: list[OfHeatmap[Agreement]] = field(default_factory=list)
    elsewhere: list[OfHeatmap[Elsewhere]] = field(default_factory=list)
    curves: list[OfHeatmap[Curves]] = field(default_factory=list)
    likeness: dict[str, list[OfHeatmap[Likeness | None]]] = field(default_factory=dict)


def localisation(lesions: Sequence[OfHeatmap[Agreement]], settings: ReportSettings) -> dict[str, Any] | None:
    """Return how often and how well heatmaps show the finding; None where no place is known.

    Of all findings, of those that were called present (`..._called`), and of each label.
    """
    if not lesions:
        return None
    called = [lesion for lesion in lesions if lesion.called]

    def numbers(some: Sequence[OfHeatmap[Agreement]]) -> dict[str, Any]:
        return {
            "pointing_game": _mean(some, lambda f: f.hit, settings, lambda f: f.hit_by_chance, proportion=True),
            "saliency_inside": _mean(some, lambda f: f.inside, settings, lambda f: f.inside_by_chance),
            "iou": _mean(some, lambda f: f.iou, settings, lambda f: f.iou_by_chance),
        }

    of_called = {f"{name}_called": entry for name, entry in numbers(called).items()}
    fixed = {"tolerance": TOLERANCE, "salient_share": SALIENT_SHARE}
    return fixed | _with_labels(lesions, numbers) | {"called": {**_counts(called), **of_called}}


def faithfulness(curves: Sequence[OfHeatmap[Curves]], settings: ReportSettings) -> dict[str, Any] | None:
    """Return the mean areas under deletion and insertion curves, beside those of a random order; None without cases.

    A gain above 0 says that the map knows more than chance: deletion falls faster, insertion rises faster. Where the
    emptied image has the label, too, as a blurred lung may look like pneumonia, there is little to fall or rise.
    """
    if not curves:
        return None
    kinds: dict[str, Callable[[Curves], float]] = {
        "deletion": lambda found: found.deletion,
        "deletion_random": lambda found: found.deletion_random,
        "deletion_gain": lambda found: found.deletion_random - found.deletion,
        "insertion": lambda found: found.insertion,
        "insertion_random": lambda found: found.insertion_random,
        "insertion_gain": lambda found: found.insertion - found.insertion_random,
        "probability_whole": lambda found: found.whole,
        "probability_emptied": lambda found: found.emptied,
    }

    def numbers(some: Sequence[OfHeatmap[Curves]]) -> dict[str, Any]:
        return {name: _mean(some, of, settings) for name, of in kinds.items()}

    return {"grid": [GRID, GRID], "steps": STEPS} | _with_labels(curves, numbers)


def dependence_on_weights(
    likeness: Mapping[str, Sequence[OfHeatmap[Likeness | None]]], settings: ReportSettings
) -> dict[str, Any] | None:
    """Return how alike maps stay when weights are drawn anew, stage by stage; None without cases.

    Near 0 is good. A map without order (the same everywhere) cannot be compared and is counted.
    """
    if not likeness:
        return None
    numbers: dict[str, Any] = {}
    for stage, found in likeness.items():
        kept = [each for each in found if each.found is not None]
        name = stage.replace(" ", "_")
        ranks = _mean(kept, lambda pair: pair.rank_correlation, settings)
        numbers[f"rank_correlation_{name}"] = ranks | {"not_compared": len(found) - len(kept)}
        numbers[f"ssim_{name}"] = _mean(kept, lambda pair: pair.ssim, settings)
    return {**_counts(next(iter(likeness.values()))), **numbers}


def shortcuts(elsewhere: Sequence[OfHeatmap[Elsewhere]], settings: ReportSettings) -> dict[str, Any] | None:
    """Return the mean shares of saliency outside the body, at the border and on letters; None without cases.

    Cases whose body cannot be told from its surroundings are left out of the first, those without letters of the last,
    which is there if letters were looked for.
    """
    if not elsewhere:
        return None

    def numbers(some: Sequence[OfHeatmap[Elsewhere]]) -> dict[str, Any]:
        bodies = [each for each in some if each.found.outside_body is not None]
        searched = any(each.found.text_area is not None for each in some)
        written = [each for each in some if each.found.text is not None]
        text = _mean(written, lambda f: f.text, settings, lambda f: f.text_area) | {"n": len(written)}
        outside = _mean(bodies, lambda f: f.outside_body, settings, lambda f: f.outside_body_area)
        return {
            "outside_body": outside | {"n": len(bodies)},
            "border": _mean(some, lambda f: f.border, settings, lambda f: f.border_area),
            **({"text": text} if searched else {}),
        }

    return {"border_width": BORDER} | _with_labels(elsewhere, numbers)


def shortcut_warnings(found: Mapping[str, Any] | None) -> list[str]:
    """Say where more saliency lies elsewhere than a map that is everywhere alike would put there."""
    places = {
        "outside_body": "outside the body",
        "border": f"in the outer {BORDER:.0%} of the image, where markers are",
        "text": "on what looks like burned-in text",
    }
    parts = [] if found is None else found["labels"] or [{"label": None, **found}]
    return [
        f"{part['label'] + ': ' if part['label'] else ''}{_percent(entry['value'])} of the saliency lies {place}, "
        f"which is {_percent(entry['by_chance'])} of the area; look at the heatmaps for a shortcut"
        for part in parts
        for name, place in places.items()
        if (entry := part.get(name, {})).get("low") is not None and entry["low"] > entry["by_chance"]
    ]


def _percent(share: float) -> str:
    """Return a share in per cent, small ones with a decimal: letters cover a fraction of a per cent."""
    return f"{share:.0%}" if share >= 0.1 else f"{share:.1%}"


def _with_labels(
    items: Sequence[OfHeatmap[Any]], numbers: Callable[[Sequence[OfHeatmap[Any]]], dict[str, Any]]
) -> dict[str, Any]:
    """Return the numbers of all heatmaps and, where several labels were explained, of each."""
    labels = list(dict.fromkeys(item.label for item in items))
    parts = [[item for item in items if item.label == label] for label in labels] if len(labels) > 1 else []
    of_labels = [{"label": part[0].label, **_counts(part), **numbers(part)} for part in parts]
    return {**_counts(items), **numbers(items), "labels": of_labels}


def _counts(items: Sequence[OfHeatmap[Any]]) -> dict[str, int]:
    return {"cases": len(items), "patients": len(set(patient_clusters([item.patient for item in items]).tolist()))}


def _mean(
    items: Sequence[OfHeatmap[_Found]],
    value: Callable[[_Found], float],
    settings: ReportSettings,
    by_chance: Callable[[_Found], float] | None = None,
    proportion: bool = False,
) -> dict[str, Any]:
    """Return a mean over heatmaps with its interval over patients, and what chance gives on the same ones."""
    if not items:
        return not_computable(NotComputableError("there is no such case"))
    column = np.array([value(item.found) for item in items], dtype=np.float64)[:, None]

    def mean(weights: np.ndarray) -> np.ndarray:
        return weights @ column / weights.sum(axis=1, keepdims=True)

    bootstrap = Bootstrap(patient_clusters([item.patient for item in items]), settings.n_resamples, settings.seed)
    (draws,) = draws_of_all([mean], bootstrap, settings.interval)
    entry = estimate(lambda: float(column.mean()), draws, bootstrap.n_clusters if proportion else 0)
    if by_chance is None:
        return entry
    return entry | {"by_chance": rounded(float(np.mean([by_chance(item.found) for item in items])))}
