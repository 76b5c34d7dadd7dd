"""Words for what changed, on images of which the answer is known."""

import pytest
import torch

from invariscope import seeds
from invariscope.analysis.appearance import changes

SIDE = 64


@pytest.fixture(scope="module")
def photo():
    """Coloured noise in the middle half of the range, smooth as photos are."""
    noise = seeds.normal([("changes",)], (3, SIDE, SIDE))[0].float()
    smooth = torch.nn.functional.avg_pool2d(noise[None], 5, 1, 2)[0]
    return (0.45 + 0.08 * smooth / smooth.std()).clamp(0.1, 0.8)


def test_an_image_does_not_differ_from_itself(photo):
    assert changes(photo, photo) == []


@pytest.mark.parametrize(("by", "word"), [(0.15, "lighter"), (-0.1, "darker")])
def test_light(photo, by, word):
    assert changes(photo + by, photo) == [word]


def test_contrast_alone_is_contrast_and_colour(photo):
    middle = photo.mean((1, 2), keepdim=True)
    wide = (photo - middle) * 1.6 + middle
    assert changes(wide, photo) == ["more contrast", "stronger colours"]
    assert changes(photo, wide) == ["less contrast", "paler colours"]


def test_grey_is_paler(photo):
    grey = photo.mean(0, keepdim=True).expand(3, -1, -1)
    assert "paler colours" in changes(grey, photo)


def test_a_blurred_image_is_softer(photo):
    soft = torch.nn.functional.avg_pool2d(photo[None], 5, 1, 2)[0]
    assert "softer" in changes(soft, photo)
    assert "sharper" in changes(photo, soft)


def test_contrast_that_moved_is_in_other_places(photo):
    left = photo.clone()
    left[:, :, SIDE // 2 :] = 0.45
    assert "shapes in other places" in changes(left.flip(2), left)


def test_an_image_at_the_ends_of_the_range_is_saturated(photo):
    """Of 3 · 64 · 64 values, 1 to 2 eighths are set to white or black: a quarter is the bound."""
    eighth = SIDE // 8
    for columns, expected in ((2 * eighth, True), (2 * eighth - 1, False)):
        for value in (0.0, 1 / 255, 1.0):
            image = photo.clone()
            image[:, :, :columns] = value
            assert ("saturated" in changes(image, photo)) is expected
            assert changes(image, image) == (["saturated like the reference"] if expected else [])


def test_small_images_and_other_shapes_are_not_described(photo):
    assert changes(photo[:, :8, :8], photo[:, :8, :8]) == []
    assert changes(photo[:, :32, :32], photo) == []
