"""What a person takes away of a case: one page of PDF, JSON, a table of all cases, DICOM results."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from fpdf import FPDF
from fpdf.enums import XPos, YPos

from lungscan_monai import __version__
from lungscan_monai.apps.cards import Card, percentage
from lungscan_monai.evaluation.words import Words
from lungscan_monai.inference.answering import Prediction, Reject
from lungscan_monai.inference.studies import Analysed, ModelIdentity
from lungscan_monai.optional import require
from lungscan_monai.spreadsheets import guarded_cell
from lungscan_monai.transforms.jpeg import as_jpeg

_FONT = "DejaVu"  # matplotlib brings it, with the letters of many languages
_MARGIN, _PICTURE = 15, 85  # mm
_BAR = (25, 5, 3)  # mm: label column beyond the margin, height of a line, height of a bar
_QUALITY = 90  # of the pictures' JPEG files
_GREY, _BLUE = (210, 210, 210), (43, 108, 176)


@dataclass(frozen=True, eq=False)
class KeptCase:
    """One case as it is kept.

    Args:
        shown_name: Of the file, as text to show.
        analysed: What the model says.
        card: What that means.
        pictures: RGB, uint8, ``(H, W, 3)``: the image, and its heatmap where there is one.
    """

    shown_name: str
    analysed: Analysed
    card: Card
    pictures: tuple[np.ndarray, ...] = ()


def as_json(case: KeptCase, identity: ModelIdentity, words: Words) -> str:
    """Return the answer for one case as JSON, for programs."""
    content = {
        "not_for_diagnosis": words("app.not_for_diagnosis"),
        "case": case.shown_name,
        "state": case.card.state,
        **_answer(case.analysed),
        "sentences": list(case.card.sentences),
        "model": _model(identity),
        "version": __version__,
        "date": date.today().isoformat(),
    }
    return json.dumps(content, indent=2, ensure_ascii=False)


def as_csv(cases: Sequence[KeptCase], identity: ModelIdentity, words: Words) -> str:
    """Return a table of all cases, one line each; no cell begins a formula."""
    stream = io.StringIO()
    writer = csv.writer(stream)
    labels = identity.label_names
    writer.writerow(["case", "state", "answer", *labels, "reason", "model_sha256", "note"])
    for case in cases:
        answer = case.analysed.answer
        is_reject = isinstance(answer, Reject)
        numbers = [""] * len(labels) if is_reject else [f"{answer.probabilities[label]:.6f}" for label in labels]
        decided = "" if is_reject else (answer.label or "; ".join(answer.findings or ()))
        reason = f"{answer.reason} [{answer.code}]" if is_reject else ""
        cells = [case.shown_name, case.card.state, decided, *numbers, reason, identity.sha256]
        writer.writerow([*map(guarded_cell, cells), words("app.not_for_diagnosis")])
    return stream.getvalue()


def as_pdf(case: KeptCase, identity: ModelIdentity, words: Words) -> bytes:
    """Return one page for a person: the image, the answer with its bars, what it means, which model it was."""
    pdf = FPDF(format="A4")
    for style, name in (("", "DejaVuSans.ttf"), ("B", "DejaVuSans-Bold.ttf")):
        pdf.add_font(_FONT, style, Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name)
    pdf.set_title(words("app.export.title"))
    pdf.set_lang(words.language)
    pdf.set_margin(_MARGIN)
    pdf.set_auto_page_break(False)
    pdf.add_page()
    _line(pdf, words("app.export.title"), 15, bold=True)
    _line(pdf, words("app.not_for_diagnosis"), 11, bold=True)
    _line(pdf, words("app.export.shown_name", name=case.shown_name), 10)
    _pictures(pdf, case.pictures, words)
    _line(pdf, case.card.headline, 13, bold=True)
    _bars(pdf, case.card, words)
    for sentence in case.card.sentences:
        _line(pdf, sentence, 10)
    pdf.ln(3)
    sha256 = identity.sha256[:16]
    _line(pdf, words("app.export.model", title=identity.title, version=identity.version, sha256=sha256), 9)
    _line(pdf, words("app.export.made", version=__version__, date=date.today().isoformat()), 9)
    return bytes(pdf.output())


def require_dicom() -> None:
    """Check that DICOM results can be made here.

    Raises:
        MissingDependencyError: If highdicom is not installed.
    """
    require("results", "a DICOM result", "highdicom")


def as_dicom_zip(analysed: Analysed, identity: ModelIdentity, folder: Path) -> bytes:
    """Return the DICOM results of a case (structured reports, secondary capture) as an archive.

    Args:
        analysed: The case; its sources are DICOM files.
        identity: Of the model.
        folder: Where the objects may be written meanwhile; it is not emptied.

    Raises:
        DataError: If the sources are no DICOM images.
        MissingDependencyError: If highdicom is not installed.
    """
    require_dicom()
    from lungscan_monai.results.making import make_results, write_results

    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in write_results(make_results(analysed, identity), folder):
            archive.write(path, path.name)
            path.unlink()
    return stream.getvalue()


def _answer(analysed: Analysed) -> dict[str, Any]:
    answer = analysed.answer
    if isinstance(answer, Prediction):
        return {
            "label": answer.label,
            "findings": None if answer.findings is None else list(answer.findings),
            "probabilities": answer.probabilities,
            "threshold": answer.threshold,
        }
    return {"code": answer.code, "reason": answer.reason}


def _model(identity: ModelIdentity) -> dict[str, Any]:
    return {
        "name": identity.name,
        "version": identity.version,
        "sha256": identity.sha256,
        "calibrated": identity.calibrated,
        "operating_points": {label: asdict(point) for label, point in identity.operating_points.items()},
        "intended_use": identity.intended_use,
    }


def _line(pdf: FPDF, text: str, size: int, bold: bool = False) -> None:
    pdf.set_font(_FONT, "B" if bold else "", size)
    pdf.multi_cell(0, size * 0.5, text, new_x=XPos.LMARGIN, new_y=YPos.NEXT)


def _pictures(pdf: FPDF, pictures: Sequence[np.ndarray], words: Words) -> None:
    if not pictures:
        return
    top = pdf.get_y() + 2
    for number, picture in enumerate(pictures[:2]):
        scale = _PICTURE / max(picture.shape[:2])
        height, width = (side * scale for side in picture.shape[:2])
        left = _MARGIN + number * (_PICTURE + 5)
        pdf.image(io.BytesIO(as_jpeg(picture, _QUALITY)), left, top, width, height, alt_text=words("app.picture"))
    tallest = max(picture.shape[0] / max(picture.shape[:2]) for picture in pictures[:2])
    pdf.set_y(top + _PICTURE * tallest + 3)


def _bars(pdf: FPDF, card: Card, words: Words) -> None:
    offset, line, height = _BAR
    left, width = _MARGIN + offset + 15, 110
    pdf.set_font(_FONT, "", 9)
    for bar in card.bars:
        top = pdf.get_y()
        pdf.cell(offset + 15, line, bar.label)
        pdf.set_fill_color(*_GREY)
        pdf.rect(left, top + 1, width, height, "F")
        pdf.set_fill_color(*_BLUE)
        pdf.rect(left, top + 1, width * bar.probability, height, "F")
        if bar.threshold is not None:
            pdf.line(left + width * bar.threshold, top, left + width * bar.threshold, top + line)
        pdf.set_x(left + width + 2)
        pdf.cell(0, line, percentage(bar.probability, words), new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    pdf.ln(2)
