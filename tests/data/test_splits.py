from __future__ import annotations

import csv
import gzip
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lungscan_monai.data.datalist import SECTIONS, Case
from lungscan_monai.data.splits import Split, split_cases
from lungscan_monai.errors import SplitError


def random_cases(num_patients: int, seed: int = 0, prevalence: float = 0.3) -> list[Case]:
    draw = random.Random(seed)
    return [
        Case(f"{patient}-{film}.png", int(draw.random() < prevalence), f"p{patient}")
        for patient in range(num_patients)
        for film in range(draw.randint(1, 5))
    ]


def patients_of(split: Split, section: str) -> set[str]:
    return {case.patient for case in split.sections[section]}


@settings(max_examples=60, deadline=None)
@given(
    data=st.lists(st.tuples(st.integers(0, 2), st.one_of(st.none(), st.integers(0, 60))), min_size=1, max_size=120),
    seed=st.integers(-5, 5),
)
def test_every_case_is_in_one_section_and_so_is_every_patient(data, seed):
    cases = [
        Case(str(number), (int(label == 1), int(label == 2)), None if patient is None else f"p{patient}")
        for number, (label, patient) in enumerate(data)
    ]
    split = split_cases(cases, seed=seed)
    assert sorted(case.id for name in SECTIONS for case in split.sections[name]) == sorted(case.id for case in cases)
    known = [patients_of(split, name) - {None} for name in SECTIONS]
    assert sum(map(len, known)) == len(set().union(*known))


def test_the_same_seed_gives_the_same_split_whatever_the_order():
    cases = random_cases(200)
    shuffled = random.Random(1).sample(cases, len(cases))
    assert split_cases(cases, seed=3) == split_cases(shuffled, seed=3)


def test_another_seed_gives_another_split():
    cases = random_cases(200)
    assert patients_of(split_cases(cases, seed=0), "test") != patients_of(split_cases(cases, seed=1), "test")


def test_sections_have_their_fractions_and_the_prevalence():
    split = split_cases(random_cases(2000))
    total = sum(map(len, split.sections.values()))
    for section, fraction in zip(SECTIONS, (0.7, 0.1, 0.2), strict=True):
        labels = [case.label for case in split.sections[section]]
        assert len(labels) / total == pytest.approx(fraction, abs=0.002)
        assert np.mean(labels) == pytest.approx(0.3, abs=0.02)


def test_patients_with_many_images_are_in_every_section():
    cases = [
        Case(f"{patient}-{film}", 0, f"p{patient}") for patient in range(100) for film in range(1 + 19 * (patient < 10))
    ]
    split = split_cases(cases)
    for section, expected in zip(SECTIONS, (7, 1, 2), strict=True):
        names = [case.patient for case in split.sections[section]]
        assert abs(sum(names.count(name) == 20 for name in set(names)) - expected) <= 1


def test_cases_of_unknown_patient_are_their_own_groups():
    split = split_cases([Case(str(number), number % 2) for number in range(100)])
    assert [len(split.sections[name]) for name in SECTIONS] == [70, 10, 20]


def test_a_class_of_three_patients_is_in_every_section_and_training_has_the_largest():
    common = [Case(f"c{number}", 0, f"c{number}") for number in range(100)]
    rare = [
        Case(f"r{patient}-{film}", 1, f"r{patient}") for patient, films in enumerate((1, 9, 2)) for film in range(films)
    ]
    split = split_cases([*common, *rare])
    counts = [sum(case.label == 1 for case in split.sections[name]) for name in SECTIONS]
    assert counts == [9, 1, 2]


def test_where_groups_are_few_no_section_is_left_with_a_crumb():
    sizes = {"a": 1, "b": 30, "c": 60, "d": 110, "e": 100}
    scans = [Case(f"{name}{slice_}", 1, name) for name, size in sizes.items() for slice_ in range(size)]
    others = [Case(f"o{number}", 0, f"o{number}") for number in range(700)]
    split = split_cases([*scans, *others])
    counts = [sum(case.label for case in split.sections[name]) for name in SECTIONS]
    assert counts[1] >= 30 and counts[2] >= 60


def test_one_scan_that_is_most_of_a_class_stays_in_training():
    scans = [
        Case(f"{name}{slice_}", 1, name)
        for name, size in zip("abcd", (1, 1, 1, 100), strict=True)
        for slice_ in range(size)
    ]
    split = split_cases([*scans, *(Case(f"o{number}", 0) for number in range(300))])
    assert sum(case.label for case in split.sections["training"]) >= 100


def test_a_class_of_two_patients_cannot_be_split_in_three_but_in_two():
    cases = [Case(f"c{number}", 0) for number in range(20)] + [Case("x", 1), Case("y", 1)]
    with pytest.raises(SplitError, match=r"class Tumor has 2 patient"):
        split_cases(cases, label_names=("Normal", "Tumor"))
    split = split_cases(cases, (0.8, 0, 0.2))
    assert [sum(case.label for case in split.sections[name]) for name in SECTIONS] == [1, 0, 1]


def test_a_rare_finding_goes_to_training_first():
    cases = [Case(f"c{number}", (number % 2, 0)) for number in range(50)] + [Case("rare", (0, 1))]
    assert "rare" in {case.id for case in split_cases(cases).sections["training"]}


def test_findings_keep_their_prevalence_though_they_occur_together():
    draw = np.random.default_rng(0)
    prevalence = np.array([0.3, 0.1, 0.02])
    labels = draw.random((6000, 3)) < prevalence
    cases = [Case(str(n), tuple(int(v) for v in row), f"p{draw.integers(2000)}") for n, row in enumerate(labels)]
    split = split_cases(cases)
    for section in SECTIONS:
        found = np.mean([case.label for case in split.sections[section]], axis=0)
        np.testing.assert_allclose(found, labels.mean(axis=0), rtol=0.05)


def test_not_assessed_counts_as_absent():
    cases = [Case(str(number), (1 if number % 4 == 0 else None,)) for number in range(40)]
    split = split_cases(cases, (0.5, 0.25, 0.25))
    positives = [sum(case.label == (1,) for case in split.sections[name]) for name in SECTIONS]
    assert positives[0] == 5
    assert sorted(positives[1:]) == [2, 3]


@pytest.mark.parametrize(
    "fractions", [(0.7, 0.3), (0.7, 0.2, 0.2), (1.2, -0.1, -0.1), (0, 0.5, 0.5), (float("nan"), 0, 1)]
)
def test_fractions_must_add_up(fractions):
    with pytest.raises(SplitError, match="expected three"):
        split_cases(random_cases(10), fractions)


def test_cases_that_cannot_be_told_apart_or_compared_are_refused():
    with pytest.raises(SplitError, match="no case to split"):
        split_cases([])
    with pytest.raises(SplitError, match="repeat, for instance a"):
        split_cases([Case("a", 0), Case("a", 1)])
    with pytest.raises(SplitError, match="different forms"):
        split_cases([Case("a", 0), Case("b", (1,))])


def test_the_facts_tell_how_it_was_done():
    facts = split_cases(random_cases(50), seed=7).facts()
    assert facts == {"method": "grouped by patient, stratified by label", "fractions": [0.7, 0.1, 0.2], "seed": 7}


@pytest.fixture(scope="module")
def nih_rows(real_data):
    with gzip.open(real_data / "nih_csv" / "Data_Entry_2017_v2020.csv.gz", "rt") as stream:
        return list(csv.DictReader(stream))


def test_all_of_chest_xray14_is_split_with_no_patient_on_two_sides(nih_rows):
    findings = sorted({name for row in nih_rows for name in row["Finding Labels"].split("|")} - {"No Finding"})
    cases = [
        Case(
            row["Image Index"],
            tuple(int(name in row["Finding Labels"].split("|")) for name in findings),
            row["Patient ID"],
        )
        for row in nih_rows
    ]
    split = split_cases(cases)
    patients = [patients_of(split, name) for name in SECTIONS]
    assert sum(map(len, patients)) == len(set().union(*patients)) == 30_805
    assert sum(len(split.sections[name]) for name in SECTIONS) == 112_120
    total = np.sum([case.label for case in cases], axis=0)
    for section, fraction in zip(SECTIONS, (0.7, 0.1, 0.2), strict=True):
        found = np.sum([case.label for case in split.sections[section]], axis=0)
        np.testing.assert_allclose(found, fraction * total, rtol=0.02)
