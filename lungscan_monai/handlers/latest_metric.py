"""The newest value of a validation metric, for a learning-rate schedule that waits for a plateau."""

from __future__ import annotations

from ignite.engine import Engine


class LatestMetric:
    """A callable that MONAI's `LrScheduleHandler` takes as `step_transform`.

    Args:
        evaluator: The evaluator that validates.
        metric: Name of its metric.
    """

    def __init__(self, evaluator: Engine, metric: str) -> None:
        self.evaluator = evaluator
        self.metric = metric

    def __call__(self, trainer: Engine) -> float:
        """Return the metric's value after the latest validation."""
        return self.evaluator.state.metrics[self.metric]
