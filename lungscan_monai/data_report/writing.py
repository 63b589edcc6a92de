"""Write the page of a data report."""

from __future__ import annotations

import os
from typing import Any

from lungscan_monai.data.datalist import Datalist
from lungscan_monai.data_report.rendering import render_page, shown_cases
from lungscan_monai.data_report.thumbnails import thumbnails
from lungscan_monai.storage import write_text


def write_data_report(
    path: str | os.PathLike,
    report: dict[str, Any],
    datalist: Datalist,
    dataset_dir: str | os.PathLike | None = None,
    *,
    pictures: bool = True,
) -> None:
    """Write one self-contained HTML file.

    Args:
        path: The file.
        report: As :func:`lungscan_monai.data_report.report.build_data_report` returns it.
        datalist: Where its numbers come from.
        dataset_dir: Folder of the images, if they were moved since the import.
        pictures: Whether small pictures of cases are shown.

    Raises:
        OutputError: If the folder cannot be written.
        ReadError: If a picture can no longer be read.
    """
    shown = thumbnails(datalist, shown_cases(report), dataset_dir) if pictures else {}
    write_text(path, render_page(report, shown))
