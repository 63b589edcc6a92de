"""How a report is made: what is chosen where, and how its intervals are drawn."""

from __future__ import annotations

from dataclasses import dataclass

from lungscan_monai.errors import DataError
from lungscan_monai.metrics.draws import require_method
from lungscan_monai.metrics.operating_points import require_rule
from lungscan_monai.metrics.selective import require_coverage


@dataclass(frozen=True)
class ReportSettings:
    """The settings of a report.

    Args:
        threshold_section: Where thresholds and prediction sets are fitted. If no case is from it, thresholds are 0.5
            and the report says so.
        test_section: Where everything is measured.
        rule: How the thresholds are chosen; see :mod:`lungscan_monai.metrics.operating_points`.
        target: Required sensitivity or specificity in [0, 1] for the rules that need one.
        n_resamples: Number of bootstrap resamples.
        seed: Of the bootstrap.
        interval: ``"percentile"`` or ``"bca"``.
        coverage: Share of the prediction sets that shall hold the reference label, in (0, 1).
        subgroups: Facts that make subgroups; None takes all that fit, an empty tuple none.

    Raises:
        DataError: If the two sections are the same.
        NotComputableError: If the rule, its target, the interval or the coverage make no sense.
    """

    threshold_section: str = "validation"
    test_section: str = "test"
    rule: str = "youden"
    target: float | None = None
    n_resamples: int = 2000
    seed: int = 0
    interval: str = "percentile"
    coverage: float = 0.95
    subgroups: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        require_rule(self.rule, self.target)
        require_method(self.interval)
        require_coverage(self.coverage)
        if self.threshold_section == self.test_section:
            raise DataError(
                f"thresholds chosen and measured in {self.test_section!r} flatter the model; name two sections"
            )
