"""What a comparison on labelled cases found of a lower precision: figures, tolerances, and the verdict that follows.

The verdicts of a model lie beside it in `precision.json`, recorded in the manifest. One holds for one model, what was
fitted with it, one backend and one precision; in int8 also for one file. Nothing here needs torch.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lungscan_monai.errors import CheckpointError, ConfigError
from lungscan_monai.inference.backends.derived import derived_record
from lungscan_monai.inference.backends.quantised import QUANTISED_NAME
from lungscan_monai.storage import Manifest, replacing

VERDICTS_NAME = "precision.json"
"""The verdicts on one model."""

SAME_ANSWERS = 0.05
"""How far the logits of sample pictures may be, as a share of the largest, from those of the comparison: another
processor or another version of a library rounds otherwise, and may saturate where this one did not."""


@dataclass(frozen=True)
class Tolerances:
    """What a lower precision may change on labelled cases to be used.

    Args:
        changed_decisions: Largest share of decisions that change, in [0, 1]. A decision is the label of a case, or
            whether a finding is called present, or whether a case is assessable at all.
        auc_loss: What the ROC AUC may lose: the lower end of the 95 % interval of its difference (bootstrap over
            patients; of several labels the mean) must lie above minus this. From 1 on any loss will do.
        mean_difference: Largest mean difference of calibrated probabilities.
        least_cases: Fewer cases than this cannot show so small a share.

    Raises:
        ConfigError: If one is not above 0.
    """

    changed_decisions: float = 0.01
    auc_loss: float = 0.01
    mean_difference: float = 0.02
    least_cases: int = 100

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if not value > 0:
                raise ConfigError(f"tolerance {name} is {value}, expected a number above 0")


@dataclass(frozen=True)
class Figures:
    """What changed between float32 and the lower precision, on the same cases and the same backend.

    Args:
        cases: Cases compared.
        decisions: Decisions compared; of several findings more than cases.
        changed_decisions: Those that differ.
        largest_difference: Of any calibrated probability.
        mean_difference: Of all of them.
        auc: ROC AUC in float32, of several labels the mean; None where the cases do not define it.
        auc_difference: Lower precision minus float32.
        auc_low: Lower end of the 95 % interval of that; None where the patients are too few for one.
        auc_high: The upper end.
        speed: Images a second, as a multiple of those in float32.
    """

    cases: int
    decisions: int
    changed_decisions: int
    largest_difference: float
    mean_difference: float
    auc: float | None
    auc_difference: float | None
    auc_low: float | None
    auc_high: float | None
    speed: float

    def objections(self, tolerances: Tolerances) -> tuple[str, ...]:
        """Return what is against the lower precision; empty if nothing is."""
        found = []
        if self.cases < tolerances.least_cases:
            found.append(f"{self.cases} cases are too few to tell, it takes {tolerances.least_cases}")
        if not self.changed_decisions <= tolerances.changed_decisions * self.decisions:
            found.append(f"more than {tolerances.changed_decisions:.1%} of the decisions change")
        if not self.mean_difference <= tolerances.mean_difference:
            found.append(f"probabilities differ by more than {tolerances.mean_difference:g} on average")
        if tolerances.auc_loss >= 1:
            return tuple(found)
        if self.auc_low is None:
            found.append("the patients of a class are too few for an interval of the ROC AUC")
        elif not self.auc_low > -tolerances.auc_loss:
            found.append(f"a loss of ROC AUC of {tolerances.auc_loss:g} is not excluded")
        return tuple(found)

    def described(self, tolerances: Tolerances) -> str:
        """Return the figures as a sentence, each with what is accepted."""
        auc = "ROC AUC is not defined"
        if self.auc_difference is not None:
            auc = f"ROC AUC {self.auc:.4f} changes by {self.auc_difference:+.4f}"
        if self.auc_low is not None:
            limits = f"{self.auc_low:+.4f} to {self.auc_high:+.4f}"
            auc += f" ({limits}; accepted: above {-tolerances.auc_loss:g})"
        return (
            f"{self.changed_decisions} of {self.decisions} decisions change (accepted: "
            f"{100 * tolerances.changed_decisions:g} %), {auc}, probabilities change by {self.mean_difference:.2g} on "
            f"average (accepted: {tolerances.mean_difference:g}) and {self.largest_difference:.2g} at most, on "
            f"{self.cases} cases"
        )


@dataclass(frozen=True)
class Verdict:
    """Whether a backend may compute in a lower precision, and why.

    Args:
        backend: As it is chosen, for instance ``"onnx"``.
        precision: ``"bfloat16"`` or ``"int8"``.
        engine: Library and version that the cases were compared with.
        model_sha256: Of `model.pt`.
        fitted: A hash of calibration and operating points: others decide otherwise.
        quantised_sha256: Of the file of int8; None in another precision.
        datalist_sha256: Of the cases.
        section: Of the datalist.
        figures: What changed.
        tolerances: What may.
        answers: Logits of sample pictures in that precision, by which a change of the engine is seen.
    """

    backend: str
    precision: str
    engine: str
    model_sha256: str
    fitted: str
    quantised_sha256: str | None
    datalist_sha256: str
    section: str
    figures: Figures
    tolerances: Tolerances
    answers: tuple[tuple[float, ...], ...]

    @property
    def objections(self) -> tuple[str, ...]:
        """What is against it; empty if nothing is."""
        return self.figures.objections(self.tolerances)

    @property
    def agrees(self) -> bool:
        """Whether it may be used."""
        return not self.objections

    def __str__(self) -> str:
        why = f"; {' and '.join(self.objections)}" if self.objections else ""
        return f"compared with float32, {self.figures.described(self.tolerances)} of section {self.section}{why}"


@dataclass(frozen=True, eq=False)
class Recalled:
    """A verdict, and whether the engine still answers as when it was found.

    Args:
        verdict: One that agrees.
        found: Logits of the sample pictures now, shape ``(n_samples, num_outputs)``.
    """

    verdict: Verdict
    found: np.ndarray

    @property
    def drift(self) -> float:
        """Largest difference of a logit, as a share of the largest; infinite if one is not a number."""
        then = np.asarray(self.verdict.answers)
        difference = float(np.max(np.abs(self.found - then)) / max(1.0, np.max(np.abs(then))))
        return difference if np.isfinite(difference) else float("inf")

    @property
    def holds(self) -> bool:
        """Whether the backend may be used."""
        return self.verdict.agrees and self.drift <= SAME_ANSWERS

    @property
    def facts(self) -> dict[str, Any]:
        """For records: `compared`, the figures of the verdict with its cases."""
        known = {"datalist_sha256": self.verdict.datalist_sha256, "section": self.verdict.section}
        return {"compared": {**known, **asdict(self.verdict.figures)}}

    def __str__(self) -> str:
        if self.drift <= SAME_ANSWERS:
            return str(self.verdict)
        return (
            f"logits of sample pictures differ by {self.drift:.2g} of their size from those of {self.verdict.engine} "
            f"when it was compared (accepted: {SAME_ANSWERS:g}); compare again by `lungscan precision`"
        )


def save_verdict(folder: str | os.PathLike, verdict: Verdict) -> None:
    """Store a verdict beside its model, in place of the one on the same backend and precision.

    Raises:
        OutputError: If the folder cannot be written.
    """
    try:
        others = load_verdicts(folder, verdict.model_sha256)
    except CheckpointError:
        others = ()
    which = (verdict.backend, verdict.precision)
    kept = [one for one in others if (one.backend, one.precision) != which]
    entries = [
        {"agrees": one.agrees, "objections": list(one.objections), **asdict(one)}
        for one in sorted((*kept, verdict), key=lambda one: (one.backend, one.precision))
    ]
    path = Path(folder) / VERDICTS_NAME
    with replacing(path, Manifest(folder), model_sha256=verdict.model_sha256) as part:
        part.write_text(json.dumps({"verdicts": entries}, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def load_verdicts(folder: str | os.PathLike, model_sha256: str) -> tuple[Verdict, ...]:
    """Return all verdicts on a model; empty where there are none on this very one.

    Raises:
        CheckpointError: If the file is damaged or cannot be read.
    """
    path = Path(folder) / VERDICTS_NAME
    if derived_record(folder, VERDICTS_NAME, model_sha256) is None:
        return ()
    try:
        found = json.loads(path.read_text(encoding="utf-8"))["verdicts"]
        return tuple(map(_parsed, found))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{path}: not readable ({error}); delete the file and compare again") from error


def find_verdict(
    folder: str | os.PathLike, model_sha256: str, fitted: str, backend: str, precision: str
) -> Verdict | None:
    """Return the verdict that holds for a model as it is now; None where there is none.

    Raises:
        CheckpointError: If the file is damaged or cannot be read.
    """
    quantised = Manifest(folder).entries().get(QUANTISED_NAME, {}).get("sha256") if precision == "int8" else None
    wanted = (backend, precision, fitted, quantised)
    for one in load_verdicts(folder, model_sha256):
        if (one.backend, one.precision, one.fitted, one.quantised_sha256) == wanted:
            return one
    return None


def _parsed(entry: Mapping[str, Any]) -> Verdict:
    rest = {name: value for name, value in entry.items() if name not in ("agrees", "objections")}
    figures, tolerances = Figures(**rest.pop("figures")), Tolerances(**rest.pop("tolerances"))
    answers = tuple(tuple(map(float, row)) for row in rest.pop("answers"))
    return Verdict(**rest, figures=figures, tolerances=tolerances, answers=answers)
