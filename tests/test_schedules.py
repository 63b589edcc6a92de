"""The learning rate follows the batch that one step of the optimizer sees."""

import pytest

from lungscan_monai.errors import ConfigError
from lungscan_monai.schedules import linear_scaled_learning_rate


def test_the_rule_counts_ranks_and_accumulation():
    # Goyal et al. 2017: 0.1 for 256 images, 3.2 for 8192 (8 machines x 8 GPUs x 128 = 32 x 2 x 128)
    assert linear_scaled_learning_rate(0.1, 256, 32) == pytest.approx(0.0125)
    assert linear_scaled_learning_rate(0.1, 256, 32, accumulation_steps=4, num_replicas=64) == pytest.approx(3.2)


def test_the_calculation_is_logged_in_one_line(caplog):
    caplog.set_level("INFO")
    linear_scaled_learning_rate(8e-4, 1024, 16)
    linear_scaled_learning_rate(8e-4, 1024, 16, 2, 4)
    assert caplog.messages == [
        "learning rate 1.25e-05 = 0.0008 x 16 / 1024 (batch 16 x 1 accumulated x 1 process)",
        "learning rate 0.0001 = 0.0008 x 128 / 1024 (batch 16 x 2 accumulated x 4 processes)",
    ]


def test_other_ranks_are_silent(caplog, monkeypatch):
    caplog.set_level("INFO")
    monkeypatch.setattr("ignite.distributed.get_rank", lambda: 1)
    linear_scaled_learning_rate(8e-4, 1024, 16)
    assert caplog.messages == []


def test_all_numbers_that_are_not_positive_are_named():
    with pytest.raises(ConfigError, match="base is -1, batch_size is 0; expected positive numbers"):
        linear_scaled_learning_rate(-1, 1024, 0)
