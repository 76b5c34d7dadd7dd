"""Known transformations of images, on the device: `load("blur", sigma=3)`.

A transformation is one class in a file of this room and one line here.
"""

from invariscope.transformations.base import Strength, Transformation, image_keys
from invariscope.transformations.colour import Grayscale, Hue, Inversion
from invariscope.transformations.registry import load, names, register

for _kind in (Grayscale, Hue, Inversion):
    register(_kind)

__all__ = ["Strength", "Transformation", "image_keys", "load", "names", "register"]
