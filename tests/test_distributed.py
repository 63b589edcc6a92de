"""Two processes learn from one data set as one process would: every case once, and the same best metric."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from pictures import metadata_of, spots

from lungscan_monai.distributed import gather

ROOT = Path(__file__).resolve().parents[1]
BUNDLE = ROOT / "monai_bundles" / "pneumonia_cxr_classification"


def test_one_process_gathers_its_own_items():
    assert gather([1, 2]) == [[1, 2]]


def two_processes(bundle: Path, datalist: Path, **overrides) -> subprocess.Popen:
    """Start a training of the bundle by torchrun, in a process group of its own."""
    configs = [str(bundle / "configs" / name) for name in ("train.json", "multi_gpu_train.json")]
    settings = {"weights": "none", "backbone": "test_efficientnet", "batch_size": 4, "head_epochs": 2, "max_epochs": 3}
    settings |= {"trainable_blocks": 2, "bundle_root": bundle, "datalist": datalist, **overrides}
    words = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    words += ["-m", "monai.bundle", "run", "training", "--config_file", str(configs)]
    words += [word for name, value in settings.items() for word in (f"--{name}", str(value))]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    return subprocess.Popen(
        words, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def epochs_of(bundle: Path) -> list[dict]:
    path = bundle / "models" / "history.json"
    return json.loads(path.read_text())["epochs"] if path.exists() else []


def finish(process: subprocess.Popen, bundle: Path, count: int) -> list[dict]:
    """Wait for the end; torch 2.15 sometimes aborts a finished gloo process, so what was written is what counts."""
    _, errors = process.communicate(timeout=300)
    assert len(epochs_of(bundle)) == count, errors[-12000:]
    return epochs_of(bundle)


@pytest.fixture
def datalist(tmp_path) -> Path:
    (tmp_path / "pictures").mkdir()
    return spots(tmp_path / "pictures", metadata_of(BUNDLE))


@pytest.mark.slow
def test_two_processes_train_one_model_and_go_on_exactly_after_a_kill(tmp_path, datalist):
    options = {"ema_decay": 0.9, "accumulation_steps": 2, "mixup_alpha": 0.4}
    unbroken, killed = (shutil.copytree(BUNDLE, tmp_path / name / BUNDLE.name) for name in ("unbroken", "killed"))
    history = finish(two_processes(unbroken, datalist, **options), unbroken, 5)
    assert [(epoch["phase"], epoch["epoch"]) for epoch in history] == [
        ("head", 1),
        ("head", 2),
        ("fine-tuning", 1),
        ("fine-tuning", 2),
        ("fine-tuning", 3),
    ]
    process = two_processes(killed, datalist, **options)
    while len(epochs_of(killed)) < 4 and process.poll() is None:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert finish(two_processes(killed, datalist, resume=True, **options), killed, 5) == history
    states = [torch.load(root / "models" / "model.pt", weights_only=True) for root in (unbroken, killed)]
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())
    assert not any(name.startswith("module.") for name in states[0])


@pytest.mark.slow
def test_an_image_that_cannot_be_read_is_skipped_by_both_processes(tmp_path, datalist):
    bundle = shutil.copytree(BUNDLE, tmp_path / BUNDLE.name)
    (datalist.parent / "training-3.png").write_bytes(b"")
    options = {"unreadable": "skip", "max_epochs": 1, "head_epochs": 0, "cache_dir": tmp_path / "cache"}
    (epoch,) = finish(two_processes(bundle, datalist, **options), bundle, 1)
    assert epoch["train_loss"] > 0
    (failures,) = (
        json.loads(path.read_text()) for path in (tmp_path / "cache").glob("*.json") if path.stat().st_size > 3
    )
    assert list(failures) == ["3"]
