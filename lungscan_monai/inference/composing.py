"""Which pictures go through the network together, and what comes of it: the same for every engine.

The files are dealt out in portions, some batches' worth of consecutive ones. A portion is a world of its own: its
batches are composed of its files alone, in their order, and it is recorded as a whole. What it comes to therefore
depends neither on who works on it nor on what became of the others, although the last bits of a network's answers may
depend on the batch that a picture is in.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from lungscan_monai.inference.case_model import Answers, CaseModel
from lungscan_monai.inference.examining import Examined
from lungscan_monai.inference.image_facts import ImageFacts
from lungscan_monai.inference.ledger import DONE, Outcome

BATCHES_OF_A_PORTION = 8
"""Only the last of them may be less than full."""


@dataclass(frozen=True, eq=False)
class Batch:
    """What the network is to answer in one pass, and what became of the files up to there.

    Args:
        outcomes: Of the files since the batch before, in their order.
        cases: To be answered, by content; none if there is nothing to answer.
        known: Contents whose answer is known without the network.
        ends_portion: Whether it is the last of its portion.
    """

    outcomes: tuple[Outcome, ...]
    cases: dict[str, Examined]
    known: dict[str, Examined]
    ends_portion: bool


@dataclass(frozen=True, eq=False)
class AnsweredCase:
    """The answer for one content.

    Args:
        entry: The decision and what it rests on, or why there is none.
        facts: Where the image belongs.
        heatmap: A picture file, None where there is none.
    """

    entry: dict[str, Any]
    facts: ImageFacts
    heatmap: bytes | None = None


@dataclass(frozen=True, eq=False)
class AnsweredBatch:
    """What came of a :class:`Batch`.

    Args:
        outcomes: As there.
        cases: The answers by content.
        ends_portion: As there.
    """

    outcomes: tuple[Outcome, ...]
    cases: dict[str, AnsweredCase]
    ends_portion: bool


def files_of_a_portion(batch_size: int) -> int:
    """Return the number of files that are dealt out together."""
    return BATCHES_OF_A_PORTION * batch_size


def batches_of(examined: Iterable[Examined], batch_size: int) -> Iterator[Batch]:
    """Compose the batches of files that come in their order; the first one begins a portion."""
    seen: set[str] = set()
    outcomes: list[Outcome] = []
    cases: dict[str, Examined] = {}
    known: dict[str, Examined] = {}
    count = 0
    for count, one in enumerate(examined, 1):
        outcomes.append(one.outcome)
        content = one.outcome.blake3
        if one.outcome.state == DONE and content not in seen:
            seen.add(content)
            (cases if one.entry is None else known)[content] = one
        ends = count % files_of_a_portion(batch_size) == 0
        if ends or len(cases) == batch_size:
            yield Batch(tuple(outcomes), cases, known, ends)
            outcomes, cases, known = [], {}, {}
        if ends:
            seen = set()
    if count % files_of_a_portion(batch_size):
        yield Batch(tuple(outcomes), cases, known, True)


def answered(model: CaseModel, batch: Batch) -> AnsweredBatch:
    """Let the model answer a batch, with heatmaps if it explains."""
    cases = {content: AnsweredCase(one.entry, one.facts) for content, one in batch.known.items()}
    if batch.cases:
        images = np.stack([one.image for one in batch.cases.values()])
        answers = model.answer(images)
        heatmaps = _heatmaps(model, batch, images, answers)
        for index, (content, one) in enumerate(batch.cases.items()):
            cases[content] = AnsweredCase(model.entry(answers, index), one.facts, heatmaps[index])
    return AnsweredBatch(batch.outcomes, cases, batch.ends_portion)


def _heatmaps(model: CaseModel, batch: Batch, images: np.ndarray, answers: Answers) -> list[bytes | None]:
    """Return the heatmaps of the cases that could be assessed."""
    pictures = model.heatmaps(images, answers, [one.shape for one in batch.cases.values()])
    if pictures is None:
        return [None] * len(answers)
    return [None if why else picture for picture, why in zip(pictures, answers.unfamiliar, strict=True)]
