"""Two processes learn from one data set as one process would: every case once, and the same best metric."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from pictures import metadata_of, spots

from lungscan_monai.distributed import gather

ROOT = Path(__file__).resolve().parents[1]
BUNDLE = ROOT / "monai_bundles" / "pneumonia_cxr_classification"


def test_one_process_gathers_its_own_items():
    assert gather([1, 2]) == [[1, 2]]


@pytest.mark.slow
def test_two_processes_train_one_model(tmp_path):
    bundle = shutil.copytree(BUNDLE, tmp_path / BUNDLE.name)
    (tmp_path / "pictures").mkdir()
    datalist = spots(tmp_path / "pictures", metadata_of(bundle))
    configs = [str(bundle / "configs" / name) for name in ("train.json", "multi_gpu_train.json")]
    words = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    words += ["-m", "monai.bundle", "run", "training", "--bundle_root", str(bundle), "--config_file", str(configs)]
    words += ["--datalist", str(datalist), "--weights", "none", "--backbone", "test_efficientnet"]
    words += ["--batch_size", "4", "--head_epochs", "2", "--max_epochs", "2", "--trainable_blocks", "2"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False, timeout=300)
    # torch 2.15 sometimes aborts a finished gloo process at interpreter exit, so what was written is what counts
    written = bundle / "models" / "history.json"
    assert written.exists(), done.stderr[-3000:]
    epochs = json.loads(written.read_text())["epochs"]
    assert [(epoch["phase"], epoch["epoch"]) for epoch in epochs] == [
        ("head", 1),
        ("head", 2),
        ("fine-tuning", 1),
        ("fine-tuning", 2),
    ]
    state = torch.load(bundle / "models" / "model.pt", weights_only=True)
    assert not any(name.startswith("module.") for name in state)
