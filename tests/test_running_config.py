"""An override that MONAI would accept in silence; tests/test_bundles.py tries it with every bundle."""

import json

import pytest
from monai.bundle import ConfigParser

from lungscan_monai.errors import ConfigError, UnknownOverrideError
from lungscan_monai.running_config import refuse_unknown_overrides


def run(folder, known=(), **overrides):
    (folder / "configs").mkdir()
    train = {
        "max_epochs": 3,
        "optimizer": {"_target_": "torch.optim.SGD", "params": None, "lr": 0.1},
        "initialize": [
            {"_target_": "lungscan_monai.running_config.refuse_unknown_overrides", "bundle_root": str(folder)}
        ],
    }
    content = train | {name: overrides[name] for name in overrides if name in known}
    (folder / "configs" / "train.json").write_text(json.dumps(content))
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


@pytest.mark.parametrize(
    ("entry", "sentence"),
    [
        (
            {"_target_": "lungscan_monai.evaluation.evaluating.Evaluation", "rule": "youden", "target": None},
            "later#0: Evaluation takes no rule, target",
        ),
        ({"_target_": "lungscan_monai.transforms.random.RandRotate"}, "there is no lungscan_monai.transforms.random"),
    ],
)
def test_configs_of_another_version_are_told_apart_before_anything_is_built(tmp_path, entry, sentence):
    with pytest.raises(RuntimeError) as caught:
        run(tmp_path, later=[entry], known=["later", *entry])
    cause = caught.value.__cause__
    assert type(cause) is ConfigError
    assert sentence in str(cause) and "copy the folder configs" in str(cause)
