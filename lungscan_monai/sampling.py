"""The order in which training cases are drawn."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from ignite import distributed as idist
from torch.utils.data import Sampler


class StratifiedSampler(Sampler[int]):
    """Shuffle so that every batch holds each class in its overall proportion, give or take one case.

    Each class is shuffled and spread evenly over the epoch; the order is that of the places so found. With several
    ranks, rank `r` takes every `num_replicas`-th case starting at `r`; all ranks draw the same number of cases.

    Args:
        records: Training cases with a `label` (an index, or a list for several findings).
        seed: Seed of the order; the epoch is added to it.
        num_replicas: Number of ranks; None takes the running one's.
        rank: Rank of this process; None takes the running one's.
    """

    def __init__(
        self,
        records: Sequence[Mapping[str, Any]],
        seed: int = 0,
        num_replicas: int | None = None,
        rank: int | None = None,
    ) -> None:
        self.seed = seed
        self.num_replicas = idist.get_world_size() if num_replicas is None else num_replicas
        self.rank = idist.get_rank() if rank is None else rank
        self.epoch = 0
        groups: dict[str, list[int]] = defaultdict(list)
        for index, record in enumerate(records):
            groups[str(record["label"])].append(index)
        self._groups = [np.array(group) for _, group in sorted(groups.items())]
        self._count = len(records)

    def set_epoch(self, epoch: int) -> None:
        """Choose the order of this epoch; the same seed and epoch give the same order."""
        self.epoch = epoch

    def __len__(self) -> int:
        return -(-self._count // self.num_replicas)

    def __iter__(self) -> Iterator[int]:
        order = self._order()
        padding = len(self) * self.num_replicas - self._count
        return iter(np.concatenate([order, order[:padding]])[self.rank :: self.num_replicas].tolist())

    def _order(self) -> np.ndarray:
        random = np.random.default_rng([self.seed, self.epoch])
        indices = np.concatenate([random.permutation(group) for group in self._groups])
        places = np.concatenate([(np.arange(len(group)) + random.random()) / len(group) for group in self._groups])
        return indices[np.argsort(places, kind="stable")]
