"""Checks of what a user hands in."""

import pytest
import torch

from invariscope import validate
from invariscope.devices import pick_device
from invariscope.errors import InputError, nearest


def test_a_valid_name_comes_back():
    assert validate.one_of("side", "above", iter(("above", "below"))) == "above"
    with pytest.raises(InputError, match="unknown side 'abowe'; did you mean 'above'"):
        validate.one_of("side", "abowe", iter(("above", "below")))


@pytest.mark.parametrize("number", [1, 1.5, float("inf")])
def test_a_number_that_is_large_enough_passes(number):
    validate.at_least("tries", number, 1)


@pytest.mark.parametrize("number", [0, 0.999, -3, float("nan")])
def test_a_number_that_is_too_small_or_nan_is_refused(number):
    with pytest.raises(InputError, match=r"tries is .*; expected at least 1"):
        validate.at_least("tries", number, 1)


@pytest.mark.parametrize(
    ("batch", "says"),
    [
        (torch.rand(3, 8, 8), r"expected \(n, 3, height, width\)"),
        (torch.rand(2, 1, 8, 8), r"shape \(2, 1, 8, 8\)"),
        (torch.rand(2, 8, 8, 3), r"shape \(2, 8, 8, 3\)"),
        (torch.zeros(2, 3, 8, 8, dtype=torch.uint8), "divide by 255"),
    ],
)
def test_a_batch_that_is_not_of_float_rgb_images_is_refused(batch, says):
    with pytest.raises(InputError, match=says):
        validate.images(batch)


def test_batches_of_images_pass_unchanged():
    batch = torch.rand(2, 3, 4, 5)
    assert validate.images(batch) is batch
    assert validate.images(torch.rand(0, 1, 4, 4), channels=(1, 3)).shape[0] == 0


@pytest.mark.parametrize(
    ("picture", "says"),
    [
        (torch.rand(3, 8, 9), r"shape \(3, 8, 9\); expected \(3, 8, 8\)"),
        (torch.rand(1, 8, 8), r"expected \(3, 8, 8\)"),
        (torch.rand(1, 3, 8, 8), r"expected \(3, 8, 8\)"),
        (torch.full((3, 8, 8), 200.0), r"values lie in \[200, 200\]; expected \[0, 1\]"),
        (torch.full((3, 8, 8), -0.5), r"values lie in \[-0.5, -0.5\]"),
        (torch.full((3, 8, 8), torch.inf), r"values lie in \[inf, inf\]"),
        (torch.full((3, 8, 8), torch.nan), "holds NaN"),
        (torch.zeros(3, 8, 8, dtype=torch.int64), "divide by 255"),
    ],
)
def test_a_picture_of_another_size_or_range_is_refused(picture, says):
    with pytest.raises(InputError, match=says):
        validate.image(picture, 8)


def test_a_picture_within_range_passes_unchanged():
    picture = torch.rand(3, 8, 8)
    picture[0, 0, 0], picture[0, 0, 1] = 0, 1
    assert validate.image(picture, 8) is picture


def test_devices_by_name():
    assert pick_device("cpu") == torch.device("cpu")
    assert pick_device("auto").type in ("cuda", "mps", "cpu")
    with pytest.raises(InputError, match="device 'gpu' cannot be used here; expected auto, cpu"):
        pick_device("gpu")


def test_a_close_name_is_suggested_without_those_that_only_begin_alike():
    names = ["embedded:standard", "embedded:narrow", "embedded:plain"]
    assert nearest("embedded:standart", names) == "; did you mean 'embedded:standard'?"
    both = nearest("layer3", ["layer1", "layer2"])
    assert "'layer1'" in both
    assert "'layer2'" in both
