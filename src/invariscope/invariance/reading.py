"""The units of a site: each number, or each channel's mean over places.

The paper speaks of neurons, the outputs of a ReLU, and measures mostly fully connected layers;
of convolutions it says no more. Read to the letter a neuron of a convolution is one channel at one
place (`place`). The default (`channel`) takes a channel's mean over all places, which is what
`layer3.0.conv1:12` means everywhere in this package: a hundred times fewer units, and a rotation
that only moves activity elsewhere does not count as a change.
"""

import math

import numpy as np
from torch import Tensor

from invariscope import validate
from invariscope.units import channels_first, channels_last

READINGS = ("channel", "place")


def read(response: Tensor, reading: str) -> Tensor:
    """Read every unit's activity for a batch.

    Args:
        response: of one site, `(n, *shape)`.
        reading: `channel` or `place`.

    Returns:
        `(n, units)` float32, in the order of `unit_names`.
    """
    validate.one_of("reading", reading, READINGS)
    response = channels_first(response).float()
    if reading == "channel" and response.ndim == 4:
        return response.mean((2, 3))
    if reading == "channel" and response.ndim == 3:
        return response.mean(1)
    return response.flatten(1)


def unit_names(site: str, shape: tuple[int, ...], reading: str) -> list[str]:
    """Name a site's units: `layer1:3`, `layer1:3,0,5`, `fc:3`, `blocks.2:7,3`.

    The mean of channel 3 over the tokens of a `(tokens, channels)` site is `blocks.2:*,3`.
    """
    if channels_last(shape):
        shape = (shape[2], *shape[:2])
    if reading == "channel" and len(shape) == 3:
        return [f"{site}:{channel}" for channel in range(shape[0])]
    if reading == "channel" and len(shape) == 2:
        return [f"{site}:*,{channel}" for channel in range(shape[1])]
    return [f"{site}:{','.join(map(str, index))}" for index in np.ndindex(*shape)]


def count(shape: tuple[int, ...], reading: str) -> int:
    """Count the units of a site of that shape."""
    if reading == "channel" and len(shape) == 3:
        return shape[2] if channels_last(shape) else shape[0]
    return shape[1] if reading == "channel" and len(shape) == 2 else math.prod(shape)


def spread(kept: Tensor, response: Tensor, reading: str) -> Tensor:
    """Spread a mask of units over the site's response.

    Args:
        kept: `(n, units)` bool.
        response: `(n, *shape)`.

    Returns:
        A tensor that broadcasts to `response`: a channel is kept or lost as a whole.
    """
    if reading == "channel" and response.ndim == 3:
        return kept[:, None, :]
    first = channels_first(response)
    whole = reading == "channel" and response.ndim == 4
    mask = kept[:, :, None, None] if whole else kept.view(first.shape)
    return mask if first is response else mask.movedim(1, -1)
