"""What a file's content is known by: its BLAKE3 hash.

As safe as SHA-256 against whoever tries to give two contents one hash, and three times as fast even where the processor
has instructions for SHA-256: for large radiographs that took longer than reading and averaging them.
"""

from __future__ import annotations

import os
from pathlib import Path

from blake3 import blake3

_BLOCK = 2**20


def blake3_file(path: str | os.PathLike) -> str:
    """Return the BLAKE3 hash of a file as 64 hexadecimal digits, those that ``b3sum`` prints.

    Raises:
        OSError: If the file cannot be read.
    """
    digest, block = blake3(), memoryview(bytearray(_BLOCK))
    with Path(path).open("rb", buffering=0) as stream:
        while count := stream.readinto(block):
            digest.update(block[:count])
    return digest.hexdigest()
