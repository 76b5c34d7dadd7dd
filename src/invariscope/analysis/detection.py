"""Signal detection: how well a difference is seen, apart from how readily people say so.

d′ = z(H) − z(F), H the share "different" where two images differ, F where they are the same
(Green and Swets 1966); shares with half a judgement added on either side, so that none is 0 or 1
(Hautus 1995); standard errors by Gourevitch and Galanter (1967).
"""

from typing import NamedTuple

import numpy as np
import scipy  # its `stats` is slow to import, and loads when first used
from numpy.typing import ArrayLike, NDArray

from invariscope.errors import InputError

Floats = NDArray[np.float64]


class Sensitivity(NamedTuple):
    """How well differences are seen.

    Attributes:
        value: d′, or the share "different"; NaN where nothing was judged.
        error: its standard error from these judgements alone.
        shared: the standard error that all values share, from F.
    """

    value: Floats
    error: Floats
    shared: float


def corrected_share(said: ArrayLike, judged: ArrayLike) -> Floats:
    """Compute a share with half a judgement added to either side, in (0, 1)."""
    return (np.asarray(said, float) + 0.5) / (np.asarray(judged, float) + 1)


def _check(said: Floats, judged: Floats) -> None:
    if said.shape != judged.shape or (said < 0).any() or (said > judged).any():
        raise InputError("counts that do not fit; expected 0 to the number of judgements of each")


def _z_variance(share: Floats, judged: Floats) -> Floats:
    """Compute the variance of z(share) (Gourevitch and Galanter 1967, eq. 4)."""
    return (
        share
        * (1 - share)
        / ((judged + 1) * scipy.stats.norm.pdf(scipy.stats.norm.ppf(share)) ** 2)
    )


def d_prime(said: ArrayLike, judged: ArrayLike, false: int, same: int) -> Sensitivity:
    """Measure d′ of each image.

    Args:
        said: judgements "different" of each image, `(images,)`.
        judged: all judgements of each, `(images,)`.
        false: judgements "different" of two equal images.
        same: all judgements of two equal images.

    Raises:
        InputError: counts that do not fit.

    Example:
        >>> float(d_prime([5], [10], 5, 10).value[0])
        0.0
    """
    hits, counts = np.asarray(said, float), np.asarray(judged, float)
    _check(hits, counts)
    _check(np.array([false], float), np.array([same], float))
    share, alarms = corrected_share(hits, counts), corrected_share([false], [same])
    known = counts > 0
    value = np.where(known, scipy.stats.norm.ppf(share) - scipy.stats.norm.ppf(alarms), np.nan)
    error = np.where(known, np.sqrt(_z_variance(share, counts)), np.nan)
    return Sensitivity(value, error, float(np.sqrt(_z_variance(alarms, np.array([same])))[0]))


def share_different(said: ArrayLike, judged: ArrayLike, false: int, same: int) -> Sensitivity:
    """Measure the share "different" of each image beyond that of two equal images.

    Args and errors: as for `d_prime`; the error is the binomial one of the corrected share.
    """
    hits, counts = np.asarray(said, float), np.asarray(judged, float)
    _check(hits, counts)
    share, alarms = corrected_share(hits, counts), float(corrected_share(false, same))
    known = counts > 0
    value = np.where(known, share - alarms, np.nan)
    error = np.where(known, np.sqrt(share * (1 - share) / (counts + 1)), np.nan)
    return Sensitivity(value, error, float(np.sqrt(alarms * (1 - alarms) / (same + 1))))
