"""The range of maps."""

import torch

from lungscan_monai.saliency.scaling import scale_to_peak


def test_each_map_is_divided_by_its_own_maximum():
    maps = torch.tensor([[[[1.0, 2.0]]], [[[0.0, 0.5]]], [[[0.0, 0.0]]]])
    assert scale_to_peak(maps).tolist() == [[[[0.5, 1.0]]], [[[0.0, 1.0]]], [[[0.0, 0.0]]]]


def test_tiny_maps_reach_one_too():
    assert scale_to_peak(torch.tensor([[[[1e-30, 5e-31]]]])).amax() == 1


def test_half_precision_becomes_float32():
    assert scale_to_peak(torch.ones(1, 1, 2, 2, dtype=torch.float16)).dtype == torch.float32
