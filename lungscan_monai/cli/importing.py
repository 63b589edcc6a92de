"""`lungscan data import`: a data set becomes a datalist."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lungscan_monai.bundles import find_bundle
from lungscan_monai.cli.console import Json, guarded, print_json, print_table, say, working
from lungscan_monai.task import load_task

if TYPE_CHECKING:
    from lungscan_monai.data.audit import AuditReport
    from lungscan_monai.data.tables import TableOptions

_SOURCES = "Class folders, a table (CSV), a .npz file, a MedMNIST name, or kaggle:owner/dataset."

Source = Annotated[str, typer.Argument(metavar="SOURCE", help=_SOURCES)]
Output = Annotated[Path, typer.Option(metavar="FILE", help="The datalist to write.")]
Task = Annotated[
    str | None, typer.Option(metavar="BUNDLE", help="Take labels and kind from this bundle; see lungscan list.")
]
Format = Annotated[str, typer.Option("--format", metavar="auto|folder|csv|npz|medmnist", help="What SOURCE is.")]
Kind = Annotated[
    str | None, typer.Option(metavar="binary|multiclass|multilabel", help="Kind of task, where it is not plain.")
]
Labels = Annotated[
    str | None, typer.Option(metavar="A,B,...", help="Label names in the order of the task, separated by commas.")
]
PatientRegex = Annotated[
    str | None,
    typer.Option(metavar="REGEX", help="Finds the patient in a file name with one group; or kermany, or nih."),
]
Blocks = Annotated[
    str | None,
    typer.Option(metavar="auto|N", help="Numbered slices of unknown patient: cut each class where neighbours differ."),
]
Add = Annotated[
    list[str] | None,
    typer.Option(metavar="LABEL=DIR", help="Add all pictures below a folder under one label; several times."),
]
Column = Annotated[
    list[str] | None,
    typer.Option(metavar="USE=NAME", help="Name of an unusual column, as in image=png_file; label= for none."),
]
ImageDir = Annotated[Path | None, typer.Option(metavar="DIR", help="Folder of a table's images, if not its own.")]
PresentOnly = Annotated[
    bool, typer.Option("--present-only", help="Leave out the rows of a table whose image is not there.")
]
OfficialLists = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Folder of train_val_list.txt and test_list.txt, if not the table's."),
]
Boxes = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Boxes around findings, as BBox_List_2017.csv; if not beside the table."),
]
SectionList = Annotated[
    list[str] | None,
    typer.Option("--list", metavar="SECTION=FILE", help="Names of a table's images for train, val or test."),
]
Split = Annotated[
    str | None,
    typer.Option(metavar="T,V,S", help="Split anew: shares of training, validation, test, as in 0.7,0.1,0.2."),
]
Seed = Annotated[int, typer.Option(help="Seed of the split.")]


@guarded("No datalist was written; give the same command again.")
def import_(
    source: Source,
    output: Output = Path("datalist.json"),
    task: Task = None,
    format_: Format = "auto",
    kind: Kind = None,
    labels: Labels = None,
    patient_regex: PatientRegex = None,
    blocks: Blocks = None,
    add: Add = None,
    column: Column = None,
    image_dir: ImageDir = None,
    present_only: PresentOnly = False,
    official_lists: OfficialLists = None,
    list_: SectionList = None,
    boxes: Boxes = None,
    split: Split = None,
    seed: Seed = 0,
    json_: Json = False,
) -> None:
    """Turn a data set into a datalist: cases, labels, patients, and a split that no patient crosses.

    A split that comes with the data is kept, and examined for patients and identical images in two sections.

    Examples:

    lungscan data import chest_xray/ --output datalist.json --task pneumonia_cxr_classification --patient-regex kermany

    lungscan data import cases.csv --output datalist.json --column image=png_file --split 0.7,0.1,0.2

    lungscan data import slices/ --labels Normal,Benign,Malignant --blocks auto --split 0.7,0.1,0.2

    lungscan data import films/ --task lungscan_cxr_classification --add Unknown=strangers/

    lungscan data import Data_Entry_2017_v2020.csv --task nih14_cxr_classification --present-only

    lungscan data import labels.csv --task nih14_cxr_classification --boxes BBox_List_2017.csv
    """
    with working():
        from lungscan_monai.data.importing import import_dataset

        options = {
            **_labels_and_kind(task, labels, kind),
            "boxes": boxes,
            "table": _table_options(column, image_dir, official_lists, list_, present_only),
            "added": list(_pairs(add, "--add", "LABEL=DIR, as in Unknown=strangers")),
            "blocks": None if blocks is None else _blocks(blocks),
            "fractions": None if split is None else _fractions(split),
        }
        imported = import_dataset(
            source, output=output, format=format_, patient_regex=patient_regex, seed=seed, **options
        )
    datalist, report = imported.datalist, imported.audit
    if json_:
        facts = {"datalist": str(imported.path), "kind": datalist.kind, "labels": list(datalist.labels)}
        told = {"findings": report.findings(), "notes": list(imported.notes), "skipped": list(imported.skipped)}
        print_json({**facts, **report.to_json(), **told})
        return
    print_counts(report)
    for finding in (*imported.notes, *report.findings()):
        say(f"Note: {finding}", typer.colors.YELLOW)
    if imported.skipped:
        say(f"{len(imported.skipped)} file(s) were not used, for instance {imported.skipped[0]}")
    say(f"Datalist: {imported.path}")


def print_counts(report: AuditReport) -> None:
    """Print cases, patients and labels of each section as a table."""
    labels = list(dict.fromkeys(name for counts in report.counts.values() for name in counts.labels))
    rows = []
    for section, counts in report.counts.items():
        numbers = (counts.cases, counts.patients, counts.unknown_patient, *(counts.labels[name] for name in labels))
        rows.append([section, *map(str, numbers)])
    print_table(["section", "cases", "patients", "of unknown patient", *labels], rows, title=report.name)


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


def _blocks(text: str) -> int | str:
    if text == "auto" or (text.isdecimal() and int(text) > 0):
        return text if text == "auto" else int(text)
    raise typer.BadParameter(f"{text!r} is neither auto nor a number above 0", param_hint="--blocks")
