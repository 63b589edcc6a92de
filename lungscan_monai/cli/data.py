"""`lungscan data`: import a data set, simulate one, or describe one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lungscan_monai.bundles import find_bundle
from lungscan_monai.cli import data_report
from lungscan_monai.cli.console import Json, epilog, guarded, print_json, print_table, progress, say, working
from lungscan_monai.task import load_task

if TYPE_CHECKING:
    from lungscan_monai.data.audit import AuditReport
    from lungscan_monai.data.tables import TableOptions

app = typer.Typer(no_args_is_help=True)


@app.command("import", epilog=epilog())
@guarded("No datalist was written; give the same command again.")
def import_(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="Class folders, a table (CSV), a .npz file, a MedMNIST name, or kaggle:owner/dataset.",
        ),
    ],
    output: Annotated[Path, typer.Option(metavar="FILE", help="The datalist to write.")] = Path("datalist.json"),
    task: Annotated[
        str | None, typer.Option(metavar="BUNDLE", help="Take labels and kind from this bundle; see lungscan list.")
    ] = None,
    format_: Annotated[
        str, typer.Option("--format", metavar="auto|folder|csv|npz|medmnist", help="What SOURCE is.")
    ] = "auto",
    kind: Annotated[
        str | None, typer.Option(metavar="binary|multiclass|multilabel", help="Kind of task, where it is not plain.")
    ] = None,
    labels: Annotated[
        str | None, typer.Option(metavar="A,B,...", help="Label names in the order of the task, separated by commas.")
    ] = None,
    patient_regex: Annotated[
        str | None,
        typer.Option(metavar="REGEX", help="Finds the patient in a file name with one group; or kermany, or nih."),
    ] = None,
    blocks: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, help="Slices without patients: N blocks of consecutive numbers in each class."
        ),
    ] = None,
    add: Annotated[
        list[str] | None,
        typer.Option(metavar="LABEL=DIR", help="Add all pictures below a folder under one label; several times."),
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(metavar="USE=NAME", help="Name of an unusual column, as in image=png_file; none: unused."),
    ] = None,
    image_dir: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder of a table's images, if not its own.")
    ] = None,
    present_only: Annotated[
        bool, typer.Option("--present-only", help="Leave out the rows of a table whose image is not there.")
    ] = False,
    official_lists: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder of train_val_list.txt and test_list.txt, if not the table's."),
    ] = None,
    list_: Annotated[
        list[str] | None,
        typer.Option("--list", metavar="SECTION=FILE", help="Names of a table's images for train, val or test."),
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(metavar="T,V,S", help="Split anew: shares of training, validation, test, as in 0.7,0.1,0.2."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the split.")] = 0,
    json_: Json = False,
) -> None:
    """Turn a data set into a datalist: cases, labels, patients, and a split that no patient crosses.

    A split that comes with the data is kept, and examined for patients and identical images in two sections.

    Examples:

    lungscan data import chest_xray/ --output datalist.json --task pneumonia_cxr_classification --patient-regex kermany

    lungscan data import cases.csv --output datalist.json --column image=png_file --split 0.7,0.1,0.2

    lungscan data import slices/ --labels Normal,Benign,Malignant --blocks 10 --split 0.7,0.1,0.2

    lungscan data import films/ --labels Normal,Pneumonia,Unknown --add Unknown=strangers/
    """
    with working():
        from lungscan_monai.data.importing import import_dataset

        options = {
            **_labels_and_kind(task, labels, kind),
            "table": _table_options(column, image_dir, official_lists, list_, present_only),
            "added": list(_pairs(add, "--add", "LABEL=DIR, as in Unknown=strangers")),
            "fractions": None if split is None else _fractions(split),
        }
        imported = import_dataset(
            source, output=output, format=format_, patient_regex=patient_regex, blocks=blocks, seed=seed, **options
        )
    datalist, report = imported.datalist, imported.audit
    if json_:
        facts = {"datalist": str(imported.path), "kind": datalist.kind, "labels": list(datalist.labels)}
        told = {"findings": report.findings(), "notes": list(imported.notes), "skipped": list(imported.skipped)}
        print_json({**facts, **report.to_json(), **told})
        return
    _print_counts(report)
    for finding in (*imported.notes, *report.findings()):
        say(f"Note: {finding}", typer.colors.YELLOW)
    if imported.skipped:
        say(f"{len(imported.skipped)} file(s) were not used, for instance {imported.skipped[0]}")
    say(f"Datalist: {imported.path}")


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
    _print_counts(report)
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


def _labels_and_kind(task: str | None, labels: str | None, kind: str | None) -> dict[str, Any]:
    """Return labels and kind as the bundle has them, or as they were given."""
    if task is None:
        return {"labels": None if labels is None else [name.strip() for name in labels.split(",")], "kind": kind}
    if labels is not None or kind is not None:
        raise typer.BadParameter("the bundle says labels and kind; leave --labels and --kind out", param_hint="--task")
    spec = load_task(find_bundle(task))
    return {"labels": spec.label_names, "kind": spec.kind}


def _table_options(
    column: list[str] | None,
    image_dir: Path | None,
    official_lists: Path | None,
    list_: list[str] | None,
    present_only: bool,
) -> TableOptions | None:
    """Return what was said about a table, None if nothing was."""
    from lungscan_monai.data.listing import section_named
    from lungscan_monai.data.section_lists import official_lists_in
    from lungscan_monai.data.tables import TableOptions

    lists = official_lists_in(official_lists) if official_lists else {}
    for name, file in _pairs(list_, "--list", "SECTION=FILE, as in test=test_list.txt"):
        section = section_named(name)
        if section is None:
            raise typer.BadParameter(f"{name!r} is not train, val or test", param_hint="--list")
        lists[section] = Path(file)
    columns = dict(_pairs(column, "--column", "USE=NAME, as in image=png_file", empty=True))
    options = TableOptions(columns, image_dir, section_lists=lists or None, present_only=present_only)
    return None if options == TableOptions() else options


def _pairs(texts: list[str] | None, option: str, form: str, empty: bool = False) -> Iterator[tuple[str, str]]:
    """Yield the two sides of each ``A=B``, of which the second may be empty if `empty` says so."""
    for text in texts or []:
        left, equals, right = text.partition("=")
        if not (left and equals and (right or empty)):
            raise typer.BadParameter(f"{text!r} is not {form}", param_hint=option)
        yield left, right


def _fractions(text: str) -> list[float]:
    try:
        fractions = [float(part) for part in text.split(",")]
    except ValueError:
        fractions = []
    if len(fractions) != 3:
        raise typer.BadParameter(f"{text!r} is not three numbers, as in 0.7,0.1,0.2", param_hint="--split")
    return fractions


def _print_counts(report: AuditReport) -> None:
    labels = list(dict.fromkeys(name for counts in report.counts.values() for name in counts.labels))
    rows = []
    for section, counts in report.counts.items():
        numbers = (counts.cases, counts.patients, counts.unknown_patient, *(counts.labels[name] for name in labels))
        rows.append([section, *map(str, numbers)])
    print_table(["section", "cases", "patients", "of unknown patient", *labels], rows, title=report.name)
