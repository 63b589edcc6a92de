"""Rules: which image goes to which bundles."""

from __future__ import annotations

import pytest
from node_bench import image

from lungscan_monai.errors import ConfigError
from lungscan_monai.node.routing import RoutingFacts, Rule, facts_of, route

CHEST = RoutingFacts("DX", "CHEST", "PA", "Thorax p.a.", "Chest PA")
RULES = (
    Rule(("lung",), modality=("CT",), body_part=("CHEST", "LUNG")),
    Rule(("kidney",), modality=("CT",), study_description=(r"re:ab?domen|nier",)),
    Rule(("chest", "findings"), modality=("DX", "CR"), body_part=("CHEST", "THORAX"), view=("PA", "AP")),
    Rule(("chest",), modality=("?X",), series_description=("*chest*",)),
)


@pytest.mark.parametrize(
    ("facts", "bundles"),
    [
        (CHEST, ("chest", "findings")),
        (RoutingFacts("CR", "thorax", "ap"), ("chest", "findings")),
        (RoutingFacts("CT", "CHEST", study_description="Abdomen"), ("lung",)),
        (RoutingFacts("CT", "", study_description="CT Abdomen nativ"), ("kidney",)),
        (RoutingFacts("CT", "ABDOMEN", study_description="Nierenstein?"), ("kidney",)),
        (RoutingFacts("DX", "", "LL", series_description="W034 Chest lat."), ("chest",)),
        (RoutingFacts("DX", "CHEST", "LL"), ()),
        (RoutingFacts("DX", "CHESTS", "PA"), ()),
        (RoutingFacts("MR", "CHEST", "PA"), ()),
        (RoutingFacts(), ()),
    ],
)
def test_the_first_rule_that_fits_counts(facts, bundles):
    assert route(RULES, facts).bundles == bundles


def test_what_no_rule_fits_says_what_it_is_and_quotes_no_free_text():
    reason = route(RULES, RoutingFacts("MR", "KNEE", "", "Jane Doe, knee", "Doe")).reason
    assert reason == "no rule fits: Modality 'MR', BodyPartExamined 'KNEE', ViewPosition ''"


def test_a_rule_without_patterns_fits_everything():
    assert route([Rule(("all",))], RoutingFacts()).bundles == ("all",)


@pytest.mark.parametrize("wrong", [{"bundles": ()}, {"bundles": ("a",), "modality": ("re:[",)}])
def test_a_rule_that_cannot_be_is_refused(wrong):
    with pytest.raises(ConfigError):
        Rule(**wrong)


def test_facts_come_from_the_header(tmp_path):
    path = tmp_path / "a.dcm"
    image(1, StudyDescription="Thorax p.a.", SeriesDescription="Chest PA").save_as(path, enforce_file_format=True)
    assert facts_of(path) == CHEST


@pytest.mark.parametrize("content", [b"", b"not DICOM", b"\0" * 128 + b"DICM\x02\0"])
def test_a_header_that_cannot_be_read_has_no_facts(tmp_path, content):
    path = tmp_path / "a.dcm"
    path.write_bytes(content)
    assert facts_of(path) == RoutingFacts()


def test_a_file_that_is_gone_has_no_facts(tmp_path):
    assert facts_of(tmp_path / "gone.dcm") == RoutingFacts()
