"""What is said about one case, in the words of its reader: pure functions that every face of the toolkit shares."""

from __future__ import annotations

from dataclasses import dataclass

from lungscan_monai.apps.evidence import Evidence
from lungscan_monai.evaluation.words import Words
from lungscan_monai.inference.answering import Prediction, Reject
from lungscan_monai.inference.studies import Analysed, ModelIdentity
from lungscan_monai.metrics.decisions import DEFAULT_THRESHOLD
from lungscan_monai.metrics.percentages import told_percentage

DECIDED, UNCERTAIN, UNASSESSABLE, UNREADABLE = "decided", "uncertain", "not_assessable", "unreadable"
STATES = (DECIDED, UNCERTAIN, UNASSESSABLE, UNREADABLE)

_UNASSESSABLE = "not assessable"
"""How the reason of a reject begins, if the file is a readable picture and none that the model was made for."""


@dataclass(frozen=True)
class Bar:
    """One class as it is drawn.

    Args:
        label: Its name.
        probability: In [0, 1].
        threshold: From which on it is called; None where the highest probability decides.
        called: Whether it is what the model answers, or among it.
    """

    label: str
    probability: float
    threshold: float | None
    called: bool


@dataclass(frozen=True)
class Card:
    """What is said about one case.

    Args:
        state: One of :data:`STATES`.
        headline: The answer in a few words.
        sentences: What it means, and on what it rests.
        bars: One for each label; empty for a reject.
    """

    state: str
    headline: str
    sentences: tuple[str, ...]
    bars: tuple[Bar, ...] = ()


def card_of(analysed: Analysed, identity: ModelIdentity, evidence: Evidence | None, words: Words) -> Card:
    """Say what a model's answer for a case means.

    Args:
        analysed: The case.
        identity: Of the model.
        evidence: What was measured of this model.
        words: In the language of the reader, with the apps' catalogue.
    """
    answer = analysed.answer
    if isinstance(answer, Reject):
        return _rejected(answer, words)
    series = _of_series(analysed, words)
    bars = tuple(_bar(label, answer, identity) for label in identity.label_names)
    if identity.kind == "multilabel":
        return _findings(answer, bars, identity, evidence, words, series)
    possible = evidence.possible_labels(answer.probabilities) if evidence else None
    is_uncertain = possible is not None and len(possible) != 1
    doubt = [_doubt(possible, evidence, words)] if is_uncertain else []
    sentences = [*doubt, *_meaning(answer, identity, evidence, words), *series]
    headline = words("app.headline.uncertain" if is_uncertain else "app.headline.decided", label=answer.label)
    return Card(UNCERTAIN if is_uncertain else DECIDED, headline, tuple(sentences), bars)


def threshold_of(label: str, identity: ModelIdentity) -> float:
    """Return the threshold that was fitted for a label, or 0.5 where none was."""
    point = identity.operating_points.get(label)
    return DEFAULT_THRESHOLD if point is None else point.threshold


def reject_reason(reject: Reject, words: Words) -> str:
    """Return why a file was turned away, in the reader's language first where the sentence itself is in another."""
    meaning = words.name("app.code", reject.code)
    return reject.reason if meaning == reject.code else f"{meaning} ({reject.reason})"


def state_of(reject: Reject) -> str:
    """Return whether a file cannot be read, or cannot be assessed."""
    return UNASSESSABLE if reject.reason.startswith(_UNASSESSABLE) else UNREADABLE


def percentage(probability: float, words: Words) -> str:
    """Return a probability as percentage; what is not 0 or 1 is not told as 0 or 100 %.

    Example:
        >>> percentage(0.99999, app_words("en"))  # doctest: +SKIP
        '> 99.9 %'
    """
    sign, value = told_percentage(probability)
    return f"{sign}\N{NO-BREAK SPACE}{words.percent(value / 100)}".lstrip()


def _rejected(reject: Reject, words: Words) -> Card:
    state = state_of(reject)
    reason = words("app.reason", reason=reject_reason(reject, words), code=reject.code)
    return Card(state, words(f"app.headline.{state}"), (reason, words(f"app.{state}.what_now")))


def _bar(label: str, answer: Prediction, identity: ModelIdentity) -> Bar:
    probability = answer.probabilities[label]
    if identity.kind == "multilabel":
        return Bar(label, probability, threshold_of(label, identity), label in (answer.findings or ()))
    is_positive = identity.kind == "binary" and label == identity.label_names[1]
    return Bar(label, probability, answer.threshold if is_positive else None, label == answer.label)


def _findings(
    answer: Prediction,
    bars: tuple[Bar, ...],
    identity: ModelIdentity,
    evidence: Evidence | None,
    words: Words,
    series: list[str],
) -> Card:
    found = list(answer.findings or ())
    doubtful = [bar.label for bar in bars if evidence and evidence.is_open(bar.label, bar.probability)]
    sentences = [words("app.findings.open", labels=words.listed(doubtful))] if doubtful else []
    for label in found:
        sentences += _measured(label, answer.probabilities[label], identity, evidence, words)
    sentences += [] if evidence else [words("app.no_evidence")]
    headline = words("app.headline.findings", labels=words.listed(found)) if found else words("app.headline.no_finding")
    return Card(UNCERTAIN if set(doubtful) & set(found) else DECIDED, headline, (*sentences, *series), bars)


def _meaning(answer: Prediction, identity: ModelIdentity, evidence: Evidence | None, words: Words) -> list[str]:
    label = identity.label_names[1] if identity.kind == "binary" else answer.label
    return [
        *_measured(label, answer.probabilities[label], identity, evidence, words),
        *([] if evidence else [words("app.no_evidence")]),
    ]


def _measured(
    label: str, probability: float, identity: ModelIdentity, evidence: Evidence | None, words: Words
) -> list[str]:
    """Return the probability of a label, and what its threshold gave in the test data."""
    kind = "app.probability.calibrated" if identity.calibrated else "app.probability.own"
    sentences = [words(kind, label=label, probability=percentage(probability, words))]
    if identity.kind != "multiclass":
        key = "app.threshold.fitted" if label in identity.operating_points else "app.threshold.default"
        sentences.append(words(key, threshold=words.percent(threshold_of(label, identity))))
    entry = evidence.of_label(label) if evidence else None
    if entry is None:
        return sentences
    shares = {name: entry["metrics"][name] for name in ("sensitivity", "specificity")}
    if all("value" in share for share in shares.values()):
        told = {name: words.share(share) for name, share in shares.items()}
        sentences.append(words("app.threshold.gave", label=label, **told))
    return sentences


def _doubt(possible: tuple[str, ...], evidence: Evidence, words: Words) -> str:
    coverage = words.percent(evidence.stated_coverage, 0)
    if not possible:
        return words("app.uncertain.none", coverage=coverage)
    return words("app.uncertain.several", labels=words.listed(possible), coverage=coverage)


def _of_series(analysed: Analysed, words: Words) -> list[str]:
    series = analysed.series
    if series is None:
        return []
    sentences = [words("app.series", slices=words.count(series.slices), places=words.count(series.places))]
    if series.gaps:
        sentences.append(words("app.series.gaps", gaps=words.count(series.gaps)))
    if analysed.left_out:
        sentences.append(words("app.series.left_out", n=words.count(len(analysed.left_out))))
    return sentences
