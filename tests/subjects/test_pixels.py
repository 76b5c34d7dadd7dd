"""Distances are of the images that a subject sees, whatever the generator's size."""

import pytest
import torch

from invariscope.subjects.pixels import farthest_seen, pixel_distance, resize_images


@pytest.mark.parametrize("side", [227, 96, 32])
def test_no_share_exceeds_one_when_network_and_generator_differ_in_size(side):
    black = torch.zeros(1, 3, 96, 96)
    own = resize_images(black, side)
    farthest = farthest_seen(black[0], {"image_size": side}, {})
    assert farthest == pytest.approx((3 * side**2) ** 0.5)
    white = resize_images(torch.ones(1, 3, 96, 96), side)
    assert float(pixel_distance(white, own)) / farthest == pytest.approx(1)


def test_what_was_told_as_139_percent_is_58_7():
    black = torch.zeros(3, 96, 96)
    distance = 0.587 * (3 * 227**2) ** 0.5
    assert distance / farthest_seen(black, {"image_size": 96}, {}) == pytest.approx(1.39, abs=0.01)
    assert distance / farthest_seen(black, {}, {"image_size": 227}) == pytest.approx(0.587)
