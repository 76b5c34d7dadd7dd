"""Kinds of units with answers that need a word: silent, constant, never positive, saturated.

One vocabulary for every table, page and refusal. A kind follows from what a unit answers to many
images; the empty string is a unit like most. Where several hold, the first of this list counts.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from invariscope.errors import InputError

NOT_FINITE = "its activity was not a finite number for at least one image"
SILENT = "silent: no activity for any image"
CONSTANT = "constant: the same activity for every image"
NEVER_POSITIVE = "never positive: no image drives it above 0"
SATURATED = "saturated: it answers every photo nearly alike"
KINDS = (NOT_FINITE, SILENT, CONSTANT, NEVER_POSITIVE, SATURATED)
# Of these a search can tell nothing: no image is better than another.
WITHOUT_ANSWER = (NOT_FINITE, SILENT, CONSTANT)
ALIKE = 1e-6  # a unit that varies by less, as a share of its largest size, is constant
STRONG = 0.9  # a unit that 99 of 100 photos drive above this share of its maximum is saturated


def unit_kinds(
    minimum: ArrayLike, maximum: ArrayLike, usual: ArrayLike | None = None
) -> NDArray[np.object_]:
    """State each unit's kind, `(units,)`: a sentence of `KINDS`, or "" for a unit like most.

    Args:
        minimum, maximum: of its activity over all images; NaN or infinite where an answer was.
        usual: the activity that 99 of 100 images reach or exceed (its 1st percentile); without
            it no unit is called saturated.

    Example:
        >>> unit_kinds([0.0, -2.0, 0.0], [0.0, -1.0, 3.0]).tolist()[0]
        'silent: no activity for any image'
    """
    low, high = np.asarray(minimum, float), np.asarray(maximum, float)
    often = np.full(low.shape, np.nan) if usual is None else np.asarray(usual, float)
    finite = np.isfinite(low) & np.isfinite(high)
    safe_low, safe_high = np.where(finite, low, 0.0), np.where(finite, high, 0.0)
    size = np.maximum(np.abs(safe_low), np.abs(safe_high))
    holds = [
        ~finite,
        size == 0,
        # Halves: a span of two huge numbers of opposite sign is beyond what a float holds.
        np.abs(safe_high / 2 - safe_low / 2) <= ALIKE * size / 2,
        safe_high <= 0,
        (safe_high > 0) & (often >= STRONG * safe_high),
    ]
    return np.select(holds, list(KINDS), "").astype(object)


def natural_kind(natural: Mapping[str, Any] | None) -> str:
    """State the kind of one unit from its statistics over photos; "" where none are known.

    Args:
        natural: `minimum`, `maximum` and, for saturation, `p1` or the `percentiles` of
            `UnitStatistics`, of which the second is the 1st percentile.
    """
    if not natural:
        return ""
    levels = natural.get("percentiles") or ()
    usual = natural.get("p1", levels[1] if len(levels) > 1 else np.nan)
    bounds = [natural.get(key, np.nan) for key in ("minimum", "maximum")]
    return str(unit_kinds([bounds[0]], [bounds[1]], [usual])[0])


def searched_kind(
    natural: Mapping[str, Any] | None,
    activations: Iterable[Sequence[float]],
    reference: float = float("nan"),
) -> str:
    """State the kind of a searched unit: over photos where known, else over its search's images.

    A search alone tells only whether the unit answered any of its images otherwise.

    Args:
        natural: statistics over photos, as for `natural_kind`; None where they are not known.
        activations: of each generation some, the least and the largest among them.
        reference: the unit's activity for the image departed from, if any.

    Example:
        >>> searched_kind(None, [[0.0, 0.0], [0.0, 0.0]])
        'silent: no activity for any image'
    """
    if known := natural_kind(natural):
        return known
    shown = [float(value) for some in activations for value in some]
    shown += [reference] if reference == reference else []  # noqa: PLR0124  (NaN: there is none)
    if not shown:
        return ""
    kind = str(unit_kinds([min(shown)], [max(shown)])[0])
    return kind if kind in WITHOUT_ANSWER else ""


def check_answers_differ(unit: str, kind: str, of: str = "natural images") -> None:
    """Refuse a search on a unit that answers no image differently.

    Args:
        unit: its address.
        kind: of `natural_kind`.
        of: what it was shown.

    Raises:
        InputError: the unit is silent, constant, or answers with NaN or infinity.
    """
    if kind in WITHOUT_ANSWER:
        raise InputError(
            f"nothing can be searched for on unit {unit!r}: over {of}, {kind}; choose another unit"
        )


def kind_note(unit: str, kind: str) -> str:
    """Write a sentence beside a search; "" where the unit is like most."""
    if kind == SATURATED:
        return (
            f"unit {unit} is {kind}, at or above {STRONG:.0%} of its maximum for 99 % of them, so "
            "keeping its activity says little"
        )
    if kind in WITHOUT_ANSWER:
        return f"unit {unit} is {kind}; so what its searches found says nothing"
    if kind == NEVER_POSITIVE:
        return f"unit {unit} is {kind}, so activity is told in SDs over photos, not in percent"
    return ""


def loss_of_activity(
    reference: float, activation: float, natural: Mapping[str, Any] | None
) -> float:
    """Measure a loss of activity in SDs of the unit's activity over photos.

    Args:
        reference, activation: the unit's activity for the reference and for an image.
        natural: its statistics over photos, with `sd`.

    Returns:
        The loss, positive where activity fell; NaN where the SD is not known or not positive.
    """
    spread = float((natural or {}).get("sd") or np.nan)
    return (reference - activation) / spread if spread > 0 else float("nan")


def times_maximum(activity: float | None, natural: Mapping[str, Any] | None) -> float:
    """Activity over the most that any photo gives; NaN where that is not positive."""
    most = float((natural or {}).get("maximum") or np.nan)
    return activity / most if activity is not None and most > 0 else float("nan")
