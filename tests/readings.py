"""Ways to read a file that go wrong, for workers, which import them by name."""

from __future__ import annotations

import os
import signal
import sys
import time
import warnings
from pathlib import Path

import numpy as np

from lungscan_monai.errors import DataError, ReadError
from lungscan_monai.hashing import Hashed


def misbehave(reference: str) -> np.ndarray | Hashed:
    """Do what the file's name says; else give the number in it."""
    word = Path(reference).stem
    if word == "hang":
        time.sleep(60)
    if word == "die":
        os.kill(os.getpid(), signal.SIGSEGV)
    if word == "exit":
        sys.exit(3)
    if word == "eat":
        return np.ones(2**31, np.uint8)
    if word == "fail":
        raise KeyError("Doe^Jane")
    if word == "shout":
        print("Doe^Jane", file=sys.stderr)
        warnings.warn("Doe^Jane", stacklevel=1)
    if word == "refuse":
        raise ReadError("refuse.png", "damaged", "is damaged")
    if word == "unfit":
        raise DataError("does not fit")
    if word == "objects":
        return np.array([{}], dtype=object)
    if word in ("hashed", "forged"):
        return Hashed(np.zeros((1, 2, 3), np.float32), 64 * "a" if word == "hashed" else "../" + 61 * "a")
    if word == "slow0":
        time.sleep(0.5)
    return np.full((1, 2, 3), float(word[-1]) if word[-1].isdigit() else 0, np.float32)


def process_number(_: str) -> np.ndarray:
    """The number of the process that reads."""
    return np.array([os.getpid()], np.float64)
