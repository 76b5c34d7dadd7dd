"""Known transformations of images, on the device: `load("blur", sigma=3)`.

A transformation is one class in a file of this room, and its name in the lists here.
"""

from invariscope.transformations.base import Strength, Transformation, image_keys
from invariscope.transformations.colour import Contrast, Grayscale, Hue, Luminance
from invariscope.transformations.composition import Composition, compose
from invariscope.transformations.filters import Blur, HighPass, Horizontal, Inversion, Vertical
from invariscope.transformations.geometric import (
    HalfTurn,
    QuarterTurn,
    Rotation,
    Scale,
    Shear,
    Thinning,
    Translation,
)
from invariscope.transformations.noise import SaltAndPepper, WhiteNoise
from invariscope.transformations.registry import load, names, register

_TWELVE = (
    *(Grayscale, Hue),
    *(Blur, HighPass, Horizontal, Vertical, Inversion),
    *(WhiteNoise, SaltAndPepper),
    *(QuarterTurn, HalfTurn, Thinning),
)
_AFFINE = (Rotation, Translation, Scale, Shear)
_LIGHT = (Luminance, Contrast)
for _kind in (*_TWELVE, *_AFFINE, *_LIGHT):
    register(_kind)

TWELVE = tuple(kind.name for kind in _TWELVE)  # PAPERS §2, in its order
AFFINE = tuple(kind.name for kind in _AFFINE)
LIGHT = tuple(kind.name for kind in _LIGHT)

__all__ = [
    "AFFINE",
    "LIGHT",
    "TWELVE",
    "Composition",
    "Strength",
    "Transformation",
    "compose",
    "image_keys",
    "load",
    "names",
    "register",
]
