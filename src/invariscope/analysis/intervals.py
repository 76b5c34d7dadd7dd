"""95 % intervals of shares, means, differences and correlations."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import binomtest, norm, t

from invariscope import seeds

LEVEL = 0.95
DRAWS = 2000


def share_interval(successes: int, trials: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share; missing without trials."""
    if trials == 0:
        return float("nan"), float("nan")
    found = binomtest(successes, trials).proportion_ci(LEVEL, method="wilson")
    return float(found.low), float(found.high)


def cluster_means(values: ArrayLike, clusters: Sequence[Any] | NDArray[Any]) -> NDArray[np.float64]:
    """The mean of each cluster's values, those that are missing left out; clusters sorted."""
    numbers, names = np.asarray(values, float), np.asarray(clusters).astype(str)
    known = np.isfinite(numbers)
    names, numbers = names[known], numbers[known]
    return np.array([numbers[names == name].mean() for name in np.unique(names)])


def mean_interval(values: Any) -> tuple[float, float, float]:
    """Mean, and a 95 % interval by Student's t over the values.

    Returns:
        (mean, low, high); the interval is NaN for fewer than two values.
    """
    known = np.asarray(values, float)
    known = known[np.isfinite(known)]
    if not len(known):
        return float("nan"), float("nan"), float("nan")
    mean = float(known.mean())
    if len(known) < 2:
        return mean, float("nan"), float("nan")
    half = float(t.ppf(0.5 + LEVEL / 2, len(known) - 1) * known.std(ddof=1) / len(known) ** 0.5)
    return mean, mean - half, mean + half


def correlation(first: Any, second: Any) -> tuple[float, float, float, int]:
    """Pearson's r with a 95 % interval by Fisher's z.

    Returns:
        (r, low, high, pairs); NaN for fewer than four pairs, or where one side is constant.
    """
    a, b = np.asarray(first, float), np.asarray(second, float)
    both = np.isfinite(a) & np.isfinite(b)
    a, b, number = a[both], b[both], int(both.sum())
    if number < 4 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return float("nan"), float("nan"), float("nan"), number
    r = float(np.clip(np.corrcoef(a, b)[0, 1], -1, 1))
    if abs(r) == 1:
        return r, r, r, number
    half = float(norm.ppf(0.5 + LEVEL / 2)) / (number - 3) ** 0.5
    z = np.arctanh(r)
    return r, float(np.tanh(z - half)), float(np.tanh(z + half)), number


def difference_interval(
    first: tuple[float, float, float], second: tuple[float, float, float]
) -> tuple[float, float, float]:
    """The difference of two independent estimates, each with its interval's ends.

    The ends are joined as squares, each on its side (Zou and Donner 2008, doi 10.1002/sim.3095).

    Returns:
        The difference and its interval's ends.
    """
    (a, a_low, a_high), (b, b_low, b_high) = first, second
    low = a - b - float(np.hypot(a - a_low, b_high - b))
    return a - b, low, a - b + float(np.hypot(a_high - a, b - b_low))


def clustered_mean(
    values: ArrayLike, clusters: Sequence[Any] | NDArray[Any], draws: int = DRAWS
) -> tuple[float, float, float]:
    """The mean over clusters of each one's mean, with a 95 % bootstrap interval.

    Whole clusters (units, participants) are drawn again, since what is inside one is not
    independent; with one cluster the interval is missing.

    Returns:
        The mean and the interval's ends.
    """
    means = cluster_means(values, clusters)
    if len(means) == 0:
        return float("nan"), float("nan"), float("nan")
    middle = float(means.mean())
    if len(means) == 1:
        return middle, float("nan"), float("nan")
    stream = seeds.numpy_stream("clustered_mean", len(means))
    drawn = means[stream.integers(0, len(means), (draws, len(means)))].mean(1)
    low, high = np.quantile(drawn, ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    return middle, float(low), float(high)
