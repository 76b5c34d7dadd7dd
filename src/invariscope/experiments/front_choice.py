"""The choice of a front's member to show."""

import numpy as np
import pandas as pd

from invariscope import validate
from invariscope.search.objectives import TASKS
from invariscope.store.settings import RunSettings

CHOICES = ("kept", "knee", "farthest", "nearest")


def knee(front: pd.DataFrame) -> int:
    """Find the member farthest from the straight line between the front's two ends.

    Both axes are scaled to the front's own range; of fewer than three members the last is taken.
    """
    # Column by column: to select two columns of a table takes longer than all the rest.
    points = np.stack([front[name].to_numpy(float) for name in ("stretch", "squeeze")], 1)
    span = np.ptp(points, axis=0)
    if len(points) < 3 or not np.all(span > 0):
        return len(points) - 1
    scaled = (points - points.min(0)) / span
    chord = scaled[-1] - scaled[0]
    offset = scaled - scaled[0]
    return int(np.abs(chord[0] * offset[:, 1] - chord[1] * offset[:, 0]).argmax())


def undominated(front: pd.DataFrame, task: str) -> np.ndarray:
    """Find the members that no other is better than in stretch and squeeze, `(rows,)`, in order.

    All of a front are; of the members of a search that fills cells only some.
    """
    points = np.stack([front[name].to_numpy(float) for name in ("stretch", "squeeze")], 1)
    costs = points @ np.array(TASKS[task].signs)[:, :2].T
    no_worse = (costs[:, None] <= costs[None]).all(2)
    better = no_worse & (costs[:, None] < costs[None]).any(2)
    return np.flatnonzero(~better.any(0))


def meets_bound(front: pd.DataFrame, stop: dict) -> np.ndarray:
    """Mark the members that meet the bound of the paper's stopping rule, `(members,)` bool."""
    activation = front["activation"].to_numpy(float)
    bound = stop.get("bound", np.nan)
    if stop.get("side") == "above":
        return activation > bound
    if stop.get("side") == "below":
        return activation < bound
    return activation <= bound


def choose(front: pd.DataFrame, settings: RunSettings, which: str = "kept") -> int:
    """Choose the row of a front's member (PAPERS §1, "Reported image").

    Args:
        front: one row a member, sorted by stretch.
        settings: of the run.
        which: `kept`, the best member that meets the stopping rule's bound (invariance: the
            farthest that still drives the unit above its natural maximum, where none does
            the knee; adversarial: the nearest below its minimum, where none is the one with
            the lowest activity); `knee`, where a search fills cells that of the members that no
            other is better than; `farthest`, the largest stretch (the original's choice for
            invariance); `nearest`.

    Raises:
        InputError: another choice.
    """
    validate.one_of("choice", which, CHOICES)
    if which == "farthest":
        return len(front) - 1
    if which == "nearest":
        return 0
    # The milestone has the same bound, and is there when the stopping rule was switched off.
    rows = np.flatnonzero(meets_bound(front, settings.milestone)) if which == "kept" else []
    if len(rows):
        return int(rows[-1] if settings.task == "invariance" else rows[0])
    if which == "kept" and settings.task == "adversarial":
        return int(front["activation"].to_numpy(float).argmin())
    if settings.strategy.get("cells"):
        rows = undominated(front, settings.task)
        return int(rows[knee(front.iloc[rows])])
    return knee(front)
