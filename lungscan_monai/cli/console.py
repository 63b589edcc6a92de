"""What all verbs share: how they end, what goes to stdout and what to stderr."""

from __future__ import annotations

import contextlib
import functools
import json
import logging
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Annotated, Any

import typer

from lungscan_monai.errors import LungScanWarning, chain_of, own_error

EXIT_CODES = {
    0: "all went well",
    1: "something unexpected",
    2: "the command line is wrong",
    3: "some inputs were rejected, the others were answered",
    4: "a config, a task, an override or a bundle's name is wrong",
    5: "the data cannot be used",
    6: "weights or a checkpoint are missing, damaged, or of another model",
    7: "training cannot go on",
    8: "a result cannot be written",
    9: "a package is missing or does not fit",
    10: "a PACS, a store, a cluster or another peer cannot be reached, or refuses",
    11: "a backend does not answer as PyTorch does",
    130: "interrupted",
}
UNEXPECTED, REJECTED, MISSING, INTERRUPTED = 1, 3, 9, 130

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object, and nothing else, on stdout.")]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--override", "-o", metavar="KEY=VALUE", help="Set any entry of the configs; give it several times."),
]

_OUR_LOGGER = "lungscan_monai"
_RUNNER_LOGGER = "monai.bundle.workflows"  # it has a handler of its own and passes nothing on

_debugging: ContextVar[bool] = ContextVar("debugging", default=False)


def debugging() -> bool:
    """Tell whether the user asked for tracebacks."""
    return _debugging.get()


def set_debugging(on: bool) -> None:
    """Show tracebacks and all warnings, or not, until the next call."""
    _debugging.set(on)


def epilog() -> str:
    """Return the exit codes as they stand at the end of the help page."""
    return "Exit codes: " + "; ".join(f"{code} {meaning}" for code, meaning in EXIT_CODES.items()) + "."


def say(message: str, style: str | None = None) -> None:
    """Tell the person something, on stderr."""
    typer.secho(message, err=True, fg=style)


def print_json(content: dict[str, Any]) -> None:
    """Print one JSON object on stdout."""
    typer.echo(json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False))


def print_table(columns: list[str], rows: list[list[str]], title: str | None = None) -> None:
    """Print a table on stdout: drawn by rich for a terminal, separated by tabs for everything else."""
    if not sys.stdout.isatty():
        typer.echo("\n".join("\t".join(row) for row in [columns, *rows]))
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=title and escape(title))
    for column in columns:
        table.add_column(escape(column), overflow="fold")
    for row in rows:
        table.add_row(*map(escape, row))
    Console().print(table)


def guarded(interrupted: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Decorate a verb so that every error ends in one message on stderr and the documented exit code.

    Args:
        interrupted: What to tell someone who pressed Ctrl-C.
    """

    def decorate(verb: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(verb)
        def run(*args: Any, **options: Any) -> None:
            try:
                verb(*args, **options)
            except (typer.Exit, typer.Abort, typer.BadParameter):
                raise
            except KeyboardInterrupt:
                say(f"Interrupted. {interrupted}", typer.colors.YELLOW)
                raise typer.Exit(INTERRUPTED) from None
            except Exception as error:
                own, first = own_error(error), chain_of(error)[-1]
                _show(error, str(own) if own else f"unexpected {type(first).__name__}: {first}; --debug shows where")
                raise typer.Exit(own.exit_code if own else UNEXPECTED) from None

        return run

    return decorate


def _show(error: Exception, message: str) -> None:
    if debugging():
        say("".join(traceback.format_exception(error)).rstrip())
    say(f"Error: {message}", typer.colors.RED)


@contextlib.contextmanager
def working() -> Iterator[None]:
    """While the heavy work is done: our log lines and warnings go to stderr, and whatever others print too.

    What other libraries log below an error, what Ignite logs of errors that we report ourselves, and warnings that are
    not ours, are left out unless the user debugs.
    """
    with contextlib.redirect_stdout(sys.stderr), warnings.catch_warnings(), _logging_to_stderr():
        if not debugging():
            warnings.simplefilter("ignore")
        warnings.simplefilter("default", LungScanWarning)
        warnings.showwarning = functools.partial(_show_warning, warnings.showwarning)
        yield


@contextlib.contextmanager
def _logging_to_stderr() -> Iterator[None]:
    root, ours, runner = (logging.getLogger(name) for name in (None, _OUR_LOGGER, _RUNNER_LOGGER))
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    handler.addFilter(_is_worth_showing)
    level = ours.level
    root.addHandler(handler)
    ours.setLevel(logging.INFO)
    runner.addFilter(_is_worth_showing)
    try:
        yield
    finally:
        root.removeHandler(handler)
        ours.setLevel(level)
        runner.removeFilter(_is_worth_showing)


def _is_worth_showing(record: logging.LogRecord) -> bool:
    if debugging() or record.name.startswith(_OUR_LOGGER):
        return True
    return record.levelno >= logging.ERROR and not record.name.startswith("ignite")


def _show_warning(plain: Callable[..., None], message: Warning, category: type[Warning], *rest: Any) -> None:
    if issubclass(category, LungScanWarning):
        say(f"Warning: {message}", typer.colors.YELLOW)
    else:
        plain(message, category, *rest)


@contextlib.contextmanager
def progress(description: str) -> Iterator[Callable[[int, int], None]]:
    """Show on stderr how far a loop is: a bar with rate and remaining time on a terminal, else one line at the end.

    Args:
        description: What is done, a word or two.

    Yields:
        A function to call with the number done and the number wanted.
    """
    if not sys.stderr.isatty():
        done, started = [0], time.monotonic()
        yield lambda count, _: done.__setitem__(0, count)
        say(f"{description}: {done[0]} in {time.monotonic() - started:.1f} s")
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    rate = TextColumn("{task.fields[rate]:.1f}/s")
    columns = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), rate, TimeRemainingColumn()]
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(description, total=None, rate=0.0)
        yield lambda count, total: bar.update(task, completed=count, total=total, rate=bar.tasks[0].speed or 0.0)


def parsed_overrides(pairs: list[str] | None) -> dict[str, Any]:
    """Return ``KEY=VALUE`` texts as a dictionary; values are JSON where they can be, else text.

    Raises:
        typer.BadParameter: If a text has no ``=``.
    """
    values = {}
    for pair in pairs or []:
        name, equals, text = pair.partition("=")
        if not (name and equals):
            raise typer.BadParameter(
                f"{pair!r} is not KEY=VALUE, for instance -o max_epochs=3", param_hint="--override"
            )
        values[name.removeprefix("--")] = _value(text)
    return values


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def existing(path: Path, what: str) -> Path:
    """Return a path that a user gave, if there is something.

    Raises:
        typer.BadParameter: If not.
    """
    if not path.exists():
        raise typer.BadParameter(f"there is no {what} {path}")
    return path
