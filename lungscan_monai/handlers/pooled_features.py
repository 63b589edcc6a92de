"""Keep the pooled features of every case while an evaluator runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from ignite.engine import Engine, Events

from lungscan_monai.checkpoints import unwrapped
from lungscan_monai.distributed import gather


class PooledFeatures:
    """What goes into the network's head, for each case, as float16.

    Args:
        engine: A MONAI evaluator of a :class:`~lungscan_monai.networks.TimmClassifier`, whose batches name their cases.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._last: torch.Tensor | None = None
        self._rows: dict[str, np.ndarray] = {}

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Keep the features of all cases that the engine sees meanwhile."""
        hook = unwrapped(self._engine.network).head.register_forward_pre_hook(self._remember)
        with self._engine.add_event_handler(Events.ITERATION_COMPLETED, self._collect):
            try:
                yield
            finally:
                hook.remove()

    def of(self, cases: Sequence[str]) -> np.ndarray:
        """Return the features of some cases, gathered from all ranks, float16, shape ``(n_cases, n_features)``."""
        rows = {case: row for share in gather(self._rows) for case, row in share.items()}
        return np.stack([rows[case] for case in cases])

    def _remember(self, _: Any, inputs: tuple[torch.Tensor, ...]) -> None:
        self._last = inputs[0].detach()

    def _collect(self, engine: Engine) -> None:
        features = self._last.to(torch.float16).cpu().numpy()
        self._rows |= {entry["case"]: row for entry, row in zip(engine.state.batch, features, strict=True)}
