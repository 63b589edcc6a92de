"""The words of the apps in the language of their reader, beside those of the evaluation reports."""

from __future__ import annotations

from lungscan_monai.apps.words_en import ENGLISH
from lungscan_monai.apps.words_id import INDONESIAN
from lungscan_monai.evaluation.words import LANGUAGES, Words, words_of

__all__ = ["LANGUAGES", "app_words"]


def app_words(language: str) -> Words:
    """Return the words of a language.

    Raises:
        ConfigError: If it is none of :data:`LANGUAGES`.

    Example:
        >>> app_words("id")("app.tab.cases")
        'Kasus'
    """
    return words_of(language, {"en": ENGLISH, "id": INDONESIAN}.get(language))
