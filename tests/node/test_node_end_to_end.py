"""A node as people start it: studies go in, results come out, nobody's name is where it should not be."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.error
import urllib.request
from types import SimpleNamespace

import pytest
from node_bench import ROOT, NodeProcess, RecordingArchive, image, send, study_uid, wait_until, write_settings
from small_bundle import small_bundle

NAMES = ("DOE^", "JANE", "P-17", "19700101", "secret words")
SECRETS = {"PatientBirthDate": "19700101", "StudyDescription": "secret words of Jane Doe"}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A node at work, and an archive."""
    folder = tmp_path_factory.mktemp("site")
    bundle = small_bundle(folder)
    with RecordingArchive() as archive, NodeProcess(write_settings(folder, bundle, archive.port)) as node:
        yield SimpleNamespace(node=node, archive=archive, folder=folder)


def cli(site, verb: str, *words: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "lungscan_monai.cli", "node", verb, "--config", str(site.node.config), *words]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)


def status(site, *words: str) -> dict:
    done = cli(site, "status", "--json", *words)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def fetched(site, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{site.node.settings['monitoring_port']}{path}") as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_a_study_comes_back_with_two_reports_and_a_picture_for_each_image(site):
    assert send(site.node.port, image(1, 1, **SECRETS), image(2, 1, **SECRETS)) == [0, 0]
    wait_until(lambda: len(site.archive.of_study(1)) == 6, "the results arrive")
    assert site.archive.modalities(1) == ["OT", "OT", "SR", "SR", "SR", "SR"]
    assert set(site.archive.stored.values()) == {1}


def test_a_refusal_is_a_result(site):
    send(site.node.port, image(1, 2, modality="CT"))
    wait_until(lambda: len(site.archive.of_study(2)) == 3, "the results arrive")
    texts = [report.to_json() for report in site.archive.of_study(2) if report.Modality == "SR"]
    assert len(texts) == 2
    assert any("Not analysed, because: Modality is CT" in text for text in texts)
    assert any('{"Value": ["modality"]' in text for text in texts)


def test_a_late_image_is_answered_and_nothing_is_sent_twice(site):
    send(site.node.port, image(1, 3, series=1))
    wait_until(lambda: len(site.archive.of_study(3)) == 3, "the results arrive")
    send(site.node.port, image(2, 3, series=1))
    wait_until(lambda: len(site.archive.of_study(3)) == 6, "the late image's results arrive")
    wait_until(lambda: status(site, study_uid(3))["counts"]["sending"] == 0, "nothing is left to send")
    assert set(site.archive.stored.values()) == {1}


def test_what_no_rule_fits_is_told_with_its_reason(site):
    send(site.node.port, image(1, 4, Modality="OT"))
    wait_until(lambda: status(site, "--state", "unrouted")["studies"], "it is routed")
    (entry,) = status(site, "--state", "unrouted")["studies"]
    assert entry["study"] == study_uid(4) and "Modality 'OT'" in entry["reason"]
    done = cli(site, "retry", study_uid(4), "--json")
    assert json.loads(done.stdout) == {"jobs": 0, "images": 1}


def test_an_archive_that_refuses_for_good_makes_a_failed_job_until_retry(site):
    site.archive.statuses = [0xA900] * 2
    send(site.node.port, image(1, 5))
    wait_until(lambda: status(site, "--state", "failed")["studies"], "it has failed")
    (entry,) = status(site, "--state", "failed")["studies"]
    assert entry["study"] == study_uid(5) and "0xA900" in entry["reason"]
    site.archive.statuses = []
    table = cli(site, "status").stdout
    assert "failed\t1" in table and study_uid(5) in table
    assert json.loads(cli(site, "retry", "--json").stdout)["jobs"] == 1
    wait_until(lambda: len(site.archive.of_study(5)) == 3, "the results arrive")


def test_connections_that_are_cut_are_made_again(site):
    site.archive.abort_next = 3
    send(site.node.port, image(1, 6))
    wait_until(lambda: len(site.archive.of_study(6)) == 3, "the results arrive")
    assert all(site.archive.stored[one.SOPInstanceUID] == 1 for one in site.archive.of_study(6))


def test_health_and_metrics_are_there_for_this_machine(site):
    code, text = fetched(site, "/health")
    assert (code, json.loads(text)["status"]) == (200, "ok")
    code, text = fetched(site, "/metrics")
    assert code == 200 and 'lungscan_node_stores_total{status="0000"}' in text
    assert 'lungscan_node_queue{state="failed"} 0.0' in text
    assert fetched(site, "/secrets")[0] == 404


def test_a_second_node_on_one_store_is_refused(site):
    done = cli(site, "run")
    assert done.returncode == 8 and "another node works with this store" in done.stderr


def test_settings_are_checked_without_starting(site):
    done = cli(site, "run", "--check", "--json")
    assert done.returncode == 0, done.stderr
    assert list(json.loads(done.stdout)) == ["config", "bundles"]


def test_no_name_is_in_log_audit_metrics_or_status(site):
    store = site.folder / "store"
    texts = {
        "log": site.node.log.read_text(),
        "audit": (store / "audit.jsonl").read_text(),
        "metrics": fetched(site, "/metrics")[1],
        "status": cli(site, "status").stdout,
        "ledger": (store / "node.sqlite").read_bytes().decode("latin-1"),
        "journal": (store / "node.sqlite-wal").read_bytes().decode("latin-1"),
        "file names": " ".join(path.name for path in store.rglob("*")),
    }
    for place, text in texts.items():
        found = [name for name in NAMES if name.lower() in text.lower()]
        assert not found, f"{place}: {found}"


def test_the_end_is_clean_and_audited(site):
    site.node.__exit__()
    assert site.node.process.returncode == 0
    events = [json.loads(line)["event"] for line in (site.folder / "store" / "audit.jsonl").read_text().splitlines()]
    assert (events[0], events[-1]) == ("node started", "node stopped")
