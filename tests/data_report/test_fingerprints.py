from __future__ import annotations

import cv2
import numpy as np
import pytest
from scipy.spatial.distance import pdist, squareform

from lungscan_monai.data_report.fingerprints import BITS, NEAR, fingerprint, near_pairs


def landscape(seed: int, size: int = 200) -> np.ndarray:
    """A smooth picture in [0, 1] with details of several sizes, different for each seed."""
    random = np.random.default_rng(seed)
    layers = [cv2.resize(random.random((n, n)), (size, size), interpolation=cv2.INTER_CUBIC) / n for n in (4, 9, 20)]
    picture = sum(layers)
    return ((picture - picture.min()) / np.ptp(picture)).astype(np.float32)


def recompressed(picture: np.ndarray) -> np.ndarray:
    encoded = cv2.imencode(".jpg", (picture * 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 50])[1]
    return cv2.imdecode(encoded, cv2.IMREAD_GRAYSCALE).astype(np.float32) / 255


@pytest.mark.parametrize(
    "change",
    [
        recompressed,
        lambda picture: cv2.resize(picture, (97, 64), interpolation=cv2.INTER_AREA),
        lambda picture: cv2.resize(picture, (500, 500)),
        lambda picture: 0.3 * picture + 0.5,
        lambda picture: picture**0.7,
    ],
    ids=["recompressed", "smaller and squashed", "larger", "contrast", "gamma"],
)
@pytest.mark.parametrize("seed", range(5))
def test_a_changed_copy_stays_near(change, seed):
    picture = landscape(seed)
    assert np.count_nonzero(fingerprint(picture) != fingerprint(change(picture))) <= NEAR


def test_half_of_the_bits_differ_between_unlike_pictures():
    apart = [np.count_nonzero(fingerprint(landscape(i)) != fingerprint(landscape(i + 1))) for i in range(30)]
    assert min(apart) > 2 * NEAR
    assert abs(np.mean(apart) - BITS / 2) < 15


def expected_pairs(prints, contents):
    """Return all pairs by SciPy."""
    distances = squareform(np.rint(pdist(prints, "hamming") * BITS).astype(int))
    pairs = zip(*np.triu_indices(len(prints), 1), strict=True)
    near = [(int(i), int(j), int(distances[i, j])) for i, j in pairs if distances[i, j] <= NEAR]
    return [pair for pair in near if contents[pair[0]] != contents[pair[1]]]


@pytest.fixture
def crowd():
    """700 fingerprints (more than one block), some of them near others, some with identical content."""
    random = np.random.default_rng(1)
    prints = random.random((700, BITS)) < 0.5
    for copy, original, flips in ((5, 3, 4), (650, 3, 30), (651, 40, 31), (699, 698, 0), (600, 10, 12)):
        prints[copy] = prints[original]
        prints[copy, random.choice(BITS, flips, replace=False)] ^= True
    contents = np.arange(700)
    contents[699] = 698
    return prints, contents


def test_all_near_pairs_are_found_and_identical_pictures_are_not_among_them(crowd):
    prints, contents = crowd
    zeros = np.zeros(700, int)
    found = near_pairs(prints, contents, zeros, zeros, n_sections=1, at_most=100)
    assert sorted(found.first) == sorted(expected_pairs(prints, contents))
    assert (found.count, found.across, found.different_label) == (len(found.first), 0, 0)
    assert set(np.flatnonzero(found.touched[:, 0])) == {i for pair in found.first for i in pair[:2]}


def test_pairs_over_two_sections_come_first_then_two_labels_then_the_nearest(crowd):
    prints, contents = crowd
    sections, labels = np.zeros(700, int), np.zeros(700, int)
    sections[650], labels[600] = 2, 1
    found = near_pairs(prints, contents, sections, labels, n_sections=3, at_most=3)
    everything = expected_pairs(prints, contents)
    expected = sorted(everything, key=lambda p: (sections[p[0]] == sections[p[1]], labels[p[0]] == labels[p[1]], p[2]))
    assert list(found.first) == expected[:3]
    assert found.count == len(everything)
    assert found.across == sum(650 in pair[:2] for pair in everything)
    assert found.different_label == sum(600 in pair[:2] for pair in everything)
    assert found.touched[3].tolist() == [True, False, True]
    assert found.touched[650].tolist() == [True, False, False]


def test_no_picture_has_no_pair():
    none = np.zeros(0, int)
    found = near_pairs(np.zeros((0, BITS), bool), none, none, none, n_sections=3, at_most=10)
    assert (found.count, found.first) == (0, ())
