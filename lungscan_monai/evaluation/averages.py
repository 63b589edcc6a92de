"""Means over the labels, in the three ways that are in use.

Macro: every label counts alike. Weighted: a label counts as often as it is positive. Micro: the labels of all cases are
put together, and each decision counts once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from lungscan_monai.errors import NotComputableError
from lungscan_monai.evaluation.estimates import computed, enough_patients, not_computable, with_interval
from lungscan_monai.evaluation.statistics import CELLS, LABEL_STATISTICS, SMALLER_CLASS
from lungscan_monai.metrics.draws import Draws, combined
from lungscan_monai.metrics.scores import TABLE_SCORES, ratio

AVERAGED = tuple(name for name in LABEL_STATISTICS if name not in ("accuracy", "ece"))
"""Statistics whose means over the labels are reported."""


def averages(
    labels: Sequence[str], draws: Sequence[Draws], pooled: Draws, smaller: Sequence[int]
) -> dict[str, dict[str, Any]]:
    """Return the means of `AVERAGED`, each with its interval and the labels left out because they do not define it.

    Args:
        labels: Names of the labels.
        draws: Columns of :class:`~lungscan_monai.evaluation.statistics.LabelStatistics`, one entry for each label.
        pooled: Columns of :class:`~lungscan_monai.evaluation.statistics.PooledStatistics`.
        smaller: Patients of the smaller class of each label; a macro mean has no interval if one of its labels would
            have none.
    """
    return {
        "macro": {name: _macro(name, labels, draws, smaller) for name in AVERAGED},
        "micro": {name: _micro(name, draws, pooled) for name in AVERAGED},
        "weighted": {name: _mean(name, labels, draws, _positives) for name in AVERAGED},
    }


def _macro(name: str, labels: Sequence[str], draws: Sequence[Draws], smaller: Sequence[int]) -> dict[str, Any]:
    column = LABEL_STATISTICS.index(name)
    counted = [n for n, entry in zip(smaller, draws, strict=True) if not np.isnan(entry.point[column])]
    fewest = min(counted, default=None) if name in SMALLER_CLASS else None
    return _mean(name, labels, draws, lambda table: np.ones(len(table)), fewest)


def _positives(table: np.ndarray) -> np.ndarray:
    return table[:, CELLS][:, 2:].sum(axis=1)


def _cases(table: np.ndarray) -> np.ndarray:
    return table[:, CELLS].sum(axis=1)


def _mean(
    name: str,
    labels: Sequence[str],
    draws: Sequence[Draws],
    weight: Callable[[np.ndarray], np.ndarray],
    fewest: int | None = None,
) -> dict[str, Any]:
    column = LABEL_STATISTICS.index(name)
    known = [index for index, entry in enumerate(draws) if not np.isnan(entry.point[column])]
    if not known:
        return not_computable(NotComputableError("no label defines it"))
    left_out = [label for index, label in enumerate(labels) if index not in known]
    mean = combined([draws[index] for index in known], lambda tables: _weighted_mean(tables, column, weight))
    if np.isnan(mean.point[0]):
        return not_computable(NotComputableError("no label that defines it has a positive case"))
    found = with_interval(mean.point[0], mean, partial(enough_patients, mean.interval, fewest))
    return found | {"labels_left_out": left_out}


def _weighted_mean(tables: list[np.ndarray], column: int, weight: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    weights = np.stack([weight(table) for table in tables])
    values = np.where(weights > 0, [table[:, column] for table in tables], 0.0)
    return ratio((weights * values).sum(axis=0), weights.sum(axis=0), "no label counts")


def _micro(name: str, draws: Sequence[Draws], pooled: Draws) -> dict[str, Any]:
    if name == "brier":
        column = LABEL_STATISTICS.index(name)
        assessed = [entry for entry in draws if not np.isnan(entry.point[column])]
        if not assessed:
            return not_computable(NotComputableError("no case is assessed"))
        mean = combined(assessed, lambda tables: _weighted_mean(tables, column, _cases))
        return with_interval(mean.point[0], mean)
    if name not in TABLE_SCORES:
        column = ("roc_auc", "average_precision").index(name)
        if np.isnan(pooled.point[column]):
            return not_computable(NotComputableError("only one class is present"))
        return with_interval(pooled.point[column], pooled.column(column))
    score = TABLE_SCORES[name]
    summed = combined(draws, lambda tables: score(_summed(tables)))
    table = _summed([entry.point[None] for entry in draws])[0]
    return computed(lambda: with_interval(score(table), summed))


def _summed(tables: list[np.ndarray]) -> np.ndarray:
    return np.sum([table[:, CELLS] for table in tables], axis=0).reshape(-1, 2, 2)
