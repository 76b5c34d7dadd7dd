"""A unit's activity for an image beside its activity for the transformed image.

The paper's units are rectified: activity is never negative. Units that can be negative are
treated in one of two ways, which agree with the paper, and with each other, wherever activity is
not negative:

- `signed`: an activity's strength is its absolute value, so a unit is active when it is far from
  0 on either side, and a change of sign is the largest change there is, `h = 0`.
- `rectified`: what is below 0 counts as 0, as a rectifier behind the unit would have it.

Neither shifts a unit by its minimum: that makes its strongest silence its zero, so nearly every
image counts as active, and h near 1 for images that have nothing in common.
"""

from torch import Tensor

from invariscope import validate

NEGATIVES = ("signed", "rectified")


def treat(activity: Tensor, negatives: str) -> Tensor:
    """Activity under the rule for negative values, `signed` or `rectified`."""
    rule = validate.one_of("rule for negative activity", negatives, NEGATIVES)
    return activity.clamp(min=0) if rule == "rectified" else activity


def compare(before: Tensor, after: Tensor) -> tuple[Tensor, Tensor]:
    """Compute the invariance h and the specialization of pairs of activities (PAPERS §2, Eq. 1).

    `h = 1 − |after − before| / (|after| + |before|)`; the specialization is
    `(|after| − |before|) / (|after| + |before|)`. Both are free of scale: activities need not be
    normalised.

    Args:
        before: for the images, any shape.
        after: for the transformed images, the same shape.

    Returns:
        h in [0, 1], 1 where nothing changes, 0 where one of the two is silent or the sign turns;
        the specialization in [-1, 1], 1 where only the transformed image excites the unit. Both
        NaN where the unit is silent for both.
    """
    weaker, stronger = before.abs(), after.abs()
    both = weaker + stronger
    return 1 - (after - before).abs() / both, (stronger - weaker) / both


def active(before: Tensor, after: Tensor, threshold: Tensor | float) -> Tensor:
    """Find the images that activate a unit above the threshold, transformed or not (A_k).

    Args:
        before, after: `(n, units)`.
        threshold: `(units,)` in the units of activity: τ times the unit's maximum. NaN: never.
    """
    return (before.abs() > threshold) | (after.abs() > threshold)
