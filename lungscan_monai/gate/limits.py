"""How much one file from outside may ask for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace

from lungscan_monai.errors import ConfigError, ReadError


@dataclass(frozen=True)
class Limits:
    """The largest file that is let in; every number is a whole one above 0.

    Args:
        file_bytes: Size of the file.
        pixels: Rows x columns of one frame, page or slice.
        samples: Rows x columns x colours x frames (or slices) of the file.
        frames: Frames of a DICOM file, slices of a volume.
        pages: Pages of a TIFF, GIF ...
        inflated_bytes: Size after deflate or gzip.
        inflated_ratio: How many times larger than the file that may be; not looked at below 64 MiB.
        depth: How deep DICOM sequences may be nested.
        elements: DICOM elements, items and fragments in the file.

    Raises:
        ConfigError: If a limit is no whole number above 0.
    """

    file_bytes: int = 2**30
    pixels: int = 2**26
    samples: int = 2**31
    frames: int = 2**16
    pages: int = 1000
    inflated_bytes: int = 2**30
    inflated_ratio: int = 100
    depth: int = 32
    elements: int = 150_000

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not isinstance(value, int) or value < 1:
                raise ConfigError(f"limit {field.name} is {value!r}, expected a whole number above 0")

    def changed(self, settings: Iterable[str]) -> Limits:
        """Return the limits with some replaced, each given as ``name=number``.

        Raises:
            ConfigError: If there is no limit of that name, or the number is no whole one above 0.

        Example:
            >>> Limits().changed(["pixels=100000000"]).pixels
            100000000
        """
        names = [field.name for field in fields(self)]
        new = {}
        for setting in settings:
            name, _, number = setting.partition("=")
            if name not in names or not number.isdecimal():
                raise ConfigError(f"limit {setting!r}: expected NAME=NUMBER with a name of {', '.join(names)}")
            new[name] = int(number)
        return replace(self, **new)

    def check_image(self, name: str, rows: int, columns: int, samples: int, frames: int) -> None:
        """Refuse an image that is too large, by what its header says.

        Raises:
            ReadError: ``too-large``, or ``malformed`` if a number is not above 0.
        """
        if min(rows, columns, samples, frames) < 1:
            raise ReadError(
                name, "malformed", f"has {rows} rows, {columns} columns, {samples} samples, {frames} frames"
            )
        asked = {"pixels": rows * columns, "frames": frames, "samples": rows * columns * samples * frames}
        for limit, number in asked.items():
            if number > getattr(self, limit):
                most = getattr(self, limit)
                raise ReadError(name, "too-large", f"claims {number} {limit}; the limit `{limit}` is {most}")

    def check_inflated(self, name: str, inflated: int, stored: int) -> None:
        """Refuse compressed data that become too large.

        Raises:
            ReadError: ``expansion``.
        """
        if inflated > min(self.inflated_bytes, max(_ANY_RATIO, self.inflated_ratio * stored)):
            raise ReadError(
                name,
                "expansion",
                f"its {stored} bytes become more than {inflated // 2**20} MiB; "
                f"the limits are `inflated_bytes` {self.inflated_bytes} and `inflated_ratio` {self.inflated_ratio}",
            )


_ANY_RATIO = 64 * 2**20
