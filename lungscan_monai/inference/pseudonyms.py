"""Pseudonyms of what names a patient or an examination: equal names have equal ones, for who holds the key only."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from pathlib import Path

from lungscan_monai.errors import ConfigError, OutputError

KEY_NAME = "pseudonyms.key"
"""The key of a run, in its output folder, unless one was given."""

KEY_BYTES = 32
_UID_BYTES = 16


class Pseudonyms:
    """Keyed hashes (HMAC with SHA-256) in the form of what they stand for.

    Args:
        key: At least `KEY_BYTES` random bytes; who has it can tell whether a name belongs to a pseudonym.

    Raises:
        ConfigError: If the key is too short.

    Example:
        >>> Pseudonyms(bytes(32)).text("patient", "Doe^Jane")
        'patient-3da008d29e5298e6'
    """

    def __init__(self, key: bytes) -> None:
        if len(key) < KEY_BYTES:
            raise ConfigError(f"the key has {len(key)} bytes, expected at least {KEY_BYTES} random ones")
        self._key = key

    def uid(self, uid: str) -> str:
        """Return the pseudonym of a DICOM UID, itself a valid one (PS3.5 B.2: ``2.25.`` and a number of 128 bits)."""
        return f"2.25.{int.from_bytes(self._digest('uid', uid)[:_UID_BYTES], 'big')}"

    def text(self, what: str, name: str) -> str:
        """Return the pseudonym of a file or a patient: what it is, and 16 hexadecimal digits."""
        return f"{what}-{self._digest(what, name).hex()[:16]}"

    @property
    def fingerprint(self) -> str:
        """What tells keys apart without revealing them."""
        return self._digest("key", "").hex()[:16]

    def _digest(self, what: str, name: str) -> bytes:
        return hmac.new(self._key, f"{what}\0{name}".encode(errors="surrogatepass"), hashlib.sha256).digest()


def load_key(path: str | os.PathLike) -> bytes:
    """Return the key in a file.

    Raises:
        ConfigError: If it cannot be read.
    """
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: the key cannot be read ({error.strerror})") from error


def own_key(folder: str | os.PathLike) -> bytes:
    """Return the key of an output folder, made now if there is none; only its owner may read it.

    Raises:
        OutputError: If it cannot be written.
    """
    path = Path(folder) / KEY_NAME
    if path.exists() and path.stat().st_size >= KEY_BYTES:
        return load_key(path)
    key = secrets.token_bytes(KEY_BYTES)
    try:
        path.unlink(missing_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as stream:
            stream.write(key)
            stream.flush()
            os.fsync(handle)
    except OSError as error:
        raise OutputError(f"{path}: the key cannot be written ({error.strerror}); choose another folder") from error
    return key
