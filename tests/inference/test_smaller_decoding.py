"""Whether frames may be decoded smaller is asked of the model and of the files at hand."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from pydicom import dcmread
from pydicom.uid import JPEG2000Lossless

from lungscan_monai.inference.case_model import Answers
from lungscan_monai.inference.folders import folder_at
from lungscan_monai.inference.plain_steps import plain_steps
from lungscan_monai.inference.quick_steps import QuickSteps
from lungscan_monai.inference.smaller_decoding import FILES, TOLERANCE, SmallerDecoding, compare_decodings
from lungscan_monai.task import load_task
from lungscan_monai.transforms.area import area_resize
from tests.small_bundle import small_bundle, write_png

SIZE = 32


class Slope:
    """A model whose probability rises with one shade of the picture; positive above one half."""

    batch_size = 5

    def __init__(self, steepness: float, threshold: float = 0.5) -> None:
        self.steepness, self.threshold = steepness, threshold

    def answer(self, images: np.ndarray) -> Answers:
        assert len(images) <= self.batch_size
        positive = 0.5 + self.steepness * (images[:, 0, 3, 4].astype(float) - 0.5)
        rows = np.stack([1 - positive, positive], axis=1)
        return Answers(rows, rows, positive > self.threshold, [None] * len(rows))

    def entry(self, answers: Answers, index: int) -> dict[str, object]:
        label = "Pneumonia" if answers.leading[index] else "Normal"
        return {"label": label, "findings": None, "probabilities": answers.probabilities[index].tolist()}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory) -> Path:
    return small_bundle(tmp_path_factory.mktemp("bundle"), size=SIZE)


@pytest.fixture
def frames(write_dicom, tmp_path) -> tuple[Path, list[np.ndarray]]:
    """A folder of as many large JPEG 2000 frames as are needed, among other files, and the shades of the frames."""
    folder, shades = tmp_path / "folder", []
    folder.mkdir()
    for number in range(FILES):
        random = np.random.default_rng(number)
        slow = cv2.resize(random.normal(size=(5, 6)), (160, 140), interpolation=cv2.INTER_CUBIC)
        stored = (2048 + 300 * slow + 40 * random.normal(size=slow.shape)).clip(1, 4094).astype(np.uint16)
        dataset = dcmread(write_dicom("a.dcm", stored, bits=12, WindowCenter=2048, WindowWidth=4096))
        dataset.save_as(folder / f"plain{number}")
        dataset.compress(JPEG2000Lossless)
        dataset.save_as(folder / f"{number:02}.dcm")
        shades.append(stored / 4095)
    dataset.Rows = 10**4
    dataset.save_as(folder / "damaged.dcm")
    write_png(folder / "a.png", 0)
    return folder, shades


def test_differences_and_decisions_are_those_of_the_frames_that_are_decoded_smaller(bundle, frames, tmp_path):
    folder, shades = frames
    exact = [area_resize(picture[None].astype(np.float32), (SIZE, SIZE))[0, 3, 4] for picture in shades]
    steps = QuickSteps(plain_steps(bundle, load_task(bundle), {"image_size": [SIZE, SIZE]}))
    smaller = [steps(str(folder / f"{number:02}.dcm")).image[0, 3, 4] for number in range(FILES)]
    threshold = (exact[7] + smaller[7]) / 2
    changed = sum((one > threshold) != (other > threshold) for one, other in zip(exact, smaller, strict=True))
    found = compare_decodings(bundle, Slope(1.0, threshold), folder_at(folder, tmp_path / "out"), workers=2)
    assert (found.files, found.changed_decisions) == (FILES, changed) and changed >= 1
    assert found.largest_difference == pytest.approx(np.max(np.abs(np.subtract(exact, smaller))), abs=3e-6)
    assert not found.agrees


def test_a_model_that_hardly_looks_agrees(bundle, frames, tmp_path):
    assert compare_decodings(bundle, Slope(0.001), folder_at(frames[0], tmp_path / "out")).agrees


def test_files_beyond_a_limit_are_not_looked_at(bundle, frames, tmp_path):
    folder = folder_at(frames[0], tmp_path / "out")
    assert compare_decodings(bundle, Slope(0.0), folder, limit=FILES - 1) == SmallerDecoding(0, 0.0, 0)


def test_files_too_few_to_tell_agree_with_nothing(bundle, frames, tmp_path):
    folder, _ = frames
    (folder / "03.dcm").unlink()
    (folder / "damaged.dcm").unlink()
    found = compare_decodings(bundle, Slope(0.0), folder_at(folder, tmp_path / "out"))
    assert found == SmallerDecoding(0, 0.0, 0) and not found.agrees


@pytest.mark.parametrize(
    ("found", "agrees"),
    [
        (SmallerDecoding(FILES, TOLERANCE, 0), True),
        (SmallerDecoding(FILES, 2 * TOLERANCE, 0), False),
        (SmallerDecoding(FILES, 0.0, 1), False),
        (SmallerDecoding(FILES, float("nan"), 0), False),
    ],
)
def test_they_agree_within_a_thousandth_and_in_every_decision(found, agrees):
    assert found.agrees == agrees
    assert f"{found.changed_decisions} are decided otherwise" in str(found)
