"""Findings 1 to 3: the accuracy of networks (PAPERS §2)."""

from collections.abc import Iterator

from invariscope.analysis.across import NONE
from invariscope.paper.claim import Claim, over_clusters
from invariscope.paper.measured_study import (
    LOCAL,
    MeasuredStudy,
    base_name,
    by_seed,
    family,
    finding,
    mean_of,
    pair_parts,
)

NOISE = ("white-noise", "salt-and-pepper")
QUARTER, HALF = 0.25, 0.5
NEAR_ALL = 0.9  # accuracy: what "near 100 %" is taken to mean
FEW = 0.8  # of what most categories give: what "few suffice" is taken to mean


def transfer(s: MeasuredStudy) -> Iterator[Claim]:
    """Finding 1: robustness does not transfer, except among colour transformations."""
    own = mean_of([s.gain(t, t) for t in s.names])
    other = mean_of(
        [
            s.gain(t, u)
            for t in s.names
            for u in s.tested()
            if family(t, s.families) != family(u, s.families)
        ]
    )
    yield finding(
        1,
        "Robustness does not transfer between families: training with one transformation gains "
        "under another less than a quarter of what it gains under itself",
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
        lacks="needs images with colours",
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
    yield finding(
        2,
        f"Within-category accuracy is near 100 % (more than 90 %) with {s.least} seen categories",
        "accuracy",
        s.beside("within", s.names, s.least),
        above=NEAR_ALL,
    )
    yield finding(
        2,
        f"Within-category accuracy falls from {s.least} seen categories to all",
        "accuracy lost",
        -s.rise("within", s.names, s.least, s.all),
        above=0,
    )
    yield finding(
        2,
        f"With {s.least} of {s.all} seen, transformed images of unseen categories go mainly (more "
        "than half) to seen ones",
        "share of images",
        by_seed(s.tables.confusion, "share", count=s.least, quadrant="I"),
        above=HALF,
    )


def across_category(s: MeasuredStudy) -> Iterator[Claim]:
    """Finding 3: across-category accuracy rises, for rotations least."""
    yield finding(
        3,
        f"Across-category accuracy rises from {s.least} to {s.most} seen categories",
        "accuracy gained",
        s.rise("across", s.names, s.least, s.most),
        above=0,
        lacks="needs two counts of seen categories below all",
    )
    colour = s.of_family("colour")
    few, many = (s.beside("across", colour, count) for count in (s.least, s.most))
    yield finding(
        3,
        f"For colour few suffice: {s.least} seen categories give more than 80 % of what {s.most} "
        "give",
        f"accuracy with {s.least}, less 80 % of that with {s.most}",
        few - FEW * many if s.least < s.most else few.iloc[:0],
        above=0,
        lacks="needs a colour transformation among those trained, and two counts below all",
    )

    def gained(names: list[str]) -> list:
        return [s.beside("across", [t], s.most) - s.without(t) for t in names]

    rotations = mean_of(gained([t for t in s.names if t.startswith("rotation")]))
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
