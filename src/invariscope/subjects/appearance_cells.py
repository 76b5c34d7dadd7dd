"""Cells of appearance: luminance × colour × layout, coarse, to count different images.

How much of a unit's invariance set a search reaches is counted in cells: two images of one cell
have much the same brightness, tint and coarse layout of light. A search that collects one image a
cell and an analysis that counts cells mean the same ones.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from invariscope import validate

LUMA = (0.2126, 0.7152, 0.0722)  # Rec. 709, of the values as they are
LEVELS = 5  # equal bins of the mean luma in [0, 1]
TINTS = ("neutral", "red", "yellow", "green", "blue")
PLACES = ("flat", "top left", "top right", "bottom left", "bottom right")
CELLS = LEVELS * len(TINTS) * len(PLACES)
NEUTRAL = 0.05  # of mean opponent values: a smaller tint is none
FLAT = 0.05  # of mean luma: a quarter that is no lighter than the image by so much is not lit


def luma(images: Tensor) -> Tensor:
    """Weigh the colours to the brightness of each pixel, `(n, height, width)` float64 in [0, 1]."""
    weights = torch.tensor(LUMA, dtype=torch.float64, device=images.device)
    return torch.einsum("nchw,c->nhw", images.double(), weights)


def opponent_colours(images: Tensor) -> Tensor:
    """Compute red less green, and yellow less blue, `(2, n, height, width)` float64 in [−1, 1]."""
    red, green, blue = images.double().unbind(1)
    return torch.stack([red - green, (red + green) / 2 - blue])


def appearance_cells(images: Tensor) -> Tensor:
    """Sort images into cells of luminance × colour × layout, `(n,)` int64 from 0 to 124.

    Luminance: five equal bins of the mean luma. Colour: the mean opponent values, neutral where
    both are at most 0.05 from 0, else the tint of the larger one. Layout: the quarter of the image
    with the largest mean luma, flat where it is lighter than the image by at most 0.05.

    Args:
        images: `(n, 3, height, width)` in [0, 1].

    Returns:
        `(level · 5 + tint) · 5 + place`, with `TINTS` and `PLACES` in their order.

    Example:
        >>> import torch
        >>> from invariscope.subjects.appearance_cells import appearance_cells, cell_words
        >>> [cell_words(cell) for cell in appearance_cells(torch.full((1, 3, 8, 8), 0.5)).tolist()]
        ['luma 0.4 to 0.6, neutral, flat']
    """
    light = luma(validate.images(images))
    mean = light.mean((1, 2))
    level = (mean * LEVELS).long().clamp(0, LEVELS - 1)
    tint = _tints(opponent_colours(images).mean((2, 3)))
    quarters = F.adaptive_avg_pool2d(light[:, None], 2).flatten(1)
    brightest = quarters.max(1)
    place = torch.where(brightest.values > mean + FLAT, 1 + brightest.indices, 0)
    return (level * len(TINTS) + tint) * len(PLACES) + place


def _tints(opponents: Tensor) -> Tensor:
    """Name the tint of mean opponent values `(2, n)` by its number."""
    red, yellow = opponents
    first = red.abs() >= yellow.abs()
    named = torch.where(first, torch.where(red > 0, 1, 3), torch.where(yellow > 0, 2, 4))
    return torch.where(opponents.abs().amax(0) > NEUTRAL, named, 0)


def cell_words(cell: int) -> str:
    """Describe the look of a cell's images in words."""
    rest, place = divmod(cell, len(PLACES))
    level, tint = divmod(rest, len(TINTS))
    ends = f"luma {level / LEVELS:g} to {(level + 1) / LEVELS:g}"
    return f"{ends}, {TINTS[tint]}, {PLACES[place]}"
