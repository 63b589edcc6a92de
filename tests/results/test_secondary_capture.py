"""The picture: right way up, right polarity, its proportions, words beneath it and none of the patient's."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from answers import IDENTITY, MARKER, answered, answered_series, refused, spot, write_slices, write_source
from pydicom import dcmread

from lungscan_monai.inference.studies import Heatmap
from lungscan_monai.results import pictures
from lungscan_monai.results.making import make_results
from lungscan_monai.results.pictures import captioned, image_with_heatmap

SCALE = 512 / 40
"""From the sources' 40 rows to those of the picture."""


def picture(analysed) -> np.ndarray:
    (capture,) = [one for one in make_results(analysed, IDENTITY) if one.Modality == "OT" and one.SeriesNumber == 903]
    return capture.pixel_array


def grey(pixels: np.ndarray, row: float, column: float) -> int:
    """Return the value at a place of the source, where it must be grey."""
    red, green, blue = pixels[round(row * SCALE), round(column * SCALE)]
    assert red == green == blue
    return int(red)


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("bits", [12, 16])
def test_the_mark_of_the_upper_left_corner_is_there_and_bright_in_both_polarities(tmp_path, photometric, bits):
    source = write_source(tmp_path / "a.dcm", bits=bits, PhotometricInterpretation=photometric)
    pixels = picture(answered(source, explained=False))
    assert grey(pixels, MARKER / 2, MARKER / 2) == pytest.approx(0.9 * 255, abs=2)
    for row, column in ((MARKER / 2, 29), (39, MARKER / 2), (39, 29), (20, 15)):
        assert grey(pixels, row, column) == pytest.approx(0.1 * 255, abs=2)


def test_the_image_keeps_its_proportions_and_nothing_is_written_over_it(tmp_path, dx):
    pixels = picture(answered(dx, explained=False))
    assert pixels.shape[1] == 512 and not pixels[:512, round(30 * SCALE) :].any()
    image = pixels[:512, : round(30 * SCALE)]
    assert set(np.unique(image[round(8 * SCALE) :])) <= set(range(24, 29))
    assert pixels[512:].max() == 255


def test_the_colour_lies_where_the_model_looked(dx):
    pixels = picture(answered(dx)).astype(int)
    colourful = np.ptp(pixels[:512], axis=2) > 20
    assert colourful[10:150, 10:120].all()
    assert not colourful[300:].any() and not colourful[:, 250:].any()


def test_orientation_and_body_part_are_those_of_the_source(tmp_path, dx):
    capture = make_results(answered(dx), IDENTITY)[2]
    assert (list(capture.PatientOrientation), capture.BodyPartExamined, "Laterality" in capture) == (
        ["L", "F"],
        "CHEST",
        False,
    )
    hand = write_source(tmp_path / "hand.dcm", BodyPartExamined="HAND", Laterality="R", PatientOrientation=None)
    capture = make_results(answered(hand), IDENTITY)[2]
    assert (capture.Laterality, "PatientOrientation" in capture) == ("R", True)
    assert not capture.PatientOrientation


def test_the_picture_of_a_series_is_of_the_slice_that_was_explained(tmp_path):
    paths = write_slices(tmp_path)
    capture = make_results(answered_series(paths), IDENTITY)[2]
    assert list(capture.PatientOrientation) == ["L", "P"]
    (reference,) = capture.SourceImageSequence
    assert reference.ReferencedSOPInstanceUID == dcmread(paths[1]).SOPInstanceUID


def test_the_words_are_the_answer_and_name_nobody(dx, monkeypatch):
    written = []
    monkeypatch.setattr(pictures, "_broken", lambda text, font, width: written.append(text) or [text])
    picture(answered(dx))
    picture(refused(dx))
    assert written[:3] == [
        "Decision: Pneumonia",
        "Normal: 12.7 %",
        "Pneumonia: 87.3 % (threshold 45.0 %: sensitivity 90.0 % and specificity 80.0 % on 50 cases of validation)",
    ]
    assert "Colour: where the model looked for Pneumonia (gradcam)." in written
    assert sum(text.startswith("Not for diagnosis") for text in written) == 2
    refusal = written[written.index("Not analysed, because: a localizer, and no slice of the examination") :]
    assert not any("%" in text for text in refusal)
    source = dcmread(dx)
    shown = "\n".join(written)
    for keyword in ("PatientID", "AccessionNumber", "StudyID"):
        assert str(source[keyword].value) not in shown
    assert "Doe" not in shown and str(dx) not in shown


def test_several_heatmaps_are_several_pictures(dx):
    one = answered(dx)
    (heatmap,) = one.heatmaps
    two = replace(one, heatmaps=(heatmap, replace(heatmap, label="Normal", saliency=1 - spot())))
    made = make_results(two, IDENTITY)
    captures = [capture for capture in made if capture.SeriesNumber == 903]
    assert len({capture.SOPInstanceUID for capture in captures}) == 2
    assert len({capture.SeriesInstanceUID for capture in captures}) == 1
    assert [capture.InstanceNumber for capture in captures] == [1, 2]


def test_a_large_image_is_made_smaller_and_long_words_are_broken(dx):
    large = Heatmap(dx, "a", "gradcam", spot(), np.zeros((3000, 1500), np.float32))
    assert image_with_heatmap(large).shape == (1024, 512, 3)
    short, long = (captioned(None, "a", [words], "c").shape for words in ("word", "word " * 100))
    assert long[0] > short[0] and long[1] == short[1] == 512
