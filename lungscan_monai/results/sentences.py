"""An answer in sentences, for whoever reads it: the readable report, the picture, FHIR."""

from __future__ import annotations

from lungscan_monai.inference.answering import Prediction, Reject
from lungscan_monai.inference.studies import Analysed, ModelIdentity
from lungscan_monai.metrics.percentages import told_percentage

NOT_FOR_DIAGNOSIS = "Not for diagnosis"


def decision_sentence(answer: Prediction | Reject) -> str:
    """Return what was decided, or why nothing was."""
    if isinstance(answer, Reject):
        return f"Not analysed, because: {answer.reason.removeprefix('not assessable: ')}"
    if answer.label is not None:
        return f"Decision: {answer.label}"
    return f"Findings: {', '.join(answer.findings) if answer.findings else 'none of those looked for'}"


def is_present(answer: Prediction, label: str) -> bool:
    """Tell whether a label is the decision, or a finding called present."""
    return label == answer.label or label in (answer.findings or ())


def finding_sentences(answer: Prediction, identity: ModelIdentity) -> list[str]:
    """Return a sentence for each label: its probability, and the threshold that decides it."""
    return [
        f"{label.replace('_', ' ')}: {percent(probability)}{_threshold(identity, label)}"
        for label, probability in answer.probabilities.items()
    ]


def percent(share: float, digits: int = 1) -> str:
    """Return a share in [0, 1] as a percentage that never says 0 or 100 of what is neither.

    Example:
        >>> percent(0.873), percent(0.00001), percent(0.99999), percent(1.0)
        ('87.3 %', '< 0.1 %', '> 99.9 %', '100.0 %')
    """
    sign, value = told_percentage(share, digits)
    return f"{sign} {value:.{digits}f} %".lstrip()


def model_sentences(analysed: Analysed, identity: ModelIdentity) -> list[str]:
    """Return what a reader must know of the model, and of the series."""
    scale = "are calibrated" if identity.calibrated else "are the network's own, not calibrated"
    told = [f"{identity.title}. Model {identity.name} {identity.version}, weights {identity.sha256[:12]}."]
    if isinstance(analysed.answer, Prediction):
        told.append(f"Probabilities {scale}.")
    if analysed.series is not None:
        told.append(_series_sentence(analysed))
    stated = NOT_FOR_DIAGNOSIS.lower() in identity.intended_use.lower()
    return [*told, identity.intended_use if stated else f"{NOT_FOR_DIAGNOSIS}. {identity.intended_use}"]


def _threshold(identity: ModelIdentity, label: str) -> str:
    threshold = identity.threshold_of(label)
    if threshold is None:
        return ""
    point = identity.operating_points.get(label)
    if point is None:
        return f" (threshold {percent(threshold)}, not fitted)"
    rates = f"sensitivity {percent(point.sensitivity)} and specificity {percent(point.specificity)}"
    return f" (threshold {percent(threshold)}: {rates} on {point.n} cases of {point.fitted_on})"


def _series_sentence(analysed: Analysed) -> str:
    series = analysed.series
    told = f"Mean over {series.places} places of {series.slices} slices"
    extras = [
        f"{count} {name}"
        for count, name in (
            (series.duplicates, "duplicates"),
            (series.gaps, "gaps"),
            (len(analysed.left_out), "images left out"),
        )
        if count
    ]
    if series.geometry != "complete":
        extras.append(f"geometry {series.geometry}")
    return f"{told}{': ' if extras else ''}{', '.join(extras)}."
