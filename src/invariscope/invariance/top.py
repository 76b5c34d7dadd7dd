"""Goodfellow et al.'s rule: a unit fires for the top k % of images; how many still do, transformed?

The comparison of PAPERS §2 (Fig. 8). The threshold is the activity that k % of the untransformed
images exceed, exactly: their activities are kept until the first pass ends (4 bytes a unit and
image). Where many images share that activity, as they share a rectifier's 0, fewer fire.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from invariscope.errors import InputError
from invariscope.invariance.pairs import treat
from invariscope.invariance.passes import MeasurementSetup
from invariscope.plurals import number_of

PERCENTS = (0.5, 1, 5, 10, 20, 40)
MOST_BYTES = 2**30
UNITS_AT_ONCE = 256


class TopActivities:
    """Strengths of untransformed images, kept until the thresholds are known.

    Args:
        setup: what is shown.
        percents: k of the top k %.

    Raises:
        InputError: a share outside (0, 100), or more activities than `MOST_BYTES` hold.
    """

    def __init__(self, setup: MeasurementSetup, percents: Sequence[float]) -> None:
        for percent in percents:
            if not 0 < percent < 100:
                raise InputError(f"top {percent} %; expected a number between 0 and 100")
        self._units = units = sum(setup.units.values())
        needed = 4 * units * len(setup.images) if percents else 0
        if needed > MOST_BYTES:
            raise InputError(
                f"the top-k % rule would keep {needed / 2**30:.1f} GB of activities "
                f"({number_of(units, 'unit')} × {number_of(len(setup.images), 'image')}), at most "
                f"{MOST_BYTES / 2**30:.0f} GB are; leave it out (top=(), --no-top) or name fewer "
                "sites"
            )
        self.percents = tuple(percents)
        self._negatives = setup.negatives
        self._where = setup.where
        self._parts: list[Tensor] = []

    def add(self, activities: Tensor) -> None:
        """Take in one untransformed batch, `(n, units)`."""
        if self.percents:
            self._parts.append(treat(activities, self._negatives).abs().cpu())

    def levels(self) -> Tensor:
        """Give the strength that a unit must exceed to fire, `(percents, units)` float64.

        NaN where k % is less than one image, or where an answer was not a number.
        """
        levels = torch.full((len(self.percents), self._units), torch.nan, dtype=torch.float64)
        for start in range(0, self._units, UNITS_AT_ONCE) if self._parts else ():
            columns = slice(start, start + UNITS_AT_ONCE)
            strengths = torch.cat([part[:, columns] for part in self._parts])
            levels[:, columns] = _levels(strengths, self.percents)
        return levels.to(self._where)


def _levels(strengths: Tensor, percents: Sequence[float]) -> Tensor:
    """Find the thresholds, `(percents, units)` float64, of strengths `(images, units)`."""
    images = len(strengths)
    ordered = strengths.sort(dim=0, descending=True).values.double()
    rows = []
    for percent in percents:
        firing = math.floor(percent / 100 * images + 1e-9)
        rows.append(ordered[firing] if firing else torch.full_like(ordered[0], torch.nan))
    levels = torch.stack(rows)
    levels[:, strengths.isnan().any(0)] = torch.nan
    return levels
