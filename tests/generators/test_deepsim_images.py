"""DeePSiM pictures: mean added, BGR to RGB, over 255, clipped."""

import pytest
import torch

from invariscope.errors import InputError
from invariscope.generators.deepsim import DeepsimGenerator
from invariscope.zoo.deepsim import DeepsimNetwork


def narrow(blue=0.0, green=0.0, red=0.0):
    network = DeepsimNetwork(width=32, narrow=32)
    for parameter in network.parameters():
        torch.nn.init.zeros_(parameter)
    network.deconv0.bias.data = torch.tensor([blue, green, red], dtype=torch.float32)
    return DeepsimGenerator(network)


def test_an_output_of_zero_is_the_mean_colour_in_rgb():
    images = narrow().generate(torch.zeros(2, 128))
    assert images.shape == (2, 3, 256, 256)
    assert images.dtype == torch.float32
    expected = torch.tensor([123.0, 117.0, 104.0]) / 255
    torch.testing.assert_close(images.amax((0, 2, 3)), expected)
    torch.testing.assert_close(images.amin((0, 2, 3)), expected)


def test_channels_are_turned_round_and_clipped():
    image = narrow(blue=-500, green=51, red=500).generate(torch.zeros(1, 128))[0]
    torch.testing.assert_close(image.mean((1, 2)), torch.tensor([1.0, 168 / 255, 0.0]))


def test_range_and_identity_with_other_weights(fixed_weights):
    generators = [DeepsimGenerator(fixed_weights(DeepsimNetwork(width=32, narrow=32)))]
    generators.append(narrow())
    images = generators[0].generate(torch.full((2, 128), 1e4))
    assert images.min() >= 0
    assert images.max() <= 1
    assert generators[0].identity() != generators[1].identity()
    assert generators[1].identity() == narrow().identity()


def test_codes_of_another_length_are_refused():
    with pytest.raises(InputError, match="128"):
        narrow().generate(torch.zeros(1, 31))
