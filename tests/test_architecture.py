"""The house stands as docs/architecture.md draws it: who imports whom, through which door, and without side effects."""

from __future__ import annotations

import ast
import configparser
import json
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "lungscan_monai"
LONGEST_FUNCTION = 60
ONE_DOOR = {"timm": "networks", "nibabel": "transforms.volumes", "SimpleITK": "transforms.volumes"}
OPTIONAL_FOLDERS = {"results", "node", "apps"}
"""Folders whose modules may import optional packages at their head; nothing else imports these folders at its own."""
TOOLS = {"test"}
"""Extras for those who work on the toolkit; the package itself imports none of them."""


def module_name(path: Path) -> str:
    """Return the name below the package: ``"data.splits"``; the package itself is ``""``."""
    parts = path.relative_to(ROOT / PACKAGE).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


SOURCES = {module_name(path): ast.parse(path.read_text()) for path in sorted((ROOT / PACKAGE).rglob("*.py"))}
FOLDERS = {module_name(path) for path in (ROOT / PACKAGE).rglob("__init__.py")}


def imported(node: ast.AST) -> list[str]:
    """Return the dotted names that one statement imports; of ``from a import b`` both ``a`` and ``a.b``."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
        return [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return []


def strangers(tree: ast.AST) -> set[str]:
    """Return the names of the packages beyond the standard library that a module imports anywhere."""
    tops = {name.split(".")[0] for node in ast.walk(tree) for name in imported(node)}
    return tops - set(sys.stdlib_module_names) - {PACKAGE}


def own_imports(name: str) -> set[str]:
    """Return the modules of the package that a module imports anywhere, below the package."""
    found = {full for node in ast.walk(SOURCES[name]) for full in imported(node) if full.startswith(f"{PACKAGE}.")}
    modules = {full.removeprefix(f"{PACKAGE}.") for full in found}
    return {module for module in modules if module in SOURCES and not _is_way_to(module, modules)}


def _is_way_to(module: str, modules: set[str]) -> bool:
    """``from a import b`` of a module ``a.b`` leans on ``a.b``, not on the folder ``a``."""
    return module in FOLDERS and any(other.startswith(f"{module}.") and other in SOURCES for other in modules)


def layers() -> list[list[str]]:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    block = page.split("```layers\n")[1].split("```")[0]
    return [line.split() for line in block.splitlines()]


def layer_of(module: str) -> int | None:
    """Return the number of a module's layer, by the longest name that covers it."""
    covering = [
        (len(name), number)
        for number, names in enumerate(layers())
        for name in names
        if module == name or module.startswith(f"{name}.")
    ]
    return max(covering)[1] if covering else None


MODULES = [name for name in SOURCES if name]


@pytest.mark.parametrize("module", MODULES)
def test_every_module_has_a_layer(module):
    assert layer_of(module) is not None, f"{module}: say in docs/architecture.md to which layer it belongs"


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_from_its_own_layer_or_an_earlier_one(module):
    below = [other for other in own_imports(module) if layer_of(other) > layer_of(module)]
    assert not below, f"{module} imports {', '.join(below)}, which stand(s) on a later line of docs/architecture.md"


def test_imports_go_round_in_no_circle():
    try:
        TopologicalSorter({module: own_imports(module) - {module} for module in MODULES}).prepare()
    except CycleError as error:
        pytest.fail(f"circle of imports: {' -> '.join(error.args[1])}")


@pytest.mark.parametrize("module", [name for name in MODULES if layer_of(name) in (0, 1, 2)])
def test_the_first_layers_need_the_standard_library_only(module):
    assert strangers(SOURCES[module]) == set()


@pytest.mark.parametrize(("package", "door"), ONE_DOOR.items())
def test_a_package_with_one_door_is_imported_there_only(package, door):
    assert [name for name, tree in SOURCES.items() if package in strangers(tree)] == [door]


def optional_packages() -> set[str]:
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    extras = config["options.extras_require"]
    lines = [line for extra in extras if extra not in TOOLS for line in extras[extra].splitlines() if line]
    return {line.split(">=")[0].split("[")[0].strip().replace("-", "_") for line in lines}


@pytest.mark.parametrize("package", sorted(optional_packages()))
def test_an_optional_package_is_imported_inside_a_function_of_one_module_or_in_a_folder_of_its_own(package):
    users = [name for name, tree in SOURCES.items() if package in strangers(tree)]
    beyond = [name for name in users if name.split(".")[0] not in OPTIONAL_FOLDERS]
    assert len(beyond) <= 1
    at_import = [name for name in beyond if package in {full.split(".")[0] for full in _imports_at_module_level(name)}]
    assert at_import == []


@pytest.mark.parametrize("folder", sorted(OPTIONAL_FOLDERS))
def test_a_folder_with_optional_packages_is_entered_from_functions_only(folder):
    for name in SOURCES:
        if name.split(".")[0] not in OPTIONAL_FOLDERS:
            entered = [full for full in _imports_at_module_level(name) if full.startswith(f"{PACKAGE}.{folder}")]
            assert not entered, f"{name} imports {entered[0]} when it is imported itself; do that inside a function"


def _imports_at_module_level(module: str) -> Iterator[str]:
    for node in SOURCES[module].body:
        yield from imported(node)


def test_importing_any_module_changes_nothing_and_prints_nothing():
    theirs = {
        full.rpartition(".")[0] or full
        for name in SOURCES
        for full in _imports_at_module_level(name)
        if full.split(".")[0] not in sys.stdlib_module_names and not full.startswith(PACKAGE)
    }
    ours = [f"{PACKAGE}.{name}".rstrip(".") for name in SOURCES if not name.endswith("__main__")]
    given = json.dumps({"theirs": sorted(theirs), "ours": ours})
    done = subprocess.run([sys.executable, "-c", _WATCH], input=given, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found == {"printed": "", "changed": []}


_WATCH = """
import contextlib, importlib, io, json, locale, logging, os, random, sys, warnings

given = json.load(sys.stdin)
for name in given["theirs"]:
    importlib.import_module(name)

import cv2, numpy, torch


def loggers():
    names = [name for name, logger in logging.root.manager.loggerDict.items() if isinstance(logger, logging.Logger)]
    found = {name: logging.getLogger(name) for name in (None, *names)}
    return {str(name): (list(map(repr, log.handlers)), log.level) for name, log in found.items() if log.handlers}


def state():
    return {
        "warning filters": list(map(repr, warnings.filters)),
        "log handlers": loggers(),
        "default dtype": str(torch.get_default_dtype()),
        "default device": str(torch.get_default_device()),
        "threads": (torch.get_num_threads(), cv2.getNumThreads()),
        "deterministic algorithms": torch.are_deterministic_algorithms_enabled(),
        "gradients": torch.is_grad_enabled(),
        "random states": (random.getstate(), str(numpy.random.get_state()), torch.get_rng_state().tolist()),
        "numpy errors": numpy.geterr(),
        "environment": dict(os.environ),
        "path": list(sys.path),
        "locale": locale.getlocale(),
    }


before = state()
stream = io.StringIO()
with contextlib.redirect_stdout(stream), contextlib.redirect_stderr(stream):
    for name in given["ours"]:
        importlib.import_module(name)
after = state()
print(json.dumps({"printed": stream.getvalue(), "changed": [name for name in before if before[name] != after[name]]}))
"""


def functions() -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    for name, tree in SOURCES.items():
        for node in ast.walk(tree):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                yield name, node


def test_functions_are_short():
    long = [f"{name}.{node.name}" for name, node in functions() if _lines_of_code(node) > LONGEST_FUNCTION]
    assert not long, f"longer than {LONGEST_FUNCTION} lines without their docstrings: {', '.join(long)}"


def _lines_of_code(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    first = node.body[0]
    is_docstring = ast.get_docstring(node) is not None
    docstring = first.end_lineno - first.lineno + 1 if is_docstring else 0
    return node.end_lineno - node.lineno + 1 - docstring


def test_no_module_swallows_errors_or_asserts():
    for name, tree in SOURCES.items():
        broad = [node for node in ast.walk(tree) if isinstance(node, ast.ExceptHandler) and _catches_all(node)]
        asserts = [node for node in ast.walk(tree) if isinstance(node, ast.Assert)]
        assert not asserts, f"{name}, line {asserts[0].lineno}: an assert outside the tests"
        assert not broad or name == "cli.console", f"{name}, line {broad[0].lineno}: catches every exception"


def _catches_all(handler: ast.ExceptHandler) -> bool:
    return handler.type is None or getattr(handler.type, "id", "") in ("Exception", "BaseException")
