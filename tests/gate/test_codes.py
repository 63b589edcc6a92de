from __future__ import annotations

import ast
import re
from dataclasses import asdict
from pathlib import Path

from lungscan_monai.apps.fetching import FETCH_CODES
from lungscan_monai.apps.uploads import UPLOAD_CODES
from lungscan_monai.gate.codes import READ_CODES, SKIPPED
from lungscan_monai.gate.limits import Limits

ROOT = Path(__file__).parents[2]


def raised() -> dict[str, str]:
    """Code -> module of every ReadError of the package; a code is its second argument, or what a worker says it is."""
    found = {}
    for path in sorted((ROOT / "lungscan_monai").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "ReadError" and len(node.args) > 1:
                parts = [] if isinstance(node.args[1], ast.Subscript) else ast.walk(node.args[1])
                codes = [part.value for part in parts if isinstance(part, ast.Constant)]
                found |= {code: path.name for code in codes}
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "_malformed_as_read_error":
                found[node.args[1].value] = path.name
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "_send" and path.name == "worker.py":
                words = [word.value.value for word in node.keywords if isinstance(word.value, ast.Constant)]
                found |= {word: path.name for word in words[:1] if word}
    return found


def test_every_code_that_is_raised_is_in_the_table_and_the_other_way_round() -> None:
    of_apps = {*UPLOAD_CODES, *FETCH_CODES} - READ_CODES.keys()
    assert set(raised()) - of_apps == set(READ_CODES)


def test_codes_are_short_words_and_meanings_are_sentences() -> None:
    for code, meaning in READ_CODES.items():
        assert code == code.lower() and " " not in code
        assert meaning.endswith((".", "...")) and meaning[0].isupper()


def test_what_is_skipped_is_a_code() -> None:
    assert set(READ_CODES) >= SKIPPED


def section(heading: str) -> str:
    text = (ROOT / "docs" / "reading.md").read_text(encoding="utf-8")
    return text.split(f"## {heading}\n")[1].split("\n## ")[0]


def test_the_page_has_every_code_with_its_meaning() -> None:
    assert dict(re.findall(r"^\| `(.+?)` \| (.+) \|$", section("Codes"), re.MULTILINE)) == READ_CODES


def test_the_page_has_every_limit_with_its_number() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\d+) \|", section("Limits"), re.MULTILINE)
    assert {name: int(number) for name, number in rows} == asdict(Limits())
