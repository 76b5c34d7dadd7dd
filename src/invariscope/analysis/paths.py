"""Is activity kept along the way from one invariant image to another (row 14, geometry)."""

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from invariscope.analysis.grouping import Rows, rows_where
from invariscope.analysis.respond import activity
from invariscope.errors import InputError
from invariscope.generators.base import Generator
from invariscope.subjects.base import Subject
from invariscope.units import Target

STEPS = 11
WAYS = ("straight", "spherical", "pixels")


def straight(one: Tensor, other: Tensor, steps: int = STEPS) -> Tensor:
    """Go straight from a code to another, `(steps, code_dim)`, both ends included."""
    share = torch.linspace(0, 1, steps, dtype=one.dtype)[:, None]
    return (1 - share) * one + share * other


def spherical(one: Tensor, other: Tensor, centre: Tensor, steps: int = STEPS) -> Tensor:
    """Go along the great arc about `centre`, the radius changing evenly, `(steps, code_dim)`.

    Where the two directions are the same or opposite there is no one arc: the segment instead.
    """
    a, b = (one - centre).double(), (other - centre).double()
    radii = a.norm(), b.norm()
    if min(radii) == 0:
        return straight(one, other, steps)
    cosine = (a / radii[0]) @ (b / radii[1])
    angle = torch.arccos(cosine.clamp(-1, 1))
    if torch.sin(angle) < 1e-6:
        return straight(one, other, steps)
    share = torch.linspace(0, 1, steps, dtype=torch.float64)[:, None]
    turn = torch.sin((1 - share) * angle) * a / radii[0] + torch.sin(share * angle) * b / radii[1]
    radius = (1 - share) * radii[0] + share * radii[1]
    return (centre.double() + radius * turn / torch.sin(angle)).to(one.dtype)


def _centre(generator: Generator) -> Tensor:
    """Give the centre of codes: the mean of natural codes, 0 where no mean is known."""
    statistics = generator.code_statistics
    return statistics.mean.float().cpu() if statistics else torch.zeros(generator.code_dim)


def along_paths(
    subject: Subject,
    generator: Generator,
    target: Target,
    codes: Tensor,
    *,
    steps: int = STEPS,
    most: int = 10,
) -> pd.DataFrame:
    """Measure the unit's activity along paths between invariant images of one unit and site.

    Args:
        codes: `(images, code_dim)`; every pair is a path, the first `most` of them.
        steps: points of a path, both ends included.

    Returns:
        One row a pair, way and point: `pair`, `way` (`straight` or `spherical` in codes, or
        `pixels`: one image fades into the other), `place` (0 … 1), `activation`, and `kept`,
        over the value between the two ends' activities at that place (missing where that is not
        positive).

    Raises:
        InputError: fewer than two codes.
    """
    if len(codes) < 2:
        raise InputError(f"a path needs two images; got {len(codes)}")
    centre, own = _centre(generator), codes.float().cpu()
    places = np.linspace(0, 1, steps)
    rows: list[dict[str, Any]] = []
    for number, (i, j) in enumerate(list(combinations(range(len(own)), 2))[:most]):
        paths = {
            "straight": straight(own[i], own[j], steps),
            "spherical": spherical(own[i], own[j], centre, steps),
        }
        images = {way: generator.generate(path).cpu() for way, path in paths.items()}
        flat = images["straight"][[0, -1]].flatten(1)
        faded = straight(flat[0], flat[1], steps)
        images["pixels"] = faded.unflatten(1, images["straight"].shape[1:])
        answers = activity(subject, target, torch.cat([images[way] for way in WAYS]))
        for way, values in zip(WAYS, answers.double().cpu().split(steps), strict=True):
            found = values.numpy()
            expected = (1 - places) * found[0] + places * found[-1]
            kept = found / np.where(expected > 0, expected, np.nan)
            rows += [
                {"pair": number, "way": way, "place": p, "activation": a, "kept": k}
                for p, a, k in zip(places, found, kept, strict=True)
            ]
    return pd.DataFrame(rows)


def path_summary(points: Rows, keys: Sequence[str]) -> pd.DataFrame:
    """Average the least and the middle share kept along paths, over units.

    Args:
        points: of `along_paths`, with `unit` and the columns `keys`.

    Returns:
        One row of `keys` and way: `units`, `paths`, `least` (mean over units of each path's
        smallest `kept`, with `least_sd`) and `middle` (at the path's middle).
    """
    by = [*keys, "unit", "way", "pair"]
    nearest = (points["place"] - 0.5).abs()
    middle = rows_where(points, nearest == nearest.min()).groupby(by)["kept"].mean()
    each = points.groupby(by, sort=False)["kept"].min().to_frame("least")
    each["middle"] = middle
    units = each.groupby([*keys, "way", "unit"], sort=False).agg(
        least=("least", "mean"), middle=("middle", "mean"), paths=("least", "size")
    )
    table = units.groupby([*keys, "way"], sort=False).agg(
        units=("least", "size"),
        paths=("paths", "sum"),
        least=("least", "mean"),
        least_sd=("least", "std"),
        middle=("middle", "mean"),
    )
    return table.reset_index()
