"""The bundles' preprocessing as plain functions: what MONAI makes of the same config, or a refusal."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from monai.bundle import ConfigParser
from PIL import Image

from lungscan_monai.errors import ConfigError
from lungscan_monai.inference.plain_steps import plain_steps
from lungscan_monai.task import load_task

BUNDLES = sorted((Path(__file__).resolve().parents[2] / "monai_bundles").glob("*_classification"))

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> list[Path]:
    """A grey one of 16 bits, one in colour, one with opacity, one smaller than any network's input."""
    folder, random = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    Image.fromarray(random.integers(0, 65536, (700, 611)).astype(np.uint16)).save(folder / "deep.png")
    for name, shape in {"colour": (300, 411, 3), "opacity": (120, 99, 4), "small": (31, 40)}.items():
        Image.fromarray(random.integers(0, 256, shape).astype(np.uint8)).save(folder / f"{name}.png")
    return sorted(folder.glob("*.png"))


@pytest.mark.parametrize("bundle", BUNDLES, ids=lambda bundle: bundle.name)
def test_every_bundle_is_prepared_as_monai_prepares_it(bundle, pictures, write_dicom):
    task = load_task(bundle)
    steps = plain_steps(bundle, task, {"image_size": [96, 72]})
    parser = ConfigParser()
    parser.read_config(str(bundle / "configs" / "inference.json"))
    parser.update({"bundle_root": str(bundle), "image_size": [96, 72]})
    preprocessing = parser.get_parsed_content("preprocessing")
    stored = np.random.default_rng(0).integers(-1000, 1000, (130, 150)).astype(np.int16)
    dicom = write_dicom("slice.dcm", stored, RescaleSlope=1, RescaleIntercept=0)
    assert steps.image_shape == (task.num_channels, 96, 72)
    for path in (*pictures, dicom):
        found = steps(str(path))
        assert found.dtype == np.float32 and found.shape == steps.image_shape
        expected = preprocessing({"image": str(path)})["image"].numpy()
        np.testing.assert_allclose(found, expected, atol=1e-6, err_msg=path.name)


def test_without_a_recorded_size_it_is_that_of_the_config():
    task = load_task(BUNDLES[0])
    assert plain_steps(BUNDLES[0], task, {}).image_shape == (task.num_channels, *task.image_size)


@pytest.fixture
def config(tmp_path):
    """A bundle whose inference config is to be changed: the root, the content, and a way to write it."""
    root = shutil.copytree(BUNDLES[0], tmp_path / BUNDLES[0].name)
    path = root / "configs" / "inference.json"
    content = json.loads(path.read_text())
    return root, content, lambda: path.write_text(json.dumps(content))


@pytest.mark.parametrize(
    "change",
    [
        lambda steps: steps.append({"_target_": "ScaleIntensityd", "keys": "image"}),
        lambda steps: steps[2].update(mode="bilinear"),
        lambda steps: steps[2].update(anti_aliasing=True),
        lambda steps: steps[2].update(spatial_size="$[32, 32]"),
        lambda steps: steps[1].update(keys=["image", "mask"]),
        lambda steps: steps[0].update(reader="PydicomReader"),
        lambda steps: steps[0]["reader"].update(_target_="mine.Reader"),
        lambda steps: steps[0].update(image_only=False),
        lambda steps: steps.pop(0),
        lambda steps: steps.clear(),
    ],
)
def test_what_is_not_known_to_the_letter_is_refused(config, change):
    root, content, write = config
    change(content["preprocessing"]["transforms"])
    write()
    with pytest.raises(ConfigError, match=r"preprocessing|without MONAI"):
        plain_steps(root, load_task(root), {})


def test_another_postprocessing_is_refused(config):
    root, content, write = config
    content["postprocessing"]["transforms"].insert(0, {"_target_": "Activationsd", "keys": "pred", "sigmoid": True})
    write()
    with pytest.raises(ConfigError, match="postprocessing"):
        plain_steps(root, load_task(root), {})


@pytest.mark.parametrize("text", ["{", "[]", "{}"])
def test_a_config_that_cannot_be_read_is_refused(config, text):
    root = config[0]
    (root / "configs" / "inference.json").write_text(text)
    with pytest.raises(ConfigError, match="not readable without MONAI"):
        plain_steps(root, load_task(root), {})
