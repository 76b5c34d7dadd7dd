"""Rotations by 90° and 180°, thinning, and affine changes with a strength.

Where nothing of the old image is left the new one is black.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from invariscope.errors import InputError
from invariscope.transformations import affine
from invariscope.transformations.base import Parameters, Strength, Transformation


def _square(images: Tensor, name: str) -> None:
    height, width = images.shape[-2:]
    if height != width:
        raise InputError(
            f"{name} needs square images; these are {width} × {height} px (crop or resize them)"
        )


@dataclass(frozen=True, kw_only=True)
class QuarterTurn(Transformation):
    """Turned by 90° anticlockwise, exactly; square images."""

    name = "rotation-90"
    group = "geometric"

    def apply(self, images: Tensor, parameters: Parameters) -> Tensor:  # noqa: ARG002
        _square(images, self.name)
        return torch.rot90(images, 1, (2, 3))


@dataclass(frozen=True, kw_only=True)
class HalfTurn(Transformation):
    """Turned by 180°, exactly."""

    name = "rotation-180"
    group = "geometric"

    def apply(self, images: Tensor, parameters: Parameters) -> Tensor:  # noqa: ARG002
        return images.flip((2, 3))


@dataclass(frozen=True, kw_only=True)
class Thinning(Transformation):
    """Width halved (antialiased), in the middle, black on both sides."""

    name = "thinning"
    group = "geometric"

    def apply(self, images: Tensor, parameters: Parameters) -> Tensor:  # noqa: ARG002
        height, width = images.shape[-2:]
        return affine.framed(images, (height, max(1, width // 2)))


@dataclass(frozen=True, kw_only=True)
class Rotation(Transformation):
    """Turned anticlockwise about the middle, bilinear; square images.

    Attributes:
        degrees: in [-360, 360].
    """

    name = "rotation"
    group = "geometric"
    strength = Strength("degrees", 15.0, 15.0, 180.0)
    limits: ClassVar = {"degrees": (-360, 360)}

    degrees: float = 45.0

    def apply(self, images: Tensor, parameters: Parameters) -> Tensor:  # noqa: ARG002
        _square(images, self.name)
        return affine.rotate(images, self.degrees)


@dataclass(frozen=True, kw_only=True)
class Translation(Transformation):
    """Shifted by shares of the width and height, whole pixels.

    Attributes:
        right, down: in [-1, 1]; negative to the left and up.
    """

    name = "translation"
    group = "geometric"
    strength = Strength("right", 0.05, 0.05, 1.0)
    limits: ClassVar = {"right": (-1, 1), "down": (-1, 1)}

    right: float = 0.25
    down: float = 0.0

    def apply(self, images: Tensor, parameters: Parameters) -> Tensor:  # noqa: ARG002
        return affine.translate(images, self.right, self.down)


@dataclass(frozen=True, kw_only=True)
class Scale(Transformation):
    """Drawn smaller in the middle of a black frame, antialiased.

    Attributes:
        scale: new over old side, in (0, 1].
    """

    name = "scale"
    group = "geometric"
    strength = Strength("scale", 0.9, -0.1, 0.1, nothing=1.0)
    positive = ("scale",)
    limits: ClassVar = {"scale": (0, 1)}

    scale: float = 0.5

    def apply(self, images: Tensor, parameters: Parameters) -> Tensor:  # noqa: ARG002
        return affine.shrink(images, self.scale)


@dataclass(frozen=True, kw_only=True)
class Shear(Transformation):
    """Rows shifted sideways in proportion to their height above the middle, bilinear.

    Attributes:
        slope: pixels to the right a pixel up, in [-2, 2].
    """

    name = "shear"
    group = "geometric"
    strength = Strength("slope", 0.1, 0.1, 2.0)
    limits: ClassVar = {"slope": (-2, 2)}

    slope: float = 0.5

    def apply(self, images: Tensor, parameters: Parameters) -> Tensor:  # noqa: ARG002
        return affine.shear(images, self.slope)
