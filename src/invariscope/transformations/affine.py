"""Rotated, shifted, shrunk and sheared copies of images, black where nothing is left."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from invariscope import validate
from invariscope.errors import InputError


def _resample(images: Tensor, matrix: list[list[float]]) -> Tensor:
    theta = torch.tensor(matrix, dtype=images.dtype, device=images.device)
    grid = F.affine_grid(theta.expand(len(images), 2, 3), list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, padding_mode="zeros", align_corners=False)


def rotate(images: Tensor, degrees: float) -> Tensor:
    """Turn images anticlockwise about their middle, bilinear.

    Args:
        images: `(n, 1 or 3, side, side)`.
        degrees: any angle.

    Returns:
        The same shape; 0 beyond the old border.
    """
    validate.images(images, channels=(1, 3))
    turn = math.radians(degrees)
    matrix = [[math.cos(turn), -math.sin(turn), 0.0], [math.sin(turn), math.cos(turn), 0.0]]
    return _resample(images, matrix)


def shear(images: Tensor, slope: float) -> Tensor:
    """Shift an image's rows to the right by `slope` pixels a pixel up, bilinear.

    Args:
        images: `(n, 1 or 3, height, width)`.
    """
    validate.images(images, channels=(1, 3))
    height, width = images.shape[-2:]
    return _resample(images, [[1.0, slope * height / width, 0.0], [0.0, 1.0, 0.0]])


def translate(images: Tensor, right: float, down: float) -> Tensor:
    """Shift images by shares of their width and height, rounded to whole pixels.

    Args:
        images: `(n, 1 or 3, height, width)`.
        right, down: in [-1, 1]; negative to the left and up.
    """
    validate.images(images, channels=(1, 3))
    height, width = images.shape[-2:]
    x, y = round(right * width), round(down * height)
    if abs(x) > width or abs(y) > height:
        raise InputError(f"a shift of ({right}, {down}) sides; expected shares in [-1, 1]")
    moved = torch.zeros_like(images)
    source = images[..., max(-y, 0) : height - max(y, 0), max(-x, 0) : width - max(x, 0)]
    moved[..., max(y, 0) : height + min(y, 0), max(x, 0) : width + min(x, 0)] = source
    return moved


def framed(images: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize images to a smaller size, antialiased, in the middle of a black frame.

    Args:
        images: `(n, 1 or 3, height, width)`.
        size: height and width of what is left, at most those of the images.
    """
    height, width = images.shape[-2:]
    small = F.interpolate(images, size, mode="bilinear", antialias=True, align_corners=False)
    frame = torch.zeros_like(images)
    top, left = (height - size[0]) // 2, (width - size[1]) // 2
    frame[..., top : top + size[0], left : left + size[1]] = small
    return frame


def shrink(images: Tensor, scale: float) -> Tensor:
    """Draw images smaller in the middle of a black frame of the old size, antialiased.

    Args:
        images: `(n, 1 or 3, height, width)`.
        scale: new over old side, in (0, 1].
    """
    validate.images(images, channels=(1, 3))
    if not 0 < scale <= 1:
        raise InputError(f"scale is {scale}; expected a number in (0, 1]")
    height, width = images.shape[-2:]
    return framed(images, (max(1, round(scale * height)), max(1, round(scale * width))))
