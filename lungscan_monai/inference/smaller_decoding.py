"""Does a model answer alike when large JPEG 2000 frames are decoded smaller than they are? Asked of the files at hand.

What is lost is noise at the edges of the areas that the network's pixels cover, and no decoder could give it back. Some
networks answer the same to a thousandth, others do not: that lies in the network, and takes a few files to see.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from pydicom.uid import JPEG2000, JPEG2000Lossless

from lungscan_monai.errors import NetworkError
from lungscan_monai.gate.admitting import admit
from lungscan_monai.inference.ahead import in_order
from lungscan_monai.inference.case_model import CaseModel
from lungscan_monai.inference.folders import Folder
from lungscan_monai.inference.opening import ReadFile, reading
from lungscan_monai.inference.refusals import NOT_READ

FILES = 16
"""Files that have to agree: of networks that do not, eight files would show it nine times in ten only."""

TOLERANCE = 1e-3
"""Largest difference of any probability that is accepted; that of the backends in float32."""

_LOOKED_AT = 100
_TRIED = 2 * FILES


@dataclass(frozen=True)
class SmallerDecoding:
    """How far the answers for frames decoded smaller are from those for the same frames in full.

    Args:
        files: Files that were read both ways, and gave other pictures.
        largest_difference: Of any calibrated probability, in [0, 1].
        changed_decisions: Files that are decided otherwise.
    """

    files: int
    largest_difference: float
    changed_decisions: int

    @property
    def agrees(self) -> bool:
        """Whether frames may be decoded smaller."""
        return self.files >= FILES and self.largest_difference <= TOLERANCE and self.changed_decisions == 0

    def __str__(self) -> str:
        return (
            f"probabilities of {self.files} files (needed: {FILES}) differ by up to {self.largest_difference:.2g} "
            f"(accepted: {TOLERANCE:g}), and {self.changed_decisions} are decided otherwise"
        )


def compare_decodings(
    bundle_root: str | os.PathLike, model: CaseModel, folder: Folder, workers: int = 1, limit: int | None = None
) -> SmallerDecoding:
    """Read the first large JPEG 2000 files of a folder both ways, and compare what the model says.

    They are looked for among the first hundred files. Those that cannot be read, and those whose picture is the same
    both ways, tell nothing and do not count. Where there are too few to tell, none is read.

    Args:
        bundle_root: The bundle.
        model: Its model.
        folder: The folder.
        workers: Processes that read files, for each way.
        limit: How many files of the folder are looked at at most, the first by their names; None for a hundred.

    Raises:
        NetworkError: If the folder cannot be reached.
    """
    files = list(islice(_in_jpeg_2000(folder, min(limit or _LOOKED_AT, _LOOKED_AT)), _TRIED))
    if len(files) < FILES:
        return SmallerDecoding(0, 0.0, 0)
    with (
        reading(bundle_root, model, workers, exact=True) as full,
        reading(bundle_root, model, workers, exact=False) as smaller,
        ThreadPoolExecutor(workers, "comparing") as pool,
    ):
        found = in_order(pool, partial(_read_both, folder, full, smaller), files, ahead=workers)
        pairs = list(islice((pair for pair in found if pair is not None), FILES))
    if not pairs:
        return SmallerDecoding(0, 0.0, 0)
    differences, changed = zip(*_differences(model, np.array(pairs)), strict=True)
    return SmallerDecoding(len(pairs), float(np.max(differences)), sum(changed))


def _in_jpeg_2000(folder: Folder, count: int) -> Iterator[PurePosixPath]:
    """Give those of the first `count` files of a folder that are JPEG 2000 frames."""
    for file in islice(folder.files(), count):
        try:
            with folder.here(file) as path:
                header = admit(path).dicom
        except NetworkError:
            raise
        except NOT_READ:
            continue
        if header is not None and header.transfer_syntax in (JPEG2000Lossless, JPEG2000):
            yield file


def _read_both(
    folder: Folder, full: ReadFile, smaller: ReadFile, file: PurePosixPath
) -> tuple[np.ndarray, np.ndarray] | None:
    """Return a file's picture read in full and smaller; None where that tells nothing."""
    try:
        with folder.here(file) as path:
            pair = full(path).image, smaller(path).image
    except NetworkError:
        raise
    except NOT_READ:
        return None
    return None if np.array_equal(*pair) else pair


def _differences(model: CaseModel, pairs: np.ndarray) -> Iterator[tuple[float, bool]]:
    """Give for each pair of pictures, ``(n, 2, C, H, W)``, the largest difference, and whether the decision changes."""
    for begin in range(0, len(pairs), model.batch_size):
        full, smaller = (model.answer(some) for some in np.moveaxis(pairs[begin : begin + model.batch_size], 1, 0))
        for index in range(len(full)):
            difference = np.max(np.abs(full.probabilities[index] - smaller.probabilities[index]))
            one, other = (_decided(model.entry(answers, index)) for answers in (full, smaller))
            yield float(difference), one != other


def _decided(entry: dict[str, Any]) -> tuple[Any, ...]:
    return entry.get("code"), entry.get("label"), entry.get("findings")
