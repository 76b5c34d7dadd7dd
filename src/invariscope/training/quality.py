"""How good generated images are, beside photos: by another network's features and by spectra."""

import torch
from torch import Tensor

from invariscope.photos.spectrum import power
from invariscope.subjects.base import Subject

GRID = (2, 4, 8, 16)  # periods of the generator's upsampling, pixels


def frechet(a: Tensor, b: Tensor) -> float:
    """Fréchet distance between normal distributions with the moments of two sets of features.

    `|m₁ - m₂|² + tr(C₁ + C₂ - 2 (C₁ C₂)^½)` (Heusel et al. 2017, arXiv 1706.08500, eq. 6).

    Args:
        a, b: `(n, d)` and `(m, d)`.
    """
    a, b = a.double(), b.double()
    first, second = torch.cov(a.T), torch.cov(b.T)
    values, vectors = torch.linalg.eigh(first)
    root = (vectors * values.clamp(min=0).sqrt()) @ vectors.T
    shared = torch.linalg.eigvalsh(root @ second @ root).clamp(min=0).sqrt().sum()
    apart = (a.mean(0) - b.mean(0)).square().sum()
    return float(apart + first.trace() + second.trace() - 2 * shared)


def judged(judge: Subject, site: str, images: Tensor, *, batch: int = 100) -> Tensor:
    """Compute the judge's features of images, `(n, channels)`: a site's mean over positions.

    Args:
        images: `(n, 3, h, w)` in [0, 1].
    """
    parts = (judge.respond(part, [site])[site].flatten(2).mean(2) for part in images.split(batch))
    return torch.cat(list(parts)).float()


def grid_peaks(images: Tensor) -> dict[int, float]:
    """Power on the frequencies of a grid over that of their neighbours, by the grid's period.

    Horizontal and vertical frequencies `side / period`, in the mean spectrum of all images; 1 where
    there is no peak.

    Args:
        images: `(n, 3, side, side)` in [0, 1].
    """
    mean, side = power(images.mean(1)).double().mean(0), images.shape[-1]
    found = {}
    for period in GRID:
        at = side // period
        beside = [at - 2, at + 2] if at + 2 <= side // 2 else [at - 3, at - 2]
        lines = [mean[:, 0], mean[0]]
        found[period] = float(sum(line[at] / line[beside].mean() for line in lines) / len(lines))
    return found


def nearest(images: Tensor, known: Tensor, *, batch: int = 256) -> Tensor:
    """Measure the pixel distance of each image to the nearest known image, `(n,)`.

    Args:
        images: `(n, 3, h, w)` in [0, 1].
        known: uint8 `(m, 3, h, w)` or floats in [0, 1].
    """
    flat, best = images.flatten(1), torch.full((len(images),), float("inf"))
    for part in known.split(batch):
        values = part.float() / 255 if part.dtype == torch.uint8 else part
        # By differences: a matrix product would move copies 0.1 to 0.3 apart.
        apart = torch.cdist(flat, values.flatten(1), compute_mode="donot_use_mm_for_euclid_dist")
        best = torch.minimum(best, apart.amin(1).cpu())
    return best
