"""Whether the test cases look like the validation cases: fitted on these, counted on those."""

from __future__ import annotations

from typing import Any

import numpy as np

from lungscan_monai.errors import NotComputableError
from lungscan_monai.evaluation.estimates import rounded
from lungscan_monai.evaluation.predictions import Predictions
from lungscan_monai.metrics.familiarity import NEIGHBOUR, Familiarity, fit_familiarity
from lungscan_monai.metrics.intervals import patient_clusters, wilson_interval


def fitted_check(features: np.ndarray, predictions: Predictions, section: str, quantile: float) -> Familiarity:
    """Fit the check on the cases of one section.

    Args:
        features: Pooled features of all cases, in the order of `predictions`.
        predictions: The cases.
        section: Name of the section.
        quantile: Share of its cases that shall count as familiar, in (0, 1).

    Raises:
        NotComputableError: If the cases are too few.
    """
    chosen = [index for index, name in enumerate(predictions.sections) if name == section]
    clusters = patient_clusters([predictions.patients[index] for index in chosen])
    return fit_familiarity(features[chosen], clusters, quantile)


def check_facts(
    check: Familiarity, features: np.ndarray, predictions: Predictions, fitted_on: str, tested: str
) -> dict[str, Any]:
    """Return what the report says: the limit, and how many test cases lie beyond it.

    Args:
        check: What was fitted.
        features: Pooled features of all cases, in the order of `predictions`.
        predictions: The cases.
        fitted_on: Name of the section it was fitted on.
        tested: Name of the section that is counted.
    """
    chosen = [index for index, name in enumerate(predictions.sections) if name == tested]
    strange = check.distances(features[chosen]) > check.limit
    share = wilson_interval(int(strange.sum()), len(chosen))
    return {
        "method": f"distance of the pooled features, at length 1, to the {NEIGHBOUR}th nearest of "
        f"{len(check.references)} cases of {fitted_on}; familiar up to the quantile of these cases themselves",
        "quantile": check.quantile,
        "limit": rounded(check.limit),
        "fitted_cases": check.n,
        "cases": len(chosen),
        "not_assessable": int(strange.sum()),
        "share": {name: rounded(getattr(share, name)) for name in ("value", "low", "high")}
        | {"interval": "Wilson, cases taken as independent"},
    }


def no_check(reason: str) -> dict[str, str]:
    """Return what the report says where nothing was fitted."""
    return {"not_computable": f"because {NotComputableError(reason)}"}
