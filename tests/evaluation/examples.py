"""Small simulated predictions of each kind of task."""

from __future__ import annotations

import numpy as np

from lungscan_monai.evaluation.predictions import Predictions

N_VALIDATION, N_TEST = 60, 90
N_CASES = N_VALIDATION + N_TEST


def _predictions(y_true, probabilities, label_names, kind, changes) -> Predictions:
    parts = {
        "case_ids": tuple(f"case{index}.png" for index in range(N_CASES)),
        "patients": tuple(f"patient{index // 3}" for index in range(N_CASES)),
        "sections": ("validation",) * N_VALIDATION + ("test",) * N_TEST,
        "y_true": y_true,
        "probabilities": probabilities,
        "label_names": label_names,
        "kind": kind,
        "facts": {"model_sha256": "ab12"},
    }
    return Predictions(**(parts | changes))


def binary(**changes) -> Predictions:
    """Two exclusive classes that a model tells apart fairly well."""
    rng = np.random.default_rng(1)
    y_true = rng.integers(0, 2, N_CASES)
    positive = 1 / (1 + np.exp(-(rng.normal(size=N_CASES) + 2.5 * (y_true - 0.5))))
    return _predictions(y_true, np.column_stack([1 - positive, positive]), ("Normal", "Pneumonia"), "binary", changes)


def multiclass(**changes) -> Predictions:
    """Three exclusive classes."""
    rng = np.random.default_rng(2)
    y_true = rng.integers(0, 3, N_CASES)
    odds = np.exp(rng.normal(size=(N_CASES, 3)) + 2 * np.eye(3)[y_true])
    names = ("Normal", "Benign", "Malignant")
    return _predictions(y_true, odds / odds.sum(axis=1, keepdims=True), names, "multiclass", changes)


def multilabel(**changes) -> Predictions:
    """Four findings: two that can be measured, one without a positive case, one never assessed."""
    rng = np.random.default_rng(3)
    y_true = (rng.random((N_CASES, 4)) < 0.3).astype(float)
    probabilities = 1 / (1 + np.exp(-(rng.normal(size=y_true.shape) + 2 * y_true - 1)))
    y_true[rng.random(y_true.shape) < 0.1] = np.nan
    y_true[:, 2] = 0
    y_true[:, 3] = np.nan
    return _predictions(y_true, probabilities, ("Mass", "Edema", "Hernia", "Fibrosis"), "multilabel", changes)


ALL = {"binary": binary, "multiclass": multiclass, "multilabel": multilabel}
