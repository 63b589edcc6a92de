"""Images are read once, kept in 8 bits, and handed out as batches; what cannot be read is named."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from monai.data import DataLoader
from monai.transforms import Compose, LoadImaged, Resized
from PIL import Image

from lungscan_monai.batches import as_one
from lungscan_monai.caching import CachedImages
from lungscan_monai.errors import ConfigError, DataError, DatalistError, LungScanWarning
from lungscan_monai.task import TaskSpec
from lungscan_monai.transforms.channels import ToChannelsd
from lungscan_monai.transforms.reading import MedicalImageReader

TASK = TaskSpec("t", "?", "1", "multiclass", ("A", "B", "C"), (8, 8), 3, ("DX",), "Research only.")


class Reading(LoadImaged):
    """Loads as the bundles do, and counts."""

    count = 0

    def __call__(self, data, reader=None):
        Reading.count += 1
        return super().__call__(data, reader)


def preprocessing(size=(8, 8)):
    steps = [Reading("image", reader=MedicalImageReader()), ToChannelsd("image", num_channels=1)]
    return Compose(steps + ([Resized("image", size, mode="area")] if size else []))


@pytest.fixture
def records(tmp_path):
    random = np.random.default_rng(0)
    made = []
    for number in range(6):
        path = tmp_path / f"{number}.png"
        Image.fromarray(random.integers(0, 256, (8, 8), dtype=np.uint8)).save(path)
        made.append({"image": str(path), "label": number % 3, "case": path.name, "patient": "", "section": "training"})
    return made


@pytest.fixture(params=["memory", "folder"])
def folder(request, tmp_path):
    return tmp_path / "cache" if request.param == "folder" else None


def test_pictures_in_8_bits_come_back_as_they_are_in_the_file(records, folder):
    images = CachedImages(records, preprocessing(), TASK, folder)
    batch = images.__getitems__([4, 1])
    assert batch["image"].shape == (2, 1, 8, 8) and batch["image"].dtype == torch.uint8
    for place, number in enumerate([4, 1]):
        assert np.array_equal(batch["image"][place, 0], np.asarray(Image.open(records[number]["image"])))
    assert batch["label"].tolist() == [1, 1] and batch["case"] == ["4.png", "1.png"]


def test_one_item_is_one_row_of_a_batch(records, folder):
    images = CachedImages(records, preprocessing(), TASK, folder)
    item, batch = images[3], images.__getitems__([3])
    assert torch.equal(item["image"], batch["image"][0]) and item["case"] == "3.png" and len(images) == 6


def test_every_file_is_read_once(records, folder):
    Reading.count = 0
    images = CachedImages(records, preprocessing(), TASK, folder)
    for _ in range(3):
        for _ in DataLoader(images, batch_size=4, collate_fn=as_one):
            pass
    assert Reading.count == 6


def test_the_loader_hands_batches_on_as_they_are(records):
    batches = list(DataLoader(CachedImages(records, preprocessing(), TASK), batch_size=4, collate_fn=as_one))
    assert [batch["case"] for batch in batches] == [["0.png", "1.png", "2.png", "3.png"], ["4.png", "5.png"]]


def test_a_later_run_finds_its_pictures_in_the_folder(records, tmp_path):
    first = CachedImages(records, preprocessing(), TASK, tmp_path / "cache")
    Reading.count = 0
    second = CachedImages(records, preprocessing(), TASK, tmp_path / "cache")
    assert Reading.count == 0
    assert torch.equal(second.__getitems__(range(6))["image"], first.__getitems__(range(6))["image"])


@pytest.mark.parametrize("change", ["content", "preprocessing", "order"])
def test_other_content_is_never_served_from_the_folder(records, tmp_path, change):
    CachedImages(records, preprocessing(), TASK, tmp_path / "cache")
    transform = preprocessing((4, 4)) if change == "preprocessing" else preprocessing()
    if change == "content":
        Image.fromarray(np.full((8, 8), 7, dtype=np.uint8)).save(records[2]["image"])
    if change == "order":
        records = records[::-1]
    changed = CachedImages(records, transform, TASK, tmp_path / "cache").__getitems__(range(6))
    fresh = CachedImages(records, transform, TASK).__getitems__(range(6))
    assert torch.equal(changed["image"], fresh["image"])
    assert len(list((tmp_path / "cache").glob("*.npy"))) == 2


def test_all_damaged_images_are_named_before_training(records, folder):
    for number in (1, 4):
        Path(records[number]["image"]).write_bytes(b"\x89PNG\r\n\x1a\n broken")
    with pytest.raises(DatalistError, match=r"(?s)2 defect.*1\.png.*4\.png") as caught:
        CachedImages(records, preprocessing(), TASK, folder)
    assert "--unreadable skip" in str(caught.value)


def test_damaged_images_are_left_out_and_counted_where_that_is_wanted(records, folder):
    Path(records[1]["image"]).write_bytes(b"")
    for _ in range(2):  # the second time from the folder
        with pytest.warns(LungScanWarning, match=r"1 of 6 images .* left out: 1\.png"):
            images = CachedImages(records, preprocessing(), TASK, folder, unreadable="skip")
        assert [record["case"] for record in images.data] == ["0.png", "2.png", "3.png", "4.png", "5.png"]
        assert np.array_equal(images[1]["image"][0], np.asarray(Image.open(records[2]["image"])))
        assert images.entries(range(5))["label"].tolist() == [0, 2, 0, 1, 2]


def test_a_set_without_any_readable_image_is_refused(records, folder):
    for record in records:
        Path(record["image"]).write_bytes(b"")
    with pytest.raises(DatalistError, match="none of the images can be read"):
        CachedImages(records, preprocessing(), TASK, folder, unreadable="skip")


def test_a_failure_leaves_no_half_written_file(records, tmp_path):
    for record in records:
        Path(record["image"]).write_bytes(b"")
    with pytest.raises(DatalistError):
        CachedImages(records, preprocessing(), TASK, tmp_path / "cache")
    assert not list((tmp_path / "cache").glob("*.npy"))


def test_images_of_several_shapes_are_refused_with_the_likely_reason(records):
    Image.fromarray(np.zeros((9, 8), dtype=np.uint8)).save(records[3]["image"])
    with pytest.raises(DataError, match=r"3\.png.*\(1, 9, 8\).*resizing"):
        CachedImages(records, preprocessing(None), TASK)


def test_another_policy_is_refused(records):
    with pytest.raises(ConfigError, match="fail, skip"):
        CachedImages(records, preprocessing(), TASK, unreadable="ignore")


def test_more_pictures_than_memory_are_refused_with_a_way_out(records, monkeypatch):
    monkeypatch.setattr("lungscan_monai.caching._MOST_OF_MEMORY", 1e-12)
    with pytest.raises(ConfigError, match="--cache_dir"):
        CachedImages(records, preprocessing(), TASK)


def test_the_folder_keeps_the_failures_beside_the_pictures(records, tmp_path):
    Path(records[5]["image"]).write_bytes(b"")
    with pytest.warns(LungScanWarning):
        CachedImages(records, preprocessing(), TASK, tmp_path / "cache", unreadable="skip")
    (path,) = (tmp_path / "cache").glob("*.json")
    assert list(json.loads(path.read_text())) == ["5"]
    with pytest.raises(DatalistError, match=r"5\.png"):
        CachedImages(records, preprocessing(), TASK, tmp_path / "cache", unreadable="fail")
