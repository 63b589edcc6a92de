"""`lungscan data report`: one page about a data set."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lungscan_monai.cli.console import REJECTED, Json, existing, guarded, print_json, progress, say, working


@guarded("No page was written; give the same command again.")
def report(
    datalist: Annotated[Path, typer.Argument(metavar="DATALIST", help="The datalist of the data set.")],
    output: Annotated[Path, typer.Option(metavar="FILE", help="The page to write.")] = Path("data-report.html"),
    dataset_dir: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder of the images, if they were moved since the import.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Chooses the pictures that are shown.")] = 0,
    pictures: Annotated[
        bool, typer.Option("--pictures/--no-pictures", help="Show small pictures; without them a page can be shared.")
    ] = True,
    json_: Json = False,
) -> None:
    """Describe a data set on one page: counts, brightness, copies, leaks, shortcuts.

    The page is one HTML file that opens without a network. An image that cannot be read is listed, and does not end
    the work; the exit code is then 3.

    Examples:

    lungscan data report datalist.json --output data-report.html

    lungscan data report datalist.json --no-pictures --json
    """
    existing(datalist, "datalist")
    with working():
        from lungscan_monai.data.datalist import load_datalist
        from lungscan_monai.data_report.report import build_data_report
        from lungscan_monai.data_report.writing import write_data_report
        from lungscan_monai.storage import require_writable

        loaded = load_datalist(datalist, dataset_dir)
        require_writable(output.absolute().parent)
        with progress("images") as show:
            numbers = build_data_report(loaded, seed=seed, progress=show)
        write_data_report(output, numbers, loaded, pictures=pictures)
    if json_:
        print_json({"page": str(output), **numbers})
    for found in numbers["findings"]:
        say(f"{found['tone'].replace('plain', 'note').capitalize()}: {found['text']}", _COLOURS[found["tone"]])
    say(f"Page: {output}")
    if numbers["unreadable"]:
        raise typer.Exit(REJECTED)


_COLOURS = {"warning": typer.colors.YELLOW, "plain": None}
