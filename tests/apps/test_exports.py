"""What a person keeps says what it is, which model it was, and that it is not for diagnosis; names stay text."""

from __future__ import annotations

import csv
import io
import json
import re
import zlib
from pathlib import Path

import numpy as np
import pytest
from app_answers import analysed, evidence, identity

from lungscan_monai.apps.cards import card_of
from lungscan_monai.apps.exports import KeptCase, as_csv, as_json, as_pdf
from lungscan_monai.apps.words import LANGUAGES, app_words
from lungscan_monai.inference.answering import Prediction, Reject
from lungscan_monai.inference.studies import Analysed


def kept(name="a.png", case=None, language="en") -> KeptCase:
    case = analysed(0.9) if case is None else case
    pictures = (np.zeros((40, 30, 3), np.uint8), np.full((40, 30, 3), 200, np.uint8))
    return KeptCase(name, case, card_of(case, identity(), evidence(), app_words(language)), pictures)


def test_json_holds_answer_model_and_warning():
    content = json.loads(as_json(kept(), identity(), app_words("en")))
    assert content["label"] == "Pneumonia"
    assert content["probabilities"]["Pneumonia"] == pytest.approx(0.9)
    assert content["model"]["sha256"] == "ab" * 32
    assert "Not for diagnosis" in content["not_for_diagnosis"]


def test_json_of_a_reject_has_a_reason_and_no_probability():
    content = json.loads(
        as_json(kept(case=Analysed((), Reject("a", "empty", "has no bytes"))), identity(), app_words("en"))
    )
    assert content["code"] == "empty"
    assert "probabilities" not in content


def test_csv_has_a_line_for_each_case_and_no_formula():
    cases = [kept("=HYPERLINK(1).png"), kept(case=Analysed((), Reject("b", "empty", "has no bytes")))]
    rows = list(csv.DictReader(io.StringIO(as_csv(cases, identity(), app_words("en")))))
    assert [row["case"] for row in rows] == ["'=HYPERLINK(1).png", "a.png"]
    assert [row["Pneumonia"] for row in rows] == ["0.900000", ""]
    assert all("Not for diagnosis" in row["note"] for row in rows)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_pdf_is_one_page_with_both_pictures(language):
    content = as_pdf(kept("Šafařík ć.png", language=language), identity(), app_words(language))
    assert content.startswith(b"%PDF-")
    assert len(re.findall(rb"/Type /Page\b", content)) == 1
    assert len(re.findall(rb"/Subtype /Image", content)) == 2


def test_the_pdf_of_many_labels_and_long_sentences_stays_on_its_page():
    names = tuple(f"Finding {index}" for index in range(14))
    answer = Prediction("a", {name: 0.5 for name in names}, None, None, names)
    model = identity("multilabel", names, {})
    case = Analysed((Path("a"),), answer)
    pictures = (np.zeros((300, 100, 3), np.uint8),)
    whole = KeptCase("n" * 100, case, card_of(case, model, None, app_words("id")), pictures)
    content = as_pdf(whole, model, app_words("id"))
    heights = [float(found) for found in re.findall(rb"1 0 0 1 [\d.]+ (-?[\d.]+) Tm", _streams(content))]
    assert len(re.findall(rb"/Type /Page\b", content)) == 1
    assert all(height > 0 for height in heights)


def _streams(pdf: bytes) -> bytes:
    found = b""
    for stream in re.findall(rb"stream\r?\n(.*?)endstream", pdf, re.DOTALL):
        try:
            found += zlib.decompress(stream)
        except zlib.error:
            continue
    return found
