"""Every bundle on two processes: it trains, and its evaluation is that of one process on the same model."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pictures import metadata_of, spots

from lungscan_monai.overrides import known_ids

ROOT = Path(__file__).resolve().parents[1]
BUNDLES = sorted(path.parents[1] for path in (ROOT / "monai_bundles").glob("*/configs/metadata.json"))
COUNTS = {"training": 29, "validation": 15, "test": 16}
"""Odd numbers: the shares of two processes are uneven."""

SMALL = {"backbone": "test_efficientnet", "image_size": [48, 48], "batch_size": 4}
TRAINING = {**SMALL, "weights": "none", "accumulation_steps": 2, "head_epochs": 1, "max_epochs": 1}


def run(bundle: Path, configs: list[str], run_id: str, processes: int, **overrides) -> str:
    """Run a workflow on so many processes and return what they said."""
    files = [str(bundle / "configs" / f"{name}.json") for name in configs]
    words = [sys.executable]
    words += ["-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}"] if processes > 1 else []
    words += ["-m", "monai.bundle", "run", run_id, "--config_file", str(files), "--bundle_root", str(bundle)]
    words += [word for name, value in overrides.items() for word in (f"--{name}", str(value))]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    # torch 2.15 sometimes aborts a finished gloo process, so what was written is what counts
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False, timeout=300)
    return done.stdout + done.stderr


def predictions_of(folder: Path) -> list[list[str]]:
    with (folder / "predictions.csv").open(encoding="utf-8") as stream:
        return list(csv.reader(stream))


def numbers(content) -> list[float]:
    """Return all numbers of a report, in order."""
    if isinstance(content, dict):
        return [number for name, part in content.items() if name != "facts" for number in numbers(part)]
    if isinstance(content, list):
        return [number for part in content for number in numbers(part)]
    return [content] if isinstance(content, int | float) and not isinstance(content, bool) else []


@pytest.mark.slow
@pytest.mark.parametrize("source", BUNDLES, ids=lambda path: path.name)
def test_two_processes_train_a_bundle_and_evaluate_it_as_one_does(source, tmp_path):
    bundle = shutil.copytree(source, tmp_path / source.name)
    (tmp_path / "pictures").mkdir()
    datalist = spots(tmp_path / "pictures", metadata_of(bundle), COUNTS)
    training = {name: value for name, value in TRAINING.items() if name in known_ids(bundle)}
    said = run(bundle, ["train", "multi_gpu_train"], "training", 2, datalist=datalist, **training)
    assert (bundle / "models" / "model.pt").is_file(), said[-8000:]

    options = {"datalist": datalist, "explain": "none", "resamples": 20, **SMALL}
    evaluate = ["train", "evaluate"]
    said = run(bundle, [*evaluate, "multi_gpu_evaluate"], "evaluating", 2, output_dir=tmp_path / "two", **options)
    assert (tmp_path / "two" / "report.json").is_file(), said[-8000:]
    run(bundle, evaluate, "evaluating", 1, output_dir=tmp_path / "one", **options)
    one, two = predictions_of(tmp_path / "one"), predictions_of(tmp_path / "two")
    assert len(one) == len(two) == 1 + COUNTS["validation"] + COUNTS["test"]
    assert [row[0] for row in one] == [row[0] for row in two]
    reports = [json.loads((tmp_path / name / "report.json").read_text(encoding="utf-8")) for name in ("one", "two")]
    assert reports[1]["facts"]["command"].startswith("python -m monai.bundle run evaluating --config_file ")
    np.testing.assert_allclose(numbers(reports[0]["labels"]), numbers(reports[1]["labels"]), atol=1e-5)
