"""Picture files at the gate: Pillow reads their headers, and of its formats only those that pictures come in."""

from __future__ import annotations

import struct
import zlib
from typing import BinaryIO

from PIL import Image

from lungscan_monai.errors import ReadError
from lungscan_monai.gate.limits import Limits

PICTURE_FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "GIF", "WEBP", "JPEG2000", "PPM")
"""Pillow's names; PostScript and its like, which are programs, are not among them."""

PICTURE_DAMAGE = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    OSError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)
"""What Pillow raises for damaged files; found by cutting files short and by changing their bytes."""

_BEGINNINGS = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+", b"BM", b"GIF8")
_BEGINNINGS_OF_CODESTREAMS = (b"\xff\x4f\xff\x51", b"\0\0\0\x0cjP  ")


def begins_like_picture(head: bytes) -> bool:
    """Tell from its first bytes whether a file is of one of the formats."""
    webp = head[:4] == b"RIFF" and head[8:12] == b"WEBP"
    netpbm = head[:1] == b"P" and head[1:2] in b"123456fF" and head[2:3].isspace()
    return webp or netpbm or head.startswith(_BEGINNINGS + _BEGINNINGS_OF_CODESTREAMS)


def picture_size(stream: BinaryIO, name: str, limits: Limits) -> tuple[int, int, int, int]:
    """Return rows, columns, colours and pages of a picture without decoding it.

    Raises:
        ReadError: ``too-large`` or ``damaged``.
    """
    try:
        with Image.open(stream, formats=PICTURE_FORMATS) as picture:
            size = _checked_size(picture, name, limits)
            pages = _pages(picture, name, limits)
    except ReadError:
        raise
    except (Image.DecompressionBombError, MemoryError) as error:
        raise ReadError(name, "too-large", "the picture has more pixels than can be read safely") from error
    except PICTURE_DAMAGE as error:
        raise ReadError(name, "damaged", f"the picture is cut short or damaged ({type(error).__name__})") from error
    return *size, pages


def _checked_size(picture: Image.Image, name: str, limits: Limits) -> tuple[int, int, int]:
    size = picture.height, picture.width, len(picture.getbands())
    limits.check_image(name, *size, frames=1)
    return size


def _pages(picture: Image.Image, name: str, limits: Limits) -> int:
    """Count pages one by one, but no further than the limit."""
    if not getattr(picture, "is_animated", False):
        return 1
    for page in range(1, limits.pages + 1):
        try:
            picture.seek(page)
        except EOFError:
            return page
        _checked_size(picture, name, limits)
    raise ReadError(name, "too-large", f"has more pages than {limits.pages}, the limit `pages`")
