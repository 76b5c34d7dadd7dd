"""Kinds of image in the front of a search that fills cells, and the best image of each kind."""

from typing import Any

import numpy as np
import pandas as pd

from invariscope.store.settings import RunSettings

KEPT = 0.5  # of the reference's activity

Kind = tuple[int, ...]


def measures_of(settings: RunSettings) -> list[list[Any]]:
    """List the measures of a run's cells: name, low, high and number of cells; else none."""
    return [list(measure[:4]) for measure in settings.strategy.get("cells") or []]


def kinds(front: pd.DataFrame, settings: RunSettings, reference: float) -> dict[Kind, int] | None:
    """Find each kind of image, at any distance, that keeps half of the activity, and its best.

    A kind is a cell of the measures, the distance apart. When silencing, its images lose half.

    Args:
        front: one row a member, with `stretch`, `activation` and a column a measure.
        settings: of the run.
        reference: the activity for the reference.

    Returns:
        The row of the best member by kind, in the kinds' order: the farthest, and when silencing
        the nearest. None where the run fills no cells, an earlier session kept no measures, or
        half of the activity has no meaning, since the reference's is not positive.
    """
    measures = measures_of(settings)
    if not measures or not reference > 0 or any(name not in front for name, *_ in measures):
        return None
    places = []
    for name, low, high, cells in measures:
        place = (front[name].to_numpy(float) - low) / (high - low) * cells
        places.append(np.where(np.isnan(place), np.nan, np.clip(np.floor(place), 0, cells - 1)))
    kept = front["activation"].to_numpy(float) / reference
    silencing = settings.task == "adversarial"
    half = kept <= KEPT if silencing else kept >= KEPT
    stretch = front["stretch"].to_numpy(float)
    order = np.argsort(-stretch if silencing else stretch, kind="stable")
    where = np.stack(places, 1)
    found = {
        tuple(where[row].astype(int).tolist()): int(row)
        for row in order
        if half[row] and not np.isnan(where[row]).any()
    }
    return dict(sorted(found.items()))
