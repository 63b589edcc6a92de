"""`lungscan bundle`: begin a new task, and write the measured numbers into a model card."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lungscan_monai.bundles import find_bundle
from lungscan_monai.cli.console import Json, epilog, existing, guarded, print_json, say

app = typer.Typer(no_args_is_help=True)


@app.command(epilog=epilog())
@guarded("Nothing was changed; give the same command again.")
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the new bundle; it contains classification.")],
    sibling: Annotated[
        str, typer.Option("--from", metavar="SIBLING", help="Bundle to start from (`lungscan list`), best of one kind.")
    ],
    output: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where the new folder is made; beside SIBLING if not given.")
    ] = None,
    json_: Json = False,
) -> None:
    """Begin a new task: copy a bundle, without its model and numbers, under a new name.

    It prints which four files make the copy a task of its own. Until they are edited, it works for SIBLING's task.

    Example: lungscan bundle new hip_xray_classification --from pneumonia_cxr_classification
    """
    from lungscan_monai.new_bundle import FILES_TO_EDIT, new_bundle

    root = new_bundle(name, sibling, output)
    if json_:
        edit = [{"file": str(root / file.path), "what": file.what} for file in FILES_TO_EDIT]
        print_json({"bundle": str(root), "edit": edit})
        return
    say(f"{root} works as it is, for the labels of {sibling}. Edit four files to make it your task:")
    for file in FILES_TO_EDIT:
        typer.echo(f"{root / file.path}\t{file.what}")
    say(f"Then: lungscan train {root} --datalist DATALIST --output runs/{name} (docs/add-a-task.md has every step)")


@app.command(epilog=epilog())
@guarded("Nothing was changed; give the same command again.")
def card(
    bundle: Annotated[str, typer.Argument(metavar="BUNDLE", help="Folder of the trained bundle, or its name.")],
    datalist: Annotated[
        Path, typer.Option("--datalist", "-d", metavar="FILE", help="The datalist that it was evaluated with.")
    ],
    report: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The report.json; that of the bundle's eval folder if not given."),
    ] = None,
    into: Annotated[
        str | None,
        typer.Option(metavar="BUNDLE", help="Write into the card of this bundle, which does not hold the model."),
    ] = None,
    phantoms: Annotated[
        bool, typer.Option("--phantoms", help="Write numbers of simulated pictures, too; the card says so.")
    ] = False,
    json_: Json = False,
) -> None:
    """Write the numbers of an evaluation into the model card, and into eval_metrics of the metadata.

    The report must be of the very model in the bundle (SHA-256) and of the datalist given. Numbers come with their
    intervals, date, command and hashes.

    Examples:

    lungscan bundle card runs/pneumonia -d datalist.json

    lungscan bundle card runs/pneumonia -d datalist.json --into pneumonia_cxr_classification
    """
    root = find_bundle(bundle)
    target = None if into is None else find_bundle(into)
    existing(datalist, "datalist")
    from lungscan_monai.model_card import publish_performance

    path = publish_performance(root, report or root / "eval" / "report.json", datalist, target, phantoms)
    if json_:
        print_json({"card": str(path)})
        return
    typer.echo(path)
