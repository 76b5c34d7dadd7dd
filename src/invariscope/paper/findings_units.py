"""Findings 4 to 9: the invariance of units as a cause of accuracy (PAPERS §2)."""

from collections.abc import Iterator
from dataclasses import replace

import pandas as pd

from invariscope.analysis.across import NONE
from invariscope.analysis.intervals import ROUNDING, Interval, correlation_within
from invariscope.invariance.ablation import passed_by
from invariscope.paper.claim import Claim, Evidence
from invariscope.paper.measured_study import (
    LOCAL,
    ROTATION,
    BySeed,
    MeasuredStudy,
    by_seed,
    each,
    finding,
    mean_of,
    over_trained,
)
from invariscope.plurals import number_of
from invariscope.units import differing_names

TWICE = 1.5  # what "about twice as large" is taken to mean, at least
EQUAL = 0.05  # of I_k: what "nearly equal" is taken to mean
# What "does not rise" is taken to mean, at most. The paper's own within-category accuracy falls
# where I_k rises (findings 2 and 5): a correlation far below 0 is what it describes.
SMALL_R = 0.3
CHOSEN = "τ is chosen so that it costs less, in these networks at these images"
AROUND = "needs a layer that the answer goes through: other paths pass by this one"
NEAR = 0.25  # of the accuracy above chance: what "near chance" is taken to mean


def training_raises_invariance(s: MeasuredStudy) -> Iterator[Claim]:
    """Finding 4: training with a transformation raises I_k."""
    raised = {f"{t}: rise of I_k": s.raised([t]) for t in s.names}
    statement = "Training with a transformation raises I_k, for every one of them"
    yield each("finding 4", statement, raised, above=0)


def more_categories_more_invariance(s: MeasuredStudy) -> Iterator[Claim]:
    """Finding 5: I_k rises with the number of seen categories, for seen and unseen alike."""
    yield finding(
        5,
        f"I_k rises from {number_of(s.least, 'seen category')} to all",
        "rise of I_k",
        s.rise("invariance", s.names, s.least, s.all),
        above=0,
    )
    local, geometric = s.raised(s.of_family(*LOCAL)), s.raised(s.of_family("geometric"))
    twice = finding(
        5,
        "The increase from none to all is about twice as large (more than 1.5 times) for local as "
        "for geometric transformations",
        "rise of I_k for local ones, less 1.5 times that for geometric ones",
        local - TWICE * geometric,
        above=0,
        lacks="needs local and geometric transformations among those trained",
    )
    yield _if_there_is_room(s, twice, geometric)
    rows = s.tables.beside[s.tables.beside["count"].isin(s.partial[1:])]
    apart = rows.assign(apart=(rows["invariance_seen"] - rows["invariance_unseen"]).abs())
    yield finding(
        5,
        "I_k of seen and unseen categories are nearly equal (0.05 apart or less) beyond the "
        "smallest count",
        "distance of I_k of seen from that of unseen, mean over transformations and counts",
        over_trained(apart, "apart", s.names),
        below=EQUAL,
        lacks="needs two counts of seen categories below all",
    )


def _if_there_is_room(s: MeasuredStudy, twice: Claim, geometric: BySeed) -> Claim:
    """Say where local transformations leave I_k of untrained networks too little room to rise."""
    names = s.of_family(*LOCAL)
    before = mean_of([s.invariance(NONE, 0, t) for t in names])
    room, asked = 1 - before.mean(), TWICE * geometric.mean()
    if not room < asked:
        return twice
    lacks = (
        f"needs stronger local transformations: untrained networks have an I_k of "
        f"{before.mean():.2f} under {', '.join(names)}, which leaves room for {room:.2f}, and 1.5 "
        f"times the rise for geometric ones is {asked:.2f}"
    )
    return replace(twice, evidence=tuple(replace(part, lacks=lacks) for part in twice.evidence))


def across_layers(s: MeasuredStudy) -> Iterator[Claim]:
    """Finding 6: I_k builds up across layers; specialization spreads widest for rotations."""
    means = s.tables.means
    own = means[means["transformation"] == means["trained"]]
    rows = own[(own["count"] == s.all) & (own["group"] == "all")]
    first, last = s.tables.sites[0], s.tables.sites[-1]
    names = differing_names([first, last])
    grown = {
        f"{t}: mean I_k of {names[1]} less {names[0]}": by_seed(rows, "mean", site=last, trained=t)
        - by_seed(rows, "mean", site=first, trained=t)
        for t in (s.names if s.tables.layers_compare and first != last else [])
    }
    statement = "I_k builds up across layers: larger at the last than at the first, for each"
    lacks = "needs I_k at each place of two layers"
    yield each("finding 6", statement, grown, lacks, above=0)
    at_last = rows[rows["site"] == s.tables.site]
    turned = [t for t in s.single if t.startswith(ROTATION)]
    rotations, others = (
        over_trained(at_last, "spread", own)
        for own in (turned, [t for t in s.single if t not in turned])
    )
    yield finding(
        6,
        "Specialization spreads wider for rotations than for other transformations (means)",
        "SD over units for rotations, less that for others",
        rotations - others,
        above=0,
        lacks="needs rotations beside other transformations",
    )


def accuracy_follows_invariance(s: MeasuredStudy) -> Iterator[Claim]:
    """Finding 7: across-category accuracy follows I_k, within-category accuracy does not."""
    rows = s.tables.beside[s.tables.beside["count"].isin(s.partial)]

    def r(accuracy: str, invariance: str) -> Interval:
        return correlation_within(rows[invariance], rows[accuracy], rows["trained"], rows["seed"])

    name = "r over counts within each transformation"
    follows = Evidence(name, *r("across", "invariance_unseen"), above=0)
    apart = Evidence(name, *r("within", "invariance_seen"), below=SMALL_R)
    not_followed = (
        "Within-category accuracy does not follow I_k of seen categories (it may fall as I_k "
        f"rises): r is below {SMALL_R}"
    )
    for words, evidence in (
        ("Across-category accuracy follows I_k of unseen categories: r is above 0", follows),
        (not_followed, apart),
    ):
        lacks = "needs three counts of seen categories below all"
        yield Claim("finding 7", words, (evidence,), "seeds", lacks)


def active_sets(s: MeasuredStudy) -> Iterator[Claim]:
    """Finding 8: active sets are small, and accuracy needs the active units."""
    units, images = s.tables.units, s.tables.images
    own = units[(units["count"] == s.all) & (units["class"] == "all")].dropna(subset=["invariance"])
    shares = own.assign(share=own["active"].astype(float) / own["images"])
    tau = _tau(s)
    lacks = ""
    if passed_by(s.tables.ablation) and len(s.tables.tau):  # the rule for τ says nothing here
        shares, images, lacks = shares[:0], images[:0], AROUND
    yield finding(
        8,
        "1–20 % of the images activate a unit (median)",
        f"median share of images at {tau}",
        shares.groupby("seed")["share"].median(),
        above=0.01,
        below=0.2,
        lacks=lacks,
    )
    yield finding(
        8,
        "10–20 % of the units are active in an image (median)",
        f"median share of units at {tau}",
        images[images["count"] == s.all].groupby("seed")["share"].median(),
        above=0.1,
        below=0.2,
        lacks=lacks,
    )
    yield from _ablated(s)


def _rule(s: MeasuredStudy) -> float:
    """Find τ by the paper's rule; NaN without a search for τ."""
    return float(s.tables.tau["chosen"].min()) if len(s.tables.tau) else float("nan")


def _tau(s: MeasuredStudy) -> str:
    """Name τ, and the τ of the paper's rule where the study's file has another."""
    tau, rule = s.tables.measured.get("tau", float("nan")), _rule(s)
    other = f" (the study's file; the paper's rule gives {rule:g})"
    return f"τ = {tau:g}" + (other if abs(tau - rule) > ROUNDING else "")


def _ablated(s: MeasuredStudy) -> Iterator[Claim]:
    """Judge the three statements on ablation; units are chosen anew for each image."""
    table = s.tables.ablation
    shown = table[table["shown"] == "transformed"] if len(table) else table
    taus = [k for k in shown["threshold"].unique() if k.startswith("tau")] if len(shown) else []
    around = bool(passed_by(table))
    taus = [] if around else taus

    def left(ablated: str, threshold: str) -> BySeed:
        if not taus:
            return pd.Series(dtype=float)
        return by_seed(shown, "accuracy", ablated=ablated, threshold=threshold)

    tau = taus[0] if taus else ""
    intact = left("nothing", "")
    near = s.tables.chance + NEAR * (intact - s.tables.chance)
    lacks = "needs ablation in networks that saw all categories transformed"
    lacks = AROUND if around else lacks
    by_rule = abs(s.tables.measured.get("tau", float("nan")) - _rule(s)) <= ROUNDING
    lost = intact - left("inactive", tau)
    yield finding(
        8,
        "Ablating the inactive units costs less than 1 percentage point",
        "accuracy lost",
        pd.Series(dtype=float) if by_rule else lost,
        below=0.01,
        lacks=CHOSEN if by_rule and taus else lacks,
    )
    yield finding(
        8,
        "Ablating the active units brings accuracy near chance (less than a quarter of what is "
        "above chance is left)",
        "a quarter of the way from chance to intact, less the accuracy that is left",
        near - left("active", tau),
        above=0,
        lacks=lacks,
    )
    yield finding(
        8,
        "By Goodfellow et al.'s rule with k up to 20 % the excluded units keep accuracy: more "
        "than a quarter of what is above chance",
        "accuracy without the units of the top 20 %, less a quarter of the way to intact",
        left("active", "top 20 %") - near,
        above=0,
        lacks=lacks,
    )


def second_network(s: MeasuredStudy, other: MeasuredStudy | None) -> Iterator[Claim]:
    """Finding 9: a second network has more invariant units."""
    if other and other.tables.plan.get("network") == s.tables.plan.get("network"):
        other = None  # a twin with other options
    both = [t for t in s.names if other and t in other.names]
    yield finding(
        9,
        "Inception has more invariant units than AlexNet (here: the second network than the "
        "first; mean I_k, all seen transformed)",
        "mean I_k of the second less the first",
        mean_of(
            [other.invariance(t, other.all, t) - s.invariance(t, s.all, t) for t in both]
            if other
            else []
        ),
        above=0,
        lacks="needs a second study with another network, given as --beside",
    )
