"""Networks whose invariance to a transformation is known in closed form."""

from dataclasses import dataclass

import pytest
import torch
from torch import nn

from invariscope import seeds
from invariscope.subjects import NetworkSubject
from invariscope.transformations import Transformation

SIDE = 8


class Known(nn.Module):
    """Units behind a ReLU, each a known function of the pixels; then a readout of two classes.

    `brightest`: mean over pixels of the largest channel, which turning the hue by half keeps.
    `mean`: mean of all pixels. `bright`: mean − ½, `dark`: ½ − mean, each silent for the other's
    images. `constant`: 1. `dead`: −1 before the ReLU.
    """

    units = ("brightest", "mean", "bright", "dark", "constant", "dead")

    def __init__(self):
        super().__init__()
        self.relu = nn.ReLU()
        self.fc = nn.Linear(6, 2)

    def forward(self, x):
        brightest, mean = x.amax(1).mean((1, 2)), x.mean((1, 2, 3))
        one = torch.ones_like(mean)
        raw = torch.stack([brightest, mean, mean - 0.5, 0.5 - mean, one, -one], 1)
        return self.fc(self.relu(raw))


@dataclass(frozen=True, kw_only=True)
class Broken(Transformation):
    """Gives what no transformation may give."""

    name = "broken"
    how: str = "nan"

    def apply(self, images, parameters):
        if self.how == "size":
            return images[..., :-1]
        return images * torch.nan if self.how == "nan" else images


def photos(n, name="photos"):
    """Images of different brightness and colour, `(n, 3, SIDE, SIDE)` in [0, 1]."""
    stream = seeds.torch_stream(name)
    level = torch.rand(n, 3, 1, 1, generator=stream)
    return (level + 0.2 * torch.rand(n, 3, SIDE, SIDE, generator=stream)).clamp(0, 1)


@pytest.fixture
def known(fixed_weights):
    model = fixed_weights(Known())
    return NetworkSubject(model, image_size=SIDE, mean=(0,) * 3, std=(1,) * 3, name="known")


@pytest.fixture
def make_photos():
    return photos


@pytest.fixture
def broken():
    return Broken
