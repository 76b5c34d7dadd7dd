"""A small generator and a small subject that answer within microseconds."""

from dataclasses import dataclass, field
from pathlib import Path

import torch
import torch.nn.functional as F

from invariscope import seeds
from invariscope.generators import CodeStatistics, Generator
from invariscope.subjects import Subject

SIDE = 8
CODE_DIM = 6


def weights(*shape, name="toy"):
    """Fixed weights that differ with their shape and name."""
    return seeds.normal([(name, *shape)], shape)[0].float()


class PaintGenerator(Generator):
    """A sigmoid of a fixed linear map; it counts its calls."""

    name = "paint"
    code_dim = CODE_DIM
    image_size = SIDE
    device = torch.device("cpu")

    def __init__(self, *, statistics=True):
        self.calls = 0
        self._map = weights(CODE_DIM, 3 * SIDE * SIDE)
        if statistics:
            mean, covariance = torch.zeros(CODE_DIM), torch.eye(CODE_DIM)
            self.code_statistics = CodeStatistics(mean.double(), covariance.double())

    def identity(self):
        return {"kind": "paint"}

    def _generate(self, codes):
        self.calls += 1
        return torch.sigmoid(codes @ self._map).unflatten(1, (3, SIDE, SIDE))


@dataclass
class ToySubject(Subject):
    """`features`, a convolution's channels, and `out`, three signed numbers read from them."""

    natural: Path | None = None
    classes: tuple = ("ant", "bee", "cat")
    broken_after: int | None = None  # images after which it answers NaN
    shown: int = 0
    name: str = "toy"
    image_size: int = SIDE
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    def identity(self):
        return {"kind": "toy"}

    def _sites(self):
        return {"features": (4, 4, 4), "out": (3,)}

    def _respond(self, images, sites):
        self.shown += len(images)
        features = torch.tanh(F.conv2d(images - 0.5, weights(4, 3, 2, 2), stride=2))
        out = features.flatten(1) @ weights(64, 3)
        if self.broken_after is not None and self.shown > self.broken_after:
            out = out * torch.nan
        return {site: {"features": features, "out": out}[site] for site in sites}


def picture():
    """Make a photo of the toy's size that the toy's generator never makes exactly."""
    return torch.rand(3, SIDE, SIDE, generator=seeds.torch_stream("picture"))
