"""docs/dicom-results.md names the codes and series that the objects have."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lungscan_monai.results import codes, context
from lungscan_monai.task import PRIVATE_SCHEME, load_task

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "dicom-results.md").read_text(encoding="utf-8")
BUNDLES = sorted(path.parents[1] for path in (ROOT / "monai_bundles").glob("*/configs/metadata.json"))


def rows(heading: str) -> list[tuple[str, ...]]:
    table = PAGE.split(heading)[1].split("\n\n")[0]
    return [tuple(cell.strip(" `") for cell in line.strip("|").split("|")) for line in table.splitlines()[1:]]


def test_the_table_of_codes_is_that_of_the_bundles():
    shown = {(*row[:4], name) for row in rows("| bundles |\n") for name in row[4].split(", ")}
    stated = {
        (label, code.scheme, code.code, code.meaning, root.name.removesuffix("_classification"))
        for root in BUNDLES
        for label, code in zip(load_task(root).label_names, load_task(root).codes, strict=True)
    }
    assert shown == stated


def test_one_public_code_has_one_meaning_in_all_bundles():
    found = {(code.scheme, code.code): set() for root in BUNDLES for code in load_task(root).codes}
    for root in BUNDLES:
        for code in load_task(root).codes:
            found[code.scheme, code.code].add(code.meaning)
    assert all(len(meanings) == 1 for meanings in found.values())


@pytest.mark.parametrize(
    "concept",
    [codes.CERTAINTY, codes.PRESENCE, codes.PRESENT, codes.ABSENT, codes.THRESHOLD, codes.SENSITIVITY]
    + [codes.SPECIFICITY, codes.STATUS, codes.NOT_ATTEMPTED, codes.REFUSAL, codes.CLASS_ACTIVATION],
)
def test_the_codes_of_the_reports_are_on_the_page(concept):
    assert re.search(f"`{concept.value}`[^|]*{concept.scheme_designator}|{concept.value}` {PRIVATE_SCHEME}", PAGE)


def test_the_numbers_of_the_series_are_on_the_page():
    shown = {int(number) for number in re.findall(r"^\| [^|]+ \| (90\d) \|", PAGE, re.MULTILINE)}
    assert shown == {context.REPORT, context.TEXT, context.PICTURE, context.MAP, context.SEGMENTATION} | {
        context.PRESENTATION,
        context.KEYS,
    }


@pytest.mark.parametrize("name", ["CERTAINTY", "SENSITIVITY", "SPECIFICITY", "PRESENCE", "STATUS", "NOT_ATTEMPTED"])
def test_public_codes_mean_what_pydicoms_dictionary_says(name):
    from pydicom.sr.codedict import codes as standard

    ours = getattr(codes, name)
    known = {getattr(standard.DCM, term).value: getattr(standard.DCM, term).meaning for term in standard.DCM.dir()}
    assert known[ours.value] == ours.meaning
