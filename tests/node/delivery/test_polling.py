"""New studies of a real Orthanc are fetched once, as they are stored."""

from __future__ import annotations

import json

import pytest
from orthanc import free_ports
from peers import stub_server, write_result
from pydicom.uid import DigitalXRayImageStorageForPresentation

from lungscan_monai.errors import ConfigError, NetworkError
from lungscan_monai.node.delivery import polling as module
from lungscan_monai.node.delivery.dicomweb import DicomWebPeer
from lungscan_monai.node.delivery.polling import Poller, Polling
from lungscan_monai.node.delivery.web import WebAddress


def poller_of(orthanc, folder, **more) -> Poller:
    return Poller(Polling(orthanc.web, ("DX", "CR"), **more), folder / "state" / "polling.sqlite")


@pytest.fixture
def store(orthanc, tmp_path, make_dicom):
    """Put a radiograph into Orthanc: ``store(number, study="2.25.7")``."""

    def put(number: int, study: str = "2.25.7", modality: str = "DX", date: str | None = None, **attributes):
        path = write_result(
            tmp_path / f"in{study}{number}.dcm",
            make_dicom,
            SOPClassUID=DigitalXRayImageStorageForPresentation,
            StudyInstanceUID=study,
            SeriesInstanceUID=f"{study}.{modality == 'DX'}".replace("True", "1").replace("False", "2"),
            SOPInstanceUID=f"{study}.{number}",
            Modality=modality,
            StudyDate=f"{module._today():%Y%m%d}" if date is None else date,
            **attributes,
        )
        DicomWebPeer(WebAddress(orthanc.web)).send([path])
        return path

    return put


def looked(poller: Poller, folder) -> dict[str, list[str]]:
    """Look once and acknowledge; return the fetched instances by study."""
    found = {}
    for study in poller.fetch(folder):
        assert not study.failed
        found[study.uid] = sorted(study.files)
        poller.acknowledge(study)
    return found


def test_a_new_study_is_found_once_and_its_later_instances_too(orthanc, store, tmp_path):
    poller = poller_of(orthanc, tmp_path)
    assert looked(poller, tmp_path / "spool") == {}
    path = store(1)
    assert looked(poller, tmp_path / "spool") == {"2.25.7": ["2.25.7.1"]}
    assert (tmp_path / "spool" / "2.25.7.1.dcm").read_bytes() == path.read_bytes()
    assert looked(poller, tmp_path / "spool") == {}
    store(2)
    store(3, study="2.25.8")
    assert looked(poller_of(orthanc, tmp_path), tmp_path / "spool") == {"2.25.7": ["2.25.7.2"], "2.25.8": ["2.25.8.3"]}


def test_what_was_not_acknowledged_is_fetched_again(orthanc, store, tmp_path):
    store(1)
    for _ in range(2):
        assert [sorted(study.files) for study in poller_of(orthanc, tmp_path).fetch(tmp_path)] == [["2.25.7.1"]]


def test_other_modalities_our_own_results_and_old_studies_are_left_alone(orthanc, store, tmp_path):
    poller = poller_of(orthanc, tmp_path, days_back=3)
    store(1)
    store(2, study="2.25.8", modality="MG")
    store(3, study="2.25.9", date="20200101")
    assert looked(poller, tmp_path) == {"2.25.7": ["2.25.7.1"]}
    store(4, modality="SR")
    assert looked(poller, tmp_path) == {}


def test_studies_of_any_date_and_of_none_are_found_where_all_are_asked_for(orthanc, store, tmp_path):
    store(1, date="20200101")
    store(2, study="2.25.8", date="")
    poller = poller_of(orthanc, tmp_path, days_back=None)
    assert looked(poller, tmp_path) == {"2.25.7": ["2.25.7.1"], "2.25.8": ["2.25.8.2"]}
    assert looked(poller, tmp_path) == {}


def test_pages_are_turned(orthanc, store, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "PAGE", 2)
    for number in range(5):
        store(number)
    assert looked(poller_of(orthanc, tmp_path), tmp_path) == {"2.25.7": [f"2.25.7.{number}" for number in range(5)]}


def test_a_study_that_the_archive_lists_no_more_is_forgotten_after_a_while(orthanc, store, tmp_path, monkeypatch):
    poller = poller_of(orthanc, tmp_path, days_back=1000)
    store(1)
    looked(poller, tmp_path)
    monkeypatch.setattr(module, "REMEMBERED_DAYS", -1001)
    assert looked(poller, tmp_path) == {}
    orthanc.empty()
    assert looked(poller, tmp_path) == {}
    store(1)
    assert looked(poller, tmp_path) == {"2.25.7": ["2.25.7.1"]}


def test_nobody_at_the_port_is_tried_again(tmp_path):
    poller = Poller(Polling(f"http://127.0.0.1:{free_ports(1)[0]}", ("DX",)), tmp_path / "state")
    with pytest.raises(NetworkError, match="Connection refused") as caught:
        next(poller.fetch(tmp_path))
    assert caught.value.retryable


def listing(**values: str) -> bytes:
    tags = {"study": "0020000D", "series": "0020000E", "instance": "00080018", "modality": "00080060"}
    return json.dumps([{tags[key]: {"Value": [value]} for key, value in values.items()}]).encode()


def answers_for(instance: str, *last: tuple) -> tuple:
    series, instances = listing(series="2.25.71", modality="DX"), listing(instance=instance)
    return tuple((200, {}, body) for body in (listing(study="2.25.7"), series, instances)) + last


def test_an_instance_that_cannot_be_had_does_not_keep_the_others_back(tmp_path):
    with stub_server(*answers_for("2.25.72", (500, {}, b""))) as (url, _):
        study = next(Poller(Polling(url, ("DX",)), tmp_path / "state").fetch(tmp_path))
    assert study.files == {} and "500" in study.failed["2.25.72"]


def test_a_busy_archive_ends_the_look(tmp_path):
    answers = answers_for("2.25.72", (503, {"Retry-After": "9"}, b""))
    with stub_server(*answers) as (url, _), pytest.raises(NetworkError) as caught:
        next(Poller(Polling(url, ("DX",)), tmp_path / "state").fetch(tmp_path))
    assert caught.value.retry_after == 9


@pytest.mark.parametrize("uid", ["../../etc/cron.d/x", "1.2/3", "", "1" * 65])
def test_a_uid_that_is_none_reaches_no_path(tmp_path, uid):
    with stub_server(*answers_for(uid, (200, {"Content-Type": "application/dicom"}, b"x"))) as (url, requests):
        assert list(Poller(Polling(url, ("DX",)), tmp_path / "state").fetch(tmp_path / "spool")) == []
    assert not (tmp_path / "spool").exists()
    assert len(requests) == 3


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"modalities": ()}, "modalities"),
        ({"days_back": -1}, "days_back"),
        ({"every_seconds": 0.0}, "every_seconds"),
        ({"url": "pacs"}, "url"),
    ],
)
def test_settings_that_cannot_be_are_refused(values, named):
    with pytest.raises(ConfigError, match=named):
        Polling(**{"url": "https://pacs.example", "modalities": ("DX",), **values})
