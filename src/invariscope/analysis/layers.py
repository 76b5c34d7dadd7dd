"""How far images lie apart in every layer of an observer (row 9)."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from invariscope.analysis.grouping import Rows, groups_by, rows_where
from invariscope.analysis.respond import features_at
from invariscope.errors import InputError
from invariscope.plurals import number_of
from invariscope.subjects.base import Subject

KINDS = ("reference", "invariant", "mei")
PAIRS = ("reference ↔ invariant", "invariant ↔ invariant", "MEI ↔ MEI")
TOGETHER = 1 << 27  # entries of the layers that one pass gives, half a GB


def between(points: Tensor) -> float:
    """Mean L2 distance of all pairs of points, `(n, entries)`; missing with fewer than two."""
    if len(points) < 2:
        return float("nan")
    return float(torch.nn.functional.pdist(points.double()).mean())


def to_one(point: Tensor, points: Tensor) -> float:
    """Average the L2 distance of points, `(n, entries)`, from a point, `(entries,)`."""
    return float((points.double() - point.double()).norm(dim=1).mean())


def layer_distances(
    observer: Subject, images: Tensor, labels: pd.DataFrame, sites: Sequence[str]
) -> pd.DataFrame:
    """Measure images' distances through an observer, over distances of photos of a class.

    Args:
        images: `(n, 3, height, width)` in [0, 1].
        labels: one row an image: `kind` (`reference`, `invariant`, `mei`: searches for the same
            unit, or `natural`), `unit` (none for photos), `site` (of an invariant image) and
            `class` (of a unit or photo; "" where it has none).
        sites: of the observer, shallow to deep.

    Returns:
        One row a layer, pair of kinds, unit and stretch site: `layer`, `depth`, `pair`, `unit`,
        `site`, `distance` (mean of the pairs) and `relative`, over the mean distance between two
        photos of the unit's class, or, where no photo is of it, of any one class.

    Raises:
        InputError: labels of another length, or no photos to compare with.
    """
    if len(labels) != len(images):
        raise InputError(
            f"{number_of(len(labels), 'label')} for {number_of(len(images), 'image')}; expected "
            "one each"
        )
    kinds = labels["kind"].to_numpy(str)
    if (kinds == "natural").sum() < 2:
        raise InputError("distances are compared with photos; give a folder of them")
    numbered = labels.reset_index(drop=True)
    scales = _natural(observer, images, rows_where(numbered, kinds == "natural"), sites)
    rows: list[dict[str, Any]] = []
    for key, own in groups_by(rows_where(numbered, kinds != "natural"), ["unit"]):
        about = {**key, "class": str(own["class"].iloc[0])}
        shown, group = images[own.index.tolist()], own.reset_index(drop=True)
        for depth, (layer, points) in enumerate(_layers(observer, shown, sites)):
            scale = scales[layer].get(about["class"], scales[layer][""])
            for pair in _pairs(points, group):
                relative = pair["distance"] / scale if scale > 0 else np.nan
                row = {"layer": layer, "depth": depth, **about, **pair}
                rows.append({**row, "relative": relative})
    columns = ["layer", "depth", "pair", "unit", "site", "distance", "relative"]
    return pd.DataFrame(rows, columns=columns)


def _layers(
    observer: Subject, images: Tensor, sites: Sequence[str]
) -> Iterator[tuple[str, Tensor]]:
    """Give each site's responses in order, `(n, entries)`: as many a pass as memory allows."""
    shapes, together, entries = observer.sites(), list[str](), 0
    for site in sites:
        own = len(images) * math.prod(shapes[site])
        if together and entries + own > TOGETHER:
            yield from features_at(observer, images, together).items()
            together, entries = [], 0
        together.append(site)
        entries += own
    if together:
        yield from features_at(observer, images, together).items()


def _natural(
    observer: Subject, images: Tensor, photos: Rows, sites: Sequence[str]
) -> dict[str, dict[str, float]]:
    """Average distances between photos of each class, by layer; "": over the classes."""
    found: dict[str, dict[str, float]] = {site: {} for site in sites}
    for key, own in groups_by(photos, ["class"]):
        for layer, points in _layers(observer, images[own.index.tolist()], sites):
            distance = between(points)
            if np.isfinite(distance):
                found[layer][str(key["class"])] = distance
    return {
        layer: {**known, "": float(np.mean(list(known.values()))) if known else np.nan}
        for layer, known in found.items()
    }


def _pairs(points: Tensor, group: Rows) -> list[dict[str, Any]]:
    """Measure the distances of one unit's images."""
    there = {kind: group.index[group["kind"] == kind].tolist() for kind in KINDS}
    rows = []
    if len(there["mei"]) > 1:
        rows.append({"pair": PAIRS[2], "site": "", "distance": between(points[there["mei"]])})
    for at, some in groups_by(group.loc[there["invariant"]], ["site"]):
        found = points[some.index.tolist()]
        if len(there["reference"]):
            distance = to_one(points[there["reference"][0]], found)
            rows.append({**at, "pair": PAIRS[0], "distance": distance})
        if len(found) > 1:
            rows.append({**at, "pair": PAIRS[1], "distance": between(found)})
    return rows


def over_units(distances: Rows, keys: Sequence[str] = ()) -> pd.DataFrame:
    """Mean and SD over units of `relative`, for each layer, pair and stretch site.

    Args:
        distances: of `layer_distances`.
        keys: further columns that tell rows apart, such as `subject` and `observer`.
    """
    by = [*keys, "layer", "depth", "pair", "site"]
    groups = distances.groupby(by, sort=False, as_index=False)
    return groups.agg(
        units=("unit", "nunique"),
        distance=("distance", "mean"),
        relative=("relative", "mean"),
        relative_sd=("relative", "std"),
    )
