"""Bundles in a real MONAI Label server: its own app, and ours."""

from __future__ import annotations

import io
import json
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import requests
import SimpleITK
from formats import FULL_SCALE, dicom_of, patches, write_formats
from layers import ROOT, layered_environment, layered_python
from orthanc import eventually, free_ports, running_orthanc
from PIL import Image
from small_bundle import small_bundle

from lungscan_monai.inference.predictor import Prediction, Predictor
from lungscan_monai.task import load_task

PATIENCE = 120.0
NAMES = sorted(path.name for path in (ROOT / "monai_bundles").iterdir() if path.is_dir())

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:.*:UserWarning", "ignore::FutureWarning", "ignore::DeprecationWarning"),
]


@pytest.fixture(scope="module", autouse=True)
def monailabel() -> Path:
    return layered_python("scripts/monailabel/setup.sh", "LUNGSCAN_MONAILABEL_VENV", ".venv-monailabel")


@contextmanager
def serving(folder: Path, bundles: Sequence[Path], studies: Path | str, app: str) -> Iterator[str]:
    """Run the server, and give its address."""
    (port,) = free_ports(1)
    log = folder / f"{app}.log"
    command = ["bash", "scripts/monailabel/start.sh", *map(str, bundles), "--studies", str(studies), "--app", app]
    command += ["--work", str(folder / "work"), "--port", str(port)]
    with log.open("wb") as stream:
        server = subprocess.Popen(command, cwd=ROOT, env=layered_environment(), stdout=stream, stderr=stream)
    url = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        assert server.poll() is None, log.read_text(errors="replace")[-3000:]
        try:
            return requests.get(f"{url}/info/", timeout=5).ok
        except requests.RequestException:
            return False

    try:
        eventually(answers, PATIENCE, f"that MONAI Label starts, see {log}")
        yield url
    finally:
        server.send_signal(signal.SIGTERM)
        try:
            server.wait(timeout=20)
        except subprocess.TimeoutExpired:
            server.kill()


def infer(url: str, model: str, image: str, output: str = "json", **params) -> requests.Response:
    """Ask for one image of the datastore."""
    answer = requests.post(
        f"{url}/infer/{model}",
        params={"image": image, "output": output},
        data={"params": json.dumps(params)},
        timeout=PATIENCE,
    )
    assert answer.ok, answer.text
    return answer


def scores(answer: dict) -> dict[str, float]:
    return {entry["label"].lower(): entry["score"] for entry in answer["prediction"]}


def expected(model: Predictor, path: Path) -> dict[str, float]:
    (answer,) = model.predict([path])
    assert isinstance(answer, Prediction), answer
    return {name.lower(): value for name, value in answer.probabilities.items()}


def own_window(bundle: Path) -> list[float] | None:
    content = json.loads((bundle / "configs" / "inference.json").read_text(encoding="utf-8"))
    return content["preprocessing"]["transforms"][0]["reader"].get("window")


def image_id(path: Path) -> str:
    return path.name.removesuffix("".join(path.suffixes))


def test_every_bundle_answers_alike_for_every_format_in_monai_labels_own_app(tmp_path):
    bundles = [small_bundle(tmp_path / "bundles", name) for name in NAMES]
    studies, kinds = tmp_path / "studies", {}
    studies.mkdir()
    for bundle in bundles:
        window, modalities = own_window(bundle), load_task(bundle).modalities
        key = f"{modalities}{window}"
        if key not in kinds:
            folder = tmp_path / f"pictures{len(kinds)}"
            files = write_formats(folder, patches(1), [m for m in ("CR", "DX", "CT") if m in modalities], window)
            kinds[key] = {kind: path.rename(studies / f"set{len(kinds)}_{path.name}") for kind, path in files.items()}
    with serving(tmp_path, bundles, studies, "monaibundle") as url:
        for bundle in bundles:
            files = kinds[f"{load_task(bundle).modalities}{own_window(bundle)}"]
            model = Predictor(bundle, check_inputs=False)
            first = expected(model, files["png"])
            for kind, path in files.items():
                answer = infer(url, bundle.name, image_id(path)).json()
                assert scores(answer) == pytest.approx(expected(model, path), abs=1e-6), (bundle.name, kind)
                assert scores(answer) == pytest.approx(first, abs=1e-5), (bundle.name, kind)
        with files["png"].open("rb") as stream:
            sent = requests.post(
                f"{url}/infer/{bundle.name}", params={"output": "json"}, files={"file": stream}, timeout=PATIENCE
            )
        assert scores(sent.json()) == pytest.approx(first, abs=1e-6)
        assert requests.get(f"{url}/info/", headers={"Host": "elsewhere.example"}, timeout=PATIENCE).status_code == 400
        asked = requests.get(f"{url}/info/", headers={"Origin": "http://elsewhere.example"}, timeout=PATIENCE)
        assert "access-control-allow-origin" not in asked.headers


def test_our_app_explains_refuses_and_learns_from_labels(tmp_path):
    bundle = small_bundle(tmp_path / "bundles")
    studies = tmp_path / "studies"
    files = write_formats(studies, patches(1), ["CR", "DX"])
    dicom_of(patches(2), "CT").save_as(studies / "slice.dcm", enforce_file_format=True)
    for seed in range(16):
        Image.fromarray(_case(seed)).save(studies / f"case{seed}.png")
    with serving(tmp_path, [bundle], studies, "lungscan") as url:
        _check_answers(url, bundle, files)
        reject = infer(url, bundle.name, "slice").json()
        assert (reject["prediction"], reject["reject"]["code"]) == ([], "modality")
        before = infer(url, bundle.name, "case0").json()
        for seed in range(16):
            _label(url, f"case{seed}", {"label": ("Normal", "Pneumonia")[seed % 2], "patient": f"p{seed // 2}"})
        params = {"max_epochs": 1, "overrides": {"head_epochs": 1, "batch_size": 4}}
        assert requests.post(f"{url}/train/{bundle.name}", json=params, timeout=PATIENCE).ok
        task = eventually(lambda: _finished(url), PATIENCE, "the end of the training")
        assert task["status"] == "DONE", task["details"]
        after = infer(url, bundle.name, "case0").json()
    assert after["model"]["sha256"] != before["model"]["sha256"]
    served = tmp_path / "work" / "lungscan" / "model" / bundle.name
    assert len(list(served.glob("models.before-*/model.pt"))) == 1
    (run,) = (tmp_path / "work" / "lungscan" / "trained").iterdir()
    datalist = json.loads((run / "datalist.json").read_text(encoding="utf-8"))
    assert len(datalist["training"]) + len(datalist["validation"]) == 16
    assert scores(after) == pytest.approx(expected(Predictor(served), studies / "case0.png"), abs=1e-6)


def _case(seed: int) -> np.ndarray:
    """Return a picture that is bright on the left or on the right."""
    picture = patches(seed, (64, 64)) // 3
    side = slice(32, None) if seed % 2 else slice(None, 32)
    picture[:, side] += 120
    return picture


def _check_answers(url: str, bundle: Path, files: dict[str, Path]) -> None:
    model = Predictor(bundle)
    for kind, path in files.items():
        answer = infer(url, bundle.name, image_id(path)).json()
        assert scores(answer) == pytest.approx(expected(model, path), abs=1e-5), kind
        assert answer["decision"] == max(answer["prediction"], key=lambda entry: entry["score"])["label"]
    (width, height) = Image.open(files["png"]).size
    picture = Image.open(io.BytesIO(infer(url, bundle.name, "as_CR", "image").content))
    assert (picture.size, picture.mode) == ((width, height), "RGB")
    wanted = model.explain(files["CR"], "Pneumonia").saliency
    for suffix, lowest in ((".nii.gz", 0.0), (".nrrd", 0)):
        file = files["CR"].parent.parent / f"heatmap{suffix}"
        sent = infer(url, bundle.name, "as_CR", "image", label="Pneumonia", result_extension=suffix)
        file.write_bytes(sent.content)
        values = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(file)))
        assert values.shape == (1, height, width)
        assert (values.min() >= lowest) and (values.max() <= 1)
        assert (values.max() > 0) == (wanted.max() > 0)


def _label(url: str, image: str, content: dict) -> None:
    label = ("label.json", json.dumps(content), "application/json")
    answer = requests.put(f"{url}/datastore/label", params={"image": image}, files={"label": label}, timeout=PATIENCE)
    assert answer.ok, answer.text


def _finished(url: str) -> dict | None:
    task = requests.get(f"{url}/train/", timeout=PATIENCE).json()
    return task if task["status"] in ("DONE", "ERROR") else None


def test_our_app_takes_radiographs_of_both_modalities_and_polarities_from_orthanc(tmp_path):
    bundle = small_bundle(tmp_path / "bundles")
    shades = patches(3)
    made = [("DX", False), ("DX", True), ("CR", False), ("CR", True), ("CT", False)]
    objects = [dicom_of(shades, modality, inverted, FULL_SCALE) for modality, inverted in made]
    with running_orthanc(tmp_path / "orthanc") as orthanc:
        for number, one in enumerate(objects):
            path = tmp_path / f"{number}.dcm"
            one.save_as(path, enforce_file_format=True)
            assert requests.post(f"{orthanc.url}/instances", data=path.read_bytes(), timeout=PATIENCE).ok
        with serving(tmp_path, [bundle], orthanc.web, "lungscan") as url:
            want = expected(Predictor(bundle), tmp_path / "0.dcm")
            for one in objects[:4]:
                answer = infer(url, bundle.name, one.SeriesInstanceUID).json()
                assert scores(answer) == pytest.approx(want, abs=1e-5)
                assert len(answer["answers"]) == 1 and answer["heatmap"]
            offered = {requests.post(f"{url}/activelearning/random", timeout=PATIENCE).json()["id"] for _ in range(12)}
            assert offered <= {one.SeriesInstanceUID for one in objects[:4]}
            _label(url, objects[0].SeriesInstanceUID, {"label": "Normal"})
            status = requests.get(f"{url}/datastore/", timeout=PATIENCE).json()
            assert (status["total"], status["completed"]) == (4, 1)
        assert len(orthanc.stored()) == 5  # nothing was sent back
