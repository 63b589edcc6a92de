"""Answers of a binary model, and what was measured of it, made by hand."""

from __future__ import annotations

from pathlib import Path

from lungscan_monai.apps.evidence import Evidence
from lungscan_monai.inference.answering import Prediction
from lungscan_monai.inference.studies import Analysed, ModelIdentity
from lungscan_monai.metrics.operating_points import OperatingPoint

POINT = OperatingPoint(0.4, "target_sensitivity", 0.95, 0.9, "validation", 100, 0.95)
SHARE = {"value": 0.93, "low": 0.89, "high": 0.96}


def identity(kind="binary", names=("Normal", "Pneumonia"), points=None) -> ModelIdentity:
    points = {"Pneumonia": POINT} if points is None else points
    return ModelIdentity(
        name="pneumonia",
        title="Pneumonia?",
        version="0.1.0",
        sha256="ab" * 32,
        kind=kind,
        label_names=names,
        label_codes=(),
        calibrated=True,
        operating_points=points,
        intended_use="Research",
        backend="torch",
        fitted="",
    )


def evidence(smallest=None, label="Pneumonia", kind="binary") -> Evidence:
    entry = {"label": label, "metrics": {"sensitivity": SHARE, "specificity": SHARE}}
    sets = {"prediction_sets": {"smallest_probability": smallest, "stated_coverage": 0.95}} if smallest else {}
    overall = sets if kind == "multiclass" else {}
    return Evidence(Path(), {"kind": kind, "labels": [{**entry, **({} if overall else sets)}], "overall": overall})


def analysed(probability: float) -> Analysed:
    label = "Pneumonia" if probability >= 0.4 else "Normal"
    answer = Prediction("a.png", {"Normal": 1 - probability, "Pneumonia": probability}, label, 0.4)
    return Analysed((Path("a.png"),), answer)
