"""MedMNIST files: arrays of small images in one ``.npz``, turned into PNG files and cases."""

from __future__ import annotations

import difflib
import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
from PIL import Image

from lungscan_monai.data.datalist import Case, Label
from lungscan_monai.data.listing import Listing, exclusive_kind, section_named
from lungscan_monai.errors import ConfigError, DataError, DatalistError, MissingDependencyError, OutputError

PARTS = ("train", "val", "test")

_KNOWN_LABELS = {"pneumoniamnist": ("Normal", "Pneumonia")}
_DEFAULT_SIZE = 28


@dataclass(frozen=True)
class MedMNIST:
    """The content of one file.

    Args:
        name: Name of the file, without suffix.
        kind: ``"binary"``, ``"multiclass"`` or ``"multilabel"``.
        label_names: Names, in the order of the indices.
        images: uint8 of shape ``(n, H, W)`` (grey) or ``(n, H, W, 3)`` (RGB) for each of train, val, test.
        labels: Integers of shape ``(n, 1)`` (class index) or ``(n, n_labels)`` (0 or 1) for each of them.
    """

    name: str
    kind: str
    label_names: tuple[str, ...]
    images: Mapping[str, np.ndarray]
    labels: Mapping[str, np.ndarray]

    def listing(self, folder: Path) -> Listing:
        """Return the cases as they will be when the images are written below `folder`."""
        given = {
            section_named(part): tuple(
                Case(image_name(part, number), self._label(values))
                for number, values in enumerate(self.labels[part].tolist())
            )
            for part in PARTS
        }
        return Listing(self.name, self.kind, self.label_names, folder, given)

    def _label(self, values: list[int]) -> Label:
        return tuple(values) if self.kind == "multilabel" else values[0]

    def write_images(self, folder: Path) -> None:
        """Write all images as PNG below `folder`, which appears when the last one is written.

        Raises:
            OutputError: If the folder is there and not empty, or cannot be written.
        """
        require_empty(folder)
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as part_folder:
                staged = Path(part_folder) / folder.name
                for part in PARTS:
                    (staged / part).mkdir(parents=True)
                    for number, pixels in enumerate(self.images[part]):
                        Image.fromarray(pixels).save(staged / image_name(part, number))
                shutil.rmtree(folder, ignore_errors=True)
                staged.rename(folder)
        except OSError as error:
            raise OutputError(f"{folder}: the images could not be written ({error.strerror})") from error


def image_name(part: str, number: int) -> str:
    """Return the name of an image's file: part and place in its array."""
    return f"{part}/{number:06d}.png"


def require_empty(folder: Path) -> None:
    """Check that a folder does not exist, or is empty.

    Raises:
        OutputError: If there is something in it.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise OutputError(f"{folder}: is there already; delete it, or write the datalist to another folder")


def read_npz(path: str | os.PathLike, *, kind: str | None = None, labels: Sequence[str] | None = None) -> MedMNIST:
    """Read a MedMNIST file: ``train_images``, ``train_labels``, the same of ``val`` and ``test``.

    Args:
        path: The ``.npz`` file; pickled objects in it are refused.
        kind: ``"multiclass"`` to treat two classes as such; by the shape of the labels if not given.
        labels: Label names; if not given, those that MedMNIST tells for a data set of this name.

    Raises:
        DatalistError: If the file is damaged, or its arrays are not as MedMNIST has them; all defects are listed.
        ConfigError: If the label names are not known.
    """
    path = Path(path)
    arrays = _load(path)
    labels_by_part = {part: _as_columns(arrays[f"{part}_labels"]) for part in PARTS}
    images = {part: arrays[f"{part}_images"] for part in PARTS}
    names = tuple(labels) if labels is not None else label_names(path.stem)
    multilabel = labels_by_part["train"].shape[-1] > 1
    defects: list[str] = []
    for part in PARTS:
        defects += _image_defects(f"{part}_images", images[part])
        defects += _label_defects(f"{part}_labels", labels_by_part[part], len(images[part]), names, multilabel)
    if defects:
        raise DatalistError(str(path), defects)
    kind = "multilabel" if multilabel else exclusive_kind(names, kind)
    return MedMNIST(path.stem, kind, names, images, labels_by_part)


def _load(path: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            wanted = [f"{part}_{what}" for part in PARTS for what in ("images", "labels")]
            absent = [f"array {name} is missing" for name in wanted if name not in archive]
            if absent:
                raise DatalistError(str(path), absent)
            return {name: archive[name] for name in wanted}
    except (OSError, EOFError, TypeError, AttributeError, zipfile.BadZipFile) as error:
        raise DatalistError(str(path), [f"cannot be read as .npz ({error})"]) from error
    except ValueError as error:
        if isinstance(error, DatalistError):
            raise
        raise DatalistError(str(path), [f"holds something else than plain arrays ({error})"]) from error


def _as_columns(labels: np.ndarray) -> np.ndarray:
    return labels[:, np.newaxis] if labels.ndim == 1 else labels


def _image_defects(name: str, images: np.ndarray) -> Iterator[str]:
    grey_or_rgb = images.ndim == 3 or (images.ndim == 4 and images.shape[-1] == 3)
    if images.dtype != np.uint8 or not grey_or_rgb:
        found = f"{images.dtype} of shape {images.shape}"
        yield f"{name} is {found}, expected uint8 of shape (n, H, W) or (n, H, W, 3); volumes are not supported"


def _label_defects(
    name: str, labels: np.ndarray, num_images: int, names: Sequence[str], multilabel: bool
) -> Iterator[str]:
    if labels.dtype.kind not in "iu" or labels.ndim != 2 or len(labels) != num_images:
        found = f"{labels.dtype} of shape {labels.shape}"
        yield f"{name} is {found}, expected integers of shape ({num_images}, 1) or ({num_images}, n_labels)"
        return
    expected_columns, highest = (len(names), 1) if multilabel else (1, len(names) - 1)
    if labels.shape[1] != expected_columns:
        yield f"{name} has {labels.shape[1]} columns, expected {expected_columns} for {', '.join(names)}"
    if labels.size and (labels.min() < 0 or labels.max() > highest):
        yield f"{name} holds {labels.min()} to {labels.max()}, expected 0 to {highest} for {', '.join(names)}"


def label_names(file_stem: str) -> tuple[str, ...]:
    """Return the label names of the MedMNIST data set that a file name ("chestmnist_64") begins with.

    Raises:
        ConfigError: If the package `medmnist`, which knows them, is not installed, or knows no such data set.
    """
    name = file_stem.lower().split("_")[0]
    if name in _KNOWN_LABELS:
        return _KNOWN_LABELS[name]
    try:
        info = _medmnist().INFO
    except MissingDependencyError as error:
        raise ConfigError(f"{file_stem}: label names are not known; give labels, or {error}") from error
    if name not in info:
        raise ConfigError(f"{file_stem}: the label names of this file are not known to MedMNIST; give labels")
    names = info[name]["label"]
    return tuple(names[str(index)].capitalize() for index in range(len(names)))


def fetch(name: str, folder: str | os.PathLike, size: int = _DEFAULT_SIZE) -> Path:
    """Download a data set with the package `medmnist`, which checks its MD5, and return the ``.npz`` file.

    Args:
        name: For instance ``"pneumoniamnist"``.
        folder: Where to put the file; a file that is there is checked and kept.
        size: Rows and columns of the images: 28, 64, 128 or 224.

    Raises:
        MissingDependencyError: If the package is not installed.
        ConfigError: If there is no data set of this name, or not in this size.
        DataError: If the download fails.
    """
    package = _medmnist()
    if name not in package.INFO:
        near = difflib.get_close_matches(name, package.INFO, n=1)
        hint = f"did you mean {near[0]}?" if near else f"expected one of {', '.join(package.INFO)}"
        raise ConfigError(f"MedMNIST has no data set {name!r}; {hint}")
    suffix = "" if size == _DEFAULT_SIZE else f"_{size}"
    if f"url{suffix}" not in package.INFO[name]:
        raise ConfigError(f"MedMNIST has no {name} of {size}x{size}")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        getattr(package, package.INFO[name]["python_class"])(split="train", root=str(folder), size=size, download=True)
    except (OSError, RuntimeError) as error:
        url = package.INFO[name][f"url{suffix}"]
        raise DataError(f"{name}: the download failed ({error}); fetch {url} by hand and import the file") from error
    return folder / f"{name}{suffix}.npz"


def _medmnist() -> ModuleType:
    try:
        import medmnist
    except ImportError as error:
        raise MissingDependencyError("install the package medmnist: pip install 'lungscan-monai[medmnist]'") from error
    return medmnist
