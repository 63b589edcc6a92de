from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from lungscan_monai.data.medmnist import fetch, label_names, read_npz
from lungscan_monai.errors import ConfigError, DataError, DatalistError, MissingDependencyError, OutputError


@pytest.fixture
def npz(tmp_path):
    """A maker of small MedMNIST files."""

    def make(
        name: str = "pneumoniamnist.npz", *, shape=(8, 8), num_labels: int = 1, highest: int = 1, **changes
    ) -> Path:
        draw = np.random.default_rng(0)
        arrays = {}
        for part, count in (("train", 6), ("val", 3), ("test", 2)):
            arrays[f"{part}_images"] = draw.integers(0, 256, (count, *shape), dtype=np.uint8)
            labels = (np.arange(count)[:, None] + np.arange(num_labels)) % (highest + 1)
            arrays[f"{part}_labels"] = labels.astype(np.uint8)
        arrays |= changes
        np.savez(tmp_path / name, **{key: value for key, value in arrays.items() if value is not None})
        return tmp_path / name

    return make


@pytest.fixture
def package(monkeypatch):
    """A stand-in for the package medmnist, whose download fails or writes an empty file."""

    class ToyMNIST:
        def __init__(self, split, root, size, download):
            if size == 64:
                raise RuntimeError("no network")
            (Path(root) / "toymnist.npz").write_bytes(b"")

    info = {
        "toymnist": {"python_class": "ToyMNIST", "url": "u28", "url_64": "u64", "label": {"1": "some cyst", "0": "no"}}
    }
    monkeypatch.setitem(sys.modules, "medmnist", SimpleNamespace(INFO=info, ToyMNIST=ToyMNIST))


def test_one_column_of_two_classes_is_binary(npz, tmp_path):
    content = read_npz(npz())
    assert (content.kind, content.label_names) == ("binary", ("Normal", "Pneumonia"))
    listing = content.listing(tmp_path / "images")
    assert [case.label for case in listing.given["training"]] == [0, 1, 0, 1, 0, 1]
    assert listing.given["validation"][2].image == "val/000002.png"
    assert listing.given["test"][0].patient is None


def test_one_column_of_more_classes_is_multiclass(npz):
    assert read_npz(npz("x.npz", highest=2), labels=["a", "b", "c"]).kind == "multiclass"


def test_several_columns_are_multilabel(npz, tmp_path):
    content = read_npz(npz("x.npz", num_labels=3), labels=["a", "b", "c"])
    assert content.kind == "multilabel"
    assert content.listing(tmp_path).given["training"][0].label == (0, 1, 0)


@pytest.mark.parametrize("shape", [(8, 9), (8, 9, 3)])
def test_images_are_written_without_loss(npz, tmp_path, shape):
    path = npz(shape=shape)
    read_npz(path).write_images(tmp_path / "images")
    with Image.open(tmp_path / "images" / "val" / "000001.png") as picture:
        np.testing.assert_array_equal(np.asarray(picture), np.load(path)["val_images"][1])
    assert len(list((tmp_path / "images").rglob("*.png"))) == 11


def test_a_folder_with_something_in_it_is_not_overwritten(npz, tmp_path):
    content = read_npz(npz())
    content.write_images(tmp_path / "images")
    with pytest.raises(OutputError, match="is there already"):
        content.write_images(tmp_path / "images")


def test_all_defects_are_listed(npz):
    volumes = np.zeros((6, 8, 8, 8), np.uint8)
    path = npz(train_images=volumes, val_labels=np.array([[0], [7], [1]]), test_labels=np.zeros((5, 1), int))
    with pytest.raises(DatalistError) as caught:
        read_npz(path)
    first, second, third = caught.value.defects
    assert "train_images is uint8 of shape (6, 8, 8, 8)" in first and "volumes are not supported" in first
    assert "val_labels holds 0 to 7, expected 0 to 1" in second
    assert "test_labels is int64 of shape (5, 1), expected integers of shape (2, 1)" in third


def test_missing_arrays_are_named(npz):
    with pytest.raises(DatalistError, match="array val_images is missing"):
        read_npz(npz(val_images=None))


def test_pickled_objects_are_refused(npz):
    with pytest.raises(DatalistError, match="something else than plain arrays"):
        read_npz(npz(train_images=np.array([{"any": "thing"}], dtype=object)))


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 cut off", b"no archive at all"])
def test_a_damaged_file_is_described(tmp_path, data):
    (tmp_path / "pneumoniamnist.npz").write_bytes(data)
    with pytest.raises(DatalistError):
        read_npz(tmp_path / "pneumoniamnist.npz")


def test_a_single_array_is_no_archive(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros(3))
    (tmp_path / "x.npy").rename(tmp_path / "pneumoniamnist.npz")
    with pytest.raises(DatalistError, match=r"cannot be read as \.npz"):
        read_npz(tmp_path / "pneumoniamnist.npz")


def test_a_cut_off_member_is_described(npz):
    path = npz()
    data = bytearray(path.read_bytes())
    place = data.index(b"\x93NUMPY") + 200
    data[place : place + 64] = bytes(64)
    path.write_bytes(data)
    with pytest.raises(DatalistError, match="cannot be read"):
        read_npz(path)


def test_label_names_come_from_medmnist(package):
    assert label_names("toymnist_64") == ("No", "Some cyst")
    with pytest.raises(ConfigError, match="not known to MedMNIST; give labels"):
        label_names("mine")


def test_without_medmnist_labels_are_asked_for(monkeypatch):
    monkeypatch.setitem(sys.modules, "medmnist", None)
    assert label_names("pneumoniamnist_224") == ("Normal", "Pneumonia")
    with pytest.raises(ConfigError, match="give labels, or install the package medmnist: pip install"):
        label_names("chestmnist")
    with pytest.raises(MissingDependencyError, match="pip install"):
        fetch("pneumoniamnist", "nowhere")


def test_fetching_gives_the_file(package, tmp_path):
    assert fetch("toymnist", tmp_path / "new") == tmp_path / "new" / "toymnist.npz"


def test_fetching_fails_with_the_address_to_use_by_hand(package, tmp_path):
    with pytest.raises(DataError, match=r"no network.*fetch u64 by hand"):
        fetch("toymnist", tmp_path, size=64)


@pytest.mark.parametrize(
    ("name", "size", "sentence"), [("toymist", 28, "did you mean toymnist"), ("toymnist", 30, "30x30")]
)
def test_what_medmnist_does_not_offer_is_refused(package, tmp_path, name, size, sentence):
    with pytest.raises(ConfigError, match=sentence):
        fetch(name, tmp_path, size)
