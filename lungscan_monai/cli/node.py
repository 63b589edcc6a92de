"""`lungscan node`: a model beside the PACS, and what it has done."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from lungscan_monai.cli.console import Json, epilog, guarded, print_json, print_table, say, working
from lungscan_monai.optional import require

MODULES = ("highdicom", "pynetdicom", "requests", "prometheus_client")
STATES = ("received", "waiting", "working", "sending", "done", "failed", "unrouted", "unanswered", "conflict")

Config = Annotated[Path, typer.Option("--config", metavar="FILE", help="The node's settings, JSON.")]

app = typer.Typer(invoke_without_command=True, epilog=epilog())


@app.callback()
def node(
    context: typer.Context,
    config: Annotated[
        Path | None, typer.Option("--config", metavar="FILE", help="As `lungscan node run` has it.")
    ] = None,
) -> None:
    """Put models beside a PACS: studies go in, standard results come back, nothing is lost.

    `lungscan node --config FILE` is `lungscan node run --config FILE`.
    """
    if context.invoked_subcommand is None:
        if config is None:
            raise typer.BadParameter("give the node's settings, or a verb: run, status, retry", param_hint="--config")
        run(config)


@app.command(epilog=epilog())
@guarded("What was acknowledged is safe; start the node again to go on.")
def run(
    config: Config,
    check: Annotated[bool, typer.Option("--check", help="Check the settings and the bundles, and end.")] = False,
    json_: Json = False,
) -> None:
    """Receive studies from a PACS, analyse them, and send standard results back, until SIGTERM or Ctrl-C.

    Research and teaching only. Not for diagnosis.

    Examples:

    lungscan node run --config node.json --check

    lungscan node --config node.json
    """
    require("node", "the node", *MODULES)
    with working():
        from lungscan_monai.node.running import run_node
        from lungscan_monai.node.settings import check_bundles, load_settings

        settings = load_settings(config)
        bundles = check_bundles(settings)
        if not check:
            run_node(settings)
    if json_:
        print_json({"config": str(config), "bundles": {name: str(path) for name, path in bundles.items()}})
    elif check:
        say(f"{config}: the settings are sound, and so are {len(bundles)} bundle(s).")


@app.command(epilog=epilog())
@guarded("Nothing was changed.")
def status(
    config: Config,
    study: Annotated[str | None, typer.Argument(metavar="STUDY", help="Study Instance UID; all if not given.")] = None,
    state: Annotated[str | None, typer.Option(metavar="STATE", help=f"One of {', '.join(STATES)}.")] = None,
    json_: Json = False,
) -> None:
    """Say what the node has received, done and has to do, and why something failed; it may run or not.

    Examples:

    lungscan node status --config node.json

    lungscan node status --config node.json --state failed --json
    """
    if state is not None and state not in STATES:
        raise typer.BadParameter(f"{state!r} is none of {', '.join(STATES)}", param_hint="--state")
    require("node", "the node", *MODULES)
    from lungscan_monai.node.status import status_of

    with _ledger(config) as ledger:
        found = status_of(ledger, study, state)
    if json_:
        print_json(found)
        return
    print_table(["state", "number"], [[name, str(count)] for name, count in found["counts"].items()])
    columns = ("study", "bundle", "state", "images", "results", "attempts", "changed", "reason")
    if found["studies"]:
        print_table(list(columns), [_row(entry, columns) for entry in found["studies"]])


@app.command(epilog=epilog())
@guarded("Nothing was changed.")
def retry(
    config: Config,
    study: Annotated[str | None, typer.Argument(metavar="STUDY", help="Study Instance UID; all if not given.")] = None,
    json_: Json = False,
) -> None:
    """Try again what failed, from where it failed, and images that no rule fitted or that got no result.

    The node may run, and begins at once; else it does when it is started.

    Examples:

    lungscan node retry --config node.json

    lungscan node retry --config node.json 1.2.826.0.1.3680043.8.498.1 --json
    """
    require("node", "the node", *MODULES)
    with _ledger(config) as ledger:
        jobs, images = ledger.retry(study)
    if json_:
        print_json({"jobs": jobs, "images": images})
    else:
        say(f"{jobs} failed job(s) are tried again; {images} image(s) that went nowhere are routed again.")


def _ledger(config: Path) -> Any:
    from lungscan_monai.errors import DataError
    from lungscan_monai.node.ledger import LEDGER_NAME, NodeLedger
    from lungscan_monai.node.settings import load_settings

    store = load_settings(config).store
    if not (store / LEDGER_NAME).exists():
        raise DataError(f"{store}: no node has worked here yet")
    return NodeLedger(store)


def _row(entry: dict[str, Any], columns: tuple[str, ...]) -> list[str]:
    return ["" if entry[name] is None else str(entry[name]) for name in columns]
