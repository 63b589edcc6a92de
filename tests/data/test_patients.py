from __future__ import annotations

import pytest

from lungscan_monai.data.patients import patient_of, patient_pattern
from lungscan_monai.errors import ConfigError


@pytest.mark.parametrize(
    ("name", "file_name", "patient"),
    [
        ("kermany", "person123_bacteria_4.jpeg", "person123"),
        ("kermany", "person123_virus_9.jpeg", "person123"),
        ("kermany", "IM-0117-0001.jpeg", "IM-0117"),
        ("kermany", "NORMAL2-IM-0117-0001-0002.jpeg", "NORMAL2-IM-0117"),
        ("kermany", "cat.jpeg", None),
        ("nih", "00000061_012.png", "00000061"),
        (r"^(\w+)-", "p7-frontal.png", "p7"),
        (r"(?:p(\d+))?", "x.png", None),
    ],
)
def test_the_patient_is_read_from_the_file_name(name, file_name, patient):
    assert patient_of(file_name, patient_pattern(name)) == patient


def test_without_a_pattern_the_patient_is_unknown():
    assert patient_of("person1_virus_1.jpeg", None) is None


@pytest.mark.parametrize(
    ("regex", "sentence"), [("person(", "not a regular expression"), ("person", "0 groups"), ("(a)(b)", "2 groups")]
)
def test_a_regex_needs_exactly_one_group(regex, sentence):
    with pytest.raises(ConfigError, match=sentence):
        patient_pattern(regex)


def test_a_pattern_with_a_slash_is_searched_in_the_folders_too():
    path = "CheXpert/train/patient00007/study1/view1_frontal.jpg"
    assert patient_of(path, patient_pattern(r"(patient\d+)/")) == "patient00007"
    assert patient_of(path, patient_pattern(r"(patient\d+)")) is None
