"""What the intervals of a whole report cost: every number of a multi-label task on resamples of its patients.

The predictions are simulated: correlated findings of differing prevalence, two images of each patient. Both the whole
report (averages, calibration, operating points, decision curves, subgroups) and its bootstrap of the main numbers alone
are timed, in CPU seconds of one core.

    python scripts/benchmarks/bootstrap.py --cases 10000 --labels 14 --resamples 2000
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
from scipy.special import expit
from threadpoolctl import threadpool_limits

from lungscan_monai.evaluation.predictions import Predictions
from lungscan_monai.evaluation.report import build_report
from lungscan_monai.evaluation.settings import ReportSettings
from lungscan_monai.evaluation.statistics import LabelStatistics
from lungscan_monai.metrics.draws import INTERVAL_METHODS, draws_of_all
from lungscan_monai.metrics.intervals import Bootstrap, patient_clusters

GOAL_SECONDS = 20
PER_PATIENT = 2
VALIDATION_SHARE = 0.1


def simulated(n_cases: int, n_labels: int) -> Predictions:
    """Return predictions of a test section of `n_cases` and a small validation section."""
    rng = np.random.default_rng(0)
    n_validation = int(n_cases * VALIDATION_SHARE)
    total = n_cases + n_validation
    y_true = (rng.random((total, n_labels)) < np.linspace(0.02, 0.3, n_labels)).astype(np.float64)
    scores = rng.normal(size=(total, n_labels)) + rng.normal(size=(total, 1)) + 2 * y_true - 2.5
    return Predictions(
        case_ids=tuple(f"case{number}" for number in range(total)),
        patients=tuple(f"patient{number // PER_PATIENT}" for number in range(total)),
        sections=("validation",) * n_validation + ("test",) * n_cases,
        y_true=y_true,
        probabilities=expit(scores),
        label_names=tuple(f"finding {number}" for number in range(n_labels)),
        kind="multilabel",
    )


def main_numbers(test: Predictions, settings: ReportSettings) -> None:
    """Draw the numbers of every label alone: AUC, average precision, the eight of the table, Brier, ECE, ROC band."""
    labels = [LabelStatistics(y_true, y_score, y_score >= 0.5) for _, y_true, y_score in test.targets()]
    bootstrap = Bootstrap(patient_clusters(test.patients), settings.n_resamples, settings.seed)
    draws_of_all([label.columns for label in labels], bootstrap, settings.interval)


def seconds(work: Callable[[], object]) -> float:
    """Return how much CPU time `work` takes, which a busy machine does not change."""
    start = time.process_time()
    work()
    return time.process_time() - start


def main() -> None:
    """Print one line for each amount of work."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--labels", type=int, default=14)
    parser.add_argument("--resamples", type=int, default=2000)
    parser.add_argument("--interval", choices=INTERVAL_METHODS, default="percentile")
    arguments = parser.parse_args()
    predictions = simulated(arguments.cases, arguments.labels)
    settings = ReportSettings(n_resamples=arguments.resamples, interval=arguments.interval)
    size = f"{arguments.cases} cases x {arguments.labels} labels x {arguments.resamples} resamples"
    print(f"{size}, {arguments.interval}, one core")
    with threadpool_limits(1):
        alone = seconds(lambda: main_numbers(predictions.section("test"), settings))
        print(f"  main numbers of every label {alone:7.1f} s   (goal: under {GOAL_SECONDS} s)", flush=True)
        print(f"  whole report                {seconds(lambda: build_report(predictions, settings)):7.1f} s")


if __name__ == "__main__":
    main()
