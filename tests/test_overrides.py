"""The names that overrides may have."""

import json

import pytest

from lungscan_monai.errors import UnknownOverrideError
from lungscan_monai.overrides import known_ids, require_none_unknown


def test_the_ids_of_all_configs_are_known_and_the_metadata_are_no_config(tmp_path):
    (tmp_path / "configs").mkdir()
    contents = {
        "train": {"train": {"trainer": {"max_epochs": 3}}, "seed": 0},
        "evaluate": {"+initialize": [{"x": 1}]},
        "metadata": {"version": "1"},
    }
    for name, content in contents.items():
        (tmp_path / "configs" / f"{name}.json").write_text(json.dumps(content))
    expected = {"train", "train#trainer", "train#trainer#max_epochs", "seed", "initialize"}
    assert known_ids(tmp_path) == expected


def test_all_unknown_names_are_refused_at_once_with_the_nearest_known_one():
    with pytest.raises(UnknownOverrideError) as caught:
        require_none_unknown(["max_epocs", "zzz"], {"max_epochs", "seed"})
    first, second = str(caught.value).splitlines()
    assert first == "--max_epocs: no config of this bundle has such an entry; did you mean --max_epochs?"
    assert second.startswith("--zzz: ") and "train.json" in second


def test_nothing_unknown_is_no_error():
    require_none_unknown([], {"seed"})
