"""Batches are composed of a portion's files alone, so a portion comes to the same whoever works on it."""

from __future__ import annotations

import numpy as np
import pytest

from lungscan_monai.inference.composing import Batch, batches_of, files_of_a_portion
from lungscan_monai.inference.examining import Examined
from lungscan_monai.inference.image_facts import ImageFacts
from lungscan_monai.inference.ledger import Outcome

SIZE = 2
PORTION = files_of_a_portion(SIZE)


def picture(name: str, content: str | None = None) -> Examined:
    return Examined(Outcome(name, "done", content or f"hash of {name}"), ImageFacts(), np.zeros((1, 2, 2)))


def reject(name: str) -> Examined:
    return Examined(Outcome(name, "rejected", None, "empty", "has no bytes"))


def unfit(name: str) -> Examined:
    return Examined(Outcome(name, "done", f"hash of {name}"), ImageFacts(), entry={"code": "modality"})


def shapes(batches: list[Batch]) -> list[tuple[int, int, int, bool]]:
    return [(len(one.outcomes), len(one.cases), len(one.known), one.ends_portion) for one in batches]


def test_every_file_is_in_one_batch_in_its_place():
    names = [str(number) for number in range(2 * PORTION + 3)]
    batches = list(batches_of(map(picture, names), SIZE))
    assert [outcome.file for batch in batches for outcome in batch.outcomes] == names
    assert [len(batch.cases) for batch in batches] == [2] * 17 + [1]
    assert [index for index, batch in enumerate(batches) if batch.ends_portion] == [7, 15, 17]


def test_a_batch_is_full_whatever_lies_between_the_pictures():
    files = [picture("a"), reject("b"), unfit("c"), picture("d"), reject("e"), picture("f")]
    assert shapes(list(batches_of(files, SIZE))) == [(4, 2, 1, False), (2, 1, 0, True)]


def test_one_content_is_answered_once_in_a_portion_and_anew_in_the_next():
    files = [picture(str(number), "same") for number in range(PORTION + 1)]
    assert shapes(list(batches_of(files, SIZE))) == [(PORTION, 1, 0, True), (1, 1, 0, True)]


@pytest.mark.parametrize("seed", range(5))
def test_a_portion_by_itself_is_composed_as_among_others(seed):
    rng = np.random.default_rng(seed)
    kinds = [picture, reject, unfit, lambda name: picture(name, f"copy {rng.integers(5)}")]
    files = [kinds[kind](str(number)) for number, kind in enumerate(rng.integers(0, 4, 3 * PORTION + 5))]
    together = list(batches_of(files, SIZE))
    apart = [
        batch for start in range(0, len(files), PORTION) for batch in batches_of(files[start : start + PORTION], SIZE)
    ]
    assert shapes(together) == shapes(apart)
    assert [list(batch.cases) for batch in together] == [list(batch.cases) for batch in apart]


def test_no_files_are_no_batches():
    assert list(batches_of([], SIZE)) == []
