"""Our operators in a real application of the MONAI Deploy App SDK."""

from __future__ import annotations

import json
import subprocess

import pydicom
import pytest
from formats import dicom_of, patches
from layers import ROOT, layered_environment, layered_python
from pydicom.uid import ComprehensiveSRStorage, SecondaryCaptureImageStorage
from small_bundle import small_bundle

from lungscan_monai.inference.predictor import Predictor

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:.*:UserWarning", "ignore::FutureWarning", "ignore::DeprecationWarning"),
]


@pytest.fixture(scope="module", autouse=True)
def deploy():
    pytest.importorskip("highdicom", reason="highdicom is not installed: pip install 'lungscan-monai[results]'")
    return layered_python("scripts/monai_deploy/setup.sh", "LUNGSCAN_MONAIDEPLOY_VENV", ".venv-monai-deploy")


def test_the_application_answers_for_single_radiographs_of_both_polarities_and_writes_results(tmp_path):
    bundle = small_bundle(tmp_path / "bundles")
    studies, results = tmp_path / "studies", tmp_path / "results"
    studies.mkdir()
    shades = patches(4)
    for name, modality, inverted in (("a", "DX", False), ("b", "DX", True), ("c", "CR", True), ("d", "CT", False)):
        dicom_of(shades, modality, inverted).save_as(studies / f"{name}.dcm", enforce_file_format=True)
    (studies / "e.dcm").write_bytes((studies / "a.dcm").read_bytes()[:-500])
    (studies / "notes.txt").write_text("no image", encoding="utf-8")
    command = ["bash", "scripts/monai_deploy/run.sh", "-i", str(studies), "-o", str(results), "-m", str(bundle)]
    done = subprocess.run(
        command, cwd=ROOT, env=layered_environment(), capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    content = json.loads((results / "answers.json").read_text(encoding="utf-8"))
    answers = {entry["sources"][0]: entry for entry in content["answers"]}
    assert sorted(answers) == ["a.dcm", "b.dcm", "c.dcm", "e.dcm"]
    assert answers["e.dcm"]["reject"]["code"] == "truncated"
    model = Predictor(bundle)
    assert content["model"]["sha256"] == model.model_sha256
    (want,) = model.predict([studies / "a.dcm"])
    for name in ("a.dcm", "b.dcm", "c.dcm"):
        assert answers[name]["probabilities"] == pytest.approx(want.probabilities, abs=1e-5)
        assert answers[name]["decision"] == want.label
        source = pydicom.dcmread(studies / name)
        made = [pydicom.dcmread(results / file) for file in answers[name]["results"]]
        assert {one.StudyInstanceUID for one in made} == {source.StudyInstanceUID}
        kinds = {one.SOPClassUID for one in made}
        assert {ComprehensiveSRStorage, SecondaryCaptureImageStorage} <= kinds
