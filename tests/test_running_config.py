"""An override that MONAI would accept in silence; tests/test_bundles.py tries it with every bundle."""

import json

import pytest
from monai.bundle import ConfigParser

from lungscan_monai.errors import UnknownOverrideError
from lungscan_monai.running_config import refuse_unknown_overrides


def run(folder, **overrides):
    (folder / "configs").mkdir()
    train = {
        "max_epochs": 3,
        "optimizer": {"_target_": "torch.optim.SGD", "params": None, "lr": 0.1},
        "initialize": [
            {"_target_": "lungscan_monai.running_config.refuse_unknown_overrides", "bundle_root": str(folder)}
        ],
    }
    (folder / "configs" / "train.json").write_text(json.dumps(train))
    parser = ConfigParser(train)
    for name, value in overrides.items():
        parser[name] = value
    parser.parse()
    parser.get_parsed_content("initialize")


def test_what_the_configs_have_and_arguments_of_their_objects_pass(tmp_path):
    run(tmp_path, **{"max_epochs": 1, "optimizer#momentum": 0.9, "optimizer#_disabled_": True})


@pytest.mark.parametrize("name", ["max_epocs", "optimizer#momentun"])
def test_others_are_refused_by_name(tmp_path, name):
    with pytest.raises(RuntimeError) as caught:
        run(tmp_path, **{name: 1})
    assert isinstance(caught.value.__cause__, UnknownOverrideError)
    assert f"--{name}" in str(caught.value.__cause__)


def test_outside_a_running_config_there_is_nothing_to_compare(tmp_path):
    (tmp_path / "configs").mkdir()
    with pytest.raises(UnknownOverrideError, match="only inside a running MONAI config"):
        refuse_unknown_overrides(tmp_path)
