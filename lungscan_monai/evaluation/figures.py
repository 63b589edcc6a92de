"""Figures of a report, one file for each kind and one panel for each label, drawn from the report's numbers alone."""

from __future__ import annotations

import math
import os
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from lungscan_monai.storage import replacing

# Okabe and Ito's palette: told apart by colour-blind readers, and by their lightness on a grey print.
_BLUE, _ORANGE, _GREY = "#0072B2", "#D55E00", "#8A8A8A"
_DPI = 150
_PANEL_INCHES = 4.2
_MAX_COLUMNS = 4


def draw_figures(report: dict[str, Any], folder: str | os.PathLike) -> list[Path]:
    """Draw all figures of a report as PNG files.

    Args:
        report: As :func:`lungscan_monai.evaluation.report.build_report` returns it.
        folder: Where the files go.

    Returns:
        Paths of the files, in the order in which a page shows them.

    Raises:
        OutputError: If the folder cannot be written.
    """
    figures = {
        "roc.png": _panels(report, _draw_roc),
        "precision_recall.png": _panels(report, _draw_precision_recall),
        "reliability.png": _panels(report, _draw_reliability),
        "decision_curve.png": _panels(report, _draw_decision_curve),
        "risk_coverage.png": _risk_coverage_figure(report),
        "scores.png": _panels(report, _draw_histogram),
    }
    if report["confusion_matrix"] is not None:
        figures["confusion_matrix.png"] = _confusion_figure(report)
    return [_save(figure, Path(folder) / name) for name, figure in figures.items()]


def _save(figure: Figure, path: Path) -> Path:
    FigureCanvasAgg(figure)
    with replacing(path) as part:
        figure.savefig(part, format="png", dpi=_DPI, metadata={"Software": None})
    return path


def _panels(report: dict[str, Any], draw: Callable[[Axes, dict[str, Any]], None]) -> Figure:
    return _panels_of(report["labels"], draw)


def _risk_coverage_figure(report: dict[str, Any]) -> Figure:
    """Draw the curve of exclusive classes together, or of each label."""
    together = report["overall"]["selective"]
    owners = [{"label": "all classes", "selective": together}] if together else report["labels"]
    return _panels_of(owners, _draw_risk_coverage)


def _panels_of(labels: list[dict[str, Any]], draw: Callable[[Axes, dict[str, Any]], None]) -> Figure:
    n_columns = min(math.ceil(math.sqrt(len(labels))), _MAX_COLUMNS)
    n_rows = -(-len(labels) // n_columns)
    figure = Figure(figsize=(_PANEL_INCHES * n_columns, _PANEL_INCHES * n_rows), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.12, h_pad=0.12)
    axes = figure.subplots(n_rows, n_columns, squeeze=False).ravel()
    for axis, label in zip(axes, labels, strict=False):
        _plain(axis)
        axis.set_title(_literal(label["label"]), fontsize=11, fontweight="bold", loc="left")
        draw(axis, label)
    for axis in axes[len(labels) :]:
        axis.set_axis_off()
    return figure


def _plain(axis: Axes) -> None:
    axis.spines[["top", "right"]].set_visible(False)
    axis.tick_params(labelsize=9)
    axis.grid(color="#E6E6E6", linewidth=0.6)
    axis.set_axisbelow(True)


def _literal(text: str) -> str:
    """Keep matplotlib from reading mathematics into a label's name."""
    return text.replace("$", r"\$")


def _unit_square(axis: Axes, x_label: str, y_label: str) -> None:
    axis.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal")
    axis.set_xlabel(x_label, fontsize=10)
    axis.set_ylabel(y_label, fontsize=10)


def _says_why_not(axis: Axes, entry: dict[str, Any]) -> bool:
    if "not_computable" not in entry:
        return False
    text = "not computable\n" + textwrap.fill(entry["not_computable"], 34)
    axis.text(0.5, 0.5, text, ha="center", va="center", fontsize=9, color="#444444")
    axis.grid(False)
    return True


def _in_words(name: str, entry: dict[str, Any]) -> str:
    if entry["low"] is None:
        return f"{name} {entry['value']:.3f}"
    return f"{name} {entry['value']:.3f} ({entry['low']:.3f}\N{EN DASH}{entry['high']:.3f})"


def _legend(axis: Axes, place: str) -> None:
    axis.legend(loc=place, fontsize=8.5, frameon=True, framealpha=0.9, edgecolor="none")


def _draw_roc(axis: Axes, label: dict[str, Any]) -> None:
    _unit_square(axis, "1 \N{MINUS SIGN} specificity", "sensitivity")
    curve = label["curves"]["roc"]
    if _says_why_not(axis, curve):
        return
    axis.plot([0, 1], [0, 1], color=_GREY, linewidth=1, linestyle=(0, (4, 3)), label="chance")
    band = curve["band"]
    if band["low"]:
        axis.fill_between(
            band["false_positive_rate"],
            band["low"],
            band["high"],
            color=_BLUE,
            alpha=0.18,
            linewidth=0,
            label="95 % band",
        )
    auc = _in_words("AUC", label["metrics"]["roc_auc"])
    axis.plot(curve["false_positive_rate"], curve["sensitivity"], color=_BLUE, linewidth=1.8, label=auc)
    measured = label["operating_point"]["test"]
    sensitivity, specificity = measured["sensitivity"], measured["specificity"]
    at = f"threshold {label['operating_point']['threshold']:.3g}"
    axis.plot(1 - specificity["value"], sensitivity["value"], "o", color=_ORANGE, markersize=7, label=at, clip_on=False)
    _legend(axis, "lower right")


def _draw_precision_recall(axis: Axes, label: dict[str, Any]) -> None:
    _unit_square(axis, "recall (sensitivity)", "precision (PPV)")
    curve = label["curves"]["precision_recall"]
    if _says_why_not(axis, curve):
        return
    chance = f"prevalence {label['prevalence']:.3f}"
    axis.axhline(label["prevalence"], color=_GREY, linewidth=1, linestyle=(0, (4, 3)), label=chance)
    average = _in_words("AP", label["metrics"]["average_precision"])
    recall, precision = [0.0, *curve["recall"]], [curve["precision"][0], *curve["precision"]]
    axis.plot(recall, precision, color=_BLUE, linewidth=1.8, drawstyle="steps-pre", label=average)
    _legend(axis, "lower left")


def _draw_reliability(axis: Axes, label: dict[str, Any]) -> None:
    _unit_square(axis, "mean predicted probability", "observed share of positives")
    curve = label["curves"]["reliability"]
    if _says_why_not(axis, curve):
        return
    axis.plot([0, 1], [0, 1], color=_GREY, linewidth=1, linestyle=(0, (4, 3)), label="perfect")
    before = label["curves"]["reliability_before"]
    if before:
        axis.plot(before["mean_predicted"], before["observed"], color=_GREY, marker=".", linewidth=1, label="before")
    observed = np.array(curve["observed"])
    errors = np.abs(np.array([curve["low"], curve["high"]]) - observed)
    ece = _in_words("ECE", label["metrics"]["ece"])
    axis.errorbar(
        curve["mean_predicted"],
        observed,
        errors,
        color=_BLUE,
        marker="o",
        markersize=5,
        linewidth=1.4,
        capsize=2,
        label=ece,
    )
    axis.set_title(f"{_cases_per_bin(curve['cases'])} cases per point", fontsize=9, color="#444444", loc="right")
    _legend(axis, "best")


def _draw_decision_curve(axis: Axes, label: dict[str, Any]) -> None:
    curve = label["curves"]["decision"]
    if _says_why_not(axis, curve):
        return
    thresholds, benefit = curve["thresholds"], np.array(curve["net_benefit"])
    axis.fill_between(thresholds, curve["low"], curve["high"], color=_BLUE, alpha=0.18, linewidth=0)
    axis.plot(thresholds, benefit, color=_BLUE, linewidth=1.8, label="by the model")
    axis.plot(thresholds, curve["treat_all"], color=_ORANGE, linewidth=1.2, label="all called positive")
    axis.axhline(curve["treat_none"], color=_GREY, linewidth=1, linestyle=(0, (4, 3)), label="none called positive")
    highest = max(label["prevalence"], 0.02)
    axis.set(xlim=(0, 1), ylim=(-0.25 * highest, 1.15 * highest))
    axis.set_xlabel("threshold probability", fontsize=10)
    axis.set_ylabel("net benefit", fontsize=10)
    _legend(axis, "best")


def _draw_risk_coverage(axis: Axes, owner: dict[str, Any]) -> None:
    found = owner["selective"]
    if _says_why_not(axis, found):
        return
    curve, area = found["curve"], _in_words("area", found["aurc"])
    axis.plot(curve["coverage"], curve["risk"], color=_BLUE, linewidth=1.8, label=area)
    axis.set(xlim=(0, 1.02), ylim=(0, max(0.02, 1.2 * max(curve["risk"]))))
    axis.set_xlabel("share of cases answered, the surest first", fontsize=10)
    axis.set_ylabel("share of errors among them", fontsize=10)
    _legend(axis, "upper left")


def _cases_per_bin(cases: list[int]) -> str:
    return str(cases[0]) if min(cases) == max(cases) else f"{min(cases)}\N{EN DASH}{max(cases)}"


def _draw_histogram(axis: Axes, label: dict[str, Any]) -> None:
    histogram = label["curves"]["histogram"]
    edges, highest = histogram["edges"], 0.05
    for name, color in (("negative", _BLUE), ("positive", _ORANGE)):
        share = np.array(histogram[name]) / max(1, sum(histogram[name]))
        text = f"{name} ({sum(histogram[name])})"
        axis.stairs(share, edges, fill=True, color=color, alpha=0.3, linewidth=0)
        axis.stairs(share, edges, color=color, linewidth=1.8, label=text)
        highest = max(highest, share.max())
    at = f"threshold {label['operating_point']['threshold']:.3g}"
    axis.axvline(label["operating_point"]["threshold"], color="black", linewidth=1, linestyle=(0, (4, 3)), label=at)
    axis.set(xlim=(-0.01, 1.01), ylim=(0, 1.35 * highest))
    axis.set_xlabel("predicted probability", fontsize=10)
    axis.set_ylabel("share of the class", fontsize=10)
    _legend(axis, "upper center")


def _confusion_figure(report: dict[str, Any]) -> Figure:
    names = [_literal(name) for name in report["label_names"]]
    counts = np.array(report["confusion_matrix"]["counts"])
    cases = counts.sum(axis=1, keepdims=True)
    share = counts / np.maximum(cases, 1)
    inches = max(_PANEL_INCHES, 1.3 + 0.95 * len(names))
    figure = Figure(figsize=(inches + 0.6, inches), layout="constrained")
    axis = figure.subplots()
    axis.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.ndindex(counts.shape):
        text = f"{counts[row, column]}\n{share[row, column]:.1%}"
        color = "white" if share[row, column] > 0.5 else "black"
        axis.text(column, row, text, ha="center", va="center", fontsize=11, color=color)
    slanted = {"rotation": 30, "ha": "right", "rotation_mode": "anchor"} if len(names) > 2 else {}
    axis.set_xticks(range(len(names)), names, fontsize=10, **slanted)
    axis.set_yticks(
        range(len(names)), [f"{name}\n(n = {n})" for name, n in zip(names, cases[:, 0], strict=True)], fontsize=10
    )
    axis.set_xlabel(f"predicted (by {report['confusion_matrix']['predicted_by']})", fontsize=10)
    axis.set_ylabel("reference", fontsize=10)
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)
    return figure
