"""The known transformation of a reference that comes closest to an image found by a search."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from invariscope.analysis.respond import activity
from invariscope.errors import InputError
from invariscope.invariance.pairs import compare
from invariscope.invariance.setup import BEYOND, labels
from invariscope.search.search import SMALLEST_CHUNK
from invariscope.subjects.base import Subject
from invariscope.subjects.pixels import pixel_distance
from invariscope.transformations import AFFINE, LIGHT, TWELVE, Transformation, image_keys, load
from invariscope.units import Target

# Fields whose negative strengths are transformations of their own.
TWO_SIDED = (
    ("rotation", "degrees"),
    ("translation", "right"),
    ("translation", "down"),
    ("shear", "slope"),
    ("luminance", "shift"),
)
STILL = {"translation": {"right": 0.0, "down": 0.0}}  # where another field does not change too
NONE = "none"


class ExplainedImages(NamedTuple):
    """Images compared with known transformations of their reference.

    Attributes:
        copies: one row a transformation of the reference: `transformation`, `kind` (its name),
            `distance` (L2 over the pixels that the subject sees, from the reference), `activation`,
            `h` with the reference.
        images: one row an image: `distance` from the reference, `activation`, `h` with the
            reference; `best`, the nearest copy (`none` where the reference itself is nearer), its
            `kind`, `left` (distance from the image), `explained` (1 − left² / distance²),
            `copy_activation` and `copy_h`. Missing where the image is the reference.
        reference: its activity.
    """

    copies: pd.DataFrame
    images: pd.DataFrame
    reference: float


def known_copies(beyond: str = BEYOND) -> list[Transformation]:
    """List the twelve, and every step of every strength, in both directions where there are two.

    Args:
        beyond: the rule for values beyond [0, 1].
    """
    known = [load(name, beyond=beyond) for name in TWELVE]
    sides = [(name, field, sign) for name, field in TWO_SIDED for sign in (1, -1)]
    single = [name for name in (*TWELVE, *AFFINE, *LIGHT) if name not in dict(TWO_SIDED)]
    growing = {name: load(name).strength for name in single}
    sides += [(name, way.field, 1) for name, way in growing.items() if way]
    for name, field, sign in sides:
        way = load(name).strength
        for value in way.values() if way else ():
            own = {**STILL.get(name, {}), field: sign * value}
            known.append(load(name, beyond=beyond, **own))
    return list(dict.fromkeys(known))


def _chunks(reference: Tensor, known: Sequence[Transformation], seed: int) -> Iterator[Tensor]:
    keys = image_keys(["reference"], seed)
    for start in range(0, len(known), SMALLEST_CHUNK):
        some = known[start : start + SMALLEST_CHUNK]
        yield torch.cat([change(reference, keys) for change in some])


def explain(
    subject: Subject,
    target: Target,
    reference: Tensor,
    images: Tensor,
    known: Sequence[Transformation] | None = None,
    *,
    seed: int = 0,
) -> ExplainedImages:
    """Compare images with known transformations of the reference of their search.

    Args:
        target: the unit (`units.parse_target`).
        reference: `(3, height, width)` in [0, 1].
        images: `(n, 3, height, width)` in [0, 1].
        known: by default `known_copies()`.
        seed: of random transformations.

    Raises:
        InputError: no transformation, or images of another form.
    """
    chosen = known_copies() if known is None else list(known)
    if not chosen:
        raise InputError("no known transformation given; expected at least one")
    source, seen = subject.see(reference[None]), subject.see(images)
    flat = seen.flatten(1)
    moved, left, activities = [], [], []
    for copies in _chunks(source, chosen, seed):
        moved.append(pixel_distance(copies, source))
        # Differences, not products: near copies would lose their digits.
        left.append(torch.stack([(flat - copy).norm(dim=1) for copy in copies.flatten(1)]))
        activities.append(activity(subject, target, copies))
    own = activity(subject, target, source)
    answers = torch.cat(activities)
    table = pd.DataFrame(
        {
            "transformation": labels(chosen),
            "kind": [change.name for change in chosen],
            "distance": _numbers(torch.cat(moved)),
            "activation": _numbers(answers),
            "h": _numbers(compare(own.expand_as(answers), answers)[0]),
        }
    )
    found = activity(subject, target, seen)
    rows = pd.DataFrame(
        {
            "distance": _numbers(pixel_distance(seen, source)),
            "activation": _numbers(found),
            "h": _numbers(compare(own.expand_as(found), found)[0]),
        }
    )
    return ExplainedImages(table, _nearest(rows, table, torch.cat(left)), float(own))


def _numbers(tensor: Tensor) -> np.ndarray:
    return tensor.double().cpu().numpy()


def _nearest(rows: pd.DataFrame, copies: pd.DataFrame, left: Tensor) -> pd.DataFrame:
    """Find the copy nearest to each image, if the copy is nearer than the reference."""
    best = left.argmin(0).cpu().numpy()
    remaining = _numbers(left.amin(0))
    distance = rows["distance"].to_numpy(float)
    nearer = remaining < distance
    chosen = copies.iloc[best].reset_index(drop=True)
    share = np.full(len(rows), np.nan)
    np.divide(remaining, distance, out=share, where=distance > 0)
    return rows.assign(
        best=np.where(nearer, chosen["transformation"], NONE),
        kind=np.where(nearer, chosen["kind"], NONE),
        left=np.where(nearer, remaining, distance),
        explained=np.where(distance > 0, np.clip(1 - share**2, 0, None), np.nan),
        copy_activation=np.where(nearer, chosen["activation"], np.nan),
        copy_h=np.where(nearer, chosen["h"], np.nan),
    )
