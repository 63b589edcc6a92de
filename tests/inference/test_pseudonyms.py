from __future__ import annotations

import hashlib
import stat

import pytest
from pydicom.uid import UID

from lungscan_monai.errors import ConfigError, OutputError
from lungscan_monai.inference.pseudonyms import KEY_NAME, Pseudonyms, load_key, own_key

KEY = bytes(range(32))


def hmac_by_hand(key: bytes, message: bytes) -> bytes:
    """RFC 2104."""
    padded = key.ljust(64, b"\0")
    inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in padded) + message).digest()
    return hashlib.sha256(bytes(byte ^ 0x5C for byte in padded) + inner).digest()


def test_a_uid_becomes_another_valid_uid_by_keyed_hash():
    found = Pseudonyms(KEY).uid("1.2.840.113619.2.55")
    expected = hmac_by_hand(KEY, b"uid\x001.2.840.113619.2.55")[:16]
    assert found == f"2.25.{int.from_bytes(expected, 'big')}"
    assert UID(found).is_valid


def test_equal_names_have_equal_pseudonyms_and_only_under_one_key_and_for_one_use():
    one, other = Pseudonyms(KEY), Pseudonyms(KEY[::-1])
    assert one.text("file", "a") == Pseudonyms(KEY).text("file", "a")
    assert len({one.text("file", "a"), one.text("file", "b"), other.text("file", "a")}) == 3
    assert one.text("file", "a").removeprefix("file-") != one.text("patient", "a").removeprefix("patient-")
    assert one.fingerprint != other.fingerprint


def test_the_key_of_a_folder_is_made_once_and_is_its_owners_alone(tmp_path):
    key = own_key(tmp_path)
    assert len(key) == 32 and own_key(tmp_path) == key and load_key(tmp_path / KEY_NAME) == key
    assert stat.S_IMODE((tmp_path / KEY_NAME).stat().st_mode) == 0o600


def test_half_a_key_that_a_crash_left_is_made_anew(tmp_path):
    (tmp_path / KEY_NAME).write_bytes(b"half")
    assert len(own_key(tmp_path)) == 32


def test_what_is_no_key_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="31 bytes, expected at least 32"):
        Pseudonyms(KEY[:31])
    with pytest.raises(ConfigError, match="cannot be read"):
        load_key(tmp_path / "none")
    with pytest.raises(OutputError, match="cannot be written"):
        own_key(tmp_path / "none")
