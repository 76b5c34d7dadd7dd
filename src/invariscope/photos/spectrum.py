"""Power spectra of images, and the slope of their fall."""

from functools import lru_cache

import torch
from torch import Tensor

LOWEST = 3  # cycles an image from which a slope is fitted


def power(light: Tensor) -> Tensor:
    """Power spectra of luminance under a Hann window, frequency 0 first.

    Args:
        light: `(n, side, side)`.

    Returns:
        `(n, side, side)`.
    """
    window = torch.hann_window(light.shape[-1], periodic=False, device=light.device)
    shaped = (light - light.mean((1, 2), keepdim=True)) * window[:, None] * window
    return torch.fft.fft2(shaped).abs().square()


def frequencies(side: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Vertical and horizontal cycles an image of a spectrum, `(side, 1)` and `(side,)`."""
    axis = torch.fft.fftfreq(side, 1 / side, dtype=torch.float64, device=device)
    return axis[:, None], axis


@lru_cache(maxsize=8)
def _rings(side: int, device: torch.device) -> list[Tensor]:
    """Find the places of each ring one cycle wide in a flattened spectrum."""
    down, across = frequencies(side, device)
    radius = (down.square() + across.square()).sqrt().round().long().flatten()
    return [(radius == ring).nonzero().squeeze(1) for ring in range(LOWEST, side // 2)]


def slopes(light: Tensor) -> Tensor:
    """Slope of log power on log frequency of each image, `(n,)`; about -2 for photos.

    Fitted to the means of rings one cycle wide, from 3 cycles an image to half the sampling
    frequency. Missing (NaN) for a constant image.

    Args:
        light: luminance `(n, side, side)`.
    """
    side, spectra = light.shape[-1], power(light).double().flatten(1)
    means = torch.stack([spectra[:, ring].mean(1) for ring in _rings(side, light.device)], 1)
    x = torch.arange(LOWEST, side // 2, device=light.device).double().log()
    x = x - x.mean()
    slope = (means.clamp(min=1e-12).log() * x).sum(1) / x.square().sum()
    return torch.where(means.amax(1) > 1e-12, slope, torch.nan)
