"""`lungscan data`: import a data set, simulate one, or describe one."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from lungscan_monai.cli import data_report, importing
from lungscan_monai.cli.console import Json, epilog, guarded, print_json, print_table, progress, say, working

app = typer.Typer(no_args_is_help=True)
app.command("import", epilog=epilog())(importing.import_)


@app.command("phantoms", epilog=epilog())
@guarded("The set is not complete and has no datalist; give the same command again.")
def phantoms(
    task: Annotated[str, typer.Argument(metavar="TASK", help="A task or its bundle, as in pneumonia_cxr.")],
    output: Annotated[Path, typer.Argument(metavar="OUTPUT", help="The folder to write into.")],
    count: Annotated[int, typer.Option(min=1, help="Number of pictures.")] = 400,
    size: Annotated[int, typer.Option(min=1, help="Rows and columns.")] = 256,
    seed: Annotated[int, typer.Option(min=0, help="Seed of everything.")] = 0,
    contrast: Annotated[float, typer.Option(min=0.01, help="Conspicuity of the lesions; 1 is like life.")] = 1.0,
    dicom: Annotated[bool, typer.Option("--dicom/--no-dicom", help="Write each picture as DICOM, too.")] = False,
    json_: Json = False,
) -> None:
    """Simulate a labelled data set with lesions of known place: no patient is behind it.

    The folder receives images/, masks/ (where the lesions are), dicom/ if asked for, and datalist.json.

    Examples:

    lungscan data phantoms pneumonia_cxr phantoms --count 400 --size 256 --seed 0

    lungscan data phantoms pneumonia_cxr phantoms --dicom --json
    """
    with working():
        from lungscan_monai.data.audit import audit
        from lungscan_monai.data.datalist import load_datalist
        from lungscan_monai.data.phantoms import generate_phantoms

        formats = ("png", "dicom") if dicom else ("png",)
        with progress("phantoms") as show:
            generate_phantoms(task, output, count, size, seed, formats, contrast, progress=show)
        path = output / "datalist.json"
        datalist = load_datalist(path)
        report = audit(datalist)
    if json_:
        facts = {"datalist": str(path), "kind": datalist.kind, "labels": list(datalist.labels)}
        print_json({**facts, **report.to_json(), "findings": report.findings()})
        return
    importing.print_counts(report)
    say(f"Datalist: {path}")


app.command("report", epilog=epilog())(data_report.report)


@app.command("strangers", epilog=epilog())
@guarded("The folder is not complete; delete it and give the same command again.")
def strangers(
    output: Annotated[Path, typer.Argument(metavar="OUTPUT", help="The folder to write into; empty or new.")],
    count: Annotated[int, typer.Option(min=1, help="Number of pictures.")] = 400,
    size: Annotated[int, typer.Option(min=32, help="Rows and columns.")] = 256,
    seed: Annotated[int, typer.Option(min=0, help="Seed of everything.")] = 0,
    json_: Json = False,
) -> None:
    """Write pictures that are no chest X-ray, for the class Unknown: blanks, noise, patterns, text, other body parts.

    They are easy to tell; add photographs and pictures of other kinds, too.

    Examples:

    lungscan data strangers strangers --count 300 --seed 0

    lungscan data import films/ --task lungscan_cxr_classification --add Unknown=strangers --add Unknown=photographs
    """
    with working():
        from lungscan_monai.data.strangers import write_strangers

        with progress("strangers") as show:
            files = write_strangers(output, count, size, seed, progress=show)
    kinds = Counter(file.name.partition("_")[0] for file in files)
    if json_:
        print_json({"folder": str(output), "files": [file.name for file in files], "kinds": dict(kinds)})
        return
    print_table(["kind", "pictures"], [[kind, str(number)] for kind, number in kinds.items()])
    say(f"Pictures: {output}")
