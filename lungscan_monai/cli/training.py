"""`lungscan train` and `lungscan evaluate`: the workflows of a bundle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from lungscan_monai.bundles import (
    find_bundle,
    require_known_overrides,
    require_model,
    run_workflow,
    working_copy,
)
from lungscan_monai.cli.console import (
    Json,
    Overrides,
    existing,
    guarded,
    parsed_overrides,
    print_json,
    print_table,
    say,
    working,
)
from lungscan_monai.errors import ConfigError, TrainingError
from lungscan_monai.model_files import MODEL_NAME, recorded_architecture, require_unused
from lungscan_monai.overrides import known_ids
from lungscan_monai.storage import Manifest, require_writable
from lungscan_monai.task import load_task

MAIN_NUMBERS = ("roc_auc", "average_precision", "sensitivity", "specificity", "f1", "brier", "ece")

Bundle = Annotated[str, typer.Argument(metavar="BUNDLE", help="Name of a bundle (`lungscan list`), or its folder.")]
DatalistFile = Annotated[
    Path, typer.Option("--datalist", "-d", metavar="FILE", help="The datalist; `lungscan data import` makes one.")
]


@guarded("The last finished epoch is kept; give the same command with --resume to go on from it.")
def train(
    bundle: Bundle,
    datalist: DatalistFile,
    output: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Train in a copy of the bundle made here; without it, in the bundle itself."),
    ] = None,
    weights: Annotated[
        str | None, typer.Option(metavar="imagenet|none|FILE", help="Weights that the backbone starts from.")
    ] = None,
    backbone: Annotated[str | None, typer.Option(metavar="NAME", help="timm name of the backbone.")] = None,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Epochs of the main phase (max_epochs); -o sets those of others.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last finished epoch.")] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Start over where a trained model is already; it will be lost.")
    ] = False,
    profile: Annotated[
        bool, typer.Option("--profile", help="Say where the time of an epoch goes; eval/profile.json keeps it.")
    ] = False,
    override: Overrides = None,
    json_: Json = False,
) -> None:
    """Train a bundle's model.

    With --output the trained bundle is a folder of its own, which the other verbs take in place of a name. A model that
    is there already is kept: choose --resume or --overwrite.

    Examples:

    lungscan train pneumonia_cxr_classification -d datalist.json --output runs/pneumonia

    lungscan train pneumonia_cxr_classification -d datalist.json --weights none -o head_epochs=2 --epochs 3

    lungscan train runs/pneumonia -d datalist.json --resume
    """
    if resume and overwrite:
        raise typer.BadParameter("--resume goes on with a model, --overwrite gives it up; choose one")
    root = find_bundle(bundle)
    given = {"weights": weights, "backbone": backbone, "max_epochs": epochs}
    flags = {"resume": resume, "overwrite": overwrite, "profile": profile}
    overrides = {
        "datalist": str(existing(datalist, "datalist").resolve()),
        **{name: value for name, value in given.items() if value is not None},
        **{name: True for name, wanted in flags.items() if wanted},
        **parsed_overrides(override),
    }
    models = Path(overrides.get("ckpt_dir", (output or root) / "models"))
    with working():
        require_known_overrides(root, overrides)
        if not (overrides.get("resume") or overrides.get("overwrite")):
            require_unused(models)
        _require_fitting(overrides["datalist"], root)
        _require_torch()
        if output is not None:
            root = working_copy(root, output)
        run_workflow(root, ["train.json"], "training", overrides)
    model = Manifest(models).entries().get(MODEL_NAME)
    if model is None:
        raise TrainingError(f"{models}: no epoch gave a number to choose the best by; is there a case of each class?")
    if json_:
        files = {"model": str(models / MODEL_NAME), "history": str(models / "history.json")}
        print_json({"bundle": str(root), **files, **model})
        return
    say(f"The best model is of epoch {model['epoch']} ({model['phase']}).")
    say(f"Next: lungscan evaluate {root} --datalist {datalist}")
    typer.echo(models / MODEL_NAME)


@guarded("Files written so far stay; give the same command again.")
def evaluate(
    bundle: Bundle,
    datalist: Annotated[
        Path,
        typer.Option(
            "--datalist", "-d", metavar="FILE|FOLDER", help="A datalist, or a folder with one for each class."
        ),
    ],
    output: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder of the report; the bundle's eval folder if not given.")
    ] = None,
    explain: Annotated[
        str, typer.Option(metavar="all|none|N", help="Test cases to explain: all, none, or how many.")
    ] = "all",
    patient_regex: Annotated[
        str | None, typer.Option(metavar="REGEX", help="Finds the patient in a file name (FOLDER); kermany, nih.")
    ] = None,
    override: Overrides = None,
    json_: Json = False,
) -> None:
    """Evaluate a trained bundle: report, figures, predictions and explanations.

    Probabilities are calibrated and thresholds chosen on the validation cases, and stored with the model; everything is
    measured on the test cases, with 95 % intervals over patients. Without validation cases, as in a FOLDER of class
    folders, what is stored with the model is applied, and nothing is fitted.

    Examples:

    lungscan evaluate runs/pneumonia -d datalist.json

    lungscan evaluate runs/pneumonia -d datalist.json --explain 10 --output results -o resamples=500

    lungscan evaluate runs/pneumonia -d other_hospital.json --output other -o refit=false -o interval_method=bca

    lungscan evaluate runs/pneumonia -d other_hospital/ --output other
    """
    root = find_bundle(bundle)
    require_model(root)
    if not (explain in ("all", "none") or explain.isdecimal()):
        raise typer.BadParameter(f"{explain!r} is none of all, none or a number", param_hint="--explain")
    with working():
        overrides = {
            **_recorded_settings(root),
            "datalist": str(existing(datalist, "datalist or folder").resolve()),
            "output_dir": str((output or root / "eval").resolve()),
            "explain": int(explain) if explain.isdecimal() else explain,
            **parsed_overrides(override),
        }
        require_known_overrides(root, overrides)
        overrides["datalist"] = _datalist_of(overrides, root, patient_regex)
        _require_fitting(overrides["datalist"], root)
        _require_torch()
        run_workflow(root, ["train.json", "evaluate.json"], "evaluating", overrides)
    folder = Path(overrides["output_dir"])
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    if json_:
        print_json({"report": str(folder / "report.json"), **_summary(report)})
        return
    section = report["sections"]["test"]
    print_table(*_table(report), title=f"{section['name']}: {section['cases']} cases")
    for warning in report["warnings"]:
        say(f"Warning: {warning}", typer.colors.YELLOW)
    say(f"Report: {folder / 'report.html'}")


def _require_torch() -> None:
    from lungscan_monai.doctor import require_matching_torchvision

    require_matching_torchvision()


def _require_fitting(datalist: str, root: Path) -> None:
    """Check the datalist before torch is imported and the bundle copied; the workflow would refuse it, too."""
    from lungscan_monai.data.datalist import load_datalist

    load_datalist(datalist).require_task(load_task(root))


def _datalist_of(overrides: dict[str, Any], root: Path, patient_regex: str | None) -> str:
    """Return the datalist to evaluate; of a folder one is written into the folder of the results."""
    given, written = Path(overrides["datalist"]), Path(overrides["output_dir"]) / "datalist.json"
    if not given.is_dir():
        if patient_regex is not None:
            raise ConfigError("a datalist knows its patients; --patient-regex is for a folder")
        return str(given)
    from lungscan_monai.data.importing import evaluation_set

    require_writable(written.parent)
    found = evaluation_set(given, load_task(root), patient_regex)
    found.save(written)
    absent = sorted(set(range(len(found.labels))) - {case.label for case in found.cases("test")})
    if found.kind != "multilabel" and absent:
        say(f"No test case of {', '.join(found.labels[index] for index in absent)}.", typer.colors.YELLOW)
    say(f"{len(found.cases('test'))} test cases: {written}")
    return str(written)


def _recorded_settings(root: Path) -> dict[str, Any]:
    """Return the settings of the network that the model was trained with, as far as they are overrides."""
    known = known_ids(root)
    return {name: value for name, value in recorded_architecture(root / "models").items() if name in known}


def _summary(report: dict[str, Any]) -> dict[str, Any]:
    """Return what a script wants of a report: numbers, thresholds, hashes; the curves stay in the file."""
    labels = [
        {name: label[name] for name in ("label", "cases", "positive", "metrics", "delong", "operating_point")}
        for label in report["labels"]
    ]
    means = {name: report["overall"][name] for name in ("macro", "micro", "weighted", "classes")}
    rest = ("kind", "sections", "calibration", "confusion_matrix", "subgroups", "input_check", "warnings", "facts")
    return {"labels": labels, "overall": means, **{name: report[name] for name in rest}}


def _table(report: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    metrics = {label["label"]: label["metrics"] for label in report["labels"]}
    if len(metrics) > 1:
        metrics["mean of all"] = report["overall"]["macro"]
    names = [name for name in MAIN_NUMBERS if any(name in numbers for numbers in metrics.values())]
    rows = [[name, *(_number(numbers.get(name)) for numbers in metrics.values())] for name in names]
    return ["number [95 % interval]", *metrics], rows


def _number(estimate: dict[str, Any] | None) -> str:
    if estimate is None or "value" not in estimate:
        return "-"
    if estimate["low"] is None:
        return f"{estimate['value']:.3f}"
    return f"{estimate['value']:.3f} [{estimate['low']:.3f}, {estimate['high']:.3f}]"
