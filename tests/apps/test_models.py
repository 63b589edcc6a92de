"""One model for all who ask, and answers that are those of the Predictor."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from small_bundle import BUNDLES, small_bundle, write_png

from lungscan_monai import Predictor
from lungscan_monai.apps.models import ModelStore, RecentlyRead
from lungscan_monai.errors import CheckpointError, ConfigError, ReadError, SaliencyError
from lungscan_monai.inference.answering import Prediction, Reject
from lungscan_monai.inference.studies import Analysed


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return small_bundle(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def store(bundle):
    with ModelStore([bundle, BUNDLES / "kidney_ct_classification"]) as opened:
        yield opened


@pytest.fixture(scope="module")
def picture(tmp_path_factory):
    return write_png(tmp_path_factory.mktemp("pictures") / "a.png", 3)


def test_answers_are_those_of_the_predictor(store, bundle, picture):
    (analysed,) = store.get(bundle.name).analyse([picture])
    (expected,) = Predictor(bundle).predict([picture])
    assert isinstance(analysed.answer, Prediction)
    assert analysed.answer.label == expected.label
    assert analysed.answer.probabilities == pytest.approx(expected.probabilities, abs=1e-5)


def test_explanations_are_those_of_the_predictor(store, bundle, picture):
    found = store.get(bundle.name).explain(picture, ["Normal", "Pneumonia"])
    for heatmap in found:
        expected = Predictor(bundle).explain(picture, heatmap.label)
        np.testing.assert_allclose(heatmap.saliency, expected.saliency, atol=1e-5)
    assert [heatmap.label for heatmap in found] == ["Normal", "Pneumonia"]


def test_a_model_is_loaded_once_however_many_threads_ask(store, bundle):
    with ThreadPoolExecutor(4) as pool:
        assert len({id(model) for model in pool.map(store.get, [bundle.name] * 8)}) == 1


def test_threads_get_the_answer_that_one_alone_gets(store, bundle, tmp_path):
    served, files = store.get(bundle.name), [write_png(tmp_path / f"{seed}.png", seed) for seed in range(6)]
    alone = [served.analyse([file])[0].answer.probabilities for file in files]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda file: served.analyse([file])[0].answer.probabilities, files))
    assert together == alone


def test_a_bad_file_is_a_reject(store, bundle, tmp_path):
    (tmp_path / "notes.dcm").write_text("no picture")
    (analysed,) = store.get(bundle.name).analyse([tmp_path / "notes.dcm"])
    assert isinstance(analysed.answer, Reject)


def test_a_bundle_without_a_model_is_offered_and_refused_with_what_makes_one(store):
    assert not store.offers["kidney_ct_classification"].has_model
    with pytest.raises(CheckpointError, match="lungscan train"):
        store.get("kidney_ct_classification")


def test_what_does_not_exist_is_refused_by_name(store, bundle, picture):
    with pytest.raises(ConfigError, match="no model 'liver'"):
        store.get("liver")
    with pytest.raises(ConfigError, match="no label 'Fracture'"):
        store.get(bundle.name).explain(picture, ["Fracture"])
    with pytest.raises(SaliencyError, match="palmistry"):
        store.get(bundle.name).explain(picture, ["Normal"], "palmistry")


def test_a_picture_is_read_once_until_its_file_changes(tmp_path):
    path, asked = tmp_path / "a", []

    def read(path: Path) -> np.ndarray:
        asked.append(path)
        return np.frombuffer(path.read_bytes(), np.uint8)

    remembering = RecentlyRead(read, pictures=2)
    path.write_bytes(b"one")
    assert bytes(remembering(path)) == bytes(remembering(path)) == b"one"
    assert asked == [path]
    path.write_bytes(b"other")
    assert bytes(remembering(path)) == b"other"
    for name in "bcd":
        (tmp_path / name).write_bytes(name.encode())
        remembering(tmp_path / name)
    remembering(path)
    assert asked.count(path) == 3


def test_a_file_that_is_gone_is_told_by_what_reads(tmp_path):
    def read(path: Path) -> np.ndarray:
        raise ReadError(path, "missing", "there is no such file")

    with pytest.raises(ReadError, match="no such file"):
        RecentlyRead(read)(tmp_path / "gone")


def test_of_a_series_the_slice_that_speaks_for_a_label_is_looked_at(store, bundle, tmp_path):
    paths = [tmp_path / f"{number}.dcm" for number in range(4)]
    analysed = Analysed(tuple(paths), Prediction("series", {}, None, None, ()), rows=np.eye(4)[[2, 0, 1, 3]][:, :2])
    served = store.get(bundle.name)
    assert [served.source_for(analysed, name) for name in ("Normal", "Pneumonia")] == [paths[1], paths[2]]
    assert served.source_for(Analysed((paths[3],), analysed.answer), "Normal") == paths[3]


def test_two_bundles_of_one_name_are_told_apart(bundle, tmp_path):
    other = small_bundle(tmp_path)
    assert len(ModelStore([bundle, other]).offers) == 2


def test_no_bundle_is_no_store():
    with pytest.raises(ConfigError, match="no bundle"):
        ModelStore([])
