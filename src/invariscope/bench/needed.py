"""From hypervolume curves to one figure: images until a strategy has what another one ends with."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from invariscope import seeds

RESAMPLES = 2000
Curves = Mapping[str, NDArray[np.float64]]


def shares(results: Sequence[Mapping[str, Any]], ends: Mapping[str, float]) -> Curves:
    """For each unit, the curves of its seeds as shares of what the baseline ends with there.

    Args:
        results: trials of one strategy and noise, as `Frugality.run` gives them.
        ends: for each unit, the baseline's last hypervolume, mean over seeds.

    Returns:
        `(seeds, points)` for each unit.
    """
    return {
        r["unit"]: np.array([[v for _, v in c] for c in r["curves"].values()]) / ends[r["unit"]]
        for r in results
    }


def last_mean(result: Mapping[str, Any]) -> float:
    """The last hypervolume of a trial, mean over seeds."""
    return float(np.mean([curve[-1][1] for curve in result["curves"].values()]))


def images_needed(images: Sequence[float], share: NDArray[np.float64]) -> float:
    """Where a curve of shares first reaches 1, between points linearly; infinite if nowhere."""
    above = np.flatnonzero(share >= 1)
    if not len(above):
        return float("inf")
    i = int(above[0])
    if i == 0:
        return float(images[0])
    part = (1 - share[i - 1]) / (share[i] - share[i - 1])
    return float(images[i - 1] + part * (images[i] - images[i - 1]))


def needed(images: Sequence[float], curves: Curves, name: str) -> dict[str, float]:
    """Images that the mean curve (over units, then seeds) needs, with a 95 % interval.

    The interval is that of a bootstrap over units and, inside each, over seeds.

    Args:
        name: of the bootstrap's random stream.
    """
    units = sorted(curves)
    stream = seeds.numpy_stream("needed", name)
    found = []
    for _ in range(RESAMPLES):
        drawn = []
        for unit in stream.choice(units, len(units)):
            own = curves[unit]
            drawn.append(own[stream.integers(len(own), size=len(own))].mean(0))
        found.append(images_needed(images, np.mean(drawn, 0)))
    low, high = np.quantile(found, [0.025, 0.975], method="nearest")
    whole = np.mean([curves[unit].mean(0) for unit in units], 0)
    return {"images": images_needed(images, whole), "low": float(low), "high": float(high)}
