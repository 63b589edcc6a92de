"""The codes of PS3.4 B.2.3 and PS3.18 are told apart."""

from __future__ import annotations

from pynetdicom.status import STORAGE_SERVICE_CLASS_STATUS, code_to_category

from lungscan_monai.node.delivery.storing import is_stored, may_go_well_later, meaning_of


def test_success_and_warnings_are_stored_and_failures_are_not():
    expected = {code: code_to_category(code) in ("Success", "Warning") for code in STORAGE_SERVICE_CLASS_STATUS}
    assert {code: is_stored(code) for code in STORAGE_SERVICE_CLASS_STATUS} == expected


def test_lack_of_room_passes_and_a_wrong_object_does_not():
    assert may_go_well_later(0xA702) and may_go_well_later(0x0110)
    assert not may_go_well_later(0xA901) and not may_go_well_later(0xC000) and not may_go_well_later(0x0122)


def test_a_code_is_said_in_words():
    assert meaning_of(0xA701) == "out of resources (0xA701)"
    assert meaning_of(0xC123) == "cannot be understood (0xC123)"
    assert meaning_of(0x0999) == "status 0x0999"
