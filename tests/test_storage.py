import hashlib
import json
import stat

import pytest

from lungscan_monai.errors import CheckpointError, OutputError
from lungscan_monai.storage import Manifest, replacing, require_writable, sha256_file, write_json


def test_sha256_is_that_of_hashlib(tmp_path):
    (tmp_path / "a").write_bytes(b"abc" * 100_000)
    assert sha256_file(tmp_path / "a") == hashlib.sha256(b"abc" * 100_000).hexdigest()


def test_an_exception_leaves_the_old_file_and_no_rest(tmp_path):
    target = tmp_path / "a.json"
    target.write_text("old")
    with pytest.raises(ZeroDivisionError), replacing(target) as part:
        part.write_text("half")
        raise ZeroDivisionError
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_a_written_file_is_readable_by_others_as_the_umask_says(tmp_path):
    write_json(tmp_path / "a.json", {"a": 1})
    (tmp_path / "b.json").write_text("{}")
    assert stat.S_IMODE((tmp_path / "a.json").stat().st_mode) == stat.S_IMODE((tmp_path / "b.json").stat().st_mode)


def test_nan_is_refused_in_json(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "a.json", {"a": float("nan")})


def test_a_folder_that_is_a_file_cannot_be_written(tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(OutputError, match="choose another output folder"):
        require_writable(tmp_path / "taken")


def test_the_manifest_knows_each_file(tmp_path):
    manifest = Manifest(tmp_path)
    with replacing(tmp_path / "model.pt", manifest, epoch=3) as part:
        part.write_bytes(b"weights")
    assert manifest.verify("model.pt") == hashlib.sha256(b"weights").hexdigest()
    assert manifest.entries()["model.pt"]["epoch"] == 3


def test_a_flipped_bit_is_noticed(tmp_path):
    manifest = Manifest(tmp_path)
    with replacing(tmp_path / "model.pt", manifest) as part:
        part.write_bytes(b"weights")
    (tmp_path / "model.pt").write_bytes(b"weighus")
    with pytest.raises(CheckpointError, match="damaged or was exchanged"):
        manifest.verify("model.pt")


def test_a_crash_between_manifest_and_rename_leaves_the_old_file_verified(tmp_path):
    manifest = Manifest(tmp_path)
    with replacing(tmp_path / "model.pt", manifest) as part:
        part.write_bytes(b"old")
    manifest.record("model.pt", hashlib.sha256(b"new").hexdigest(), 3)
    assert manifest.verify("model.pt") == hashlib.sha256(b"old").hexdigest()


@pytest.mark.parametrize("text", ["", "[]", json.dumps({"no": "files"})])
def test_a_broken_manifest_is_named(tmp_path, text):
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(CheckpointError, match="manifest.json"):
        Manifest(tmp_path).entries()
