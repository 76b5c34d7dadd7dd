"""Findings 1 to 3: what networks recognise (PAPERS §2)."""

from collections.abc import Iterator

import numpy as np

from invariscope.analysis.across import NONE
from invariscope.analysis.intervals import mean_interval
from invariscope.paper.finding_claims import (
    LOCAL,
    FindingClaim,
    MeasuredStudy,
    decide,
    family,
    points,
)

NOISE = ("white-noise", "salt-and-pepper")


def _tested(s: MeasuredStudy) -> list[str]:
    return [t for t in s.tables.accuracy["tested"].unique() if t != NONE]


def _base(label: str) -> str:
    return label.partition("(")[0]


def _gain(s: MeasuredStudy, trained: str, under: str) -> list[float]:
    """What training on all categories gains under a transformation, a value a seed."""
    return [
        s.accuracy(trained, s.all, seed, under, "all") - s.without(seed, under) for seed in s.seeds
    ]


def transfer(s: MeasuredStudy) -> Iterator[FindingClaim]:
    """Finding 1: robustness does not transfer, except among colour transformations."""
    own = mean_interval([g for t in s.names for g in _gain(s, t, t)])
    other = mean_interval(
        [
            g
            for t in s.names
            for u in _tested(s)
            if family(t, s.families) != family(u, s.families)
            for g in _gain(s, t, u)
        ]
    )
    yield decide(
        1,
        "Robustness does not transfer between families: what training with one transformation "
        "gains under another is less than a quarter of what it gains under itself",
        own[1] > 0 and other[0] < own[0] / 4,
        f"{points(other)} points under other families, {points(own)} under itself",
        other,
        "more seeds, or networks with a larger gain under their own transformation",
    )
    yield _colours(s)
    blurs = [t for t in s.names if _base(t) == "blur"]
    helped = mean_interval(
        [g for t in blurs for u in _tested(s) if _base(u) in NOISE for g in _gain(s, t, u)]
    )
    yield decide(
        1,
        "Training with blur helps under noise a little",
        helped[1] > 0,
        f"{points(helped)} points gained under noise",
        helped,
        "more seeds: the interval holds 0",
    )


def _colours(s: MeasuredStudy) -> FindingClaim:
    colours = [t for t in _tested(s) if family(t, s.families) == "colour"]
    kept = mean_interval(
        [
            s.without(seed, u) / max(s.accuracy(NONE, 0, seed, NONE, "all"), 1e-9)
            for u in colours
            for seed in s.seeds
        ]
    )
    return decide(
        1,
        "Networks are robust to colour transformations without training: they keep more than "
        "half of their clean accuracy",
        kept[0] > 0.5,
        f"{points(kept)} % of clean accuracy is kept under {', '.join(colours)}",
        kept,
        "categories that colour tells less apart",
    )


def within_category(s: MeasuredStudy) -> Iterator[FindingClaim]:
    """Finding 2: within-category accuracy, and where images of unseen categories go."""
    least = s.partial[0] if s.partial else 0
    few = mean_interval(s.column("within", s.names, least))
    fall = mean_interval([-g for g in s.gains("within", s.names, least, s.all)])
    yield decide(
        2,
        f"Within-category accuracy is near 100 % (at least 90 %) with {least} seen categories",
        few[0] >= 0.9,
        f"{points(few)} %",
        few,
        "networks with a higher accuracy to begin with",
    )
    yield decide(
        2,
        f"Within-category accuracy falls from {least} seen categories to all",
        fall[1] > 0,
        f"by {points(fall)} points",
        fall,
        "more seeds: the interval holds 0",
    )
    table = s.tables.confusion
    rows = table[(table["count"] == least) & (table["quadrant"] == "I")]
    half = s.all // 2
    near = min(s.partial, key=lambda c: abs(c - half)) if s.partial else 0
    later = table[(table["count"] == near) & (table["quadrant"] == "I")]
    went = mean_interval(rows["share"])
    yield decide(
        2,
        f"With {least} of {s.all} seen, transformed images of unseen categories go mainly (more "
        "than half) to seen ones",
        went[0] > 0.5,
        f"{points(went)} %; with {near} seen {points(mean_interval(later['share']))} %",
        went,
        "a transformation that tells seen categories apart",
    )


def across_category(s: MeasuredStudy) -> Iterator[FindingClaim]:
    """Finding 3: across-category accuracy rises, for rotations least."""
    least, most = (s.partial[0], s.partial[-1]) if s.partial else (0, 0)
    rise = mean_interval(s.gains("across", s.names, least, most))
    yield decide(
        3,
        f"Across-category accuracy rises from {least} to {most} seen categories",
        rise[1] > 0,
        f"by {points(rise)} points",
        rise,
        "more seeds: the interval holds 0",
    )
    colour = s.of_family("colour")
    ratio = mean_interval(
        np.array(s.column("across", colour, least)) / np.array(s.column("across", colour, most))
    )
    yield decide(
        3,
        f"For colour few suffice: {least} seen categories give at least 80 % of what {most} give",
        ratio[0] >= 0.8,
        f"{points(ratio)} %",
        ratio,
        "more seeds, and a colour transformation that costs accuracy"
        if colour
        else "a colour transformation among those trained",
    )
    turned = [t for t in s.names if t.startswith("rotation")]

    def gained(names: list[str]) -> list[float]:
        table = s.tables.beside.set_index(["trained", "seed", "count"])["across"]
        return [
            float(table.get((t, k, most), np.nan)) - s.without(k, t) for t in names for k in s.seeds
        ]

    rotations, local = mean_interval(gained(turned)), mean_interval(gained(s.of_family(*LOCAL)))
    yield decide(
        3,
        f"Rotations gain only a few percent: with {most} seen, less than half of what local "
        "transformations gain",
        rotations[0] < local[0] / 2 and local[0] > 0,
        f"rotations {points(rotations)} points, local {points(local)}",
        rotations,
        "more seeds, and local transformations that gain more",
    )
