"""White noise, and salt and pepper, drawn for each image from a stream of its own key.

The streams are those of `seeds.py`: NumPy's Philox on the CPU, the accelerator's own elsewhere,
so noise is the same on every machine of one kind, not between kinds.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from invariscope import seeds
from invariscope.transformations.base import Parameters, Strength, Transformation


@dataclass(frozen=True, kw_only=True)
class WhiteNoise(Transformation):
    """Normal noise added to every pixel and channel, each on its own.

    Attributes:
        sigma: its standard deviation where white is 255, whatever `white` is.
    """

    name = "white-noise"
    group = "noise"
    random = True
    strength = Strength("sigma", 25.0, 25.0, 500.0)
    positive = ("sigma",)

    sigma: float = 50.0

    def draw(self, shape: torch.Size, keys: Tensor) -> Parameters:
        streams = [(self.name, key) for key in keys.tolist()]
        noise = seeds.normal(streams, shape[1:], dtype=torch.float32, device=keys.device)
        return {"noise": noise}

    def apply(self, images: Tensor, parameters: Parameters) -> Tensor:
        scale = self.sigma / 255 * self.white
        return images.add(parameters["noise"].to(images), alpha=scale)


@dataclass(frozen=True, kw_only=True)
class SaltAndPepper(Transformation):
    """Pixels set to black or white, all channels alike, each with half of a probability.

    Attributes:
        share: the probability that a pixel is set; half of the pixels in the paper.
    """

    name = "salt-and-pepper"
    group = "noise"
    random = True
    strength = Strength("share", 0.05, 0.05, 1.0)
    positive = ("share",)
    limits: ClassVar = {"share": (0, 1)}

    share: float = 0.5

    def draw(self, shape: torch.Size, keys: Tensor) -> Parameters:
        streams = [(self.name, key) for key in keys.tolist()]
        size = (1, *shape[2:])
        return {"chance": seeds.uniform(streams, size, dtype=torch.float32, device=keys.device)}

    def apply(self, images: Tensor, parameters: Parameters) -> Tensor:
        chance = parameters["chance"]
        kept = (chance >= self.share).to(images)
        salt = ((chance >= self.share / 2) & (chance < self.share)).to(images)
        return images * kept + self.white * salt
