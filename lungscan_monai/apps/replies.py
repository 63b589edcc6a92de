"""What the service answers, as data: the fields that OpenAPI describes, and how they come from a model's answer."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field

from lungscan_monai.apps.evidence import Evidence
from lungscan_monai.apps.models import Offer, ServedModel
from lungscan_monai.apps.pictures import as_png, map_of, overlay_of
from lungscan_monai.apps.problems import NOTICE, Rejected
from lungscan_monai.inference.answering import Prediction, Reject
from lungscan_monai.inference.studies import Analysed, Heatmap
from lungscan_monai.metrics.decisions import DEFAULT_THRESHOLD


class Measured(BaseModel):
    """A number measured on test data."""

    value: float
    low: float | None = Field(description="Lower end of the interval.")
    high: float | None = Field(description="Upper end of the interval.")


class Threshold(BaseModel):
    """From which probability on a label is called, and what that gave."""

    threshold: float
    fitted: bool = Field(description="Whether it was fitted with this model; else it is 0.5.")
    rule: str | None = Field(None, description="How it was chosen.")
    fitted_on: str | None = None
    cases: int | None = Field(None, description="Cases that it was chosen on.")
    sensitivity: Measured | None = Field(
        None, description="On the test data of this model's evaluation, if there is one."
    )
    specificity: Measured | None = None


class ModelFacts(BaseModel):
    """Which model it is."""

    name: str
    title: str
    version: str
    sha256: str = Field(description="Of the weights.")
    kind: str = Field(description="`binary`, `multiclass` or `multilabel`.")
    labels: list[str]
    modalities: list[str]
    calibrated: bool = Field(description="Whether probabilities are calibrated.")
    intended_use: str
    demonstration: bool = Field(description="Whether it was trained on simulated pictures only: for trying out.")
    thresholds: dict[str, Threshold] = Field(description="Of those labels that a threshold decides.")


class Models(BaseModel):
    """The models that are served; the first is the one that answers where none is named."""

    models: list[ModelFacts]
    notice: str = NOTICE


class Series(BaseModel):
    """How the slices of a series came to one answer."""

    slices: int
    places: int
    duplicates: int
    gaps: int
    spacing: float | None = Field(description="Millimetres between slices.")
    geometry: str


class Map(BaseModel):
    """Where the model looked for one label."""

    file: str
    label: str
    probability: float
    method: str
    overlay_png: str = Field(description="Picture with heatmap; base64 of a PNG.")
    map_png: str = Field(description="Heatmap alone, grey; base64 of a PNG.")


class Result(BaseModel):
    """The answer for one picture, or one series of slices."""

    files: list[str]
    probabilities: dict[str, float]
    label: str | None = Field(description="The decision; null for several findings.")
    findings: list[str] | None = Field(
        description="Of several findings those called present; null for exclusive classes."
    )
    threshold: float | None = Field(description="Applied in a binary task.")
    series: Series | None
    left_out: list[Rejected] = Field([], description="Slices of the series that took no part.")
    heatmaps: list[Map] = Field([], description="Filled by `/v1/explain`.")


class Answer(BaseModel):
    """What a model says about the files of one request."""

    model: ModelFacts
    results: list[Result]
    rejected: list[Rejected]
    notice: str = NOTICE


class Health(BaseModel):
    """Whether the service answers."""

    status: str = "ok"
    models: int
    version: str
    notice: str = NOTICE


@dataclass(frozen=True, eq=False)
class Names:
    """What files were called, by where they lie."""

    shown: Mapping[Path, str]

    def of(self, path: Path | str) -> str:
        """Return a file's own name; a file of no request, which there is none of, has no name."""
        return self.shown.get(Path(path), "")

    def rejected(self, reject: Reject, sources: Sequence[Path] = ()) -> Rejected:
        """Return a reject under the name of its file, or of the first of its files."""
        name = self.of(sources[0]) if sources else self.of(reject.case)
        return Rejected(file=name, code=reject.code, reason=reject.reason)


def facts_of(served: ServedModel, offer: Offer, evidence: Evidence | None) -> ModelFacts:
    """Return which model it is and what was measured of it."""
    identity, task = served.identity, offer.task
    decided = {"binary": identity.label_names[1:], "multilabel": identity.label_names}.get(identity.kind, ())
    return ModelFacts(
        name=offer.name,
        title=identity.title,
        version=identity.version,
        sha256=identity.sha256,
        kind=identity.kind,
        labels=list(identity.label_names),
        modalities=list(task.modalities),
        calibrated=identity.calibrated,
        intended_use=identity.intended_use,
        demonstration=offer.is_demonstration,
        thresholds={label: _threshold(label, served, evidence) for label in decided},
    )


def result_of(analysed: Analysed, answer: Prediction, heatmaps: Sequence[Heatmap], names: Names) -> Result:
    """Return the answer for one picture or series."""
    return Result(
        files=[names.of(path) for path in analysed.sources],
        probabilities=answer.probabilities,
        label=answer.label,
        findings=None if answer.findings is None else list(answer.findings),
        threshold=answer.threshold,
        series=_series(analysed),
        left_out=[names.rejected(reject) for reject in analysed.left_out],
        heatmaps=[_map(heatmap, answer, names) for heatmap in heatmaps],
    )


def _threshold(label: str, served: ServedModel, evidence: Evidence | None) -> Threshold:
    point = served.identity.operating_points.get(label)
    if point is None:
        return Threshold(threshold=DEFAULT_THRESHOLD, fitted=False)
    metrics = (evidence.of_label(label) or {}).get("metrics", {}) if evidence else {}
    shares = {name: _measured(metrics.get(name, {})) for name in ("sensitivity", "specificity")}
    return Threshold(
        threshold=point.threshold, fitted=True, rule=point.rule, fitted_on=point.fitted_on, cases=point.n, **shares
    )


def _measured(entry: Mapping[str, Any]) -> Measured | None:
    if "value" not in entry:
        return None
    return Measured(value=entry["value"], low=entry.get("low"), high=entry.get("high"))


def _series(analysed: Analysed) -> Series | None:
    if analysed.series is None:
        return None
    facts = asdict(analysed.series)
    spacing = facts["spacing"] if facts["spacing"] is not None and math.isfinite(facts["spacing"]) else None
    return Series(**{name: facts[name] for name in Series.model_fields if name != "spacing"}, spacing=spacing)


def _map(heatmap: Heatmap, answer: Prediction, names: Names) -> Map:
    pictures = {"overlay_png": overlay_of(heatmap), "map_png": map_of(heatmap)}
    return Map(
        file=names.of(heatmap.source),
        label=heatmap.label,
        probability=answer.probabilities[heatmap.label],
        method=heatmap.method,
        **{name: base64.b64encode(as_png(picture)).decode() for name, picture in pictures.items()},
    )
