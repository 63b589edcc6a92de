"""Both languages are complete, and every text that the apps ask for exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import lungscan_monai.apps as apps
from lungscan_monai.apps.cards import STATES
from lungscan_monai.apps.fetching import FETCH_CODES
from lungscan_monai.apps.uploads import UPLOAD_CODES
from lungscan_monai.apps.words import LANGUAGES, app_words
from lungscan_monai.apps.words_en import ENGLISH
from lungscan_monai.apps.words_id import INDONESIAN
from lungscan_monai.evaluation.words import placeholders
from lungscan_monai.gate.codes import READ_CODES

CODES = "app.code."
SOURCES = "\n".join(path.read_text() for path in Path(apps.__file__).parent.glob("*.py") if "words" not in path.name)


def test_both_languages_have_the_same_texts_with_the_same_placeholders():
    indonesian = {key: text for key, text in INDONESIAN.items() if not key.startswith(CODES)}
    assert indonesian.keys() == ENGLISH.keys()
    assert {key: placeholders(text) for key, text in indonesian.items()} == {
        key: placeholders(text) for key, text in ENGLISH.items()
    }


def test_no_text_is_left_in_english():
    same = {key for key, text in INDONESIAN.items() if text == ENGLISH.get(key) and re.search("[a-z]{4}", text)}
    assert same <= {
        "app.title",
        "app.token.ask",
        "app.column.label",
        "app.analysis.label",
        "app.model.training.epoch",
    } | {
        "app.headline.decided",
        "app.headline.findings",
    }


@pytest.mark.parametrize("code", sorted({*READ_CODES, *UPLOAD_CODES, *FETCH_CODES}))
def test_every_reason_has_an_indonesian_sentence(code):
    assert f"{CODES}{code}" in INDONESIAN


def test_every_text_that_is_asked_for_is_there():
    asked = set(re.findall(r"words\(\s*\"(app\.[\w.]+)\"", SOURCES))
    assert len(asked) > 50
    assert asked <= ENGLISH.keys()


def test_no_text_is_there_for_nothing():
    prefixes = {match for match in re.findall(r"f\"(app\.[\w.]+\.)\{", SOURCES)}
    unused = [key for key in ENGLISH if f'"{key}"' not in SOURCES and not key.startswith(tuple(prefixes))]
    assert not [key for key in unused if not any(key == f"app.{state}.what_now" for state in STATES)]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_view_can_say_that_it_is_not_for_diagnosis(language):
    assert app_words(language)("app.not_for_diagnosis")
