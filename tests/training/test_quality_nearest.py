"""Distances to the nearest image where they are small."""

import torch

from invariscope import seeds
from invariscope.training.quality import nearest


def test_copies_are_at_distance_zero_and_one_grey_level_is_told_exactly():
    known = torch.rand(40, 3, 24, 24, generator=seeds.torch_stream("nearest"))
    assert nearest(known, known).max() == 0
    level = 1 / 255
    expected = level * (3 * 24 * 24) ** 0.5
    torch.testing.assert_close(nearest(known[:30] + level, known).min(), torch.tensor(expected))
