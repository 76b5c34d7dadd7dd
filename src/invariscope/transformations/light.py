"""Brighter, darker and flatter images: what the paper's twelve leave out."""

from dataclasses import dataclass

from torch import Tensor

from invariscope import validate
from invariscope.transformations.base import Parameters, Strength, Transformation


@dataclass(frozen=True, kw_only=True)
class Luminance(Transformation):
    """The same added to every pixel and channel.

    Attributes:
        shift: as a share of white, in [-1, 1]; negative darkens.
    """

    name = "luminance"
    group = "light"
    strength = Strength("shift", 0.05, 0.05, 1.0)

    shift: float = 0.25

    def __post_init__(self) -> None:
        super().__post_init__()
        validate.between("shift", self.shift, -1, 1)

    def apply(self, images: Tensor, parameters: Parameters) -> Tensor:  # noqa: ARG002
        return images + self.shift * self.white


@dataclass(frozen=True, kw_only=True)
class Contrast(Transformation):
    """Each pixel's distance from the image's mean, over all pixels and channels, times a factor.

    Attributes:
        factor: in [0, 1]; 0 leaves the mean alone.
    """

    name = "contrast"
    group = "light"
    strength = Strength("factor", 0.9, -0.1, 0.0, nothing=1.0)

    factor: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        validate.between("factor", self.factor, 0, 1)

    def apply(self, images: Tensor, parameters: Parameters) -> Tensor:  # noqa: ARG002
        mean = images.mean((1, 2, 3), keepdim=True)
        return mean + self.factor * (images - mean)
