"""The numbers of a bundle: the section Performance of its model card, and `eval_metrics` of its metadata.

They come from the `report.json` of an evaluation and from nowhere else, and they name the model that they belong to.
"""

from __future__ import annotations

import json
import os
import re
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from lungscan_monai.data.datalist import Datalist, datalist_sha256, load_datalist
from lungscan_monai.errors import CheckpointError, DataError
from lungscan_monai.evaluation.markdown import results_in_tables
from lungscan_monai.evaluation.report import REPORT_VERSION
from lungscan_monai.model_files import MODEL_NAME, recorded_architecture
from lungscan_monai.storage import sha256_file, write_text
from lungscan_monai.task import TaskSpec, load_task

BEGIN = "<!-- performance: what stands here is written by `lungscan bundle card` -->"
END = "<!-- end of performance -->"
NOTHING_MEASURED = "No model is shipped, and no number was measured for this bundle."

PHANTOMS_SUFFIX = " phantoms"
"""How the name of a simulated data set ends."""

_SIMULATED = (
    "**Measured on simulated pictures (phantoms).** These numbers show that the program works. They say nothing about "
    "patients."
)
_SECTION = re.compile(f"{re.escape(BEGIN)}\n.*?{re.escape(END)}", re.DOTALL)
_MAIN_METRICS = ("roc_auc", "average_precision", "sensitivity", "specificity", "f1", "accuracy", "brier", "ece")


def with_performance(card: str, section: str) -> str:
    """Return a model card with another text between its two performance marks.

    Raises:
        DataError: If the card does not have the two marks, once each, in this order.
    """
    if card.count(BEGIN) != 1 or not _SECTION.search(card):
        raise DataError(f"docs/README.md: expected the line {BEGIN} and, below it, the line {END}, once each")
    return _SECTION.sub(lambda _: f"{BEGIN}\n{section}\n{END}", card)


def without_performance(card: str) -> str:
    """Return a model card whose performance section says that nothing was measured; one without marks stays as is."""
    return with_performance(card, NOTHING_MEASURED) if BEGIN in card else card


def read_metadata(bundle_root: str | os.PathLike) -> dict[str, Any]:
    """Return the content of a bundle's `metadata.json`."""
    return json.loads((Path(bundle_root) / "configs" / "metadata.json").read_text(encoding="utf-8"))


def write_metadata(bundle_root: str | os.PathLike, metadata: dict[str, Any]) -> None:
    """Replace a bundle's `metadata.json`.

    Raises:
        OutputError: If it cannot be written.
    """
    text = json.dumps(metadata, indent=4, ensure_ascii=False, allow_nan=False)
    write_text(Path(bundle_root) / "configs" / "metadata.json", text + "\n")


def publish_performance(
    trained: str | os.PathLike,
    report_path: str | os.PathLike,
    datalist_path: str | os.PathLike,
    into: str | os.PathLike | None = None,
    phantoms: bool = False,
) -> Path:
    """Write the numbers of an evaluation into a model card, and into the metadata that lie beside the model.

    Args:
        trained: The bundle with the model that was evaluated.
        report_path: The evaluation's `report.json`.
        datalist_path: The datalist that it was made with.
        into: The bundle whose card is written; None takes `trained`. Another one gets no `eval_metrics`, since those
            belong to the weights in the same bundle; its card says that the model is not shipped.
        phantoms: Whether numbers of simulated pictures are wanted.

    Returns:
        The card.

    Raises:
        DataError: If the file is no report, or report, datalist and task do not belong together, or the cases are
            simulated and `phantoms` is not set.
        CheckpointError: If there is no model, or it is not the one that was evaluated.
        OutputError: If the files cannot be written.
    """
    target = Path(trained if into is None else into)
    report = _read_report(Path(report_path))
    model_sha256 = report["facts"]["model_sha256"]
    _require_model(Path(trained), model_sha256)
    datalist = load_datalist(datalist_path)
    _require_task(report, load_task(target))
    if datalist_sha256(datalist_path) != report["facts"]["datalist_sha256"]:
        raise DataError(f"{datalist_path}: the report was made with another datalist; give that one")
    if is_simulated(datalist) and not phantoms:
        raise DataError(
            f"{datalist.name}: the cases are simulated, and their numbers say nothing about patients; give --phantoms "
            "to write them all the same"
        )
    day = datetime.fromtimestamp(Path(report_path).stat().st_mtime, timezone.utc).date().isoformat()
    card = target / "docs" / "README.md"
    network = recorded_architecture(Path(trained) / "models")
    section = performance_section(report, datalist.name, day, is_simulated(datalist), network, shipped=into is None)
    text = with_performance(card.read_text(encoding="utf-8"), section)
    if into is None:
        metrics = {"data": datalist.name, "model_sha256": model_sha256, **_main_numbers(report)}
        write_metadata(target, {**read_metadata(target), "eval_metrics": metrics})
    write_text(card, text)
    return card


def is_simulated(datalist: Datalist) -> bool:
    """Tell whether `lungscan data phantoms` made the cases."""
    return datalist.name.endswith(PHANTOMS_SUFFIX)


def performance_section(
    report: dict[str, Any], data: str, day: str, simulated: bool, network: dict[str, Any], shipped: bool
) -> str:
    """Return the numbers of a report as they stand in a model card.

    Args:
        report: As :func:`lungscan_monai.evaluation.report.build_report` returns it.
        data: Name of the data set.
        day: When it was measured, as in ``"2026-11-21"``.
        simulated: Whether the cases are phantoms.
        network: Its settings as they were recorded when it was trained; empty where they were not.
        shipped: Whether the model lies in the same bundle.
    """
    test, facts = report["sections"]["test"], report["facts"]
    measured = (
        f"Measured on {day} on the section `{test['name']}` of {data}: {test['cases']} cases of "
        f"{test['known_patients']} known patients. Intervals: {100 * report['intervals']['level']:.0f} %, "
        f"{report['intervals']['n_resamples']} resamples, unit {report['intervals']['unit']}."
    )
    warnings = [f"- **Note:** {warning}" for warning in report["warnings"]]
    belongs = "- Model: SHA-256 `{}`{}".format(facts["model_sha256"], "" if shipped else ", which is not shipped")
    versions = ", ".join(f"{name} {version}" for name, version in facts["versions"].items())
    settings = ", ".join(f"{name} `{value}`" for name, value in network.items() if value is not None)
    lines = [
        *warnings,
        *([f"- Network: {settings}"] if settings else []),
        belongs,
        f"- Datalist: SHA-256 `{facts['datalist_sha256']}`",
    ]
    lines += [f"- Command: `{_without_folders(facts['command'])}`", f"- Versions: {versions}"]
    parts = [_SIMULATED] * simulated + [measured, results_in_tables(report), "\n".join(lines)]
    return "\n\n".join(parts)


def _read_report(path: Path) -> dict[str, Any]:
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
        if report["report_version"] == REPORT_VERSION and {"model_sha256", "datalist_sha256"} <= set(report["facts"]):
            return report
    except FileNotFoundError as error:
        raise DataError(f"{path}: there is no report; `lungscan evaluate` makes one") from error
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: not the report.json of an evaluation ({error})") from error
    raise DataError(
        f"{path}: expected a report of version {REPORT_VERSION} with the hashes of model and datalist; evaluate again"
    )


def _require_model(trained: Path, evaluated: str) -> None:
    model = trained / "models" / MODEL_NAME
    if not model.is_file():
        raise CheckpointError(f"{model}: there is no trained model, so no number can be shown to belong to it")
    found = sha256_file(model)
    if found != evaluated:
        raise CheckpointError(
            f"{model} has the SHA-256 {found[:12]}..., but the report is of the model {evaluated[:12]}...: the numbers "
            "belong to another model, and nothing was written; evaluate this one"
        )


def _require_task(report: dict[str, Any], task: TaskSpec) -> None:
    if (report["kind"], tuple(report["label_names"])) != (task.kind, task.label_names):
        raise DataError(
            f"the report is of the labels {', '.join(report['label_names'])} ({report['kind']}), expected "
            f"{', '.join(task.label_names)} ({task.kind})"
        )


def _main_numbers(report: dict[str, Any]) -> dict[str, Any]:
    """Return value and interval of the main metrics: of the positive class, or the means over the labels."""
    overall, binary = report["overall"], report["kind"] == "binary"
    metrics = report["labels"][0]["metrics"] if binary else {**(overall["classes"] or {}), **overall["macro"]}
    found: dict[str, Any] = {}
    for name in _MAIN_METRICS:
        entry = metrics.get(name, {})
        if "value" in entry:
            found[name] = entry["value"]
        if entry.get("low") is not None:
            found[f"{name}_interval"] = [entry["low"], entry["high"]]
    return found


def _without_folders(command: str) -> str:
    """Leave the names of absolute paths, not the folders of somebody's machine."""
    return re.sub(r"(?<![\w.])/(?:[^\s/'\"]+/)*", "", command)
