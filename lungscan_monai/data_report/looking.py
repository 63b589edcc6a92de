"""One look at every picture of a data set, in threads: what is kept of it is small."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass

import numpy as np

from lungscan_monai.data_report.fingerprints import fingerprint
from lungscan_monai.data_report.headers import file_facts
from lungscan_monai.errors import ReadError
from lungscan_monai.transforms.reading import read_image

BINS = 32
"""Bins of a histogram over [0, 1]."""

_MOST_THREADS = 8


@dataclass(frozen=True, eq=False)
class Look:
    """What one picture told.

    Args:
        height: Rows.
        width: Columns.
        format: Of the file.
        bits: Of one value, None where it is not known.
        colour: ``"grey"``, ``"grey, stored as colour"`` or ``"colour"``.
        mean: Mean shade in [0, 1].
        histogram: Share of the pixels in each bin, shape ``(BINS,)``, sums to 1.
        blank: Whether all pixels have one value.
        digest: SHA-256 of the pixels: equal for identical pictures, whatever their files.
        fingerprint: See :func:`lungscan_monai.data_report.fingerprints.fingerprint`.
    """

    height: int
    width: int
    format: str
    bits: int | None
    colour: str
    mean: float
    histogram: np.ndarray
    blank: bool
    digest: bytes
    fingerprint: np.ndarray


def look_at(reference: str | os.PathLike) -> Look:
    """Read one picture.

    Raises:
        ReadError: If it cannot be read.
    """
    image = read_image(reference)
    facts = file_facts(reference)
    colour = "grey"
    if len(image) > 1:
        equal = all(np.array_equal(image[0], channel) for channel in image[1:])
        colour = "grey, stored as colour" if equal else "colour"
        image = image[:1] if equal else image
    shades = image.mean(axis=0)
    height, width = shades.shape
    # The factor is a little below BINS, so that a shade of 1 falls into the last bin.
    counts = np.bincount((shades * np.float32(BINS - 1e-3)).astype(np.uint8).ravel(), minlength=BINS)
    return Look(
        height=height,
        width=width,
        format=facts.format,
        bits=facts.bits,
        colour=colour,
        mean=float(shades.mean(dtype=np.float64)),
        histogram=counts / shades.size,
        blank=bool(image.min() == image.max()),
        digest=hashlib.sha256(f"{image.shape}".encode() + image.tobytes()).digest(),
        fingerprint=fingerprint(shades),
    )


def look_at_all(
    references: Sequence[str], progress: Callable[[int, int], None] | None = None
) -> list[Look | ReadError]:
    """Read many pictures; an unreadable one does not end the work.

    Args:
        references: What `read_image` takes.
        progress: Called with the number done and the number wanted.

    Returns:
        For each reference, in order, what it told or why it could not be read.
    """
    pool = ThreadPoolExecutor(min(_MOST_THREADS, os.cpu_count() or 1))
    try:
        futures = [pool.submit(_look_or_error, reference) for reference in references]
        for done, _ in enumerate(as_completed(futures), start=1):
            if progress is not None:
                progress(done, len(references))
        return [future.result() for future in futures]
    finally:
        pool.shutdown(cancel_futures=True)


def _look_or_error(reference: str) -> Look | ReadError:
    try:
        return look_at(reference)
    except ReadError as error:
        return error
