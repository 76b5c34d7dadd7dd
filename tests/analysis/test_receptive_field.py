"""Where a unit looks: units whose place is known in closed form."""

import math
from contextlib import suppress

import numpy as np
import pytest
import torch
from torch import nn

from invariscope import NetworkSubject, seeds
from invariscope.analysis.receptive_field import gradient_field, response_field
from invariscope.errors import InputError

SIDE, X, Y, SD = 48, 30.0, 20.0, 4.0


def window(sd=SD):
    at = torch.arange(SIDE) + 0.5
    return torch.exp(-((at[None] - X) ** 2 + (at[:, None] - Y) ** 2) / (2 * sd**2))


def noise(n, side=SIDE, block=3):
    stream = seeds.torch_stream("noise images", n)
    coarse = torch.rand(n, 1, side // block, side // block, generator=stream)
    return coarse.repeat_interleave(block, 2).repeat_interleave(block, 3).expand(-1, 3, -1, -1)


def test_the_gradient_of_a_gaussian_unit_gives_its_centre_and_two_sds():
    linear = nn.Linear(3 * SIDE * SIDE, 1)
    with torch.no_grad():
        linear.weight.copy_(window().expand(3, -1, -1).reshape(1, -1))
    model = nn.Sequential(nn.Flatten(), linear).eval()
    subject = NetworkSubject(model, image_size=SIDE, mean=0.0, std=1.0)
    found = gradient_field(subject, "1:0", noise(4))
    assert math.hypot(found.x - X, found.y - Y) < 0.2
    assert abs(found.radius - 2 * SD) < 0.6
    assert math.isnan(found.p)
    assert found.aperture().edge == round(found.radius / 4, 1)


@pytest.mark.parametrize("kind", ["luminance", "contrast"])
def test_noisy_responses_to_noise_give_a_neurons_place(kind):
    images = noise(1500)
    weights = window() / window().sum()
    own = images[:, 0] - 0.5
    drive = (own if kind == "luminance" else own.abs()).mul(weights).sum((1, 2)).numpy()
    stream = seeds.numpy_stream("responses", kind)
    noisy = drive + stream.normal(0, drive.std(), len(drive))
    found = response_field(images, noisy)
    assert math.hypot(found.x - X, found.y - Y) < 4
    assert SD < found.radius < 4 * SD
    assert found.p <= 0.05
    again = response_field(torch.cat([images, images[:3]]), np.append(noisy, [np.nan] * 3))
    assert math.hypot(again.x - found.x, again.y - found.y) < 1


def test_responses_that_tell_no_place_are_refused_as_often_as_the_level_says():
    images, stream, found = noise(200), seeds.numpy_stream("none"), 0
    for _ in range(40):
        with suppress(InputError):
            response_field(images, stream.normal(size=200))
            found += 1
    assert found <= 6  # 40 at 0.05: 6 or fewer in 99.7 %


@pytest.mark.parametrize(
    ("responses", "says"),
    [
        (np.ones(20), "that differ"),
        (np.full(20, np.nan), "0 images with a response"),
        (np.ones(19), "expected one for 20 images"),
    ],
)
def test_responses_that_cannot_be_used(responses, says):
    with pytest.raises(InputError, match=says):
        response_field(noise(20), responses)


def test_a_unit_that_no_pixel_changes_is_refused():
    model = nn.Sequential(nn.Flatten(), nn.Linear(3 * SIDE * SIDE, 1)).eval()
    with torch.no_grad():
        model[1].weight.zero_()
    subject = NetworkSubject(model, image_size=SIDE, mean=0.0, std=1.0)
    with pytest.raises(InputError, match="no pixel of these images changes"):
        gradient_field(subject, "1:0", noise(2))
