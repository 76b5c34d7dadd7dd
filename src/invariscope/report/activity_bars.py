"""Bars of activity with the unit's strongest and weakest photo as ticks on the same scale."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np


def add_activity_bars(
    cells: Sequence[dict[str, Any]], reference: float | None, natural: Mapping[str, Any] | None
) -> None:
    """Add a bar to each image of a unit, all on one scale, so that bars and ticks compare.

    The scale holds zero, the reference's activity, both photos' and every image's. A cell gets
    `bar`: `start`, `width`, `strongest` and `weakest` in percent of the bar's length, the latter
    two None where no photos are known; `bar` is None where the scale has no length.

    Args:
        cells: of `groups.describe`, with `activation`.
        reference: the activity for the reference.
        natural: the unit's statistics over photos, with `minimum` and `maximum`.
    """
    photos = [float(natural["minimum"]), float(natural["maximum"])] if natural else []
    known = [0.0, *photos, *(float(cell["activation"]) for cell in cells)]
    known += [] if reference is None else [float(reference)]
    values = [value for value in known if np.isfinite(value)]
    low, high = min(values), max(values)

    def place(value: float) -> float:
        return round(100 * (value - low) / (high - low), 2)

    for cell in cells:
        cell["bar"] = None
        if high > low and np.isfinite(cell["activation"]):
            ends = sorted([place(0.0), place(cell["activation"])])
            ticks = [place(value) for value in photos] or [None, None]
            cell["bar"] = {
                "start": ends[0],
                "width": round(ends[1] - ends[0], 2),
                "weakest": ticks[0],
                "strongest": ticks[1],
            }
