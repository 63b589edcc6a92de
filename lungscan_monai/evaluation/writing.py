"""Write a report into a folder: `report.json` first, from it the figures and the pages."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from lungscan_monai.evaluation.figures import draw_figures
from lungscan_monai.evaluation.markdown import render_markdown
from lungscan_monai.evaluation.page import FILE_NAMES, render_page
from lungscan_monai.evaluation.page_explanations import shown_files
from lungscan_monai.evaluation.page_pictures import small_pictures
from lungscan_monai.storage import write_json, write_text


def write_report(report: dict[str, Any], folder: str | os.PathLike) -> Path:
    """Write `report.json`, `figures/*.png`, `report.md`, and `report.html` in each language.

    Args:
        report: As :func:`lungscan_monai.evaluation.report.build_report` returns it.
        folder: Where the files go; made if needed.

    Returns:
        Path of `report.md`.

    Raises:
        OutputError: If the folder cannot be written.
        ValueError: If a fact given by the caller is NaN or infinite, which JSON does not know.
    """
    folder = Path(folder)
    write_json(folder / "report.json", report)
    figures = draw_figures(report, folder / "figures")
    write_text(folder / "report.md", render_markdown(report, [path.name for path in figures]))
    pictures = small_pictures(folder, shown_files(report))
    for language, name in FILE_NAMES.items():
        write_text(folder / name, render_page(report, language, pictures))
    return folder / "report.md"
