"""Distances between sets of images that need no critic: by kernels of features, by mean spectra."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from invariscope.photos.spectrum import power

FLOOR = 1e-7  # of a spectrum's power


def described(maps: Sequence[Sequence[Tensor]], images: Tensor) -> list[Tensor]:
    """Describe images by each network's maps, averaged over positions, and by 8 × 8 patches.

    Args:
        maps: a network's feature maps `(n, channels, h, w)`, for each network.
        images: `(n, 3, side, side)` in [0, 1].

    Returns:
        `(n, channels of all maps)` for each network, then `(n, 192)`.
    """
    parts = [torch.cat([values.float().mean((2, 3)) for values in own], 1) for own in maps]
    patches = nn.functional.avg_pool2d(images, images.shape[-1] // 8)
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


def spectrum_weights(side: int, grid: int) -> Tensor:
    """Weigh each frequency of `mean_spectrum`; the weights' mean is 1.

    Half of the weight is on the frequencies of a grid of so many pixels, where a decoder that
    doubles its maps leaves a lattice.
    """
    step = side // grid
    on = torch.zeros(side, side // 2 + 1, dtype=torch.bool)
    on[::step, ::step] = True
    on[0, 0] = False
    return torch.where(on, 0.5 / on.float().mean(), 0.5 / (~on).float().mean())
