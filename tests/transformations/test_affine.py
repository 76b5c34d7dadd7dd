import math

import numpy as np
import pytest
import torch
from scipy import ndimage

from invariscope.errors import InputError
from invariscope.transformations.affine import rotate, shrink, translate


@pytest.fixture
def image() -> torch.Tensor:
    return torch.rand(1, 3, 24, 24, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_quarter_turns_are_exact(image, turns):
    torch.testing.assert_close(rotate(image, 90.0 * turns), torch.rot90(image, turns, (2, 3)))


def test_rotation_equals_scipy_inside_the_frame(image):
    ours = rotate(image, 30)[0, 0].numpy()
    theirs = ndimage.rotate(image[0, 0].numpy(), 30, reshape=False, order=1)
    rows, columns = np.mgrid[:24, :24] - 11.5
    inside = np.hypot(rows, columns) < 11
    np.testing.assert_allclose(ours[inside], theirs[inside], atol=1e-6)


def test_rotated_corners_are_black(image):
    assert rotate(image, 45)[0, :, 0, 0].tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("right", "down"), [(0.25, 0), (-0.25, 0), (0, 0.5), (0, -0.5), (0.25, 0.25)]
)
def test_translation_equals_scipy_and_fills_with_black(image, right, down):
    shift = (down * 24, right * 24)
    expected = ndimage.shift(image[0, 0].numpy(), shift, order=0)
    np.testing.assert_array_equal(translate(image, right, down)[0, 0].numpy(), expected)


def test_nothing_moves_nothing(image):
    assert torch.equal(translate(image, 0, 0), image)
    torch.testing.assert_close(shrink(image, 1.0), image)


def test_a_shift_by_the_whole_side_leaves_black(image):
    assert translate(image, 1.0, 0).count_nonzero() == 0


@pytest.mark.parametrize("scale", [0.25, 0.5])
def test_shrunk_image_keeps_its_mean_in_a_centred_frame(scale):
    flat = torch.full((1, 3, 24, 24), 0.7)
    small = shrink(flat, scale)
    side = round(24 * scale)
    edge = (24 - side) // 2
    inner = small[..., edge : edge + side, edge : edge + side]
    torch.testing.assert_close(inner, torch.full_like(inner, 0.7))
    assert math.isclose(small.sum().item(), 0.7 * 3 * side * side, rel_tol=1e-5)


@pytest.mark.parametrize("scale", [0, -1, 1.5])
def test_impossible_scales_are_refused(image, scale):
    with pytest.raises(InputError, match=r"scale is .* expected"):
        shrink(image, scale)
