"""Findings 1 to 3: the accuracy of networks (PAPERS §2)."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from invariscope.analysis.across import NONE
from invariscope.paper.claim import Claim, over_clusters
from invariscope.paper.measured_study import (
    LOCAL,
    ROTATION,
    BySeed,
    MeasuredStudy,
    base_name,
    family,
    finding,
    mean_of,
    over_trained,
    pair_parts,
)
from invariscope.plurals import number_of

NOISE = ("white-noise", "salt-and-pepper")
QUARTER, HALF = 0.25, 0.5
NEAR_ALL = 0.9  # accuracy: what "near 100 %" is taken to mean
FEW = 0.8  # of what most categories give: what "few suffice" is taken to mean
MANY = 500  # categories: ImageNet has 1,000, the paper's faces 388


def transfer(s: MeasuredStudy) -> Iterator[Claim]:
    """Finding 1: robustness does not transfer, except among colour transformations."""
    tested = [u for u in s.tested() if not pair_parts(u)]  # a pair shares a family with its parts
    own = mean_of([s.gain(t, t) for t in s.single])
    other = mean_of(
        [
            s.gain(t, u)
            for t in s.single
            for u in tested
            if family(t, s.families) != family(u, s.families)
        ]
    )
    yield finding(
        1,
        "Robustness does not transfer between families: training with one transformation gains "
        "under another less than a quarter of what it gains under itself (means)",
        "a quarter of the accuracy gained under itself, less that gained under other families",
        QUARTER * own - other,
        above=0,
        lacks="needs transformations of two families",
    )
    clean = s.without(NONE)
    colours = [t for t in s.tested() if family(t, s.families) == "colour"]
    yield finding(
        1,
        "Networks are robust to colour transformations without training: they keep more than "
        "half of their clean accuracy",
        f"share of clean accuracy under {', '.join(colours)}",
        mean_of([s.without(u) / clean.clip(lower=1e-9) for u in colours]),
        above=HALF,
        lacks="needs images with colours, and a transformation of colour among those tested",
    )
    blurs = [t for t in s.names if base_name(t) == "blur" and not pair_parts(t)]
    yield finding(
        1,
        "Training with blur helps under noise a little",
        "accuracy gained under noise",
        mean_of([s.gain(t, u) for t in blurs for u in s.tested() if base_name(u) in NOISE]),
        above=0,
        lacks="needs networks trained with blur and tested with noise",
    )


def within_category(s: MeasuredStudy) -> Iterator[Claim]:
    """Finding 2: within-category accuracy, and where images of unseen categories go."""
    few = number_of(s.least, "seen category")
    yield finding(
        2,
        f"Within-category accuracy is near 100 % (more than 90 %) with {few}",
        "accuracy",
        s.beside("within", s.names, s.least),
        above=NEAR_ALL,
    )
    yield finding(
        2,
        f"Within-category accuracy falls from {few} to all",
        "accuracy lost",
        -s.rise("within", s.names, s.least, s.all),
        above=0,
    )
    telling = s.telling()
    yield finding(
        2,
        f"With {s.least} of {s.all} seen, transformed images of unseen categories go mainly (more "
        "than half) to seen ones, under transformations that cost an untrained network more than "
        "half of its accuracy above chance",
        f"share of images, mean over {', '.join(telling)}",
        over_trained(s.tables.confusion, "share", telling, count=s.least, quadrant="I"),
        above=HALF,
        lacks="needs a transformation that costs an untrained network half of its accuracy",
    )


def across_category(s: MeasuredStudy) -> Iterator[Claim]:
    """Finding 3: across-category accuracy rises, for rotations least."""
    two = s.least < s.most
    rises = f"rises from {s.least} to {s.most}" if two else "rises with the number of"
    yield finding(
        3,
        "Across-category accuracy " + rises + " seen categories",
        "accuracy gained",
        s.rise("across", s.names, s.least, s.most),
        above=0,
        lacks="needs two counts of seen categories below all",
    )
    colour = s.of_family("colour")
    few, many = (s.beside("across", colour, count) for count in (s.least, s.most))
    yield finding(
        3,
        f"For colour few suffice: with {number_of(s.least, 'seen category')} accuracy is more than "
        f"80 % of that with {s.most if two else 'many'}",
        f"accuracy with {s.least}, less 80 % of that with {s.most}",
        few - FEW * many if two else few.iloc[:0],
        above=0,
        lacks="needs a colour transformation among those trained, and two counts below all",
    )

    def gained(names: list[str]) -> list:
        return [s.beside("across", [t], s.most) - s.without(t) for t in names]

    rotations = mean_of(gained([t for t in s.single if t.startswith(ROTATION)]))
    local = mean_of(gained(s.of_family(*LOCAL)))
    yield finding(
        3,
        f"Rotations gain only a few percent: with {s.most} seen, less than half of what local "
        "transformations gain",
        "half of the accuracy that local transformations gain, less that of rotations",
        HALF * local - rotations,
        above=0,
        more=[over_clusters("accuracy gained by local ones", local, above=0, parts=2)],
        lacks="needs rotations and local transformations among those trained",
    )


def straightness(s: MeasuredStudy) -> BySeed:
    """Compare two straight lines through across-category accuracy under local transformations.

    Returns:
        By seed the share of variance that a line in the number of seen categories explains, less
        that of a line in the number's logarithm: above 0 for a linear rise, below for one that is
        slow. Empty with fewer than three counts below all.
    """
    local, counts = s.of_family(*LOCAL), np.array(s.partial, float)
    if len(counts) < 3 or not local:
        return pd.Series(dtype=float)
    table = pd.DataFrame({count: s.beside("across", local, count) for count in s.partial}).dropna()

    def explained(row: pd.Series) -> float:
        values = row.to_numpy(float)
        if np.ptp(values) == 0:
            return float("nan")
        linear, slow = (np.corrcoef(x, values)[0, 1] ** 2 for x in (counts, np.log(counts)))
        return float(linear - slow)

    return pd.Series({seed: explained(row) for seed, row in table.iterrows()}, dtype=float)


LINEAR = (
    "linear: along a straight line in the number of seen categories, not in its logarithm (the "
    "paper: on faces; here: on the study's categories)"
)
SLOW = (
    f"slow where categories are many ({MANY} or more; the paper: ImageNet): along a straight line "
    "in the logarithm of the number of seen categories"
)


def shape_of_rise(s: MeasuredStudy) -> Iterator[Claim]:
    """Finding 3: under local transformations the rise is linear on faces, slow on ImageNet."""
    bent, many = straightness(s), s.all >= MANY
    gained = s.rise("across", s.of_family(*LOCAL), s.least, s.most)
    rise = over_clusters("accuracy gained", gained, above=0, parts=2)
    counts = "needs three counts of seen categories below all, and local transformations"
    other = f"needs {'fewer than ' * many}{MANY} categories{' or more' * (not many)}"
    for words, bounds, asked in (
        (LINEAR, {"above": 0.0}, not many),
        (SLOW, {"below": 0.0}, many),
    ):
        own = bent if asked else bent.iloc[:0]
        yield finding(
            3,
            f"Under local transformations across-category accuracy rises, and the rise is {words}",
            "variance explained by a line in the number, less by a line in its logarithm",
            own,
            more=[rise],
            lacks=counts if asked else other,
            **bounds,
        )
