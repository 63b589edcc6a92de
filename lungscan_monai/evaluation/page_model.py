"""What the page says of the model itself: a model card in short, with the rest where it stands."""

from __future__ import annotations

from typing import Any

from lungscan_monai.evaluation.words import Words
from lungscan_monai.pages import Html, element, paragraph, table

MODEL_FACTS = ("question", "intended_use", "labels", "modalities", "views", "image_size", "network")
"""What a report says of the model, in the order in which it is read."""


def model(report: dict[str, Any], words: Words) -> list[Html]:
    """Return what the model is and may be used for; nothing where the report does not say."""
    found = report.get("model")
    if not found:
        return []
    translated = found.get("translations", {}).get(words.language, {})
    rows = [
        (words(f"model.{name}"), translated.get(name) or _shown(found[name])) for name in MODEL_FACTS if found.get(name)
    ]
    caption, header = words("model.caption"), (words("facts.fact"), words("facts.value"))
    return [table(caption, header, rows), paragraph(words("model.more"), class_="fine")]


def _shown(value: Any) -> Html:
    """Return a fact as its bundle states it, in English."""
    if isinstance(value, dict):
        value = [f"{name} {setting}" for name, setting in value.items()]
    text = ", ".join(map(str, value)) if isinstance(value, list) else value
    return element("span", text, lang="en")
