"""Ray gives what the local engine gives, byte for byte, even if a worker dies in the middle."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest
from small_bundle import mixed_folder, small_bundle, write_png

from lungscan_monai.errors import CheckpointError, ConfigError, MissingDependencyError, NetworkError
from lungscan_monai.inference.batch_run import BatchSettings, run_batch
from lungscan_monai.inference.composing import Batch
from lungscan_monai.inference.engines import on_ray
from lungscan_monai.inference.engines.on_ray import Cluster, Opening, RayEngine
from lungscan_monai.inference.examining import FoundFile
from lungscan_monai.inference.folders import folder_at
from lungscan_monai.inference.stores import FolderInStore
from lungscan_monai.storage import sha256_file

ROOT = Path(__file__).resolve().parents[3]

_QUICK_TO_NOTICE = {
    "health_check_initial_delay_ms": 500,
    "health_check_period_ms": 500,
    "health_check_failure_threshold": 20,
}


def results(output: Path) -> dict[str, bytes]:
    return {
        path.relative_to(output).as_posix(): path.read_bytes()
        for path in output.rglob("*")
        if path.is_file() and not path.name.startswith(("ledger.sqlite", ".lock"))
    }


@pytest.mark.parametrize(
    ("cluster", "cpus", "gpus", "expected"),
    [
        (Cluster(), 2, 0, (1, 1)),
        (Cluster(), 16, 0, (8, 8)),
        (Cluster(model_cores=3), 16, 0, (4, 4)),
        (Cluster(model_cores=3), 18, 0, (4, 6)),
        (Cluster(workers=4), 16, 0, (12, 4)),
        (Cluster(workers=4, model_cores=5), 16, 0, (2, 4)),
        (Cluster(), 16, 2, (2, 14)),
        (Cluster(workers=3), 16, 2, (2, 3)),
    ],
)
def test_the_processors_are_shared_between_models_and_readers(cluster, cpus, gpus, expected):
    models, readers = cluster.shares(cpus, gpus)
    assert (models, readers) == expected
    assert models * (1 if gpus else cluster.model_cores) + readers <= cpus


@pytest.mark.parametrize(
    ("cluster", "cpus", "gpus"), [(Cluster(), 1, 0), (Cluster(workers=4), 4, 0), (Cluster(), 2, 2)]
)
def test_too_few_processors_are_said_in_advance(cluster, cpus, gpus):
    with pytest.raises(ConfigError, match=f"{cpus} processors are too few"):
        cluster.shares(cpus, gpus)


def test_without_ray_the_message_names_what_installs_it(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "ray" else True)
    opening = Opening("bundle", "0" * 64, "torch", "float32", 4, True, False, False)
    with pytest.raises(MissingDependencyError, match=r"--engine ray needs ray, .* pip install 'lungscan-monai\[ray\]'"):
        RayEngine(opening, folder_at(tmp_path, tmp_path / "out"), Cluster())


@pytest.fixture(scope="module")
def opening(tmp_path_factory) -> Opening:
    """Opens another model than the one that is there."""
    root = small_bundle(tmp_path_factory.mktemp("bundle"))
    return Opening(str(root), "0" * 64, "torch", "float32", 4, True, False, False)


def test_an_actor_that_finds_another_model_says_so_at_the_first_batch(opening):
    batch = pickle.dumps(Batch((), {}, {}, True))
    (row,) = on_ray._Model(opening)({"batch": [batch]})["answered"]
    error = pickle.loads(row)
    assert isinstance(error, CheckpointError) and "a node has model" in str(error)


def test_an_error_of_a_reader_comes_through_the_model_as_it_is(opening):
    reader = on_ray._Reader(opening, FolderInStore("zip://::/nowhere.zip"))
    files = [FoundFile(PurePosixPath("a.png"), "a.png")]
    (row,) = reader({"portion": [pickle.dumps(files)]})
    right = replace(opening, model_sha256=sha256_file(Path(opening.bundle_root, "models", "model.pt")))
    (answered,) = on_ray._Model(right)(row)["answered"]
    error = pickle.loads(answered)
    assert isinstance(error, NetworkError) and "the store cannot be read" in str(error)


@pytest.mark.parametrize(
    ("address", "error"),
    [("127.0.0.1:1", NetworkError), ("ray://127.0.0.1:1", ConfigError), ("head", ConfigError), ("head:", ConfigError)],
)
def test_a_cluster_that_is_not_there_is_said_at_once(opening, tmp_path, address, error):
    engine = RayEngine(opening, folder_at(tmp_path, tmp_path / "out"), Cluster(address))
    with pytest.raises(error, match=address):
        next(engine(iter([FoundFile(PurePosixPath("a.png"), "a.png")])))


@pytest.mark.slow
def test_a_ray_on_this_machine_gives_the_same_and_goes_on_with_what_the_other_engine_began(tmp_path, make_dicom):
    root = small_bundle(tmp_path)
    mixed_folder(tmp_path / "in", make_dicom)
    for number in range(40):
        write_png(tmp_path / "in" / f"{number % 3}" / f"{number}.png", number, (60, 50))
    how = {"batch_size": 2, "workers": 1, "explain": True, "deidentify": True, "key": tmp_path / "key"}
    how["key"].write_bytes(bytes(range(32)))
    expected = run_batch(root, tmp_path / "in", tmp_path / "local", BatchSettings(**how))
    stopped_at = []

    def stop(done: int, total: int) -> None:
        if done > 20:
            stopped_at.append(done)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_batch(root, tmp_path / "in", tmp_path / "ray", BatchSettings(**how), stop)
    seen = []
    found = run_batch(
        *(root, tmp_path / "in", tmp_path / "ray", BatchSettings(**how, resume=True, engine="ray")),
        lambda done, total: seen.append(done),
    )
    assert stopped_at and seen[0] > 16  # a portion of 16 files was recorded, and is not done again
    assert found == expected
    assert results(tmp_path / "ray") == results(tmp_path / "local")


_KILLED = """
import json, os, signal, sys
from pathlib import Path
from ray.cluster_utils import Cluster
from lungscan_monai.inference.batch_run import BatchSettings, run_batch

bundle, folder, output = map(Path, sys.argv[1:4])
cluster = Cluster(initialize_head=True, head_node_args={
    "num_cpus": 0, "include_dashboard": False, "object_store_memory": 2**27, "_system_config": json.loads(sys.argv[4])})
nodes = [cluster.add_node(num_cpus=2, object_store_memory=2**27) for _ in range(2)]
killed = []

def show(done, total):
    if done > 16 and not killed:
        killed.append(done)
        cluster.remove_node(nodes[0], allow_graceful=False)

try:
    settings = BatchSettings(2, backend="onnx", engine="ray", ray_address=cluster.address)
    run_batch(bundle, folder, output, settings, show)
finally:
    cluster.shutdown()
print("killed", *killed, file=sys.stderr)
"""


@pytest.mark.slow
def test_a_cluster_of_two_workers_of_which_one_dies_gives_the_same(tmp_path, make_dicom):
    root = small_bundle(tmp_path)
    mixed_folder(tmp_path / "in", make_dicom)
    for number in range(120):
        write_png(tmp_path / "in" / f"{number % 7}" / f"{number}.png", number, (60, 50))
    run_batch(root, tmp_path / "in", tmp_path / "local", BatchSettings(2, 1, backend="onnx"))
    arguments = [str(root), str(tmp_path / "in"), str(tmp_path / "ray"), json.dumps(_QUICK_TO_NOTICE)]
    done = subprocess.run(
        [sys.executable, "-c", _KILLED, *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "RAY_USAGE_STATS_ENABLED": "0", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert "killed" in done.stderr
    assert results(tmp_path / "ray") == results(tmp_path / "local")
