"""`lungscan serve` and `lungscan demo` as programs: how they start, answer, refuse and end."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from lungscan_monai.cli import app
from tests.small_bundle import small_bundle, write_png

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return small_bundle(tmp_path_factory.mktemp("bundle"))


@pytest.mark.parametrize("verb", ["serve", "demo"])
def test_what_is_open_to_a_network_needs_a_token(root, tmp_path, verb):
    open_ = CliRunner().invoke(app, [verb, str(root), "--host", "0.0.0.0"])
    assert open_.exit_code == 4 and "--token-file" in open_.output
    weak = tmp_path / "token"
    weak.write_text("short\n", encoding="utf-8")
    refused = CliRunner().invoke(app, [verb, str(root), "--token-file", str(weak)])
    assert refused.exit_code == 4 and "16 characters" in refused.output


@pytest.mark.parametrize("verb", ["serve", "demo"])
def test_a_bundle_without_a_model_is_said_to_be_so(verb):
    refused = CliRunner().invoke(app, [verb, "kidney_ct_classification"])
    assert refused.exit_code == 6 and "lungscan train" in refused.output


def test_the_service_starts_answers_and_ends(root, tmp_path):
    command = [sys.executable, "-m", "lungscan_monai.cli", "serve", str(root), "--port", "0", "--deadline", "60"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=ROOT) as process:
        said = process.stderr.readline()
        while "Listening" not in said:
            said += process.stderr.readline()
        url = re.search(r"http://127\.0\.0\.1:\d+", said)[0]
        with httpx.Client(base_url=url, timeout=120) as client:
            assert client.get("/health").json()["models"] == 1  # the port is open, the answer comes with the model
            picture = write_png(tmp_path / "JANE_DOE.png", 1).read_bytes()
            answer = client.post("/v1/predict", files={"file": ("JANE_DOE.png", picture)})
            assert set(answer.json()["results"][0]["probabilities"]) == {"Normal", "Pneumonia"}
        process.send_signal(signal.SIGINT)
        said += process.stderr.read()
        assert process.wait() == 130
    assert "POST /v1/predict 200" in said and "JANE" not in said
