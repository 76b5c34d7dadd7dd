"""Distances between sets of images that need no critic: by kernels of features, by mean spectra."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from invariscope.photos.spectrum import power

FLOOR = 1e-7  # of a spectrum's power


def described(maps: Sequence[Tensor], images: Tensor) -> list[Tensor]:
    """Describe images by each map's mean and SD over positions, and by 8 × 8 patches of colour.

    Args:
        maps: feature maps `(n, channels, h, w)`.
        images: `(n, 3, side, side)` in [0, 1].

    Returns:
        `(n, 2 · channels)` for each map, then `(n, 192)`.
    """
    parts = []
    for values in maps:
        flat = values.float().flatten(2)
        parts.append(torch.cat([flat.mean(2), (flat.var(2) + 1e-6).sqrt()], 1))
    patches = nn.functional.adaptive_avg_pool2d(images, 8)
    return [*parts, patches.flatten(1)]


def kernel_distance(made: Tensor, photos: Tensor) -> Tensor:
    """Squared maximum mean discrepancy of two sets, unbiased, but for the photos' own part.

    The kernel is `(x · y / d + 1)³` (Bińkowski et al. 2018, arXiv 1801.01401, §4), of features
    whose far tails are drawn in: by `asinh`.

    Args:
        made, photos: `(n, d)` and `(m, d)`, of standardised features.
    """
    n, d = made.shape
    made, photos = made.asinh(), photos.asinh()
    own = (made @ made.T / d + 1).pow(3)
    across = (made @ photos.T / d + 1).pow(3)
    return (own.sum() - own.diagonal().sum()) / (n * (n - 1)) - 2 * across.mean()


def mean_spectrum(images: Tensor) -> Tensor:
    """Mean log power of luminance at each frequency, `(side, side // 2 + 1)`.

    Args:
        images: `(n, 3, side, side)` in [0, 1].
    """
    side = images.shape[-1]
    return (power(images.mean(1))[..., : side // 2 + 1] + FLOOR).log().mean(0)
