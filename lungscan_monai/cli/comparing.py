"""`lungscan compare`: two evaluations of the same cases, side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from lungscan_monai.cli.console import Json, existing, guarded, print_json, print_table, say, working

_SHOWN = ("roc_auc", "average_precision", "sensitivity", "specificity", "f1", "brier", "ece")

_Folder = typer.Argument(metavar="REPORT_DIR", help="Folder of an evaluation, with report.json and predictions.csv.")


@guarded("Nothing was written; give the same command again.")
def compare(
    first: Annotated[Path, _Folder],
    second: Annotated[Path, _Folder],
    output: Annotated[Path, typer.Option(metavar="DIR", help="Folder of compare.json and compare.md.")] = Path(
        "comparison"
    ),
    resamples: Annotated[int, typer.Option(min=1, metavar="N", help="Bootstrap resamples of patients.")] = 2000,
    interval: Annotated[
        str, typer.Option(metavar="percentile|bca", help="How intervals are made from the resamples.")
    ] = "percentile",
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of the bootstrap.")] = 0,
    json_: Json = False,
) -> None:
    """Compare two models on the same cases: paired tests, and intervals of the differences.

    Both evaluations must be of the same test cases. Every difference is second minus first.

    Examples:

    lungscan compare runs/small/eval runs/large/eval

    lungscan compare runs/small/eval runs/large/eval --output results --interval bca --json
    """
    for folder in (first, second):
        existing(folder, "folder")
    with working():
        from lungscan_monai.evaluation.comparing import compare as compared
        from lungscan_monai.evaluation.comparing import load_evaluation
        from lungscan_monai.evaluation.comparison_page import render_comparison
        from lungscan_monai.metrics.draws import INTERVAL_METHODS
        from lungscan_monai.storage import write_json, write_text

        if interval not in INTERVAL_METHODS:
            raise typer.BadParameter(f"{interval!r} is none of {', '.join(INTERVAL_METHODS)}", param_hint="--interval")
        found = compared(load_evaluation(first), load_evaluation(second), resamples, seed, interval)
        write_json(output / "compare.json", found)
        write_text(output / "compare.md", render_comparison(found))
    if json_:
        print_json({"comparison": str(output / "compare.json"), **found})
        return
    print_table(*_table(found), title=f"second minus first, {found['cases']} cases")
    for warning in found["warnings"]:
        say(f"Warning: {warning}", typer.colors.YELLOW)
    say(f"Comparison: {output / 'compare.md'}")


def _table(found: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    owners = {label["label"]: label["metrics"] for label in found["labels"]}
    if found["overall"]["macro"]:
        owners["mean of all"] = found["overall"]["macro"]
    rows = [[name, *(_difference(metrics.get(name)) for metrics in owners.values())] for name in _SHOWN]
    tests = [_p(label["delong"]) for label in found["labels"]]
    rows.append(["DeLong p (AUC)", *tests, *["-"] * (len(owners) - len(tests))])
    return ["difference [95 % interval]", *owners], rows


def _difference(entry: dict[str, Any] | None) -> str:
    if entry is None or "value" not in entry["difference"]:
        return "-"
    difference = entry["difference"]
    if difference["low"] is None:
        return f"{difference['value']:+.3f}"
    return f"{difference['value']:+.3f} [{difference['low']:+.3f}, {difference['high']:+.3f}]"


def _p(entry: dict[str, Any]) -> str:
    return f"{entry['p_holm']:.3g}" if "p_holm" in entry else "-"
