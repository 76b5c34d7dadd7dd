"""95 % intervals of shares, means, differences and correlations."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import scipy  # its `stats` is slow to import, and loads when first used
from numpy.typing import ArrayLike, NDArray

from invariscope import seeds

LEVEL = 0.95
Interval = tuple[float, float, float]  # the estimate and the ends of its interval
SHARE = (0.0, 1.0)  # the ends of what a share can be
DRAWS = 2000
MOST_EXACT = 12  # pairs of which every turn of signs is tried
ROUNDING = 1e-9  # of shares and coefficients: a smaller spread is none


class CrossedInterval(NamedTuple):
    """A mean over units and observers.

    Attributes:
        mean: over both.
        low: the interval's lower end.
        high: the interval's upper end.
        units_error: the standard error over the units' means.
        observers_error: the standard error over the observers' means.
    """

    mean: float
    low: float
    high: float
    units_error: float
    observers_error: float


def share_interval(successes: int, trials: int) -> tuple[float, float]:
    """Estimate a share's 95 % interval (Wilson); NaN without trials."""
    if trials == 0:
        return float("nan"), float("nan")
    found = scipy.stats.binomtest(successes, trials).proportion_ci(LEVEL, method="wilson")
    return float(found.low), float(found.high)


def cluster_means(values: ArrayLike, clusters: Sequence[Any] | NDArray[Any]) -> NDArray[np.float64]:
    """Average each cluster's values, NaN left out; clusters come sorted."""
    numbers, names = np.asarray(values, float), np.asarray(clusters).astype(str)
    known = np.isfinite(numbers)
    names, numbers = names[known], numbers[known]
    return np.array([numbers[names == name].mean() for name in np.unique(names)])


def mean_interval(values: Any, level: float = LEVEL) -> Interval:
    """Estimate a mean with an interval by Student's t over the values.

    Args:
        values: independent of each other, `(n,)`; those that are NaN are left out.
        level: of the interval, in (0, 1).

    Returns:
        (mean, low, high); the interval is NaN for fewer than two values, and for values that are
        all equal, which say nothing of how far others may lie.
    """
    known = np.asarray(values, float)
    known = known[np.isfinite(known)]
    mean = float(known.mean()) if len(known) else math.nan
    spread = float(known.std(ddof=1)) if len(known) > 1 else math.nan
    return summary_interval(mean, spread, len(known), level)


def summary_interval(mean: float, sd: float, number: int, level: float = LEVEL) -> Interval:
    """Estimate a mean, given with its SD over `number` values (n − 1), as `mean_interval` does."""
    if number < 2 or not math.isfinite(sd) or sd <= ROUNDING * abs(mean):
        return mean, math.nan, math.nan
    half = float(scipy.stats.t.ppf(0.5 + level / 2, number - 1)) * sd / number**0.5
    return mean, mean - half, mean + half


def ratio_interval(above: Any, below: Any, level: float = LEVEL) -> Interval:
    """Estimate the ratio of two means of paired values, with Fieller's interval.

    The interval holds every ratio ρ for which the mean of `above − ρ below` is not told from 0 by
    Student's t (Fieller 1954).

    Args:
        above: the numerators, `(n,)`; pairs with a NaN are left out.
        below: the denominators, `(n,)`.
        level: of the interval, in (0, 1).

    Returns:
        (ratio, low, high). The interval is NaN for fewer than two pairs, where all pairs have one
        ratio, and where the mean denominator is not told from 0: then the ratio could be anything.

    Example:
        >>> from invariscope.analysis.intervals import ratio_interval
        >>> ratio_interval([1.0, 2.0, 3.0], [2.0, 4.0, 6.0])[0]
        0.5
    """
    pairs = np.stack([np.asarray(above, float), np.asarray(below, float)])
    a, b = pairs[:, np.isfinite(pairs).all(0)]
    number = len(a)
    if number == 0 or b.mean() == 0:
        return math.nan, math.nan, math.nan
    ratio = float(a.mean() / b.mean())
    if number < 2:
        return ratio, math.nan, math.nan
    (var_a, cov), (_, var_b) = (
        np.cov(a, b) * float(scipy.stats.t.ppf(0.5 + level / 2, number - 1)) ** 2 / number
    )
    spread = b.mean() ** 2 - var_b
    if spread <= 0:
        return ratio, math.nan, math.nan
    middle = (a.mean() * b.mean() - cov) / spread
    inside = max(0.0, middle**2 - (a.mean() ** 2 - var_a) / spread)
    if np.ptp(a * b.mean() - b * a.mean()) <= ROUNDING * abs(a.mean() * b.mean()):
        return ratio, math.nan, math.nan
    return ratio, float(middle - inside**0.5), float(middle + inside**0.5)


def correlation(first: Any, second: Any) -> tuple[float, float, float, int]:
    """Estimate Pearson's r with a 95 % interval by Fisher's z, of pairs that are independent.

    Args:
        first: `(n,)`; pairs with a NaN are left out.
        second: the same length.

    Returns:
        (r, low, high, pairs); NaN for fewer than four pairs, or where one side is constant.
    """
    a, b = np.asarray(first, float), np.asarray(second, float)
    both = np.isfinite(a) & np.isfinite(b)
    a, b, number = a[both], b[both], int(both.sum())
    if number < 4 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return math.nan, math.nan, math.nan, number
    found: Any = scipy.stats.pearsonr(a, b)
    ends = found.confidence_interval(LEVEL)
    return float(found.statistic), float(ends.low), float(ends.high), number


def correlation_within(first: Any, second: Any, groups: Any, clusters: Any) -> Interval:
    """Estimate the correlation of two variables inside groups, with an interval over clusters.

    Each group's means are taken off first, so that groups that lie apart make no correlation. Each
    cluster has one r; the interval is Student's t over the clusters' Fisher z.

    Args:
        first: `(n,)`.
        second: `(n,)`.
        groups: the group of each pair, such as its transformation, `(n,)`.
        clusters: the cluster of each pair, such as its seed, `(n,)`.

    Returns:
        (r, low, high); NaN where no cluster has three pairs that vary, the interval also with one
        cluster.
    """
    pairs = {"a": first, "b": second, "group": groups, "cluster": clusters}
    table: Any = pd.DataFrame(pairs).dropna()
    own = table.groupby(["cluster", "group"])[["a", "b"]]
    table[["a", "b"]] -= own.transform("mean")
    scores = []
    for _, rows in table.groupby("cluster"):
        spare = len(rows) - int(rows["group"].nunique())  # each group's mean takes one pair
        if spare >= 2 and min(np.ptp(rows["a"]), np.ptp(rows["b"])) > ROUNDING:
            r = float(np.clip(np.corrcoef(rows["a"], rows["b"])[0, 1], -1 + 1e-9, 1 - 1e-9))
            scores.append(np.arctanh(r))
    r, low, high = np.tanh(mean_interval(scores))
    return float(r), float(low), float(high)


def difference_interval(first: Interval, second: Interval) -> Interval:
    """Estimate the difference of two independent estimates, each with its interval's ends.

    The ends are joined as squares, each on its side (Zou and Donner 2008, doi 10.1002/sim.3095).

    Returns:
        The difference and its interval's ends; NaN where one of the two has none.
    """
    (a, a_low, a_high), (b, b_low, b_high) = first, second
    low = a - b - float(np.hypot(a - a_low, b_high - b))
    return a - b, low, a - b + float(np.hypot(a_high - a, b - b_low))


def crossed_interval(values: ArrayLike, level: float = LEVEL) -> CrossedInterval:
    """Average values of units crossed with observers, with an interval over both.

    Answers that share a unit or an observer are not independent: the means of the units have a
    spread, and so have those of the observers (`crossed_ends`).

    Args:
        values: `(units, observers)`; NaN where a unit has none from an observer.
        level: of the interval, in (0, 1).

    Returns:
        The mean over the values that there are, the interval's ends and both standard errors. All
        but the mean are NaN with fewer than two units or observers, and where all values are
        equal, which say nothing of the spread.

    Example:
        >>> import numpy as np
        >>> from invariscope.analysis.intervals import crossed_interval
        >>> crossed_interval(np.full((6, 3), 0.5))[:3]
        (0.5, nan, nan)
    """
    table = np.asarray(values, float)
    known = np.isfinite(table)
    if not known.any():
        return CrossedInterval(*[math.nan] * 5)
    middle = float(table[known].mean())
    whole = table[known.any(1)][:, known.any(0)]
    if min(whole.shape) < 2 or np.ptp(table[known]) <= ROUNDING * abs(middle):
        return CrossedInterval(middle, *[math.nan] * 4)
    means = np.nanmean(whole, 1), np.nanmean(whole, 0)
    errors = [float(own.std(ddof=1) / len(own) ** 0.5) for own in means]
    return CrossedInterval(*crossed_ends(middle, errors, whole.shape, level), *errors)


def crossed_ends(
    mean: float, errors: Sequence[float], counts: Sequence[int], level: float = LEVEL
) -> Interval:
    """Estimate the interval of a mean over units and observers from both standard errors.

    The half-widths of Student's intervals over the units' means and over the observers' means are
    joined as squares: wide for two observers who differ, as wide as over units alone for observers
    who agree. Too wide rather than too narrow, since both hold what is of neither.

    Args:
        mean: over both.
        errors: the standard error over units, and over observers.
        counts: of units, and of observers.
        level: of the interval, in (0, 1).
    """
    if min(counts) < 2:
        return mean, math.nan, math.nan
    times = scipy.stats.t.ppf(0.5 + level / 2, np.array(counts) - 1)
    half = float(np.hypot(*(times * np.array(errors))))
    return mean, mean - half, mean + half


def sign_flip_p(values: Any) -> float:
    """Test paired differences against no difference, by turning the signs of whole pairs.

    Args:
        values: a difference a pair, `(n,)`; NaN is left out. Up to twelve pairs all turns are
            tried, of more pairs as many as are drawn for an interval.

    Returns:
        The share of turns with a mean at least as far from 0 (two-sided); NaN without a pair.

    Example:
        >>> from invariscope.analysis.intervals import sign_flip_p
        >>> sign_flip_p([1, 2, 3])
        0.25
    """
    known = np.asarray(values, float)
    known = known[np.isfinite(known)]
    number = len(known)
    if number == 0:
        return math.nan
    if number <= MOST_EXACT:
        turns = 1 - 2.0 * ((np.arange(2**number)[:, None] >> np.arange(number)) & 1)
    else:
        stream = seeds.numpy_stream("sign_flip_p", number)
        drawn = 1 - 2.0 * stream.integers(0, 2, (DRAWS, number))
        turns = np.concatenate([np.ones((1, number)), drawn])
    size = np.abs(known).sum()
    far = np.abs(turns @ known) >= abs(known.sum()) - ROUNDING * size
    return float(far.mean())


def clustered_mean(
    values: ArrayLike,
    clusters: Sequence[Any] | NDArray[Any],
    bounds: tuple[float, float] = (-math.inf, math.inf),
) -> Interval:
    """Average the clusters' means, with a 95 % interval by Student's t over clusters.

    Clusters (units, participants) are independent of each other, values inside one are not.

    Args:
        values: `(n,)`; NaN is left out.
        clusters: the cluster of each value, `(n,)`.
        bounds: what the mean can be, at least and at most; the interval ends there (`SHARE`).

    Returns:
        The mean and the interval's ends: NaN with one cluster, or means that are all equal.
    """
    mean, low, high = mean_interval(cluster_means(values, clusters))
    return mean, max(low, bounds[0]), min(high, bounds[1])
