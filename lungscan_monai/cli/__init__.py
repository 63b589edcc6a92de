"""The command `lungscan`: train, evaluate, explain and use the bundles' models.

Only the verbs that compute import torch, and only when they run.
"""

from __future__ import annotations

from typing import Annotated

import typer

from lungscan_monai import __version__
from lungscan_monai.cli import app as web_app
from lungscan_monai.cli import (
    batching,
    bundle,
    checking,
    comparing,
    data,
    listing,
    node,
    precision,
    predicting,
    serving,
    training,
)
from lungscan_monai.cli.console import epilog, set_debugging

app = typer.Typer(
    name="lungscan",
    epilog=epilog(),
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("list", epilog=epilog())(listing.list_bundles)
app.add_typer(data.app, name="data", help="Import a data set, simulate one, or describe one.")
app.add_typer(bundle.app, name="bundle", help="Begin a new task, or write a model card's numbers.")
app.command(epilog=epilog())(training.train)
app.command(epilog=epilog())(training.evaluate)
app.command(epilog=epilog())(comparing.compare)
app.command(epilog=epilog())(precision.precision)
app.command(epilog=epilog())(predicting.predict)
app.command(epilog=epilog())(predicting.explain)
app.command(epilog=epilog())(batching.batch)
app.command(epilog=epilog())(web_app.app)
app.command(epilog=epilog())(serving.serve)
app.command(epilog=epilog())(serving.demo)
app.add_typer(node.app, name="node", help="A model beside the PACS: receive, analyse, send results back.")
app.command(epilog=epilog())(checking.doctor)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"lungscan {__version__}")
        raise typer.Exit


@app.callback()
def _lungscan(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks and all warnings.")] = False,
) -> None:
    """Train, evaluate, explain and use MONAI bundles for medical image classification.

    Research and teaching only: no regulatory body has assessed these models.

    Results go to stdout, everything else to stderr. `lungscan VERB --help` has examples.
    """
    set_debugging(debug)


def main() -> None:
    """Run the command line."""
    app(prog_name="lungscan")
