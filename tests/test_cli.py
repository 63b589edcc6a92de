from __future__ import annotations

import json
import logging
import re
import resource
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

import lungscan_monai.errors as errors
from lungscan_monai import __version__
from lungscan_monai.bundles import find_bundle, working_copy
from lungscan_monai.cli import app, console
from lungscan_monai.errors import CheckpointError, LungScanError, LungScanWarning, OutputError, ReadError

ROOT = Path(__file__).resolve().parents[1]
DOCS = (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8")
SERVERS = {"lungscan app", "lungscan demo", "lungscan serve"}  # they run until they are stopped
HEAVY = {"torch", "monai", "timm", "numpy", "pydicom", "matplotlib"}


def verbs() -> dict[str, set[str]]:
    """Return the options of each verb of the real command."""
    found = {}

    def walk(command, name: str) -> None:
        if hasattr(command, "commands"):
            for child, subcommand in command.commands.items():
                walk(subcommand, f"{name} {child}")
        else:
            options = [param for param in command.params if param.param_type_name == "option"]
            found[name] = {text for option in options for text in (*option.opts, *option.secondary_opts)} - {"--help"}

    walk(typer.main.get_command(app), "lungscan")
    return found


def run(*arguments: str):
    return CliRunner().invoke(app, list(arguments))


def app_of(verb) -> typer.Typer:
    small = typer.Typer()
    small.command()(console.guarded("Give it again.")(verb))
    return small


def subprocess_of(*arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "lungscan_monai.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)


def all_error_classes() -> list[type[LungScanError]]:
    return [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, LungScanError)]


@pytest.mark.parametrize("arguments", [["--help"], ["list"], ["list", "--json"], ["train", "--help"]])
def test_help_and_list_take_less_than_half_a_second_of_computing(arguments):
    def seconds() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert subprocess_of(*arguments).returncode == 0
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    assert min(seconds() for _ in range(2)) < 0.5


@pytest.mark.parametrize("arguments", [["--help"], ["list"], ["train", "--help"], ["doctor", "--help"]])
def test_nothing_heavy_is_imported_for_help_and_list(arguments):
    code = (
        "import sys\nfrom typer.testing import CliRunner\nfrom lungscan_monai.cli import app\n"
        f"assert CliRunner().invoke(app, {arguments!r}).exit_code == 0\nprint(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert not HEAVY & set(done.stdout.split())


def test_the_version_is_printed():
    assert run("--version").stdout == f"lungscan {__version__}\n"


def test_without_a_verb_the_help_is_shown():
    assert "Usage: lungscan" in run().output


@pytest.mark.parametrize("verb", verbs())
def test_every_verb_has_a_help_page_with_an_example_and_the_exit_codes(verb):
    result = run(*verb.split()[1:], "--help")
    assert result.exit_code == 0
    text = " ".join(re.sub(r"[│╭╮╰╯─]", " ", result.output).split())
    assert re.search(r"Examples?:", text)
    assert f"{verb} " in text
    assert "130 interrupted" in text


@pytest.mark.parametrize("verb", [verb for verb in verbs() if verb not in SERVERS])
def test_every_verb_that_ends_by_itself_speaks_json(verb):
    assert "--json" in verbs()[verb]


def test_the_documentation_has_exactly_the_verbs_of_the_command():
    assert set(re.findall(r"^## (lungscan .*)$", DOCS, flags=re.MULTILINE)) == set(verbs())
    assert set(re.findall(r"^\| \[`(lungscan [^`]*)`\]", DOCS, flags=re.MULTILINE)) == set(verbs())


@pytest.mark.parametrize("verb", verbs())
def test_the_documentation_has_exactly_the_options_of_each_verb(verb):
    section = DOCS.split(f"\n## {verb}\n")[1].split("\n## ")[0]
    own = "\n".join(line for line in section.splitlines() if line.startswith(("|", "`--")))
    named = set(re.findall(r"`(-{1,2}[a-z][a-z-]*)[ `]", re.sub(r"`-o [^`]*`", "", own)))
    assert named == verbs()[verb]


def test_every_exit_code_is_documented_with_its_meaning():
    rows = dict(re.findall(r"^\| (\d+) \| ([^|]*) \|", DOCS, flags=re.MULTILINE))
    assert {int(code): meaning for code, meaning in rows.items()} == console.EXIT_CODES


@pytest.mark.parametrize("error", all_error_classes(), ids=lambda error: error.__name__)
def test_every_error_ends_with_a_documented_exit_code(error):
    assert error.exit_code in console.EXIT_CODES


def test_the_commands_of_the_documentation_exist():
    for line in re.findall(r"^lungscan .*$", DOCS, flags=re.MULTILINE):
        verb = next(verb for verb in verbs() if line.startswith(f"{verb} "))
        assert set(re.findall(r" (--[a-z-]+)", line)) <= verbs()[verb]


def test_an_unknown_verb_is_a_wrong_command_line():
    assert run("trian").exit_code == 2


@pytest.mark.parametrize(
    "error",
    [CheckpointError("model.pt: damaged"), OutputError("out: cannot write"), ReadError("a.dcm", "truncated", "is cut")],
)
def test_an_error_of_ours_is_one_message_without_traceback(error):
    def verb() -> None:
        raise error

    result = CliRunner().invoke(app_of(verb), [])
    assert result.exit_code == error.exit_code
    assert result.stdout == ""
    assert result.stderr == f"Error: {error}\n"


def test_an_error_of_ours_is_found_inside_the_errors_around_it():
    def verb() -> None:
        try:
            raise ReadError("a.dcm", "truncated", "is cut")
        except ReadError as error:
            raise RuntimeError("applying transform LoadImaged") from error

    result = CliRunner().invoke(app_of(verb), [])
    assert result.exit_code == ReadError.exit_code
    assert "a.dcm: is cut" in result.stderr


def test_an_unexpected_error_says_how_to_see_where_it_happened():
    def verb() -> None:
        raise ZeroDivisionError("division by zero")

    result = CliRunner().invoke(app_of(verb), [])
    assert result.exit_code == 1
    assert "ZeroDivisionError: division by zero" in result.stderr
    assert "--debug" in result.stderr
    assert "Traceback" not in result.stderr


def test_an_unexpected_error_is_shown_as_it_began_not_as_it_was_wrapped():
    def verb() -> None:
        raise RuntimeError("Failed to evaluate ConfigExpression") from MemoryError("out of memory")

    assert "unexpected MemoryError: out of memory" in CliRunner().invoke(app_of(verb), []).stderr


def test_ctrl_c_ends_with_130_and_says_how_to_go_on():
    def verb() -> None:
        raise KeyboardInterrupt

    result = CliRunner().invoke(app_of(verb), [])
    assert result.exit_code == 130
    assert result.stderr == "Interrupted. Give it again.\n"


def test_an_interrupted_training_says_resume(monkeypatch):
    def interrupted(_: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("lungscan_monai.cli.training.find_bundle", interrupted)
    result = run("train", "any", "--datalist", "any.json")
    assert result.exit_code == 130
    assert "--resume" in result.stderr


def test_debug_shows_the_traceback(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = run("--debug", "predict", "no_such_bundle", "a.png")
    assert result.exit_code == 4
    assert "Traceback" in result.stderr
    assert "BundleNotFoundError" in result.stderr
    assert "Traceback" not in run("predict", "no_such_bundle", "a.png").stderr


def test_overrides_are_json_where_they_can_be_and_text_elsewhere():
    pairs = ["max_epochs=3", "amp=true", "mean=null", "lr=1e-3", "backbone=resnet50", "--x#y=[1, 2]", "path=a=b"]
    assert console.parsed_overrides(pairs) == {
        "max_epochs": 3,
        "amp": True,
        "mean": None,
        "lr": 1e-3,
        "backbone": "resnet50",
        "x#y": [1, 2],
        "path": "a=b",
    }


@pytest.mark.parametrize("pair", ["max_epochs", "=3"])
def test_an_override_without_name_or_value_is_a_wrong_command_line(pair):
    with pytest.raises(typer.BadParameter, match="KEY=VALUE"):
        console.parsed_overrides([pair])


def test_while_working_nothing_reaches_stdout(capsys):
    with console.working():
        print("a library prints")
        logging.getLogger("lungscan_monai.training").info("an epoch")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "a library prints" in captured.err
    assert "an epoch" in captured.err


def test_while_working_only_what_matters_is_logged(capsys):
    with console.working():
        logging.getLogger("monai.data").warning("a codec is not available")
        logging.getLogger("ignite.engine.engine.SupervisedTrainer").error("Engine run is terminating")
        logging.getLogger("monai.data").error("cannot go on")
    assert [line[9:] for line in capsys.readouterr().err.splitlines()] == ["cannot go on"]


def test_while_working_our_warnings_are_shown_and_those_of_others_are_not(capsys):
    with console.working():
        warnings.warn("two patients leak", LungScanWarning, stacklevel=1)
        warnings.warn("deprecated", DeprecationWarning, stacklevel=1)
    assert capsys.readouterr().err == "Warning: two patients leak\n"


def test_working_leaves_logging_and_warnings_as_they_were():
    root, ours = logging.getLogger(), logging.getLogger("lungscan_monai")
    before = (list(root.handlers), ours.level, list(warnings.filters), warnings.showwarning)
    with pytest.raises(OutputError), console.working():
        raise OutputError("disk full")
    assert before == (list(root.handlers), ours.level, list(warnings.filters), warnings.showwarning)


def test_progress_is_one_plain_line_where_there_is_no_terminal(capsys):
    with console.progress("predict") as show:
        show(1, 2)
        show(2, 2)
    assert re.fullmatch(r"predict: 2 in \d+\.\d s\n", capsys.readouterr().err)


def test_a_table_is_separated_by_tabs_where_there_is_no_terminal(capsys):
    console.print_table(["a", "b"], [["1", "2"]])
    assert capsys.readouterr().out == "a\tb\n1\t2\n"


def test_list_shows_what_each_bundle_answers():
    result = run("list", "--json")
    bundles = {bundle["name"]: bundle for bundle in json.loads(result.stdout)["bundles"]}
    assert set(bundles) >= {path.parent.parent.name for path in ROOT.glob("monai_bundles/*/configs/metadata.json")}
    for bundle in bundles.values():
        metadata = json.loads((Path(bundle["path"]) / "configs" / "metadata.json").read_text(encoding="utf-8"))
        names = metadata["network_data_format"]["outputs"]["pred"]["channel_def"]
        assert bundle["label_names"] == list(names.values())
        assert bundle["trained"] == (Path(bundle["path"]) / "models" / "model.pt").exists()


def test_list_names_a_broken_bundle_and_still_lists_the_others(tmp_path, monkeypatch):
    broken = tmp_path / "broken_classification" / "configs"
    broken.mkdir(parents=True)
    (broken / "metadata.json").write_text("{", encoding="utf-8")
    monkeypatch.setenv("LUNGSCAN_BUNDLES", str(tmp_path))
    result = run("list")
    assert result.exit_code == 3
    assert "not valid JSON" in result.stderr
    assert "pneumonia_cxr_classification" in result.stdout
    assert "broken_classification" not in result.stdout


@pytest.mark.parametrize("verb", ["train", "evaluate"])
def test_a_misspelt_override_is_refused_before_anything_heavy_is_imported(verb, tmp_path):
    (tmp_path / "datalist.json").write_text("{}", encoding="utf-8")
    root = working_copy(find_bundle("pneumonia_cxr_classification"), tmp_path / "bundle")
    (root / "models").mkdir()
    (root / "models" / "model.pt").write_bytes(b"")
    words = [verb, str(root), "-d", str(tmp_path / "datalist.json"), "-o", "max_epocs=3"]
    code = (
        "import sys\nfrom typer.testing import CliRunner\nfrom lungscan_monai.cli import app\n"
        f"result = CliRunner().invoke(app, {words!r})\nassert result.exit_code == 4, result.stderr\n"
        "assert 'did you mean --max_epochs?' in result.stderr\nprint(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert not HEAVY & set(done.stdout.split())
