from __future__ import annotations

import re
from pathlib import Path

import pytest

import lungscan_monai.evaluation
from lungscan_monai.errors import ConfigError
from lungscan_monai.evaluation.words import LANGUAGES, placeholders, words_of
from lungscan_monai.evaluation.words_en import ENGLISH
from lungscan_monai.evaluation.words_id import INDONESIAN

BUILDERS = [
    path for path in Path(lungscan_monai.evaluation.__file__).parent.glob("*.py") if path.name[:4] in ("page", "word")
]
SOURCE = "\n".join(path.read_text(encoding="utf-8") for path in BUILDERS if "words_" not in path.name)


def test_both_languages_have_the_same_texts_with_the_same_placeholders():
    assert list(ENGLISH) == list(INDONESIAN)
    for key in ENGLISH:
        assert placeholders(ENGLISH[key]) == placeholders(INDONESIAN[key]), key


def test_a_translation_is_not_the_english_text():
    same = {key for key in ENGLISH if ENGLISH[key] == INDONESIAN[key] and re.search("[a-z]{4}", ENGLISH[key])}
    assert same == {
        "fact.datalist_sha256", "fact.model_sha256", "fact.seed", "labels.label", "method.bootstrap", "method.label",
        "place.data_report", "subgroups.label", "results.other_interval", "said.of_label",
    }  # fmt: skip


def test_no_text_is_dead():
    groups = set(re.findall(r'f"(\w+)\.\{', SOURCE)) | set(re.findall(r'name\("(\w+)"', SOURCE))
    groups |= {"claim", "tripod", "said"}
    quoted = set(re.findall(r"""["']([\w.]+)["']""", SOURCE))
    dead = [key for key in ENGLISH if key not in quoted and key.split(".")[0] not in groups]
    assert dead == []


def test_numbers_are_written_as_the_language_writes_them():
    english, indonesian = words_of("en"), words_of("id")
    assert (english.number(0.9126), indonesian.number(0.9126)) == ("0.913", "0,913")
    assert (english.count(12345), indonesian.count(12345)) == ("12,345", "12.345")
    assert (english.percent(0.712), indonesian.percent(0.712)) == ("71.2\u00a0%", "71,2\u00a0%")
    assert (english.figures(0.87764), indonesian.figures(0.87764)) == ("0.8776", "0,8776")
    assert english.number(-0.5, 1) == "\u22120.5"
    assert english.number(-0.0002) == "0.000"


def test_an_estimate_is_told_with_its_interval_or_with_the_reason_why_there_is_none():
    entry = {"value": 0.9123, "low": 0.88, "high": 0.94123}
    assert words_of("en").estimate(entry) == "0.912 (0.880 to 0.941)"
    assert words_of("id").estimate(entry) == "0,912 (0,880 sampai 0,941)"
    lonely = {"value": 1.0, "low": None, "high": None, "no_interval": "because x"}
    assert words_of("en").estimate(lonely) == "1.000 (no interval, because x)"
    missing = {"not_computable": "because there is no positive case"}
    assert words_of("id").estimate(missing) == "tidak dapat dihitung, karena tidak ada kasus positif"


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ((0.93, 0.89, 0.961), "93\u00a0% (89 to 96)"),
        ((1.0, 0.974, 1.0), "100\u00a0% (97 to 100)"),
        ((0.997, 0.99, 1.0), "99.7\u00a0% (99.0 to 100.0)"),
        ((0.0018, 0.0003, 0.01), "0.18\u00a0% (0.03 to 1.00)"),
    ],
)
def test_what_is_not_quite_all_or_nothing_is_not_rounded_to_it(values, text):
    assert words_of("en").share(dict(zip(("value", "low", "high"), values, strict=True))) == text


def test_sentences_of_the_report_are_translated_with_what_they_hold():
    words = words_of("id")
    sentence = (
        "Hernia: the threshold is 0.5, not chosen, because only one class is present (0 positive, 60 negative cases)"
    )
    expected = "Hernia: ambangnya 0,5, tidak dipilih, karena hanya ada satu kelas (0 kasus positif, 60 kasus negatif)"
    assert words.said(sentence) == expected
    assert words.said("40 to 59") == "40 sampai 59"
    assert words.said("A new sentence") == "A new sentence"
    assert words.said("Mass of the lung") == "Mass of the lung"


def test_an_unknown_language_is_refused():
    with pytest.raises(ConfigError, match="en, id"):
        words_of("fr")
    assert [words_of(code).language for code in LANGUAGES] == list(LANGUAGES)
