from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from lungscan_monai.data_report.looking import BINS, look_at, look_at_all
from lungscan_monai.errors import ReadError


def saved(path, pixels):
    Image.fromarray(pixels).save(path)
    return str(path)


@pytest.fixture
def ramp():
    return np.tile(np.arange(256, dtype=np.uint8), (100, 1))


def test_size_mean_and_histogram_are_those_of_numpy(tmp_path, ramp):
    look = look_at(saved(tmp_path / "a.png", ramp))
    assert (look.height, look.width, look.format, look.bits, look.colour) == (100, 256, "PNG", 8, "grey")
    assert look.mean == pytest.approx(ramp.mean() / 255)
    expected = np.histogram(ramp / 255, bins=BINS, range=(0, 1))[0] / ramp.size
    np.testing.assert_allclose(look.histogram, expected, atol=1.01 / 256)
    assert look.histogram.sum() == pytest.approx(1)
    assert not look.blank


def test_white_falls_into_the_last_bin_and_a_single_value_is_blank(tmp_path):
    look = look_at(saved(tmp_path / "a.png", np.full((9, 9), 255, np.uint8)))
    assert look.histogram[-1] == 1
    assert look.blank


def test_identical_pixels_have_one_digest_whatever_the_file(tmp_path, ramp):
    grey, bitmap = saved(tmp_path / "a.png", ramp), saved(tmp_path / "a.bmp", ramp)
    as_colour = saved(tmp_path / "b.png", np.stack([ramp] * 3, axis=-1))
    looks = [look_at(path) for path in (grey, bitmap, as_colour)]
    assert len({look.digest for look in looks}) == 1
    assert [look.colour for look in looks] == ["grey", "grey", "grey, stored as colour"]
    changed = ramp.copy()
    changed[0, 0] += 1
    assert look_at(saved(tmp_path / "c.png", changed)).digest != looks[0].digest
    assert look_at(saved(tmp_path / "d.png", ramp.reshape(200, 128))).digest != looks[0].digest


def test_colour_is_told_from_grey(tmp_path, ramp):
    colours = np.stack([ramp, 255 - ramp, ramp], axis=-1)
    assert look_at(saved(tmp_path / "a.png", colours)).colour == "colour"


def test_unreadable_pictures_are_answered_in_their_place_and_progress_reaches_the_end(tmp_path, ramp):
    good = saved(tmp_path / "a.png", ramp)
    (tmp_path / "b.png").write_bytes((tmp_path / "a.png").read_bytes()[:60])
    seen = []
    looks = look_at_all([good, str(tmp_path / "b.png"), good, str(tmp_path / "c.png")], lambda *at: seen.append(at))
    assert [look.code if isinstance(look, ReadError) else look.width for look in looks] == [
        256,
        "damaged",
        256,
        "missing-file",
    ]
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_an_error_of_the_progress_ends_the_work(tmp_path, ramp):
    path = saved(tmp_path / "a.png", ramp)

    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        look_at_all([path] * 50, stop)
