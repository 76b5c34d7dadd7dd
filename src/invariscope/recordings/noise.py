"""How much a unit's response varies from trial to trial, and so how sure a mean of some is."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ResponseNoise:
    """Variance of a single response around its image's mean m: `floor + slope · max(m, 0)`.

    For spike counts the slope is Fano's factor (over the window's length, for rates).

    Attributes:
        floor, slope: `(units,)`, at least 0.
    """

    floor: Floats
    slope: Floats

    @classmethod
    def fit(cls, means: Floats, variances: Floats) -> "ResponseNoise":
        """Fit both terms, at least 0, by least squares to images that were shown several times.

        Args:
            means, variances: `(images, units)` over each image's trials; NaN where there are none.
        """
        found = []
        for mean, variance in zip(means.T, variances.T, strict=True):
            known = ~(np.isnan(mean) | np.isnan(variance))
            terms = np.stack([np.ones(known.sum()), np.maximum(mean[known], 0)], 1)
            found.append(nnls(terms, variance[known])[0] if known.any() else np.zeros(2))
        floor, slope = np.array(found).T
        return cls(floor, slope)

    def errors(self, means: Floats, counts: NDArray[np.int64]) -> Floats:
        """Standard errors `(images, units)` of means of `counts` trials each.

        A mean of few trials is itself unsure, and one without spikes would seem to have no error,
        so the variance is that at a mean drawn to the images' common one, by one trial's weight.
        """
        common = np.nanmean(np.where(counts > 0, means, np.nan), 0) if counts.any() else 0.0
        drawn = (counts * np.nan_to_num(means) + common) / (counts + 1)
        variance = self.variances(drawn)
        return np.where(counts > 0, np.sqrt(variance / np.maximum(counts, 1)), np.nan)

    def variances(self, means: Floats) -> Floats:
        """Compute variances `(images, units)` of single responses to images with given means."""
        return self.floor + self.slope * np.maximum(means, 0)


def reliability(means: Floats, variances: Floats, counts: NDArray[np.int64]) -> Floats:
    """Compute the share of the variance of repeat means that the images explain, `(units,)`.

    1 − (mean squared error of a mean) / (variance of the means): the intraclass correlation of
    the means; 0 or below where there is only noise, NaN where nothing was recorded.

    Args:
        means, variances: `(images, units)` over trials, NaN where unknown.
        counts: `(images, units)` trials.
    """
    known = (counts > 1) & ~np.isnan(variances)
    squared = np.where(known, variances / np.maximum(counts, 1), np.nan)
    enough = known.sum(0) > 1
    found = np.full(means.shape[1], np.nan)
    spread = np.nanvar(means[:, enough], 0, ddof=1)
    error = np.nanmean(squared[:, enough], 0)
    found[enough] = 1 - np.divide(error, spread, out=np.ones_like(error), where=spread > 0)
    return found


def shrink_means(means: Floats, variances: Floats, counts: NDArray[np.int64]) -> Floats:
    """Draw repeat means `(images, units)` to the images' common mean by their share of noise.

    The image with the largest mean of few trials was lucky too, and brings less when it is shown
    again; these are unbiased for images that were picked by their means. Where the reliability is
    not known, as they were.

    Args:
        means, variances, counts: as in `reliability`.
    """
    sure = np.clip(np.nan_to_num(reliability(means, variances, counts), nan=1.0), 0, 1)
    common = np.nanmean(means, 0, where=counts > 0) if counts.any() else 0.0
    return common + sure * (means - common)
