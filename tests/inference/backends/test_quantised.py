"""The model of int8: convolutions in int8, the head in float32, answers near; found for its very model only."""

from __future__ import annotations

import shutil
import sys
from dataclasses import replace

import numpy as np
import pytest

from lungscan_monai.errors import CheckpointError, ConfigError, MissingDependencyError
from lungscan_monai.inference.backends.onnx_runtime import OnnxRuntimeBackend, write_int8
from lungscan_monai.inference.backends.quantised import IN_FLOAT, QUANTISED_NAME, ensure_quantised, read_quantised
from lungscan_monai.inference.backends.starting import ENGINES, start_engine
from lungscan_monai.inference.backends.torch_backend import TorchBackend
from lungscan_monai.storage import Manifest, sha256_file

PACKAGES = {"onnx": "onnxruntime", "openvino": "openvino"}
CASES = {"datalist_sha256": "ab" * 32, "section": "training", "cases": 5}


@pytest.fixture
def copied(exported, tmp_path):
    """The export in a folder of its own."""
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: pip install 'lungscan-monai[export]'")
    return replace(exported, path=shutil.copytree(exported.path.parent, tmp_path / "models") / exported.path.name)


@pytest.fixture
def made(copied, pictures):
    return ensure_quantised(copied, lambda: [pictures], CASES, lambda made: 0.0)


def graph_of(path):
    return pytest.importorskip("onnx").load(path).graph


def count(path, kind):
    return sum(node.op_type == kind for node in graph_of(path).node)


def test_weights_of_convolutions_are_int8_and_the_head_stays_in_float32(copied, made):
    graph = graph_of(made.exported.path)
    kinds = {array.name: array.data_type for array in graph.initializer}
    unpacked = {node.output[0]: node.input[0] for node in graph.node if node.op_type == "DequantizeLinear"}
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    assert convolutions and all(kinds[unpacked[node.input[1]]] == 3 for node in convolutions)  # 3: INT8 in ONNX
    (head,) = [node for node in graph.node if node.op_type == "Gemm"]
    assert kinds[head.input[1]] == 1  # FLOAT
    assert made.exported.path.stat().st_size < 0.6 * copied.path.stat().st_size


@pytest.mark.parametrize("name", ENGINES)
def test_both_engines_run_it_near_the_answers_of_pytorch(made, network, pictures, name):
    pytest.importorskip(PACKAGES[name], reason=f"{PACKAGES[name]} is not installed")
    backend = start_engine(name, replace(made.exported, path=made.exported.path.with_name("model.onnx")), "int8")
    assert (backend.name, backend.precision) == (name, "int8")
    expected = TorchBackend(network).forward(pictures)
    for batch in (pictures[:1], pictures):
        found = backend.forward(batch)
        assert found.logits.dtype == found.features.dtype == np.float32
        np.testing.assert_allclose(found.features, expected.features[: len(batch)], atol=0.1 * expected.features.max())
    assert np.abs(found.features - expected.features).max() > 0  # it is not the model of float32


def test_openvino_computes_the_convolutions_in_int8(made):
    openvino = pytest.importorskip("openvino", reason="openvino is not installed")
    compiled = openvino.Core().compile_model(made.exported.path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    kinds = [node.get_rt_info() for node in compiled.get_runtime_model().get_ops()]
    done = [str(kind["runtimePrecision"].astype(str)) for kind in kinds if "Conv" in kind["layerType"].astype(str)]
    assert done and sum(kind in ("i8", "u8") for kind in done) > 0.8 * len(done)


def test_onnx_runtime_computes_the_convolutions_in_int8(made, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    onnxruntime.InferenceSession(made.exported.path, options, providers=["CPUExecutionProvider"])
    assert count(tmp_path / "optimised.onnx", "QLinearConv") > 0.8 * count(made.exported.path, "Conv")


def test_it_is_made_once_for_the_same_cases_and_anew_for_others(copied, made, pictures):
    def fail(*_):
        pytest.fail("made again")

    assert ensure_quantised(copied, fail, CASES, fail).sha256 == made.sha256 == sha256_file(made.exported.path)
    assert read_quantised(copied).calibrated_on == CASES
    other = ensure_quantised(copied, lambda: [pictures[:2]], {**CASES, "cases": 2}, lambda made: 0.0)
    assert other.sha256 != made.sha256


def test_as_many_of_the_first_convolutions_stay_in_float32_as_it_takes(copied, pictures):
    tried = []

    def distance(made):
        graph = graph_of(made.path)
        packed = {node.output[0] for node in graph.node if node.op_type == "DequantizeLinear"}
        tried.append([node.input[1] in packed for node in graph.node if node.op_type == "Conv"])
        return [3.0, 2.0, 1.0][len(tried) - 1]

    ensure_quantised(copied, lambda: [pictures], CASES, distance)
    assert all(tried[0]) and len(tried) == 3
    in_float = [in_int8.count(False) for in_int8 in tried]
    assert in_float == [round(share * len(tried[0])) for share in IN_FLOAT[:3]] and in_float[2] > in_float[1] > 0
    assert not any(tried[2][: in_float[2]])
    entry = Manifest(copied.path.parent).entries()[QUANTISED_NAME]
    assert entry["in_float"] == IN_FLOAT[2] and entry["model_sha256"] == copied.model_sha256


@pytest.mark.parametrize(
    ("distances", "taken"), [([4.0, 3.0, 2.0, 3.0], 2), ([4.0, 2.4, 2.0, 2.0], 1), ([2.0] * 4, 0), ([1.1, 1.0], 1)]
)
def test_where_none_is_near_the_first_that_is_about_as_near_as_the_nearest_is_taken(copied, pictures, distances, taken):
    given = iter(distances)
    ensure_quantised(copied, lambda: [pictures], CASES, lambda made: next(given))
    assert Manifest(copied.path.parent).entries()[QUANTISED_NAME]["in_float"] == IN_FLOAT[taken]


def test_for_another_model_there_is_none(copied, made):
    assert read_quantised(replace(copied, model_sha256="00" * 32)) is None


def test_a_damaged_one_is_refused_and_made_anew_when_it_is_asked_for(copied, made, pictures):
    content = bytearray(made.exported.path.read_bytes())
    content[1000] ^= 1
    made.exported.path.write_bytes(content)
    with pytest.raises(CheckpointError, match="damaged"):
        start_engine("onnx", copied, "int8")
    ensure_quantised(copied, lambda: [pictures], CASES, lambda made: 0.0)
    assert start_engine("onnx", copied, "int8").precision == "int8"


def test_without_one_the_engine_says_so(copied):
    with pytest.raises(ConfigError, match="model_int8.onnx: there is none of this model yet"):
        start_engine("onnx", copied, "int8")


def test_without_the_package_its_extra_is_named(exported, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingDependencyError, match=r"lungscan-monai\[export\]"):
        write_int8(exported.path, tmp_path / "made.onnx", [])
    with pytest.raises(MissingDependencyError, match=r"lungscan-monai\[export\]"):
        OnnxRuntimeBackend(exported, "int8")
