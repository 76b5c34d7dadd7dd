"""Colour and light: grayscale, hue turned by 180°, luminance, contrast."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from invariscope.transformations.base import Parameters, Strength, Transformation

LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601


@dataclass(frozen=True, kw_only=True)
class Grayscale(Transformation):
    """Every channel becomes the luma 0.299 R + 0.587 G + 0.114 B (BT.601)."""

    name = "grayscale"
    group = "colour"
    identity_for_grey = True

    def apply(self, images: Tensor, parameters: Parameters) -> Tensor:  # noqa: ARG002
        if images.shape[1] == 1:
            return images
        red, green, blue = images.split(1, 1)
        return (LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue).repeat(1, 3, 1, 1)


@dataclass(frozen=True, kw_only=True)
class Hue(Transformation):
    """Hue turned by 180° in HSV; saturation and value stay.

    Half a turn of HSV's hexagon takes a channel `c` of a pixel to `max + min - c`. So nothing is
    converted, the result stays within the range, and a second turn gives the image back.
    """

    name = "hue"
    group = "colour"
    identity_for_grey = True

    def apply(self, images: Tensor, parameters: Parameters) -> Tensor:  # noqa: ARG002
        if images.shape[1] == 1:
            return images
        return images.amax(1, keepdim=True) + images.amin(1, keepdim=True) - images


@dataclass(frozen=True, kw_only=True)
class Luminance(Transformation):
    """The same added to every pixel and channel.

    Attributes:
        shift: as a share of white, in [-1, 1]; negative darkens.
    """

    name = "luminance"
    group = "light"
    strength = Strength("shift", 0.05, 0.05, 1.0)
    limits: ClassVar = {"shift": (-1, 1)}

    shift: float = 0.25

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
    limits: ClassVar = {"factor": (0, 1)}

    factor: float = 0.5

    def apply(self, images: Tensor, parameters: Parameters) -> Tensor:  # noqa: ARG002
        mean = images.mean((1, 2, 3), keepdim=True)
        return mean + self.factor * (images - mean)
