"""From hypervolume curves to one figure: images until a strategy has what another one ends with."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from invariscope import seeds
from invariscope.errors import InputError
from invariscope.markup import markdown_table

BASELINE, BASELINE_IMAGES = "cma", 25_000
FEW, TABLED = 2000, 10_000  # images at which the table compares
RESAMPLES = 2000
Curves = Mapping[str, NDArray[np.float64]]


def curves_of(results: Sequence[Mapping[str, Any]]) -> Curves:
    """For each unit, the hypervolume curves `(seeds, points)` of its trial.

    Args:
        results: trials of one strategy and noise, as `Frugality.run` gives them.
    """
    return {r["unit"]: np.array([[v for _, v in c] for c in r["curves"].values()]) for r in results}


def last_mean(result: Mapping[str, Any]) -> float:
    """The last hypervolume of a trial, mean over seeds."""
    return float(np.mean([curve[-1][1] for curve in result["curves"].values()]))


def images_to_reach(images: Sequence[float], curve: NDArray[np.float64], goal: float) -> float:
    """Where a curve first reaches the goal, between points linearly; infinite if nowhere."""
    above = np.flatnonzero(curve >= goal)
    if not len(above):
        return float("inf")
    i = int(above[0])
    if i == 0:
        return float(images[0])
    part = (goal - curve[i - 1]) / (curve[i] - curve[i - 1])
    return float(images[i - 1] + part * (images[i] - images[i - 1]))


def evaluations_to_target(
    images: Sequence[float], curves: Curves, ends: Mapping[str, float], name: str
) -> dict[str, float]:
    """Images until the mean curve is where the baseline ends, with a 95 % interval.

    Means are over units and their seeds. The interval is that of a bootstrap over units and,
    inside each, over seeds.

    Args:
        ends: for each unit, the baseline's last hypervolume, mean over seeds.
        name: of the bootstrap's random stream.
    """
    units = sorted(curves)
    stream = seeds.numpy_stream("needed", name)
    found = []
    for _ in range(RESAMPLES):
        drawn, goal = [], []
        for unit in stream.choice(units, len(units)):
            own = curves[unit]
            drawn.append(own[stream.integers(len(own), size=len(own))].mean(0))
            goal.append(ends[unit])
        found.append(images_to_reach(images, np.mean(drawn, 0), float(np.mean(goal))))
    low, high = np.quantile(found, [0.025, 0.975], method="nearest")
    whole = np.mean([curves[unit].mean(0) for unit in units], 0)
    goal = float(np.mean([ends[unit] for unit in units]))
    return {"images": images_to_reach(images, whole, goal), "low": float(low), "high": float(high)}


def figures_of(
    name: str, noise: float, results: Sequence[Mapping[str, Any]], ends: Mapping[str, float]
) -> dict[str, Any]:
    """One strategy's share of what the baseline ends with, and the images that it needs.

    The share is that of the hypervolumes' means over units: with noise the baseline finds next to
    nothing for some units, and shares of theirs would drown the others. None stands for a number
    that was not reached.

    Raises:
        InputError: too few images were shown for a figure.
    """
    shown = [n for n, _ in next(iter(results[0]["curves"].values()))]
    if not shown:
        raise InputError("too few images for a figure; expected at least 250")
    curves = curves_of(results)
    need = evaluations_to_target(shown, curves, ends, f"{name} {noise}")
    goal = float(np.mean([ends[unit] for unit in curves]))
    mean = np.mean([curve.mean(0) for curve in curves.values()], 0)
    ratio = {"ratio": need["images"], "low": need["high"], "high": need["low"]}
    return {
        "strategy": name,
        "images": shown,
        "share": [round(float(v) / goal, 4) for v in mean] if goal else None,
        "units": {u: [round(float(v), 4) for v in c.mean(0)] for u, c in curves.items()},
        "needed": {key: n if np.isfinite(n) else None for key, n in need.items()},
        "ratio": {key: BASELINE_IMAGES / n if np.isfinite(n) else None for key, n in ratio.items()},
    }


def rank(row: Mapping[str, Any], images: int) -> tuple[float, float]:
    """The fewer images the better; what does not get there in so many, by what it has then."""
    need = row["needed"]["images"]
    return need if need is not None and need <= images else float("inf"), -_share(row, images)


def _share(row: Mapping[str, Any], images: int) -> float:
    if row["share"] is None:
        return math.inf
    return [v for n, v in zip(row["images"], row["share"], strict=True) if n <= images][-1]


def as_markdown(conditions: Sequence[Mapping[str, Any]]) -> str:
    """The table of all noises, the best of the first one's reported units first.

    For each noise: the images that the units to report need, with the interval, what they have
    at `FEW` and at `TABLED` images, and what the units to choose on have at `TABLED`.
    """
    heads = [
        head
        for c in conditions
        for head in (f"noise {c['noise']:g}: needed", f"{FEW:,}", f"{TABLED:,}", "to choose on")
    ]
    lines = []
    for row in sorted(conditions[0]["rows"], key=lambda row: rank(row, TABLED)):
        cells = [f"`{row['strategy']}`"]
        for condition in conditions:
            (own,) = (r for r in condition["rows"] if r["strategy"] == row["strategy"])
            (tried,) = (r for r in condition["tried"] if r["strategy"] == row["strategy"])
            need = own["needed"]
            cells.append(
                f"{_images(need['images'])} [{_images(need['low'])}, {_images(need['high'])}]"
            )
            compared = ((own, FEW), (own, TABLED), (tried, TABLED))
            cells += [f"{100 * _share(r, images):.0f} %" for r, images in compared]
        lines.append(cells)
    return markdown_table(["strategy", *heads], lines) + "\n"


def _images(number: float | None) -> str:
    return "–" if number is None else f"{number:,.0f}"
