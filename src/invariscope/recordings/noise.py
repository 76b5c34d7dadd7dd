"""How much a unit's response varies from trial to trial, and so how sure a mean of some is."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls
from scipy.special import fdtrc

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]


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

    def errors(self, means: Floats, counts: Counts) -> Floats:
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


def mean_over_images(values: Floats) -> Floats:
    """Average over images, NaN left out; NaN where there is nothing."""
    known = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        return np.where(known, values, 0).sum(0) / known.sum(0)


def repeat_variances(
    means: Floats, variances: Floats, counts: Counts
) -> tuple[Floats, Floats, Floats]:
    """Estimate the variances of signal, of noise and of repeat means, `(units,)` each.

    All over the images with at least two trials, as the error of another's mean is not known.
    NaN where there are fewer than two (noise: none) of these.

    Args:
        means, variances: `(images, units)` over trials, NaN where unknown.
        counts: `(images, units)` trials.

    Returns:
        Signal variance (that of the means, less what noise puts there), noise variance of one
        trial, and the variance of the means.
    """
    known = counts > 1
    noise = mean_over_images(np.where(known, variances, np.nan))
    error = mean_over_images(np.where(known, variances / np.maximum(counts, 1), np.nan))
    kept = np.where(known, means, np.nan)
    images = known.sum(0)
    apart = kept - mean_over_images(kept)
    with np.errstate(invalid="ignore", divide="ignore"):
        spread = np.where(known, apart**2, 0).sum(0) / (images - 1)
    spread = np.where(images > 1, spread, np.nan)
    return spread - error, noise, spread


def reliability(means: Floats, variances: Floats, counts: Counts) -> Floats:
    """Compute the share of the variance of repeat means that the images explain, `(units,)`.

    1 − (mean squared error of a mean) / (variance of the means), over images with at least two
    trials: the intraclass correlation of the means. At most 1; 0 or below where there is only
    noise, NaN where these means do not differ, or are fewer than two.

    Args:
        means, variances, counts: as in `repeat_variances`.
    """
    signal, _, spread = repeat_variances(means, variances, counts)
    return np.divide(signal, spread, out=np.full_like(spread, np.nan), where=spread > 0)


def difference_p(means: Floats, variances: Floats, counts: Counts) -> Floats:
    """Test whether a unit tells images apart: p values `(units,)` of the analysis of variance.

    One-sided F test of the variance between images against that within, over images with at
    least two trials; NaN where responses do not vary.

    Args:
        means, variances, counts: as in `repeat_variances`.
    """
    known = counts > 1
    trials = np.where(known, counts, 0)
    kept = np.where(known, means, 0.0)
    within = np.where(known, (trials - 1) * np.nan_to_num(variances), 0.0).sum(0)
    with np.errstate(divide="ignore", invalid="ignore"):
        centre = (trials * kept).sum(0) / trials.sum(0)
        between = (trials * np.square(kept - centre)).sum(0)
        images, free = known.sum(0) - 1, trials.sum(0) - known.sum(0)
        ratio = np.where(images > 0, (between / images) / (within / free), np.nan)
        return np.where(np.isposinf(ratio), 0.0, fdtrc(images, free, ratio))


def shrink_means(means: Floats, variances: Floats, counts: Counts) -> Floats:
    """Draw repeat means `(images, units)` to the images' common mean by their share of noise.

    The image with the largest mean of few trials was lucky too, and brings less when it is shown
    again. With signal variance S, noise variance N and n trials of an image, S / (S + N / n) of
    its distance to the common mean is kept. Where S is not known, means stay as they were.

    Images that were picked by these means are less biased, and not at all where S / (S + N / n)
    is what the best guess keeps: normal responses with equal noise, or Poisson counts whose
    expected values have a gamma distribution. Where the largest expected values lie close
    together (a uniform distribution of them, say), the largest of these means is still too large.

    Args:
        means, variances, counts: as in `repeat_variances`.
    """
    signal, noise, _ = repeat_variances(means, variances, counts)
    signal = np.maximum(signal, 0)
    total = signal + noise / np.maximum(counts, 1)
    sure = np.divide(signal, total, out=np.zeros_like(total), where=total > 0)
    common = np.nanmean(means, 0, where=counts > 0) if counts.any() else 0.0
    return common + np.where(np.isnan(signal), 1.0, sure) * (means - common)
