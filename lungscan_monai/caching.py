"""Training images decoded once, kept as 8-bit pictures, and handed out as whole batches.

A grey radiograph of 224 x 224 takes 50 kB in 8 bits and 600 kB as three channels of float32, so that whole data sets
stay in memory; rounding to 8 bits moves a shade by at most 1/510. With a folder the pictures lie in a file there, which
several processes and later runs share.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import logging
import os
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock
from monai.transforms import Compose
from torch.utils.data import Dataset

from lungscan_monai import __version__
from lungscan_monai.data.references import split_reference
from lungscan_monai.errors import ConfigError, DataError, DatalistError, LungScanWarning, own_error
from lungscan_monai.memory import memory_limit
from lungscan_monai.storage import replacing, require_writable, sha256_file, write_json
from lungscan_monai.task import TaskSpec
from lungscan_monai.transforms.labels import EncodeLabeld

logger = logging.getLogger(__name__)

UNREADABLE = ("fail", "skip")

_PASSED_ON = ("case", "patient", "section")
_LISTED_AT_MOST = 20
_MOST_OF_MEMORY = 0.8

Records = Sequence[Mapping[str, Any]]


class CachedImages(Dataset):
    """The images of one section, each read and preprocessed once.

    Args:
        data: Records with `image`, `label`, `case`, `patient` and `section`; see
            :func:`~lungscan_monai.data.datalist.monai_records`.
        transform: Deterministic preprocessing from a file to an image in [0, 1]; all images must come out in one shape
            ``(C, H, W)``.
        task: The task, which says how labels are encoded.
        folder: Where the pictures are kept between runs, under a name made from the content of the image files and from
            the preprocessing; None keeps them in memory.
        unreadable: ``"fail"`` or ``"skip"``: what happens where images cannot be read.
        num_workers: Threads that read.

    Attributes:
        data: The records whose images could be read.

    Raises:
        DatalistError: If images cannot be read and are not to be skipped (all are named), or none can.
        DataError: If images come out in different shapes.
        ConfigError: If `unreadable` is another word, or memory does not suffice.
        OutputError: If `folder` cannot be written.

    Warns:
        LungScanWarning: If images were skipped; it names them.
    """

    def __init__(
        self,
        data: Records,
        transform: Compose,
        task: TaskSpec,
        folder: str | os.PathLike | None = None,
        unreadable: str = "fail",
        num_workers: int = 2,
    ) -> None:
        if unreadable not in UNREADABLE:
            raise ConfigError(f"unreadable is {unreadable!r}, expected one of {', '.join(UNREADABLE)}")
        self._transform = transform
        self._num_workers = max(1, num_workers)
        if folder is None:
            self._pictures, failures = self._read_all(data, _in_memory)
        else:
            self._pictures, failures = self._from_folder(data, Path(folder))
        _report(failures, len(data), unreadable)
        self._rows = np.array([index for index in range(len(data)) if index not in failures])
        self.data = [data[index] for index in self._rows]
        encode = EncodeLabeld("label", task)
        self._labels = torch.stack([encode(record)["label"] for record in self.data])

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {name: values[0] for name, values in self.__getitems__([index]).items()}

    def __getitems__(self, indices: Sequence[int]) -> dict[str, Any]:
        """Return a whole batch: `image` uint8 ``(B, C, H, W)``, and what :meth:`entries` gives."""
        return {"image": torch.from_numpy(self._pictures[self._rows[indices]]), **self.entries(indices)}

    def entries(self, indices: Sequence[int]) -> dict[str, Any]:
        """Return all but the images of a batch: `label` ``(B, ...)``, and lists of `case`, `patient` and `section`."""
        texts = {name: [self.data[index].get(name, "") for index in indices] for name in _PASSED_ON}
        return {"label": self._labels[indices], **texts}

    def cases_sha256(self) -> str:
        """Return a hash of the names of the cases whose images could be read, in their order."""
        return hashlib.sha256("\n".join(record["case"] for record in self.data).encode()).hexdigest()

    def _read_all(
        self, data: Records, allocate: Callable[[tuple[int, ...]], np.ndarray]
    ) -> tuple[np.ndarray, dict[int, str]]:
        """Return all pictures, uint8 ``(N, C, H, W)``, and why there is none for some, by index."""
        logger.info("reading %d images", len(data))
        pictures, failures = np.empty((0,), dtype=np.uint8), {}
        with ThreadPoolExecutor(self._num_workers) as pool:
            for index, picture in enumerate(pool.map(self._read, data)):
                if isinstance(picture, str):
                    failures[index] = picture
                    continue
                if not len(pictures):
                    pictures = allocate((len(data), *picture.shape))
                if picture.shape != pictures.shape[1:]:
                    raise DataError(
                        f"{data[index]['case']}: its image comes out of preprocessing in the shape {picture.shape}, "
                        f"the others in {pictures.shape[1:]}; is a resizing step missing?"
                    )
                pictures[index] = picture
        return pictures, failures

    def _read(self, record: Mapping[str, Any]) -> np.ndarray | str:
        """Return the picture, uint8 ``(C, H, W)``, or why there is none."""
        try:
            image = self._transform({"image": record["image"]})["image"]
        except (RuntimeError, DataError) as error:  # MONAI wraps what a transform raises in a RuntimeError
            own = own_error(error)
            if not isinstance(own, DataError):
                raise
            return f"{record['case']}: {own}"
        return np.rint(np.asarray(image) * 255).astype(np.uint8)

    def _from_folder(self, data: Records, folder: Path) -> tuple[np.ndarray, dict[int, str]]:
        """Map the folder's file of these pictures; of several processes the first one makes it, the others wait."""
        path = require_writable(folder) / f"{self._key(data)}.npy"
        with FileLock(path.with_suffix(".lock")):
            if not path.exists():
                with replacing(path) as part:
                    _, failures = self._read_all(data, lambda shape: _in_file(part, shape))
                    _require_some(failures, len(data))
                    write_json(path.with_suffix(".json"), failures)  # first, so that pictures never lack it
        failures = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        return np.load(path, mmap_mode="r"), {int(index): sentence for index, sentence in failures.items()}

    def _key(self, data: Records) -> str:
        with ThreadPoolExecutor(self._num_workers) as pool:
            contents = pool.map(_content, [record["image"] for record in data])
            lines = [*contents, __version__, importlib.metadata.version("monai"), *_description(self._transform)]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:32]


def _in_memory(shape: tuple[int, ...]) -> np.ndarray:
    wanted, there = int(np.prod(shape)), memory_limit()
    if there is not None and wanted > _MOST_OF_MEMORY * there:
        raise ConfigError(
            f"{shape[0]} images take {wanted / 2**30:.1f} GiB, this machine has {there / 2**30:.1f}; give a folder for "
            "them, as in --cache_dir /tmp/pictures"
        )
    return np.zeros(shape, dtype=np.uint8)


def _in_file(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    return np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)


def _content(reference: str) -> str:
    """Return what tells an image from all others: the hash of its file, and which part of the file it is."""
    path, index = split_reference(reference)
    return f"{sha256_file(path)} {index}"


def _description(value: Any) -> Iterator[str]:
    """Walk through a transform and all it is made of: classes and plain values, but not what a thread remembers."""
    if isinstance(value, str | int | float | bool | bytes | None):
        yield repr(value)
    elif isinstance(value, Mapping):
        for name, member in value.items():
            if not isinstance(member, threading.local):
                yield str(name)
                yield from _description(member)
    elif isinstance(value, list | tuple | set | frozenset):
        yield f"{type(value).__name__} of {len(value)}"
        for member in value:
            yield from _description(member)
    else:
        named = value if hasattr(value, "__qualname__") else type(value)
        yield f"{named.__module__}.{named.__qualname__}"
        if named is not value and hasattr(value, "__dict__"):
            yield from _description(vars(value))


def _report(failures: Mapping[int, str], count: int, unreadable: str) -> None:
    if not failures:
        return
    _require_some(failures, count)
    sentences = [failures[index] for index in sorted(failures)]
    if unreadable == "fail":
        raise DatalistError("images that cannot be read (--unreadable skip leaves them out)", sentences)
    listed = "; ".join(sentences[:_LISTED_AT_MOST]) + ("; ..." if len(sentences) > _LISTED_AT_MOST else "")
    message = f"{len(failures)} of {count} images cannot be read and are left out: {listed}"
    warnings.warn(message, LungScanWarning, stacklevel=3)


def _require_some(failures: Mapping[int, str], count: int) -> None:
    if len(failures) == count:
        raise DatalistError("none of the images can be read", [failures[index] for index in sorted(failures)])
