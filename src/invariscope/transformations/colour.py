"""Grayscale, and hue turned by 180°."""

from dataclasses import dataclass

from torch import Tensor

from invariscope.transformations.base import Parameters, Transformation

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
