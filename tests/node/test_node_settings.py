"""The settings of a node: all that is wrong is said at once, all that can be set is documented."""

from __future__ import annotations

import json
import re
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

from lungscan_monai.errors import ConfigError
from lungscan_monai.node.settings import NodeSettings, check_bundles, load_settings

PAGE = Path(__file__).resolve().parents[2] / "docs" / "node.md"
LEAST = {
    "store": "store",
    "rules": [{"bundles": ["chest"]}],
    "destination": {"kind": "dimse", "ae_title": "PACS", "host": "127.0.0.1", "port": 104},
    "callers": [{"ae_title": "PACS"}],
}


def load(tmp_path: Path, **changes) -> NodeSettings:
    path = tmp_path / "node.json"
    path.write_text(json.dumps({**LEAST, **changes}), encoding="utf-8")
    return load_settings(path)


def wrong(tmp_path: Path, **changes) -> str:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, **changes)
    return str(caught.value)


def test_the_least_that_is_needed_listens_on_loopback_only(tmp_path):
    settings = load(tmp_path)
    assert settings.dicom.host == "127.0.0.1"
    assert settings.callers[0].hosts == ("127.0.0.1",)
    assert settings.store == tmp_path / "store"


def test_everything_that_is_wrong_is_named_at_once(tmp_path):
    text = wrong(
        tmp_path,
        stor="x",
        quiet_seconds="soon",
        rules=[{"bundles": []}, {"bundles": ["a"], "view": ["re:("]}],
        callers=[{"ae_title": "A" * 17}, {"ae_title": "A", "hosts": ["pacs.example"]}],
        dicom={"port": 70000},
    )
    assert "7 setting(s) are wrong" in text
    for words in (
        "stor: there is no such setting; did you mean store?",
        "quiet_seconds: is 'soon', expected a number",
        "rules[0].bundles: is empty",
        "rules[1].view: 're:(' is no regular expression",
        "callers[0].ae_title: ",
        "callers[1].hosts: 'pacs.example' is no IP address",
        "dicom.port: 70000 is no TCP port",
    ):
        assert words in text


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"rules": []}, "rules: is empty"),
        ({"callers": []}, "nobody may send"),
        ({"destination": {"kind": "dimse"}}, "needs ae_title, host, port"),
        ({"destination": {"kind": "ftp"}}, "expected one of dimse, dicomweb"),
        ({"destination": {"kind": "dicomweb", "url": "pacs"}}, "https://"),
        ({"analysis": {"attempts": 0}}, "analysis.attempts: is 0, expected more than 0"),
        ({"keep": {"received_days": -1}}, "keep.received_days"),
        ({"monitoring_port": 70000}, "monitoring_port"),
        ({"dicom": {"tls": {"certificate": "no.pem", "key": "no.key"}}}, "dicom.tls.certificate: there is no file"),
        ({"store": 3}, "store: is 3, expected a path"),
        ({"dicom": {"port": True}}, "dicom.port: is true, expected a whole number"),
    ],
)
def test_what_cannot_be_is_refused_with_its_name(tmp_path, changes, words):
    assert words in wrong(tmp_path, **changes)


@pytest.mark.parametrize(("text", "words"), [("{", "not valid JSON"), ("[]", "is a list, expected an object")])
def test_a_file_that_is_no_object_is_refused(tmp_path, text, words):
    path = tmp_path / "node.json"
    path.write_text(text)
    with pytest.raises(ConfigError, match=words):
        load_settings(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        load_settings(tmp_path / "no.json")


def test_all_bundles_that_cannot_be_used_are_named(tmp_path):
    rules = [{"bundles": ["chest", str(tmp_path)]}]
    with pytest.raises(ConfigError) as caught:
        check_bundles(load(tmp_path, rules=rules))
    assert str(caught.value).count("\n  - ") == 2


def settings_of(kind: type, prefix: str = "") -> list[str]:
    names = []
    hints = get_type_hints(kind)
    for one in fields(kind):
        inner = [found for found in (hints[one.name], *get_args(hints[one.name])) if is_dataclass(found)]
        names.append(f"{prefix}{one.name}")
        if inner:
            names += settings_of(inner[0], f"{prefix}{one.name}.")
    return names


def test_every_setting_is_documented_and_no_other():
    section = PAGE.read_text(encoding="utf-8").split("\n## Settings\n")[1].split("\n## ")[0]
    documented = set(re.findall(r"^\| `([a-z_.]+)` \|", section, re.MULTILINE))
    assert documented == set(settings_of(NodeSettings))


@pytest.mark.parametrize("text", re.findall(r"```json\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL))
def test_the_settings_that_the_page_shows_are_sound(tmp_path, text):
    path = tmp_path / "node.json"
    path.write_text(text)
    load_settings(path)
