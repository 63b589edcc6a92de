"""What the pages show exists: commands, options, configs, links, pictures, imports, versions."""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import monai.bundle
import pytest
import typer

import lungscan_monai
from lungscan_monai.cli import app
from lungscan_monai.overrides import known_ids
from lungscan_monai.task import load_task

ROOT = Path(__file__).resolve().parents[1]
BUNDLES = sorted(path.parents[1] for path in (ROOT / "monai_bundles").glob("*/configs/metadata.json"))
PAGES = sorted(
    [ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "data").rglob("*.md")]
    + [bundle / "docs" / "README.md" for bundle in BUNDLES]
)
CARD_HEADINGS = (
    "Model Overview",
    "Data",
    "Preprocessing",
    "Training configuration",
    "Input",
    "Output",
    "Performance",
    "MONAI Bundle Commands",
    "Limitations",
    "References",
    "License",
)
PLACEHOLDERS = {"VERB", "<verb>", "..."}
RUNNER = ["python", "-m", "monai.bundle"]
ENVIRONMENT = {"$BUNDLE": f"monai_bundles/{BUNDLES[0].name}"}

_BLOCK = re.compile(r"^ *```(\w+)\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
_ANY_BLOCK = re.compile(r"^ *```.*?^ *```", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"\]\(([^)\s]+)\)")


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def blocks(language: str) -> Iterator[tuple[Path, str]]:
    for page in PAGES:
        for found, text in _BLOCK.findall(page.read_text(encoding="utf-8")):
            if found == language:
                yield page, inspect.cleandoc(text)


def shown_lines() -> Iterator[tuple[Path, str]]:
    """Give each command of the bash blocks, on one line."""
    for page, text in blocks("bash"):
        for line in text.replace("\\\n", " ").splitlines():
            yield page, " ".join(line.split())


def mentioned_lines() -> Iterator[tuple[Path, str]]:
    """Give each inline code; it may leave something out."""
    for page in PAGES:
        for code in _CODE.findall(_ANY_BLOCK.sub("", page.read_text(encoding="utf-8"))):
            yield page, code


def commands(program: str, *sources: Iterator[tuple[Path, str]]) -> list:
    found = [(name_of(page), line) for source in sources for page, line in source if line.startswith(f"{program} ")]
    return [pytest.param(line, id=f"{page}: {line}") for page, line in dict.fromkeys(found)]


@cache
def lungscan():
    return typer.main.get_command(app)


def options_of(command) -> set[str]:
    return {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)} | {"--help"}


def verb_and_rest(line: str) -> tuple[object, list[str]]:
    """Return the command that the first words of a line name, and the words after it."""
    command, words = lungscan(), shlex.split(line)[1:]
    while hasattr(command, "commands") and words and not words[0].startswith("-") and words[0] not in PLACEHOLDERS:
        assert words[0] in command.commands, f"{command.name} has no verb {words[0]}"
        command = command.commands[words.pop(0)]
    return command, words


@pytest.mark.parametrize("line", commands("lungscan", shown_lines(), mentioned_lines()))
def test_a_lungscan_command_and_its_options_exist(line):
    command, words = verb_and_rest(line)
    unknown = {word.split("=")[0] for word in words if word.startswith("-")} - options_of(command)
    assert not unknown, f"{command.name} has no option {', '.join(sorted(unknown))}"


@pytest.mark.parametrize("line", commands("lungscan", shown_lines()))
def test_the_command_line_takes_what_a_page_shows(line):
    command, words = verb_and_rest(line)
    command.make_context(command.name, words)


@pytest.mark.parametrize("line", commands("lungscan", shown_lines()))
def test_an_override_that_a_page_shows_is_known(line):
    _, words = verb_and_rest(line)
    given = {
        value.partition("=")[0] for word, value in zip(words, words[1:], strict=False) if word in ("-o", "--override")
    }
    named = [bundle for bundle in BUNDLES if bundle.name in words]
    assert given <= set().union(*map(known_ids, named or BUNDLES))


def runner_commands() -> list:
    found = []
    for page, line in shown_lines():
        words = shlex.split(line)
        start = next((i for i in range(len(words)) if words[i : i + 2] == RUNNER[1:]), None)
        if start is not None:
            found.append(pytest.param(page, words[start + 2 :], id=f"{name_of(page)}: {line[:60]}"))
    return found


@pytest.mark.parametrize(("page", "words"), runner_commands())
def test_a_command_of_monais_runner_names_a_function_files_and_overrides_that_exist(page, words):
    verb, *rest = words
    function = getattr(monai.bundle, verb)
    bundle = page.parents[1] if page.parents[1] in BUNDLES else BUNDLES[0]
    folder = bundle if bundle == page.parents[1] else ROOT
    given = dict(zip(rest, rest[1:], strict=False))
    options = [word.removeprefix("--") for word in rest if word.startswith("--")]
    unknown = set(options) - set(inspect.signature(function).parameters) - known_ids(bundle)
    assert not unknown
    for option in ("--config_file", "--meta_file", "--logging_file", "--bundle_root"):
        for file in _files(given.get(option)):
            assert (folder / file).exists(), file
    if verb == "run":
        configs = [json.loads((folder / file).read_text()) for file in _files(given["--config_file"])]
        assert any(rest[0] in config for config in configs), f"no config has a list {rest[0]}"


def _files(text: str | None) -> list[str]:
    for name, value in ENVIRONMENT.items():
        text = text and text.replace(name, value)
    if not text:
        return []
    return ast.literal_eval(text) if text.startswith("[") else [text]


@pytest.mark.parametrize("line", commands("bash", shown_lines(), mentioned_lines()))
def test_a_script_exists(line):
    assert (ROOT / shlex.split(line)[1]).is_file()


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_and_pictures_lead_somewhere(page):
    text = _ANY_BLOCK.sub("", page.read_text(encoding="utf-8"))
    lost = [
        target
        for target in _LINK.findall(text)
        if not target.startswith(("http", "mailto:")) and _is_lost(page, target)
    ]
    assert not lost


def _is_lost(page: Path, target: str) -> bool:
    file, _, anchor = target.partition("#")
    place = page.parent / file if file else page
    return not place.exists() or (bool(anchor) and anchor not in _anchors(place))


def _anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub gives to the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def python_blocks() -> list:
    return [pytest.param(text, id=f"{name_of(page)} {number}") for number, (page, text) in enumerate(blocks("python"))]


@pytest.mark.parametrize("text", python_blocks())
def test_a_python_example_compiles_and_its_imports_exist(text):
    for node in ast.walk(compile(text, "example", "exec", ast.PyCF_ONLY_AST)):
        if isinstance(node, ast.ImportFrom):
            module = importlib.import_module(node.module)
            assert all(hasattr(module, alias.name) for alias in node.names)


@pytest.mark.parametrize("text", [text for language in ("json",) for _, text in blocks(language)])
def test_a_json_example_is_json(text):
    json.loads(text if text.lstrip().startswith(("{", "[")) else f"{{{text}}}")


def test_the_readme_shows_the_two_commands_and_says_what_it_is_not_for():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "\nbash scripts/quickstart.sh\n" in text and "\nbash scripts/test.sh\n" in text
    assert "Not for diagnosis" in text


@pytest.mark.parametrize("bundle", BUNDLES, ids=lambda bundle: bundle.name)
def test_the_readme_lists_every_bundle_as_working(bundle):
    row = next(
        line for line in (ROOT / "README.md").read_text().splitlines() if f"`{bundle.name}`" in line and "|" in line
    )
    assert "works" in row and all(label in row for label in load_task(bundle).label_names)


def test_the_readme_calls_nothing_else_working():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    working = re.findall(r"^\|.*`(\w+_classification)`.*\*\*works\*\* \|$", text, re.MULTILINE)
    assert set(working) == {bundle.name for bundle in BUNDLES}


@pytest.mark.parametrize("bundle", BUNDLES, ids=lambda bundle: bundle.name)
def test_a_card_has_the_headings_of_the_model_zoo(bundle):
    text = (bundle / "docs" / "README.md").read_text(encoding="utf-8")
    headings = re.findall(r"^#+ (.+)$", _ANY_BLOCK.sub("", text), re.MULTILINE)
    assert [heading for heading in headings if heading in CARD_HEADINGS] == list(CARD_HEADINGS)


@pytest.mark.parametrize("bundle", BUNDLES, ids=lambda bundle: bundle.name)
def test_a_card_names_the_labels_in_the_order_of_the_metadata(bundle):
    text = (bundle / "docs" / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+) \| (.+?) \|$", text, re.MULTILINE)
    assert rows == [(str(index), name) for index, name in enumerate(load_task(bundle).label_names)]


@pytest.mark.parametrize("bundle", BUNDLES, ids=lambda bundle: bundle.name)
def test_a_card_states_the_input_of_the_metadata(bundle):
    task = load_task(bundle)
    rows, columns = task.image_size
    text = (bundle / "docs" / "README.md").read_text(encoding="utf-8").split("## Input")[1].split("## Output")[0]
    assert f"{task.num_channels} x {rows} x {columns}" in text
    assert all(modality in text for modality in task.modalities)


@pytest.mark.parametrize("bundle", BUNDLES, ids=lambda bundle: bundle.name)
def test_monai_reads_the_list_of_large_files(bundle):
    monai.bundle.download_large_files(str(bundle))


def test_the_changelog_has_the_version_of_the_package():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"\n## [{lungscan_monai.__version__}]" in text


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_no_page_names_a_path_of_some_machine(page):
    assert not re.search(r"(?<![\w.])/(?:home|root|work|tmp|Users)/", page.read_text(encoding="utf-8"))
