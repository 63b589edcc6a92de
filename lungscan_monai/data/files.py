"""The files below a folder, in one order for all who look there, and which of them are images."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePath, PurePosixPath

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".dcm", ".bmp", ".tif", ".tiff", ".nii", ".nii.gz")

_DICOM_PREAMBLE = 128
_DICOM_MAGIC = b"DICM"
_HIDDEN_PREFIXES = (".", "__MACOSX")


def files_below(root: str | os.PathLike) -> Iterator[PurePosixPath]:
    """Yield all files in and below a folder, relative to it: by name, those of a folder before those of its subfolders.

    Links to folders are followed, but not back to a folder that the link lies in.
    """
    for folder, subfolders, names in os.walk(root, followlinks=True):
        subfolders[:] = sorted(name for name in subfolders if not _leads_back(folder, name))
        place = PurePosixPath(os.path.relpath(folder, root).replace(os.sep, "/"))
        for name in sorted(names):
            yield place / name


def _leads_back(folder: str, name: str) -> bool:
    path = Path(folder, name)
    return path.is_symlink() and Path(folder).resolve().is_relative_to(path.resolve())


def images_below(root: str | os.PathLike) -> list[PurePosixPath]:
    """Return the images among :func:`files_below` that are not hidden."""
    return [file for file in files_below(root) if not is_hidden(file) and is_image(Path(root, file))]


def is_image(path: Path) -> bool:
    """Tell by its suffix whether a file is an image; one without suffix, or with a number for it, if it is DICOM."""
    suffix = path.suffix[1:]
    return path.name.lower().endswith(IMAGE_SUFFIXES) or ((not suffix or suffix.isdecimal()) and _is_dicom(path))


def _is_dicom(path: Path) -> bool:
    with path.open("rb") as stream:
        stream.seek(_DICOM_PREAMBLE)
        return stream.read(len(_DICOM_MAGIC)) == _DICOM_MAGIC


def is_hidden(file: PurePath) -> bool:
    """Tell whether a file, or a folder that it lies in, is hidden or left behind by an archive."""
    return any(part.startswith(_HIDDEN_PREFIXES) for part in file.parts)


def without_suffix(name: str) -> str:
    """Return the name of a file without its folders and its image suffix; dots that begin no such suffix stay.

    Example:
        >>> without_suffix("images/00000061_012.PNG"), without_suffix("1.2.840.113619")
        ('00000061_012', '1.2.840.113619')
    """
    name = name.replace("\\", "/").rpartition("/")[2]
    suffix = next((suffix for suffix in IMAGE_SUFFIXES if name.lower().endswith(suffix)), "")
    return name[: len(name) - len(suffix)]
