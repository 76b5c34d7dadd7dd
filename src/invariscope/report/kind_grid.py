"""The kinds of image in the front of a search that fills cells, as a grid of pictures."""

from itertools import pairwise
from typing import Any

from invariscope.experiments.image_kinds import measures_of
from invariscope.report.album import Album
from invariscope.store.record import RunRecord

HUES = ("red", "yellow", "green", "cyan", "blue", "pink")  # where each sixth begins


def kind_grid(record: RunRecord, album: Album) -> dict[str, Any] | None:
    """Arrange the best image of each kind by the first measure, from high to low, and the second.

    Of more than two measures the others are laid together: the best over them is shown.

    Returns:
        `down` and `across`, the measures' names (`down` empty with one measure); `columns`, words
        for the cells across; `rows` of `label` and `cells`, each None or `image`, `kept` (percent
        of the reference's activity), `distance` (pixels) and `words`; `others`, names of the
        measures laid together; `filled` of `count` kinds; `seed`. None where the run fills no
        cells, has no picture of a kind, or no image keeps (silencing: loses) half.
    """
    best = album.kinds(record)
    if not best:
        return None
    activity = float(record.tensors["reference_activity"].mean())
    measures = measures_of(record.settings)
    *down, across = measures[:2]
    silencing = record.settings.task == "adversarial"
    stretch = record.front["stretch"].to_numpy(float)
    place: dict[tuple[int, ...], int] = {}
    for kind, row in best.items():
        known = place.setdefault(kind[:2], row)
        if (stretch[row] < stretch[known]) == silencing:
            place[kind[:2]] = row
    words = _words(down[0]) if down else [""]
    rows = []
    for k in reversed(range(len(words))):
        keys = [(k, j) if down else (j,) for j in range(int(across[3]))]
        cells = [
            _cell(record, place[key], activity, album) if key in place else None for key in keys
        ]
        rows.append({"label": words[k], "cells": cells})
    count = len(words) * int(across[3])
    return {
        "down": down[0][0] if down else "",
        "across": across[0],
        "columns": _words(across),
        "rows": rows,
        "others": [name for name, *_ in measures[2:]],
        "filled": len(place),
        "count": count,
        "seed": record.settings.seed,
    }


def _words(measure: list[Any]) -> list[str]:
    """Name the cells of a measure: the hue that each begins with, or the ends of each."""
    name, low, high, cells = measure
    if name == "hue" and int(cells) == len(HUES):
        return [f"from {hue}" for hue in HUES]
    edges = [low + (high - low) * k / cells for k in range(int(cells) + 1)]
    return [f"{one:.3g} to {other:.3g}" for one, other in pairwise(edges)]


def _cell(record: RunRecord, row: int, activity: float, album: Album) -> dict[str, Any]:
    front = record.front
    kept, distance = (
        100 * front["activation"].iloc[row] / activity,
        front["pixel_distance"].iloc[row],
    )
    words = f"keeps {kept:.0f} % of the activity at pixel distance {distance:.0f}"
    return {"image": album.image(record, row), "kept": kept, "distance": distance, "words": words}
