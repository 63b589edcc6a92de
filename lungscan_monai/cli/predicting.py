"""`lungscan predict` and `lungscan explain`: a trained model applied to files."""

from __future__ import annotations

import csv
import io
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lungscan_monai.bundles import find_bundle, require_model
from lungscan_monai.cli.console import REJECTED, Json, guarded, print_json, print_table, progress, say, working
from lungscan_monai.cli.model_options import Backend, CheckInputs, Precision, TrainedBundle
from lungscan_monai.cli.result_files import analysed, require_dicom, result_files, write_result_files
from lungscan_monai.errors import ReadError
from lungscan_monai.gate.limits import Limits
from lungscan_monai.spreadsheets import guarded_cell
from lungscan_monai.storage import require_writable, write_text

if TYPE_CHECKING:
    from lungscan_monai.inference.answering import Answering
    from lungscan_monai.inference.predictor import Predictor

Files = Annotated[list[Path], typer.Argument(metavar="FILES...", help="Images (PNG, JPEG, DICOM, NIfTI), or folders.")]
Limit = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=NUMBER", help="Let larger files in, as in pixels=100000000; give it several times."),
]

_BATCH_SIZE = 16


@guarded("Nothing was written; give the same command again.")
def predict(
    bundle: TrainedBundle,
    files: Files,
    output: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the answers as CSV, too.")] = None,
    check_inputs: CheckInputs = True,
    backend: Backend = "torch",
    precision: Precision = "float32",
    limit: Limit = None,
    dicom_out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write DICOM reports, pictures and maps of the answers.")
    ] = None,
    fhir: Annotated[bool, typer.Option("--fhir", help="Write FHIR reports beside them.")] = False,
    json_: Json = False,
) -> None:
    """Apply a trained model to image files.

    A file that cannot be read, or that looks unlike all that the model was validated on, is rejected with a reason; the
    others are answered, and the exit code is 3.

    The backends onnx and openvino run an export of the model, which is made once. auto takes the fastest of those
    installed. A backend whose answers are not those of torch in float32 is refused; for int8 and bfloat16 that is
    what `lungscan precision` found.

    With --dicom-out there is one answer for each radiograph and one for each CT series, and DICOM objects of each.

    Examples:

    lungscan predict runs/pneumonia chest.dcm

    lungscan predict runs/pneumonia images/ --output predictions.csv --json

    lungscan predict runs/pneumonia images/ --backend auto --precision int8

    lungscan predict runs/pneumonia mosaic.png --limit pixels=200000000

    lungscan predict runs/pneumonia study/ --dicom-out results --fhir
    """
    limits = Limits().changed(limit or ())
    wanted = result_files(dicom_out, fhir)
    root = find_bundle(bundle)
    require_model(root)
    if output is not None:
        require_writable(output.absolute().parent)
    written: list[str] = []
    with working():
        paths = _expanded(files)
        if wanted is None:
            predictor = _answering(root, check_inputs, backend, precision)
            predictor.limits = limits
            answers = _answers(predictor, paths)
        else:
            require_dicom(paths)
            predictor, found = analysed(root, paths, check_inputs, backend, precision, limits)
            written, without = write_result_files(predictor, found, wanted)
            answers = [*(asdict(one.answer) for one in found), *without]
    rejects = [answer for answer in answers if "code" in answer]
    predictions = [answer for answer in answers if "code" not in answer]
    if output is not None:
        write_text(output, _csv(predictor.task.label_names, predictions, rejects))
    if json_:
        facts = {**_model_facts(predictor), "backend": predictor.backend_facts}
        results = {} if wanted is None else {"results": written}
        print_json({**facts, "predictions": predictions, "rejects": rejects, **results})
    elif predictions:
        print_table(*_table(predictor.task.label_names, predictions))
    _say_threshold(predictor)
    if wanted is not None:
        say(f"{len(written)} result files: {wanted.folder}")
    _end(rejects)


def _answers(predictor: Answering, paths: list[Path]) -> list[dict[str, Any]]:
    """Return the answer for each file."""
    answers: list[dict[str, Any]] = []
    with progress("predict") as show:
        for start in range(0, len(paths), predictor.batch_size):
            answers += map(asdict, predictor.predict(paths[start : start + predictor.batch_size]))
            show(len(answers), len(paths))
    return answers


@guarded("The explanations written so far stay; give the same command again.")
def explain(
    bundle: TrainedBundle,
    files: Files,
    output: Annotated[Path, typer.Option("--output", metavar="DIR", help="Folder of the pictures and maps.")],
    label: Annotated[
        str | None, typer.Option(metavar="NAME", help="Label to explain; the decided one if not given.")
    ] = None,
    method: Annotated[
        str, typer.Option(metavar="NAME", help="gradcam, gradcam++, layercam, hirescam or occlusion.")
    ] = "gradcam",
    layer: Annotated[
        str | None, typer.Option(metavar="NAME", help="Layer of the network to look at, as in backbone.blocks.4.")
    ] = None,
    limit: Limit = None,
    json_: Json = False,
) -> None:
    """Show where in an image a trained model looked: an overlay picture, the map as an array, and an index.

    Examples:

    lungscan explain runs/pneumonia chest.dcm --output explanations

    lungscan explain runs/pneumonia images/ --output explanations --label Pneumonia

    lungscan explain runs/pneumonia chest.dcm --output explanations --method layercam --layer backbone.blocks.4
    """
    limits = Limits().changed(limit or ())
    root = find_bundle(bundle)
    require_model(root)
    require_writable(output)
    with working():
        predictor = _predictor(root)
        predictor.limits = limits
        explained, rejects = _explained(predictor, _expanded(files), output, label, method, layer)
    if json_:
        facts = {**_model_facts(predictor), "method": method, "output": str(output)}
        print_json({**facts, "explanations": explained, "rejects": rejects})
    elif explained:
        rows = [[row["case"], row["label"], f"{row['probability']:.3f}"] for row in explained]
        print_table(["file", "label", "probability"], rows)
        say(f"Pictures, maps and index: {output}")
    _end(rejects)


def _explained(
    predictor: Predictor, paths: list[Path], output: Path, label: str | None, method: str, layer: str | None
) -> tuple[list[dict[str, Any]], list[dict[str, str]]]:
    """Explain each file and store what was found; return what was explained, and what was rejected."""
    from lungscan_monai.saliency.cams import layer_used
    from lungscan_monai.saliency.storing import ExplanationStore

    used = layer_used(predictor.network, method, layer)
    explained: list[dict[str, Any]] = []
    rejects: list[dict[str, str]] = []
    with (
        ExplanationStore(output, method, used, predictor.model_sha256) as store,
        progress("explain") as show,
    ):
        for path in paths:
            try:
                found = predictor.explain(path, label, method, layer)
            except ReadError as error:
                rejects.append({"case": str(path), "code": error.code, "reason": error.reason})
            else:
                store.add(found.case, found.label, found.probability, found.saliency, found.image)
                explained.append({"case": found.case, "label": found.label, "probability": found.probability})
            show(len(explained) + len(rejects), len(paths))
    return explained, rejects


def _answering(root: Path, check_inputs: bool, backend: str, precision: str) -> Answering:
    """Load the model for predictions in the lightest way."""
    from lungscan_monai.inference.backends.starting import ENGINES
    from lungscan_monai.inference.opening import open_model

    if backend not in ENGINES:
        _require_matching_torchvision()
    return open_model(root, backend, precision, _BATCH_SIZE, check_inputs, explains=False)


def _predictor(root: Path) -> Predictor:
    _require_matching_torchvision()
    from lungscan_monai.inference.predictor import Predictor

    return Predictor(root)


def _require_matching_torchvision() -> None:
    from lungscan_monai.doctor import require_matching_torchvision

    require_matching_torchvision()


def _expanded(files: list[Path]) -> list[Path]:
    """Put the images of a folder in its place."""
    from lungscan_monai.data.inputs import image_records

    expanded = []
    for file in files:
        expanded += [Path(record["image"]) for record in image_records(file)] if file.is_dir() else [file]
    return expanded


def _model_facts(predictor: Answering) -> dict[str, Any]:
    point = predictor.operating_point
    return {
        "task": predictor.task.name,
        "task_version": predictor.task.version,
        "model_sha256": predictor.model_sha256,
        "calibrated": predictor.calibration is not None,
        "operating_point": None if point is None else asdict(point),
        "operating_points": {label: asdict(found) for label, found in predictor.operating_points.items()},
    }


def _table(labels: tuple[str, ...], predictions: list[dict[str, Any]]) -> tuple[list[str], list[list[str]]]:
    rows = [
        [row["case"], _decision(row), *(f"{row['probabilities'][label]:.3f}" for label in labels)]
        for row in predictions
    ]
    return ["file", "decision", *labels], rows


def _decision(row: dict[str, Any]) -> str:
    """Return the class named, or the findings called present."""
    return row["label"] or ", ".join(row["findings"] or ()) or "-"


def _csv(labels: tuple[str, ...], predictions: list[dict[str, Any]], rejects: list[dict[str, str]]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(
        ["case", "decision", "threshold", *(f"probability {label}" for label in labels), "reject", "reason"]
    )
    for row in predictions:
        probabilities = [repr(row["probabilities"][label]) for label in labels]
        texts = [guarded_cell(row["case"]), guarded_cell(row["label"] or "; ".join(row["findings"] or ()))]
        writer.writerow([*texts, row["threshold"], *probabilities, "", ""])
    for row in rejects:
        texts = [row["code"], guarded_cell(row["reason"])]
        writer.writerow([guarded_cell(row["case"]), "", "", *("" for _ in labels), *texts])
    return stream.getvalue()


def _say_threshold(predictor: Answering) -> None:
    point = predictor.operating_point
    if predictor.task.kind == "binary" and point is None:
        say("Threshold 0.5: none was chosen for this model yet; `lungscan evaluate` chooses one.", typer.colors.YELLOW)
    elif predictor.task.kind == "binary":
        say(
            f"Threshold {point.threshold:.4f} ({point.rule} on {point.fitted_on}: sensitivity {point.sensitivity:.3f}, "
            f"specificity {point.specificity:.3f})."
        )
    elif predictor.task.kind == "multilabel" and not predictor.operating_points:
        say(
            "Threshold 0.5 for every finding: none was chosen for this model yet; `lungscan evaluate` chooses them.",
            typer.colors.YELLOW,
        )
    say("Probabilities are calibrated." if predictor.calibration else "Probabilities are the network's own.")
    say(predictor.task.intended_use)


def _end(rejects: list[dict[str, str]]) -> None:
    for reject in rejects:
        say(f"Rejected {reject['case']}: {reject['reason']} [{reject['code']}]", typer.colors.RED)
    if rejects:
        raise typer.Exit(REJECTED)
