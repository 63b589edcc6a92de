"""`lungscan precision`: may a model compute in int8 or bfloat16? Labelled cases decide."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lungscan_monai.bundles import find_bundle, require_model
from lungscan_monai.cli.console import Json, existing, guarded, print_json, print_table, progress, say, working
from lungscan_monai.cli.model_options import TrainedBundle

if TYPE_CHECKING:
    from lungscan_monai.inference.backends.verdicts import Verdict


@guarded("No verdict was stored; give the same command again.")
def precision(
    bundle: TrainedBundle,
    datalist: Annotated[
        Path, typer.Option("--datalist", "-d", metavar="FILE", help="Labelled cases, best those it was trained with.")
    ],
    precision: Annotated[
        str, typer.Option("--precision", metavar="int8|bfloat16", help="What is compared with float32.")
    ] = "int8",
    backend: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="torch, onnx or openvino; several times; all that can if not given."),
    ] = None,
    section: Annotated[str, typer.Option(metavar="NAME", help="Section that is compared on.")] = "validation",
    calibrate_on: Annotated[
        str, typer.Option(metavar="NAME", help="Section that the ranges of int8 are taken from.")
    ] = "training",
    json_: Json = False,
) -> None:
    """Compare a trained model in int8 or bfloat16 with itself in float32, and keep the verdict with the model.

    For int8 it makes the model of int8 first. The cases go through both: decisions, calibrated probabilities and ROC
    AUC may change within stated tolerances. `--precision` of the other verbs goes by the verdict: int8 is used only
    where it is good, bfloat16 is refused where it is bad.

    Examples:

    lungscan precision runs/pneumonia -d datalist.json

    lungscan precision runs/pneumonia -d datalist.json --precision bfloat16 --backend openvino --section test
    """
    root = find_bundle(bundle)
    require_model(root)
    existing(datalist, "datalist")
    with working():
        from lungscan_monai.doctor import require_matching_torchvision

        require_matching_torchvision()
        from lungscan_monai.inference.precision import PrecisionCheck, check_precision

        check = PrecisionCheck(precision, None if backend is None else tuple(backend), section, calibrate_on)
        with progress("precision") as show:
            found = check_precision(root, datalist, check, show)
    if json_:
        print_json({"verdicts": [{"agrees": one.agrees, "objections": one.objections, **asdict(one)} for one in found]})
        return
    print_table(*_table(found), title=f"{precision} against float32")
    for one in found:
        usable = f"may be used: --backend {one.backend} --precision {precision}"
        verdict = usable if one.agrees else f"is refused: {' and '.join(one.objections)}"
        say(f"{one.backend} in {precision} {verdict}.", typer.colors.GREEN if one.agrees else typer.colors.YELLOW)


def _table(found: list[Verdict]) -> tuple[list[str], list[list[str]]]:
    rows = []
    for one in found:
        figures = one.figures
        auc = "-" if figures.auc_difference is None else f"{figures.auc_difference:+.4f}"
        if figures.auc_low is not None:
            auc += f" [{figures.auc_low:+.4f}, {figures.auc_high:+.4f}]"
        rows.append(
            [
                one.backend,
                str(figures.cases),
                f"{figures.changed_decisions} of {figures.decisions}",
                f"{figures.mean_difference:.4f}",
                f"{figures.largest_difference:.3f}",
                auc,
                f"{figures.speed:.2f}x",
            ]
        )
    probabilities = ["probabilities, mean", "largest"]
    return ["backend", "cases", "decisions changed", *probabilities, "ROC AUC [95 % interval]", "speed"], rows
