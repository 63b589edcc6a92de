from __future__ import annotations

import cv2
import numpy as np

from lungscan_monai.evaluation.page_pictures import BYTES_AT_MOST, LONGEST_SIDE, small_pictures


def save(path, shape, value=128):
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full(shape, value, dtype=np.uint8))


def test_a_picture_is_shrunk_to_its_longest_side_and_never_enlarged(tmp_path):
    save(tmp_path / "large.png", (1024, 512, 3))
    save(tmp_path / "small.png", (20, 30, 3))
    found = small_pictures(tmp_path, ["large.png", "small.png"])
    assert (found["large.png"].width, found["large.png"].height) == (LONGEST_SIDE // 2, LONGEST_SIDE)
    assert (found["small.png"].width, found["small.png"].height) == (30, 20)
    decoded = cv2.imdecode(np.frombuffer(found["large.png"].data, np.uint8), cv2.IMREAD_COLOR)
    assert decoded.shape == (LONGEST_SIDE, LONGEST_SIDE // 2, 3)
    assert abs(int(decoded.mean()) - 128) <= 1


def test_what_is_no_picture_of_the_report_is_left_out(tmp_path):
    save(tmp_path / "secret.png", (9, 9, 3))
    save(tmp_path / "report" / "a.png", (9, 9, 3))
    (tmp_path / "report" / "text.png").write_text("no picture")
    names = ["a.png", "missing.png", "text.png", "../secret.png", str(tmp_path / "secret.png")]
    assert list(small_pictures(tmp_path / "report", names)) == ["a.png"]


def test_pictures_end_where_the_room_ends(tmp_path):
    rng = np.random.default_rng(0)
    for index in range(160):
        cv2.imwrite(str(tmp_path / f"{index}.png"), rng.integers(0, 256, (256, 256, 3), dtype=np.uint8))
    found = small_pictures(tmp_path, [f"{index}.png" for index in range(160)])
    assert 0 < len(found) < 160
    assert sum(len(small.data) for small in found.values()) <= BYTES_AT_MOST


def test_a_picture_takes_room_as_often_as_it_is_shown(tmp_path):
    rng = np.random.default_rng(0)
    cv2.imwrite(str(tmp_path / "a.png"), rng.integers(0, 256, (256, 256, 3), dtype=np.uint8))
    size = len(small_pictures(tmp_path, ["a.png"])["a.png"].data)
    fits = BYTES_AT_MOST // size
    assert list(small_pictures(tmp_path, ["a.png"] * fits)) == ["a.png"]
    assert not small_pictures(tmp_path, ["a.png"] * (fits + 1))
