"""Affine copies of a reference: distance, and the activity that is kept (Fig. 2)."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from invariscope.search.measure import pad
from invariscope.search.search import SMALLEST_CHUNK
from invariscope.subjects.base import PIXELS, Subject
from invariscope.subjects.pixels import pixel_distance
from invariscope.transformations.affine import rotate, shrink, translate
from invariscope.units import parse_target

ROTATIONS = (0, 45, 90, 135, 180)
TRANSLATIONS = (0, 5, 10, 25, 50)
SCALES = (0.2, 0.4, 0.6, 0.8, 1.0)


def affine_copies(image: Tensor) -> list[tuple[str, float, Tensor]]:
    """Make the paper's affine copies of an image (PAPERS §1, row 1).

    Args:
        image: `(3, side, side)` in [0, 1].

    Returns:
        (kind, strength, copy): rotation in degrees, translation in percent of the side (one
        copy in each of the four directions), scale as new over old side.
    """
    batch = image.unsqueeze(0)
    copies: list[tuple[str, float, Tensor]] = []
    copies += [("rotation", float(angle), rotate(batch, angle)[0]) for angle in ROTATIONS]
    for percent in TRANSLATIONS:
        share = percent / 100
        for right, down in ((share, 0), (-share, 0), (0, share), (0, -share)):
            copies.append(("translation", float(percent), translate(batch, right, down)[0]))
    copies += [("scale", scale, shrink(batch, scale)[0]) for scale in SCALES]
    return copies


def affine_baseline(
    subject: Subject, unit: str, image: Tensor, *, shown: Callable[[Tensor], Tensor] | None = None
) -> pd.DataFrame:
    """Pixel distance and activity of a reference's affine copies.

    Args:
        unit: the target's address.
        image: the reference, `(3, height, width)` in [0, 1].
        shown: what brings copies under the constraints of the searched images
            (`Generator.constrain`), so that both keep to the same; the reference does already.

    Returns:
        One row a kind and strength (translations averaged over four directions): `kind`,
        `strength`, `distance` (L2, of the image that the subject sees), `activation`,
        `reference` (activity for the reference), `reduction` in percent, missing where the
        reference's activity is not positive.
    """
    target = parse_target(unit, subject.sites())
    copies = affine_copies(image)
    moved = torch.stack([copy for _, _, copy in copies])
    moved = moved if shown is None else shown(moved).to(image.device)
    batch = torch.cat([image.unsqueeze(0), moved])
    responses = subject.respond(pad(batch, SMALLEST_CHUNK), [PIXELS, *target.sites])
    own = {site: response[: len(batch)] for site, response in responses.items()}
    activity = target.read(own).mean(1)
    distance = pixel_distance(own[PIXELS], own[PIXELS][:1])
    rows = pd.DataFrame(
        {
            "kind": [kind for kind, _, _ in copies],
            "strength": [strength for _, strength, _ in copies],
            "distance": distance[1:].double().cpu().numpy(),
            "activation": activity[1:].double().cpu().numpy(),
        }
    )
    table = pd.DataFrame(rows.groupby(["kind", "strength"], as_index=False).mean())
    reference = float(activity[0])
    lost = reference - table["activation"].to_numpy(float)
    reduction = lost / reference * 100 if reference > 0 else np.full(len(lost), np.nan)
    return table.assign(reference=reference, reduction=reduction)


def affine_distance(affine: pd.DataFrame, reduction: float) -> float:
    """Find the farthest affine copy, interpolated along each kind, that loses no more activity.

    Args:
        affine: columns `kind`, `distance` and `reduction`.
        reduction: in percent of the reference's activity.
    """
    best = 0.0
    for _, copies in affine.groupby("kind"):
        path = copies.sort_values("distance")
        x, y = path["distance"].to_numpy(float), path["reduction"].to_numpy(float)
        for i in range(len(x) - 1):
            low, high = sorted((y[i], y[i + 1]))
            if low <= reduction <= high and high > low:
                share = (reduction - y[i]) / (y[i + 1] - y[i])
                best = max(best, x[i] + share * (x[i + 1] - x[i]))
            elif y[i + 1] <= reduction:
                best = max(best, x[i + 1])
    return best
