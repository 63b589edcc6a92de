from __future__ import annotations

import importlib.metadata
import json
import os
import re
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lungscan_monai import doctor, memory
from lungscan_monai.cli import app
from lungscan_monai.doctor import MISSING, NOTE, OK, Check, Requirement
from lungscan_monai.errors import MissingDependencyError

SETUP = (Path(__file__).resolve().parents[1] / "setup.cfg").read_text(encoding="utf-8")
MISMATCH = "raise RuntimeError('operator torchvision::nms does not exist')\n"


@pytest.fixture
def torchvision_of_another_build(tmp_path, monkeypatch):
    """A torchvision that fails as one built for another torch does."""
    (tmp_path / "torchvision").mkdir()
    (tmp_path / "torchvision" / "__init__.py").write_text(MISMATCH, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.syspath_prepend(tmp_path)
    for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        monkeypatch.delitem(sys.modules, name)


def test_a_torchvision_of_another_build_is_named_with_both_versions_and_the_remedy(torchvision_of_another_build):
    with pytest.raises(MissingDependencyError) as caught:
        doctor.require_matching_torchvision()
    message = str(caught.value)
    assert f"torch {importlib.metadata.version('torch')}" in message
    assert f"torchvision {importlib.metadata.version('torchvision')}" in message
    assert "not of one build" in message
    assert "torchvision::nms" in message
    assert "pip install --force-reinstall torch torchvision" in message


def test_the_doctor_finds_a_torchvision_of_another_build_in_a_process_of_its_own(torchvision_of_another_build):
    (check,) = doctor.check_torch()
    assert check.status == MISSING
    assert "not of one build" in check.detail


def test_a_missing_torchvision_is_named(monkeypatch):
    def absent(name):
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr(doctor.importlib, "import_module", absent)
    with pytest.raises(MissingDependencyError, match="torchvision is not installed; install both together"):
        doctor.require_matching_torchvision()


def test_a_torch_that_kills_its_process_is_reported(monkeypatch):
    monkeypatch.setattr(doctor, "_PROBE", "import os; os._exit(134)")
    (check,) = doctor.check_torch()
    assert check.status == MISSING
    assert "ended with 134" in check.detail


def test_a_torch_that_does_not_answer_is_reported(monkeypatch):
    monkeypatch.setattr(doctor, "_PROBE", "import time; time.sleep(60)")
    monkeypatch.setattr(doctor, "_PROBE_SECONDS", 0.2)
    (check,) = doctor.check_torch()
    assert "no answer" in check.detail


def test_gpus_are_named(monkeypatch):
    monkeypatch.setattr(doctor, "_PROBE", """print('noise'); print('{"gpus": ["Fast 1"], "threads": 4}')""")
    fitting, gpu = doctor.check_torch()
    assert fitting.status == OK
    assert gpu == Check("GPU", OK, "Fast 1")


def test_the_requirements_are_those_of_setup_cfg():
    block = SETUP.split("install_requires =\n")[1].split("\n\n")[0]
    lines = [line.strip() for line in block.splitlines() if not line.strip().startswith("#")]
    expected = [tuple(re.sub(r"\[.*?\]", "", line).split(">=")) for line in lines]
    assert [(requirement.name, requirement.floor) for requirement in doctor.requirements()] == expected


def test_the_requirements_of_an_installed_package_come_from_its_metadata(tmp_path, monkeypatch):
    monkeypatch.setattr(doctor, "__file__", str(tmp_path / "lungscan_monai" / "doctor.py"))
    lines = ["monai>=1.6.1", "pylibjpeg[all]>=2.0", "rich", 'medmnist>=3.0; extra == "medmnist"']
    monkeypatch.setattr(doctor.importlib.metadata, "requires", lambda name: lines)
    assert doctor.requirements() == [
        Requirement("monai", "1.6.1"),
        Requirement("pylibjpeg", "2.0"),
        Requirement("rich"),
    ]


@pytest.mark.parametrize(
    ("installed", "floor", "status"),
    [
        ("2.10.0", "2.10", OK),
        ("2.10.0+cu130", "2.10", OK),
        ("2.9.1", "2.10", MISSING),
        ("3.0.2rc1", "3.0.2", OK),
        ("12.3", "12.3.0", OK),
        ("12.2.9", "12.3", MISSING),
        ("1.0", "", OK),
    ],
)
def test_a_version_is_compared_with_its_floor(monkeypatch, installed, floor, status):
    monkeypatch.setattr(doctor.importlib.metadata, "version", lambda name: installed)
    check = doctor.check_package(Requirement("some", floor))
    assert check.status == status
    assert installed in check.detail


def test_a_package_that_is_not_installed_comes_with_the_command_that_installs_it():
    check = doctor.check_package(Requirement("no-such-package-here", "1.2"))
    assert check.status == MISSING
    assert check.remedy == 'pip install --upgrade "no-such-package-here>=1.2"'


def test_an_old_python_is_missing_something():
    assert doctor.check_python((3, 9)).status == MISSING
    assert doctor.check_python((3, 14)).status == OK


def test_a_folder_that_cannot_be_written_is_missing_something(tmp_path):
    (tmp_path / "file").write_text("x", encoding="utf-8")
    assert doctor.check_writable(tmp_path / "file").status == MISSING
    assert doctor.check_writable(tmp_path / "not" / "there" / "yet").status == OK
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file"]


def test_little_disk_and_little_memory_are_noted(tmp_path, monkeypatch):
    monkeypatch.setattr(doctor, "_SMALLEST_DISK", 2**80)
    monkeypatch.setattr(doctor, "_SMALLEST_MEMORY", 2**80)
    assert doctor.check_disk(tmp_path).status == NOTE
    assert doctor.check_memory().status == NOTE


@pytest.mark.skipif(not hasattr(os, "sysconf"), reason="this system does not tell its memory")
def test_the_memory_limit_of_a_container_counts(tmp_path, monkeypatch):
    (tmp_path / "memory.max").write_text(f"{2**28}\n", encoding="ascii")
    monkeypatch.setattr(memory, "_LIMIT_OF_CONTAINER", tmp_path / "memory.max")
    assert doctor.check_memory().detail == "0.2 GiB"
    (tmp_path / "memory.max").write_text("max\n", encoding="ascii")
    assert doctor.check_memory().detail != "0.2 GiB"


def test_a_missing_decoder_is_named(monkeypatch):
    class Decoder:
        def __init__(self, uid):
            self.is_available = uid != "1.2.840.10008.1.2.4.80"

    monkeypatch.setattr("pydicom.pixels.get_decoder", Decoder)
    (check,) = doctor.check_codecs()
    assert check.status == MISSING
    assert check.detail == "no decoder for JPEG-LS"


def test_the_weights_on_this_machine_are_named(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    assert doctor.check_weights_cache().status == NOTE
    (tmp_path / "models--timm--resnet50.a1_in1k").mkdir()
    assert "resnet50.a1_in1k" in doctor.check_weights_cache().detail


def test_the_command_ends_with_9_when_something_is_missing_and_with_0_when_not(monkeypatch):
    monkeypatch.setattr(
        doctor, "examine", lambda output: [Check("torch", MISSING, "not installed", "pip install torch")]
    )
    result = CliRunner().invoke(app, ["doctor", "--json"])
    assert result.exit_code == 9
    assert json.loads(result.stdout)["ready"] is False
    assert json.loads(result.stdout)["checks"][0]["remedy"] == "pip install torch"
    monkeypatch.setattr(doctor, "examine", lambda output: [Check("GPU", NOTE, "none")])
    result = CliRunner().invoke(app, ["doctor"])
    assert result.exit_code == 0
    assert "GPU\tnote\tnone\t" in result.stdout


def test_everything_is_examined_without_importing_torch_here(tmp_path, monkeypatch):
    monkeypatch.setattr(doctor, "_PROBE", """print('{"gpus": [], "threads": 1}')""")
    names = [check.name for check in doctor.examine(tmp_path)]
    assert {"Python", "torch with torchvision", "GPU", "memory", "disk", "output folder", "DICOM decoders"} <= set(
        names
    )
