from __future__ import annotations

import fcntl
import io
import os
import stat
import struct
import subprocess
import sys
import time
import unicodedata
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from lungscan_monai.apps.uploads import Accepted, Upload, UploadFolder, UploadLimits, shown_name
from lungscan_monai.errors import OutputError
from lungscan_monai.gate.limits import Limits
from lungscan_monai.inference.answering import Reject
from tests.bombs import file_of, image


def png(shade: int = 90) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.full((20, 30), shade, np.uint8)).save(stream, "PNG")
    return stream.getvalue()


def zipped(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return stream.getvalue()


@pytest.fixture
def folder(tmp_path):
    with UploadFolder(parent=tmp_path) as made:
        yield made


def accepted(folder: UploadFolder, name: str, content: bytes) -> list:
    return folder.accept([Upload(name, content)])


def code(folder: UploadFolder, content: bytes, name: str = "some.zip") -> str:
    (outcome,) = accepted(folder, name, content)
    assert isinstance(outcome, Reject) and outcome.reason
    return outcome.code


def test_a_file_is_kept_as_it_came_and_known_by_its_content(folder):
    (found,) = accepted(folder, "report.pdf", png())
    assert found.path.read_bytes() == png() and found.shown_name == "report.pdf"
    assert (found.admitted.kind, found.admitted.rows, found.admitted.columns) == ("picture", 20, 30)


def test_a_forged_picture_is_refused_whatever_it_is_called(folder):
    assert code(folder, b"<svg onload='alert(1)'/>", "chest.png") == "unknown-format"
    assert code(folder, b"MZ\x90\0" * 100, "chest.jpg") == "unknown-format"
    assert code(folder, png()[:20], "chest.png") == "damaged"
    assert code(folder, b"", "chest.png") == "empty"
    assert list(folder.path.glob("0*")) == []


def test_one_bad_file_leaves_the_others_alone(folder):
    found = folder.accept(
        [Upload("a", b"no"), Upload("b", png()), Upload("c.zip", b"PK\x03\x04cut"), Upload("d", png())]
    )
    assert [type(outcome) for outcome in found] == [Reject, Accepted, Reject, Accepted]
    assert [getattr(outcome, "case", None) or outcome.shown_name for outcome in found] == ["a", "b", "c.zip", "d"]


@pytest.mark.parametrize(
    "name",
    ["../../../etc/cron.d/x", "/etc/passwd", "..\\..\\boot.ini", "a\0b.png", "x" * 70_000, "CON", "", "...", "#frame=3"]
    + ["\u202egnp.exe", "\ud800", "ａ／ｂ", "e\u0301" * 5000, "\n\r\t", "a" * 255 + "/" + "b" * 255, "lock"],
)
def test_a_name_is_never_a_path(folder, tmp_path, name):
    before = sorted(tmp_path.rglob("*"))
    for content in (png(), zipped({name: png()}) if encodable(name) else png()):
        (found,) = accepted(folder, name, content)
        assert found.path.parent == folder.path and found.path.name[:6].isdecimal()
        assert found.shown_name.isprintable() and 0 < len(found.shown_name) <= 100
        found.path.unlink()
    assert sorted(tmp_path.rglob("*")) == before


def encodable(name: str) -> bool:
    return name.isascii() and 0 < len(name) < 65_000 and "\0" not in name and not name.endswith(("/", "\\"))


@given(st.text())
def test_a_shown_name_is_one_short_line_without_invisible_characters(name):
    shown = shown_name(name)
    assert 0 < len(shown) <= 100 and shown == shown.strip()
    assert not [char for char in shown if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")]
    assert not {"", ".", ".."} & set(shown.removeprefix("…").split("/")) or shown.startswith("…")


def test_a_name_keeps_its_letters_and_its_end():
    assert shown_name("rontgen dada — пример 胸部.png") == "rontgen dada — пример 胸部.png"
    assert shown_name("<b onclick=alert(1)>.png") == "<b onclick=alert(1)>.png"  # text; who shows it escapes it
    assert shown_name("y" * 200 + ".dcm").endswith("yy.dcm")


def test_the_folder_and_its_files_are_for_their_owner_only(folder):
    (found,) = accepted(folder, "a.png", png())
    assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700 and stat.S_IMODE(found.path.stat().st_mode) == 0o600


def test_the_folder_is_gone_after_its_end_and_after_an_error(tmp_path):
    with pytest.raises(KeyError), UploadFolder(parent=tmp_path) as folder:
        accepted(folder, "a.png", png())
        raise KeyError
    assert list(tmp_path.iterdir()) == []


def test_a_forgotten_folder_is_gone_with_its_object(tmp_path):
    folder = UploadFolder(parent=tmp_path)
    accepted(folder, "a.png", png())
    del folder
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_is_swept_and_what_lives_is_not(tmp_path):
    program = (
        "import sys, os; from lungscan_monai.apps.uploads import *; f = UploadFolder(parent=sys.argv[1]);"
        "f.accept([Upload('a', b'no')]); print(f.path, flush=True); sys.stdin.read(); os._exit(1)"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        left = Path(process.stdout.readline().strip())
        age(left)
        with UploadFolder(parent=tmp_path):
            assert left.exists()  # its owner lives
        process.kill()
        process.wait()
    with UploadFolder(parent=tmp_path):
        assert not left.exists()


def age(folder: Path) -> None:
    an_hour_ago = time.time() - 3600
    os.utime(folder, (an_hour_ago, an_hour_ago))


def test_a_young_folder_without_a_lock_is_left_to_its_owner_and_an_old_one_is_swept(tmp_path):
    young, old, link = (tmp_path / f"lungscan-upload-{name}" for name in ("young", "old", "link"))
    young.mkdir()
    old.mkdir()
    (old / "000001").write_bytes(b"x")
    age(old)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    link.symlink_to(elsewhere)
    with UploadFolder(parent=tmp_path):
        assert young.exists() and not old.exists() and elsewhere.exists() and link.is_symlink()


def test_the_lock_is_held_while_the_folder_lives(folder):
    with (folder.path / "lock").open("rb") as stream, pytest.raises(BlockingIOError):
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_parent_that_is_not_there_is_said_to_be_so(tmp_path):
    with pytest.raises(OutputError, match="no folder for uploads"):
        UploadFolder(parent=tmp_path / "nowhere")


def test_an_emptied_folder_takes_files_again(tmp_path):
    with UploadFolder(UploadLimits(files=1), parent=tmp_path) as folder:
        assert isinstance(accepted(folder, "a", png())[0], Accepted)
        assert code(folder, png()) == "too-many-files"
        folder.empty()
        assert isinstance(accepted(folder, "a", png())[0], Accepted)
        assert len(list(folder.path.glob("0*"))) == 1


def test_an_archive_gives_one_outcome_for_each_of_its_files(folder):
    files = {"p/": b"", "p/1.dcm": file_of(image()), "p/2.png": png(), "p/readme.txt": b"hello"}
    found = accepted(folder, "study.zip", zipped(files))
    assert [type(outcome) for outcome in found] == [Accepted, Accepted, Reject]
    assert found[0].shown_name == "p/1.dcm" and found[0].admitted.dicom.modality == "CT"
    assert found[0].path.suffix == ".dcm"


def test_limits_count_what_comes_out_of_an_archive(tmp_path):
    limits = UploadLimits(files=3, total_bytes=3000, gate=Limits(file_bytes=2000))
    pixels = file_of(image(30, 30))
    with UploadFolder(limits, parent=tmp_path) as folder:
        assert code(folder, bytes(2001), "a") == "too-large"
        assert code(folder, zipped({str(number): b"" for number in range(4)})) == "too-many-files"
        codes = [getattr(one, "code", "") for one in accepted(folder, "z", zipped({name: pixels for name in "abc"}))]
        assert codes == ["", "", "too-large"]


def test_an_entry_that_expands_without_end_is_given_up_early(folder):
    bomb = zipped({"bomb.dcm": bytes(200 * 2**20)})
    assert len(bomb) < 2**18
    assert code(folder, bomb) == "expansion"
    lying = bytearray(bomb)
    for at in (22, lying.index(b"PK\x01\x02") + 24):  # the size after unpacking, in both headers
        struct.pack_into("<I", lying, at, 10)
    assert code(folder, bytes(lying)) in ("expansion", "damaged")
    assert folder.path.joinpath("lock").stat().st_size == 0 and len(list(folder.path.iterdir())) == 1


def test_a_table_of_contents_of_a_million_entries_is_not_read(folder):
    head = zipped({"a": b""})
    start = time.process_time()
    assert code(folder, head + head[head.index(b"PK\x01\x02") :] * 1_000_000) == "too-many-files"
    assert time.process_time() - start < 2


def test_archives_in_archives_and_links_and_passwords_and_odd_packings_are_refused(folder):
    assert code(folder, zipped({"inner": zipped({"a": png()})})) == "nested-archive"
    assert code(folder, zipped({"a": png()}, zipfile.ZIP_LZMA)) == "compression"
    link = zipfile.ZipInfo("link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(link, "/etc/passwd")
    assert code(folder, stream.getvalue()) == "link"
    locked = bytearray(zipped({"a": png()}))
    locked[6] |= 1
    locked[locked.index(b"PK\x01\x02") + 8] |= 1
    assert code(folder, bytes(locked)) == "encrypted"
    assert code(folder, zipped({})) == "empty"


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 600), st.integers(0, 255)), min_size=1, max_size=8), st.integers(0, 600))
def test_no_damaged_archive_breaks_anything(folder, changes, end):
    content = bytearray(zipped({"a.png": png(), "b.txt": b"hello" * 40, "c/d.dcm": file_of(image())}))
    for place, value in changes:
        content[place % len(content)] = value
    content = bytes(content[: max(4, len(content) - end)] if end % 3 == 0 else content)
    for outcome in accepted(folder, "some.zip", b"PK\x03\x04" + content[4:]):
        assert isinstance(outcome, Accepted | Reject)
    folder.empty()


def test_a_full_disk_is_a_reject(folder, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("lungscan_monai.apps.uploads.os.open", full)
    assert code(folder, png()) == "not-stored"
