from __future__ import annotations

import base64
import contextlib
import io
import json
import logging
import socket
import threading
import time
import zipfile
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from lungscan_monai.apps.desk import Busy, Desk
from lungscan_monai.apps.fetching import FETCH_CODES
from lungscan_monai.apps.models import ModelStore
from lungscan_monai.apps.problems import NOTICE, SERVICE_CODES
from lungscan_monai.apps.serving import (
    ServiceSettings,
    bound_socket,
    create_app,
    server_of,
)
from lungscan_monai.apps.uploads import UPLOAD_CODES
from lungscan_monai.errors import ConfigError, OutputError
from lungscan_monai.inference.predictor import Predictor
from tests.small_bundle import small_bundle, write_image

TOKEN = "a-token-for-tests-0123456789"
JANE = "JANE_DOE_1970.png"


def png(seed: int = 1) -> bytes:
    noise = np.random.default_rng(seed).normal(90, 20, (40, 50)).clip(0, 255)
    stream = io.BytesIO()
    Image.fromarray(noise.astype(np.uint8)).save(stream, "PNG")
    return stream.getvalue()


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return small_bundle(tmp_path_factory.mktemp("served"))


@pytest.fixture(scope="module")
def store(root, tmp_path_factory):
    kidney = small_bundle(tmp_path_factory.mktemp("served"), "kidney_ct_classification")
    with ModelStore([root, kidney]) as entered:
        yield entered


@pytest.fixture
def client(store):
    with client_of(store) as made:
        yield made


def client_of(store, token: str | None = None, desk: Desk | None = None, **settings) -> TestClient:
    made = ServiceSettings(token, **settings)
    app = create_app(store, made, desk or Desk(made.places, made.seconds))
    return TestClient(app, "http://127.0.0.1", raise_server_exceptions=False)


def problem_of(answer, status: int, code: str) -> dict:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    content = answer.json()
    assert content["code"] == code and content["status"] == status and content["detail"] and content["title"]
    assert content["notice"] == NOTICE == answer.headers["x-lungscan-notice"]
    return content


def test_the_answer_is_the_predictors(client, root, tmp_path):
    path = tmp_path / "x.png"
    path.write_bytes(png())
    (expected,) = Predictor(root).predict([path])
    answer = client.post("/v1/predict", files={"file": (JANE, png())}).json()
    (result,) = answer["results"]
    assert result["files"] == [JANE] and result["label"] == expected.label and result["threshold"] == 0.5
    assert result["probabilities"] == pytest.approx(expected.probabilities, abs=1e-5)
    assert answer["rejected"] == [] and answer["notice"] == NOTICE
    assert answer["model"]["thresholds"] == {
        "Pneumonia": {"threshold": 0.5, "fitted": False}
        | dict.fromkeys(("rule", "fitted_on", "cases", "sensitivity", "specificity"))
    }


def test_a_model_is_chosen_by_its_name(client):
    models = client.get("/v1/models").json()["models"]
    assert [model["name"] for model in models] == ["pneumonia_cxr_classification", "kidney_ct_classification"]
    assert len(models[0]["sha256"]) == 64 and models[1]["labels"] == ["Cyst", "Normal", "Stone", "Tumor"]
    answer = client.post("/v1/predict", files={"file": png()}, data={"model": "kidney_ct_classification"}).json()
    assert answer["model"] == models[1] and set(answer["results"][0]["probabilities"]) == set(models[1]["labels"])
    wrong = client.post("/v1/predict", files={"file": png()}, data={"model": "../../etc"})
    assert "kidney_ct_classification" in problem_of(wrong, 404, "no-such-model")["detail"]


def test_every_file_is_accounted_for(client):
    files = [("file", ("good.png", png())), ("file", ("bad<b>.png", b"no picture")), ("file", ("more.zip", packed()))]
    answer = client.post("/v1/predict", files=files).json()
    assert [result["files"] for result in answer["results"]] == [["good.png"], ["a/1.png"]]
    assert {reject["file"]: reject["code"] for reject in answer["rejected"]} == {
        "bad<b>.png": "unknown-format",
        "a/notes.txt": "unknown-format",
    }


def packed() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("a/1.png", png(3))
        archive.writestr("a/notes.txt", "hello")
    return stream.getvalue()


def test_a_request_without_any_answer_is_a_problem_with_the_files_code(client):
    answer = client.post("/v1/predict", files={"file": ("chest.png", b"<svg/>")})
    found = problem_of(answer, 422, "unknown-format")
    assert found["rejected"] == [{"file": "chest.png", "code": "unknown-format", "reason": found["detail"]}]
    damaged = client.post("/v1/explain", files={"file": ("chest.png", png()[:80])})
    assert problem_of(damaged, 422, "damaged")["rejected"][0]["file"] == "chest.png"


def test_a_series_is_one_answer_and_is_explained_on_one_slice(client, make_dicom, tmp_path):
    uids = {"SeriesInstanceUID": "2.25.88", "StudyInstanceUID": "2.25.77"}
    paths = [
        write_image(tmp_path / str(number), make_dicom, number, "CT", ImagePositionPatient=[0, 0, 5.0 * number], **uids)
        for number in range(3)
    ]
    files = [("file", (path.name, path.read_bytes())) for path in paths]
    data = {"model": "kidney_ct_classification"}
    for page in ("/v1/predict", "/v1/explain"):
        (result,) = client.post(page, files=files, data=data).json()["results"]
        assert result["files"] == ["0", "1", "2"] and result["series"]["slices"] == 3
    assert [one["label"] for one in result["heatmaps"]] == [result["label"]]
    (result,) = client.post("/v1/explain", files=files, data=data | {"label": "Stone"}).json()["results"]
    assert result["heatmaps"][0]["label"] == "Stone" and result["heatmaps"][0]["file"] in "012"


def test_an_explanation_has_pictures_of_the_files_proportions(client):
    answer = client.post("/v1/explain", files={"file": png()}, data={"label": "Normal", "method": "layercam"}).json()
    (made,) = answer["results"][0]["heatmaps"]
    assert (made["label"], made["method"]) == ("Normal", "layercam")
    assert made["probability"] == answer["results"][0]["probabilities"]["Normal"]
    for name, mode in (("overlay_png", "RGB"), ("map_png", "L")):
        picture = Image.open(io.BytesIO(base64.b64decode(made[name])))
        assert (picture.size, picture.mode) == ((50, 40), mode)


def test_whoever_accepts_a_png_gets_one(client):
    answer = client.post("/v1/explain", files={"file": png()}, headers={"Accept": "image/png"})
    assert answer.headers["content-type"] == "image/png" and answer.headers["x-lungscan-notice"] == NOTICE
    assert Image.open(io.BytesIO(answer.content)).size == (50, 40)
    bad = client.post("/v1/explain", files={"file": b"no"}, headers={"Accept": "image/png"})
    problem_of(bad, 422, "unknown-format")


@pytest.mark.parametrize(
    ("page", "request_", "status", "code"),
    [
        ("/v1/explain", {"files": {"file": png()}, "data": {"label": "Flu"}}, 422, "no-such-label"),
        ("/v1/explain", {"files": {"file": png()}, "data": {"method": "magic"}}, 422, "request"),
        ("/v1/predict", {"files": {"other": png()}}, 422, "request"),
        ("/v1/predict", {"data": {"file": "text"}}, 422, "request"),
        ("/v1/predict", {"json": {"file": "text"}}, 422, "request"),
        (
            "/v1/predict",
            {"content": b"--x", "headers": {"Content-Type": "multipart/form-data; boundary=y"}},
            400,
            "request",
        ),
        ("/v1/predict", {"content": b"x", "headers": {"Content-Type": "multipart/form-data"}}, 400, "request"),
        ("/v1/predict", {"content": b"x", "headers": {"Content-Length": "x"}}, 400, "request"),
        ("/v2/predict", {}, 404, "no-such-page"),
        ("/health", {}, 405, "no-such-page"),
    ],
)
def test_a_wrong_request_is_a_problem(client, page, request_, status, code):
    assert JANE not in problem_of(client.post(page, **request_), status, code)["detail"]


def test_a_token_is_asked_for_everywhere_but_by_supervisors(store):
    with client_of(store, TOKEN) as client:
        assert client.get("/health").json()["status"] == "ok"
        for wrong in (
            {},
            {"Authorization": f"Bearer {TOKEN}x"},
            {"Authorization": TOKEN},
            {"Authorization": "Bearer "},
        ):
            for method, page in (("GET", "/v1/models"), ("POST", "/v1/predict"), ("GET", "/metrics"), ("GET", "/x")):
                answer = client.request(method, page, headers=wrong)
                problem_of(answer, 401, "token")
                assert answer.headers["www-authenticate"] == "Bearer"
        right = {"Authorization": f"Bearer {TOKEN}"}
        assert client.post("/v1/predict", files={"file": png()}, headers=right).status_code == 200
        assert client.get("/v1/models", headers=right | {"Host": "service.hospital.example"}).status_code == 200
        assert client.get("/openapi.json", headers=right).json()["components"]["securitySchemes"]


def test_without_a_token_only_the_names_of_this_machine_are_answered_to(client):
    problem_of(client.get("/v1/models", headers={"Host": "evil.example"}), 421, "host")
    problem_of(client.get("/v1/models", headers={"Host": "127.0.0.1.evil.example"}), 421, "host")
    for host in ("localhost:8000", "127.0.0.1", "[::1]:80"):
        assert client.get("/health", headers={"Host": host}).status_code == 200


def test_settings_that_serve_nobody_are_refused():
    with pytest.raises(ConfigError, match="0 places"):
        ServiceSettings(places=0)


def test_a_body_over_the_limit_is_refused_before_it_is_read(store):
    with client_of(store, body_bytes=1000) as client:
        problem_of(client.post("/v1/predict", content=bytes(100_000)), 413, "body-too-large")
        endless = (bytes(10_000) for _ in range(1000))
        head = {"Content-Type": "multipart/form-data; boundary=x"}
        problem_of(client.post("/v1/predict", content=endless, headers=head), 413, "body-too-large")
        answer = client.post("/v1/predict", files={"file": bytes(2000)})
        problem_of(answer, 422, "too-large")


def test_a_full_desk_says_when_to_come_again(store):
    desk = Desk(1, 5)
    with client_of(store, desk=desk, places=1) as client, desk.place():
        answer = client.post("/v1/predict", files={"file": png()})
        problem_of(answer, 429, "busy")
        assert int(answer.headers["retry-after"]) >= 1
        assert client.get("/health").status_code == 200
    with client_of(store, desk=desk, places=1) as client:
        assert client.post("/v1/predict", files={"file": png()}).status_code == 200
    assert desk.taken == 0


def test_what_takes_too_long_is_given_up(store):
    desk, go_on = Desk(4, 0.3), threading.Event()
    desk._threads.submit(go_on.wait)
    with client_of(store, desk=desk) as client:
        problem_of(client.post("/v1/predict", files={"file": png()}), 504, "deadline")
    go_on.set()


def test_places_are_counted_from_all_threads():
    desk = Desk(2, 1)
    with desk.place(), desk.place():
        with pytest.raises(Busy) as caught, desk.place():
            pass
        assert caught.value.retry_after >= 1
    assert desk.taken == 0


def test_logs_and_numbers_hold_no_names(store, caplog):
    with caplog.at_level(logging.INFO), client_of(store) as client:
        client.post(f"/v1/predict?patient={JANE}", files={"file": (JANE, png())})
        client.post("/v1/predict", files={"file": (JANE, b"no")})
        client.get(f"/{JANE}")
        numbers = client.get("/metrics")
    told = caplog.text + numbers.text
    ours = [record.message for record in caplog.records if record.name.startswith("lungscan")]
    assert "JANE" not in "".join(ours) + numbers.text
    assert "POST /v1/predict 200" in told and "GET other 404" in told
    assert 'lungscan_rejects_total{code="unknown-format"} 1.0' in numbers.text
    assert 'lungscan_requests_total{method="POST",path="/v1/predict",status="200"} 1.0' in numbers.text


def test_nothing_is_left_on_disk(client, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    client.post("/v1/predict", files={"file": png()})
    client.post("/v1/explain", files={"file": packed()})
    client.post("/v1/explain", files={"file": b"no"})
    assert list(tmp_path.iterdir()) == []


def test_the_page_of_the_api_describes_what_is_answered(client):
    page = client.get("/openapi.json").json()
    assert set(page["paths"]) == {"/health", "/metrics", "/v1/models", "/v1/predict", "/v1/explain"}
    assert {"413", "422", "429", "504"} <= set(page["paths"]["/v1/predict"]["post"]["responses"])
    assert "http://" not in json.dumps(page) and "https://" not in json.dumps(page)
    assert client.get("/docs").status_code == client.get("/redoc").status_code == 404


def test_every_code_stands_on_the_page_with_its_meaning():
    page = (Path(__file__).resolve().parents[2] / "docs" / "serve.md").read_text(encoding="utf-8")
    rows = [line.replace(", 405", "") for line in page.splitlines() if line.startswith("|")]
    for code, meaning in (UPLOAD_CODES | FETCH_CODES | SERVICE_CODES).items():
        assert [row for row in rows if f"`{code}` | {meaning.removesuffix('.')}" in row], code


def test_an_answer_does_not_depend_on_those_asked_beside_it(store):
    with client_of(store, places=20) as client:
        alone = [client.post("/v1/predict", files={"file": png(seed)}).json()["results"] for seed in range(4)]
        together: dict[int, list] = {}

        def ask(seed: int) -> None:
            together[seed] = client.post("/v1/predict", files={"file": png(seed)}).json()["results"]

        threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert [together[seed] for seed in range(4)] == alone


def test_dicom_is_answered_and_tells_nothing_of_its_patient(client, make_dicom, tmp_path):
    path = write_image(tmp_path / "x", make_dicom, 5, PatientName="Doe^Jane", PatientID="P-17")
    answer = client.post("/v1/explain", files={"file": ("x", path.read_bytes())}).json()
    assert len(answer["results"][0].pop("heatmaps")) == 1
    assert not [word for word in ("Doe", "Jane", "P-17", "2.25.") if word in json.dumps(answer)]


@pytest.fixture
def live(store):
    """A service at a port, with a short deadline."""
    with bound_socket("127.0.0.1", 0) as line, Desk(4, 1.0) as desk:
        app = create_app(store, ServiceSettings(places=4, seconds=1.0, body_bytes=10_000), desk)
        server = server_of(app, 1.0)
        thread = threading.Thread(target=server.run, args=([line],))
        thread.start()
        yield line.getsockname()
        server.should_exit = True
        thread.join()


def raw(address: tuple[str, int], *parts: bytes, pause: float = 0) -> bytes:
    """Return all that a service answers to bytes that are sent one part after the other."""
    with socket.create_connection(address, 30) as line:
        for part in parts:
            try:
                line.sendall(part)
            except OSError:
                break  # it has answered, and closed
            time.sleep(pause)
        answer = b""
        with contextlib.suppress(ConnectionError):
            while block := line.recv(65536):
                answer += block
                if b"notice" in answer:
                    break
        return answer


HEAD = b"POST /v1/predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: multipart/form-data; boundary=x\r\n"
PART = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'


def test_a_request_that_drips_is_given_up(live):
    start = time.monotonic()
    answer = raw(live, HEAD + b"Content-Length: 500\r\n\r\n" + PART, *[b"x"] * 25, pause=0.1)
    assert answer.startswith(b"HTTP/1.1 408 ") and b'"slow-request"' in answer
    assert time.monotonic() - start < 20


def test_a_body_without_end_is_cut(live):
    chunk = b"8000\r\n" + b"x" * 0x8000 + b"\r\n"
    first = b"%x\r\n%s\r\n" % (len(PART), PART)
    answer = raw(live, HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + first, *[chunk] * 50)
    assert answer.startswith(b"HTTP/1.1 413 ") and b'"body-too-large"' in answer


def test_the_service_answers_over_the_wire(live):
    answer = httpx.post(f"http://127.0.0.1:{live[1]}/v1/predict", files={"file": png()}, timeout=30)
    assert answer.status_code == 200 and "server" not in answer.headers
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_port_that_is_taken_is_said_to_be(live):
    with pytest.raises(OutputError, match="--port"):
        bound_socket(*live)
