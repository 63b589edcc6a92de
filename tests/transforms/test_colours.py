"""The one function for arrays and tensors gives the same for both; test_channels.py says what it gives."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lungscan_monai.transforms.colours import to_channels


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("num_channels", [1, 3])
def test_an_array_gives_what_a_tensor_gives(channels, num_channels):
    image = np.random.default_rng(0).random((channels, 5, 6), dtype=np.float32)
    found = to_channels(image, num_channels)
    assert isinstance(found, np.ndarray) and found.dtype == np.float32
    np.testing.assert_allclose(found, to_channels(torch.from_numpy(image), num_channels).numpy(), atol=1e-7)
