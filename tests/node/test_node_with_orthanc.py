"""Studies go in by dcmtk, results lie in a real Orthanc: each once, whatever dies meanwhile."""

from __future__ import annotations

import signal
from collections import Counter
from pathlib import Path

import pydicom
import pytest
from node_bench import NodeProcess, write_settings
from orthanc import Orthanc, eventually, running_orthanc, storescu
from pydicom.uid import (
    Comprehensive3DSRStorage,
    ComprehensiveSRStorage,
    ParametricMapStorage,
    SecondaryCaptureImageStorage,
    SegmentationStorage,
)
from small_bundle import small_bundle

from lungscan_monai.data.phantoms.generate import generate_phantoms
from lungscan_monai.node.delivery.contexts import RESULT_SOP_CLASSES
from lungscan_monai.node.ledger import NodeLedger
from lungscan_monai.node.status import status_of

ALWAYS = {Comprehensive3DSRStorage, ComprehensiveSRStorage, SecondaryCaptureImageStorage}
LONG = 300.0
"""Seconds that an analysis may take on a busy machine."""
OF_SLICES = {ParametricMapStorage, SegmentationStorage}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    names = {"DX": "pneumonia_cxr_classification", "CT": "lung_cancer_ct_classification"}
    return {modality: small_bundle(tmp_path_factory.mktemp("bundles"), name) for modality, name in names.items()}


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Path]]:
    folder = tmp_path_factory.mktemp("phantoms")
    generate_phantoms("pneumonia_cxr", folder / "DX", count=6, size=128, formats=("png", "dicom"))
    generate_phantoms("lung_cancer_ct", folder / "CT", count=9, size=128, formats=("png", "dicom"))
    return {modality: sorted((folder / modality / "dicom").iterdir()) for modality in ("DX", "CT")}


def rules_for(bundles: dict[str, Path]) -> list[dict]:
    return [{"modality": [modality], "bundles": [str(folder)]} for modality, folder in bundles.items()]


def by_dimse(orthanc: Orthanc) -> dict:
    return {"kind": "dimse", "host": "127.0.0.1", "port": orthanc.dicom_port, "ae_title": orthanc.ae_title}


def by_dicomweb(orthanc: Orthanc) -> dict:
    return {"kind": "dicomweb", "url": orthanc.web}


def require_each_once(orthanc: Orthanc, sources: list[Path]) -> None:
    """Fail unless each study has its results in Orthanc, each once, and nothing else is there."""
    expected = Counter()
    for path in sources:
        source = pydicom.dcmread(path, stop_before_pixels=True)
        for sop_class in ALWAYS | (OF_SLICES if source.Modality == "CT" else set()):
            expected[(source.StudyInstanceUID, source.PatientID, sop_class)] += 1
    stored = [orthanc.get(f"instances/{one}/simplified-tags") for one in orthanc.get("instances")]
    assert Counter((one["StudyInstanceUID"], one["PatientID"], one["SOPClassUID"]) for one in stored) == expected


def settings_of(folder: Path, bundles: dict[str, Path], destination: dict, **more) -> Path:
    folder.mkdir(exist_ok=True)
    changes = {"rules": rules_for(bundles), "destination": destination, "analysis": {"workers": 1}, **more}
    return write_settings(folder, bundles["DX"], 0, **changes)


def counts(config: Path) -> dict[str, int]:
    with NodeLedger(config.parent / "store") as ledger:
        return status_of(ledger)["counts"]


def wait_until_done(config: Path, jobs: int) -> None:
    eventually(lambda: counts(config)["done"] == jobs, LONG, f"that {jobs} studies are done")


def test_an_archive_that_is_down_when_results_are_ready_has_each_of_them_once_in_the_end(tmp_path, bundles, phantoms):
    sources = [phantoms["DX"][0], phantoms["CT"][0]]
    with running_orthanc(tmp_path / "orthanc") as orthanc:
        orthanc.stop(signal.SIGKILL)
        config = settings_of(tmp_path / "node", bundles, by_dimse(orthanc))
        with NodeProcess(config) as node:
            storescu(node.port, *sources)
            eventually(lambda: counts(config)["sending"] == 2, LONG, "that two studies wait to be sent")
            orthanc.start()
            wait_until_done(config, 2)
        require_each_once(orthanc, sources)
        log = node.log.read_text(encoding="utf-8")
    assert not any(word in log for word in ("PHANTOM", "Traceback"))


def test_a_node_that_is_killed_between_two_results_sends_each_once(tmp_path, orthanc, bundles, phantoms):
    sources = [phantoms["DX"][1], phantoms["CT"][1]]
    config = settings_of(tmp_path, bundles, by_dicomweb(orthanc))
    with NodeProcess(config) as node:
        storescu(node.port, *sources)
        eventually(lambda: orthanc.get("instances"), LONG, "that a result has arrived")
        node.kill()
    with NodeProcess(config) as node:
        wait_until_done(config, 2)
        require_each_once(orthanc, sources)
        storescu(node.port, *sources)
        wait_until_done(config, 2)
    require_each_once(orthanc, sources)


def test_an_archive_that_is_asked_gets_the_results_of_what_it_had(tmp_path, orthanc, bundles, phantoms):
    path = tmp_path / "dated.dcm"
    dataset = pydicom.dcmread(phantoms["DX"][3])
    dataset.StudyDate = "20260101"
    dataset.save_as(path)
    orthanc.put(path)
    polling = {"url": orthanc.web, "modalities": ["DX"], "days_back": 100000, "every_seconds": 1}
    config = settings_of(tmp_path / "node", bundles, by_dicomweb(orthanc), polling=polling)
    with NodeProcess(config):
        wait_until_done(config, 1)
    assert len(orthanc.get("instances")) == 1 + len(ALWAYS)


def test_results_are_of_the_classes_that_the_conformance_statement_lists():
    assert set(RESULT_SOP_CLASSES) >= ALWAYS | OF_SLICES
