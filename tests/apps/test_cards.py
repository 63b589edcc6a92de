"""What is said about a case follows from its answer and from what was measured of the model, and from nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from app_answers import POINT, SHARE, analysed, evidence, identity

from lungscan_monai.apps.cards import DECIDED, UNASSESSABLE, UNCERTAIN, UNREADABLE, card_of, percentage
from lungscan_monai.apps.evidence import Evidence
from lungscan_monai.apps.words import app_words
from lungscan_monai.inference.answering import Prediction, Reject
from lungscan_monai.inference.series import SeriesAnswer
from lungscan_monai.inference.studies import Analysed

WORDS = app_words("en")


def test_the_operating_point_is_told_as_a_sentence():
    card = card_of(analysed(0.9), identity(), evidence(), WORDS)
    assert (card.state, card.headline) == (DECIDED, "Pneumonia")
    assert any(
        "the model found 93\N{NO-BREAK SPACE}% (89 to 96) of the cases with Pneumonia" in s for s in card.sentences
    )


def test_the_threshold_is_marked_on_the_positive_label_only():
    card = card_of(analysed(0.9), identity(), evidence(), WORDS)
    assert [(bar.label, bar.threshold, bar.called) for bar in card.bars] == [
        ("Normal", None, False),
        ("Pneumonia", 0.4, True),
    ]


@pytest.mark.parametrize(
    ("probability", "state"), [(0.1, DECIDED), (0.35, UNCERTAIN), (0.45, UNCERTAIN), (0.7, DECIDED)]
)
def test_a_case_is_uncertain_when_both_labels_stay_possible(probability, state):
    limits = {"Normal": 0.5, "Pneumonia": 0.3}
    assert card_of(analysed(probability), identity(), evidence(limits), WORDS).state == state


def test_a_case_that_fits_no_label_is_uncertain():
    card = card_of(analysed(0.5), identity(), evidence({"Normal": 0.9, "Pneumonia": 0.9}), WORDS)
    assert card.state == UNCERTAIN
    assert "no label fits" in card.sentences[0]


def test_without_an_evaluation_nothing_is_called_uncertain_and_the_card_says_why():
    card = card_of(analysed(0.41), identity(), None, WORDS)
    assert card.state == DECIDED
    assert WORDS("app.no_evidence") in card.sentences


@pytest.mark.parametrize(
    ("reject", "state"),
    [
        (Reject("a", "not-assessable", "not assessable: the image does not look like those"), UNASSESSABLE),
        (Reject("a", "modality", "not assessable: Modality is MG"), UNASSESSABLE),
        (Reject("a", "truncated", "ends early"), UNREADABLE),
    ],
)
def test_a_reject_has_a_reason_and_no_probability(reject, state):
    card = card_of(Analysed((), reject), identity(), evidence(), WORDS)
    assert card.state == state
    assert not card.bars
    assert reject.reason in card.sentences[0]


def test_a_reason_comes_in_indonesian_first():
    card = card_of(Analysed((), Reject("a", "truncated", "ends early")), identity(), None, app_words("id"))
    assert "Berkas berakhir sebelum" in card.sentences[0]


def test_several_findings_are_listed_and_those_in_doubt_named():
    names = ("Mass", "Nodule")
    points = {name: POINT for name in names}
    answer = Prediction("a", {"Mass": 0.9, "Nodule": 0.45}, None, None, ("Mass", "Nodule"))
    found = Evidence(
        Path(),
        {
            "kind": "multilabel",
            "overall": {},
            "labels": [
                {
                    "label": name,
                    "metrics": {"sensitivity": SHARE, "specificity": SHARE},
                    "prediction_sets": {
                        "smallest_probability": {"absent": 0.3, "present": 0.3},
                        "stated_coverage": 0.95,
                    },
                }
                for name in names
            ],
        },
    )
    card = card_of(Analysed((Path("a"),), answer), identity("multilabel", names, points), found, WORDS)
    assert card.headline == "Mass, Nodule"
    assert card.state == UNCERTAIN
    assert card.sentences[0].endswith("for: Nodule.")


def test_a_series_says_how_it_came_to_its_answer():
    series = SeriesAnswer(np.array([0.2, 0.8]), 12, 10, 2, 1, 5.0, "complete")
    case = Analysed((Path("a"), Path("b")), analysed(0.8).answer, (), series, (Reject("c", "x", "y"),))
    text = " ".join(card_of(case, identity(), None, WORDS).sentences)
    assert "12 slices at 10 places" in text
    assert "1 gaps" in text
    assert "1 files of the series took no part" in text


@pytest.mark.parametrize(
    ("probability", "told"), [(0.0, "0.0"), (1e-5, "< 0.1"), (0.123, "12.3"), (0.99999, "> 99.9"), (1.0, "100.0")]
)
def test_nothing_is_told_to_be_certain_that_is_not(probability, told):
    assert percentage(probability, WORDS).replace("\N{NO-BREAK SPACE}", " ") == f"{told} %"
