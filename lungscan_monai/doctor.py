"""Examine the machine: is everything there that the toolkit needs, and does it fit together?

Nothing heavy is imported here; torch is tried in a process of its own, so that a broken one breaks nothing else.
"""

from __future__ import annotations

import configparser
import importlib
import importlib.metadata
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lungscan_monai.errors import MissingDependencyError, OutputError
from lungscan_monai.memory import memory_limit
from lungscan_monai.storage import require_writable

DISTRIBUTION = "lungscan-monai"
OK, NOTE, MISSING = "ok", "note", "missing"

_REQUIREMENT = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)(?:\[[^\]]*\])?\s*\(?(?:>=\s*(?P<floor>[0-9.]+))?")
_REINSTALL = "pip install --force-reinstall torch torchvision"
_PROBE = "import json; from lungscan_monai.doctor import torch_facts; print(json.dumps(torch_facts()))"
_PROBE_SECONDS = 180
_GIB = 2**30
_SMALLEST_DISK = 2 * _GIB
_SMALLEST_MEMORY = 4 * _GIB
_COMPRESSED_SYNTAXES = {
    "RLE": "1.2.840.10008.1.2.5",
    "JPEG, 8 bits": "1.2.840.10008.1.2.4.50",
    "JPEG, 12 bits": "1.2.840.10008.1.2.4.51",
    "JPEG lossless": "1.2.840.10008.1.2.4.70",
    "JPEG-LS": "1.2.840.10008.1.2.4.80",
    "JPEG 2000 lossless": "1.2.840.10008.1.2.4.90",
    "JPEG 2000": "1.2.840.10008.1.2.4.91",
    "HTJ2K lossless": "1.2.840.10008.1.2.4.201",
}


@dataclass(frozen=True)
class Check:
    """One thing that was examined.

    Args:
        name: What.
        status: ``"ok"``, ``"note"`` (works, but worth knowing) or ``"missing"`` (needed, and not there or not fitting).
        detail: What was found.
        remedy: What to do, empty if nothing.
    """

    name: str
    status: str
    detail: str
    remedy: str = ""


@dataclass(frozen=True)
class Requirement:
    """A package and the lowest version that will do.

    Args:
        name: Name of the distribution.
        floor: Lowest version, empty for any.
    """

    name: str
    floor: str = ""


def examine(output: str | os.PathLike = ".") -> list[Check]:
    """Examine everything.

    Args:
        output: Folder that results shall be written into.
    """
    return [
        check_python(),
        *(check_package(requirement) for requirement in requirements()),
        *check_torch(),
        check_processor(),
        check_memory(),
        check_disk(output),
        check_writable(output),
        *check_codecs(),
        check_weights_cache(),
    ]


def require_matching_torchvision() -> None:
    """Import torchvision, which fails where it was built for another torch, and say so.

    Raises:
        MissingDependencyError: If torch or torchvision is missing, or the two do not fit.
    """
    try:
        importlib.import_module("torchvision")
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            f"{error.name} is not installed; install both together: pip install torch torchvision"
        ) from error
    except (ImportError, RuntimeError, OSError, AttributeError) as error:
        found = {name: _installed(name) or "(not installed)" for name in ("torch", "torchvision")}
        raise MissingDependencyError(
            f"torch {found['torch']} and torchvision {found['torchvision']} are not of one build "
            f"({str(error).splitlines()[0]}); reinstall both together: {_REINSTALL}"
        ) from error


def requirements() -> list[Requirement]:
    """Return what the package needs, from `setup.cfg` beside it (a clone) or from its installed metadata."""
    config = Path(__file__).resolve().parent.parent / "setup.cfg"
    if config.is_file():
        parser = configparser.ConfigParser()
        parser.read(config, encoding="utf-8")
        lines = parser["options"]["install_requires"].splitlines()
    else:
        lines = [line for line in importlib.metadata.requires(DISTRIBUTION) or [] if "extra ==" not in line]
    return [_requirement(line) for line in lines if line.strip() and not line.strip().startswith("#")]


def _requirement(line: str) -> Requirement:
    match = _REQUIREMENT.match(line.strip())
    return Requirement(match["name"], match["floor"] or "")


def check_python(version: tuple[int, ...] = sys.version_info[:2]) -> Check:
    """Check that Python is 3.10 or newer."""
    found = f"{platform.python_version()} on {platform.platform(terse=True)}"
    if version >= (3, 10):
        return Check("Python", OK, found)
    return Check("Python", MISSING, found, "install Python 3.10 or newer")


def check_package(requirement: Requirement) -> Check:
    """Check that a package is installed in a version that will do."""
    remedy = f'pip install --upgrade "{requirement.name}>={requirement.floor or 0}"'
    installed = _installed(requirement.name)
    if installed is None:
        return Check(requirement.name, MISSING, "not installed", remedy)
    if _release(installed) < _release(requirement.floor):
        return Check(requirement.name, MISSING, f"{installed}, needed {requirement.floor} or newer", remedy)
    return Check(requirement.name, OK, installed)


def _installed(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _release(version: str) -> tuple[int, ...]:
    """Return the numbers of a version without trailing zeros: ``"2.10.0+cpu"`` -> ``(2, 10)``."""
    match = re.match(r"\d+(?:\.\d+)*", version)
    numbers = [int(part) for part in match.group().split(".")] if match else []
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def torch_facts() -> dict[str, Any]:
    """Return what torch computes on, ``{"gpus": names, "threads": number}``, or ``{"error": why it does not}``."""
    try:
        require_matching_torchvision()
    except MissingDependencyError as error:
        return {"error": str(error)}
    import torch

    gpus = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return {"gpus": gpus, "threads": torch.get_num_threads()}


def check_torch() -> list[Check]:
    """Try torch and torchvision in a process of its own, and see whether there is a GPU."""
    found = _probed_torch_facts()
    if "error" in found:
        return [Check("torch with torchvision", MISSING, found["error"], _REINSTALL)]
    names = ", ".join(found["gpus"])
    gpu = Check("GPU", OK, names) if names else Check("GPU", NOTE, "none that torch can use; the CPU computes")
    return [Check("torch with torchvision", OK, f"of one build; {found['threads']} thread(s)"), gpu]


def _probed_torch_facts() -> dict[str, Any]:
    command = [sys.executable, "-c", _PROBE]
    folder = Path(__file__).resolve().parent.parent  # where this package is found
    try:
        probe = subprocess.run(command, capture_output=True, text=True, timeout=_PROBE_SECONDS, cwd=folder, check=False)
    except subprocess.TimeoutExpired:
        return {"error": f"torch gives no answer within {_PROBE_SECONDS} s"}
    if probe.returncode:
        last = (probe.stderr.strip().splitlines() or [f"ended with {probe.returncode}"])[-1]
        return {"error": f"torch cannot be imported: {last}"}
    return json.loads(probe.stdout.splitlines()[-1])


def check_processor() -> Check:
    """Say how many processors this process may use."""
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return Check("processors", OK, f"{available} ({platform.machine()})")


def check_memory() -> Check:
    """Say how much memory there is, or how much of it a container may use, where the system tells."""
    total = memory_limit()
    if total is None:
        return Check("memory", NOTE, "this system does not tell")
    found = f"{total / _GIB:.1f} GiB"
    if total >= _SMALLEST_MEMORY:
        return Check("memory", OK, found)
    return Check("memory", NOTE, found, "lower -o batch_size or give -o cache_dir=DIR if training runs out of memory")


def check_disk(folder: str | os.PathLike) -> Check:
    """Say how much disk is free where results go."""
    place = _nearest_existing(Path(folder))
    free = shutil.disk_usage(place).free
    found = f"{free / _GIB:.1f} GiB free"
    if free >= _SMALLEST_DISK:
        return Check("disk", OK, found)
    return Check("disk", NOTE, found, f"checkpoints and explanations want {_SMALLEST_DISK // _GIB} GiB")


def _nearest_existing(folder: Path) -> Path:
    folder = folder.absolute()
    return next(parent for parent in (folder, *folder.parents) if parent.exists())


def check_writable(folder: str | os.PathLike) -> Check:
    """Check that results can be written; a folder that is not there yet is tried in the nearest one that is."""
    try:
        require_writable(_nearest_existing(Path(folder)))
    except OutputError as error:
        return Check("output folder", MISSING, str(error), "choose another folder with --output")
    return Check("output folder", OK, f"{Path(folder).absolute()} can be written")


def check_codecs() -> list[Check]:
    """Check that the compressed transfer syntaxes of DICOM can be decoded."""
    if _installed("pydicom") is None:
        return []
    from pydicom.pixels import get_decoder
    from pydicom.uid import UID

    decoders = {name: get_decoder(UID(uid)) for name, uid in _COMPRESSED_SYNTAXES.items()}
    missing = [name for name, decoder in decoders.items() if not decoder.is_available]
    if missing:
        detail = f"no decoder for {'; '.join(missing)}"
        return [Check("DICOM decoders", MISSING, detail, 'pip install "pylibjpeg[all]" pyjpegls')]
    return [Check("DICOM decoders", OK, "; ".join(decoders))]


def check_weights_cache() -> Check:
    """Say which ImageNet weights are on this machine already."""
    home = Path(os.environ.get("HF_HOME", Path.home() / ".cache" / "huggingface"))
    cache = Path(os.environ.get("HF_HUB_CACHE", home / "hub"))
    names = sorted(path.name.rpartition("--")[2] for path in cache.glob("models--timm--*")) if cache.is_dir() else []
    if names:
        return Check("weights", OK, f"{len(names)} backbone(s) in {cache}: {', '.join(names)}")
    remedy = "they are downloaded when a training first needs them; offline, give --weights FILE or --weights none"
    return Check("weights", NOTE, f"none in {cache}", remedy)
