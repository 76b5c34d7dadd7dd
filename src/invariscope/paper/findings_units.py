"""Findings 4 to 9: what units ignore, and whether that is why (PAPERS §2)."""

from collections.abc import Iterator, Sequence

import numpy as np

from invariscope.analysis.intervals import correlation, mean_interval
from invariscope.paper.finding_claims import (
    LOCAL,
    NOT_TESTABLE,
    NOTHING,
    FindingClaim,
    MeasuredStudy,
    decide,
    plain,
    points,
    ratio_of,
)


def training_raises_invariance(s: MeasuredStudy) -> Iterator[FindingClaim]:
    """Finding 4: training with a transformation raises I_k."""
    each = {t: mean_interval(s.raised(t)) for t in s.names}
    up = [t for t, (mean, _, _) in each.items() if mean > 0]
    pooled = mean_interval([x for t in s.names for x in s.raised(t)])
    numbers = "; ".join(f"{t} {mean:+.2f}" for t, (mean, _, _) in each.items())
    yield decide(
        4,
        "Training with a transformation raises I_k, for every one of them",
        len(up) == len(each) and bool(each),
        f"in {len(up)} of {len(each)}, on average by {plain(pooled)} ({numbers})",
        pooled,
        "transformations for which it does not: more training images or longer training",
    )


def more_categories_more_invariance(s: MeasuredStudy) -> Iterator[FindingClaim]:
    """Finding 5: I_k rises with the number of seen categories, for seen and unseen alike."""
    least = s.partial[0] if s.partial else 0
    rise = mean_interval(s.gains("invariance", s.names, least, s.all))
    yield decide(
        5,
        f"I_k rises from {least} seen categories to all",
        rise[1] > 0,
        f"by {plain(rise)}",
        rise,
        "more seeds: the interval holds 0",
    )
    local = [x for t in s.of_family(*LOCAL) for x in s.raised(t)]
    geometric = [x for t in s.of_family("geometric") for x in s.raised(t)]
    ratio = ratio_of(local, geometric)
    yield decide(
        5,
        "The increase from none to all is about twice as large (at least 1.5 times) for local as "
        "for geometric transformations",
        ratio[0] >= 1.5 and ratio[1] > 1,
        f"{plain(ratio)} times: local {plain(mean_interval(local))}, geometric "
        f"{plain(mean_interval(geometric))}",
        ratio,
        "all twelve transformations and more seeds",
    )
    table = s.tables.beside
    rows = table[table["count"].isin(s.partial[1:])]
    apart = mean_interval(rows["invariance_seen"] - rows["invariance_unseen"])
    yield decide(
        5,
        "I_k of seen and unseen categories are nearly equal (within 0.05) beyond the smallest "
        "count",
        abs(apart[0]) < 0.05,
        f"seen less unseen: {plain(apart, 3)}",
        apart,
        "more seen categories",
    )


def told_apart(sites: Sequence[str]) -> list[str]:
    """Sites by what is not the same in all of their names; a number keeps the word before it."""
    parts = [site.split(".") for site in sites]
    same = 0
    while all(len(p) > same + 1 and p[: same + 1] == parts[0][: same + 1] for p in parts):
        same += 1
    if same and any(p[same].isdecimal() for p in parts):
        same -= 1
    return [".".join(p[same:]) for p in parts]


def across_layers(s: MeasuredStudy) -> Iterator[FindingClaim]:
    """Finding 6: I_k builds up across layers; specialization spreads widest for rotations."""
    means = s.tables.means
    rows = means[(means["count"] == s.all) & (means["group"] == "all")]
    wide = rows[rows["transformation"] == rows["trained"]].pivot_table(
        index=["trained", "seed"], columns="site", values="mean"
    )
    wide = wide.reindex(columns=list(s.tables.sites))
    built = mean_interval(wide.iloc[:, -1] - wide.iloc[:, 0]) if len(wide) else NOTHING
    names = told_apart(list(wide))
    numbers = ", ".join(
        f"{name} {wide[site].mean():.2f}" for name, site in zip(names, wide, strict=True)
    )
    yield decide(
        6,
        "I_k builds up across layers: larger at the last than at the first",
        built[1] > 0,
        f"by {plain(built)} ({numbers})",
        built,
        "deeper networks, or a unit at each place in early layers (a channel's mean hides where)",
    )
    last = rows[(rows["site"] == s.tables.site) & (rows["transformation"] == rows["trained"])]
    spread = last.groupby("trained")["spread"].mean().sort_values(ascending=False)
    widest = str(spread.index[0]) if len(spread) else ""
    numbers = ", ".join(f"{name} {value:.2f}" for name, value in spread.items())
    value = float(spread.iloc[0]) if len(spread) else float("nan")
    rotations = any(name.startswith("rotation") for name in spread.index)
    yield decide(
        6,
        "Specialization spreads widest for a rotation",
        widest.startswith("rotation"),
        f"SD over units: {numbers}",
        (value if rotations else float("nan"), float("nan"), float("nan")),
        "more seeds",
    )


def accuracy_follows_invariance(s: MeasuredStudy) -> Iterator[FindingClaim]:
    """Finding 7: across-category accuracy follows I_k, within-category accuracy does not."""
    rows = s.tables.beside[s.tables.beside["count"].isin(s.partial)]
    for words, accuracy, invariance, positive in (
        (
            "Across-category accuracy follows I_k of unseen categories",
            "across",
            "invariance_unseen",
            True,
        ),
        (
            "Within-category accuracy does not follow I_k of seen categories",
            "within",
            "invariance_seen",
            False,
        ),
    ):
        r, low, high, number = correlation(rows[invariance], rows[accuracy])
        holds = low > 0 if positive else low <= 0
        yield decide(
            7,
            f"{words}: over networks, r is {'above 0' if positive else 'not above 0'}",
            holds,
            f"r = {plain((r, low, high))} over {number} networks",
            (r, low, high),
            "more transformations and counts",
        )


def active_sets(s: MeasuredStudy) -> Iterator[FindingClaim]:
    """Finding 8: active sets are small, and hold what accuracy needs."""
    units, images = s.tables.units, s.tables.images
    own = units[(units["count"] == s.all) & (units["class"] == "all")]
    share = (own["active"].astype(float) / own["images"])[own["invariance"].notna()]
    middle = [float(x) for x in np.percentile(share, (5, 50, 95))] if len(share) else [np.nan] * 3
    tau = s.tables.measured.get("tau", float("nan"))
    interval = (middle[1], middle[0], middle[2])
    yield decide(
        8,
        "1–20 % of the images activate a unit (median)",
        0.01 <= middle[1] <= 0.2,
        f"median {100 * middle[1]:.0f} % (5th to 95th percentile: {100 * middle[0]:.0f} to "
        f"{100 * middle[2]:.0f}) at τ = {tau:g}",
        interval,
        "a wider penultimate layer and more categories: a small one has a denser code",
    )
    of_image = images[images["count"] == s.all]["share"].dropna()
    each = (
        [float(x) for x in np.percentile(of_image, (5, 50, 95))] if len(of_image) else [np.nan] * 3
    )
    yield decide(
        8,
        "10–20 % of the units are active in an image (median)",
        0.1 <= each[1] <= 0.2,
        f"median {100 * each[1]:.0f} % (5th to 95th percentile: {100 * each[0]:.0f} to "
        f"{100 * each[2]:.0f})",
        (each[1], each[0], each[2]),
        "a wider penultimate layer and more categories",
    )
    yield from _ablated(s)


def _ablated(s: MeasuredStudy) -> Iterator[FindingClaim]:
    table = s.tables.ablation
    if not len(table):
        yield FindingClaim(
            8, "Ablation", NOT_TESTABLE, "", needs="networks that saw all transformed"
        )
        return
    shown = table[table["shown"] == "transformed"]
    wide = shown.assign(kind=shown["ablated"] + " " + shown["threshold"]).pivot_table(
        index=["trained", "seed"], columns="kind", values="accuracy"
    )
    taus = [c.removeprefix("inactive ") for c in wide if c.startswith("inactive tau")]
    intact = wide["nothing "]
    lost = mean_interval(intact - wide[f"inactive {taus[0]}"])
    left = mean_interval(wide[f"active {taus[0]}"])
    yield decide(
        8,
        "Ablating the inactive units costs less than 1 percentage point",
        lost[0] < 0.01,
        f"{points(lost)} points",
        lost,
        "a smaller τ",
    )
    chance = s.tables.chance
    near = chance + 0.25 * (float(intact.mean()) - chance)
    yield decide(
        8,
        "Ablating the active units brings accuracy near chance (at most a quarter of what is "
        "above it)",
        left[0] <= near,
        f"{points(left)} % are left of {100 * float(intact.mean()):.1f} %; chance is "
        f"{100 * chance:.1f} %",
        left,
        "a smaller τ, where inactive units carry information too",
    )
    if "active top 20 %" in wide:
        top = mean_interval(wide["active top 20 %"])
        yield decide(
            8,
            "By Goodfellow et al.'s rule with k up to 20 % the excluded units keep accuracy: more "
            "than a quarter of what is above chance",
            top[0] > near,
            f"{points(top)} % are left without the units of the top 20 %",
            top,
            "a sparser code: here the top 20 % hold what matters",
        )


def second_network(s: MeasuredStudy, other: MeasuredStudy | None) -> Iterator[FindingClaim]:
    """Finding 9: a second network has more invariant units."""
    claim = "Inception has more invariant units than AlexNet (mean I_k, all seen transformed)"
    if other is None:
        needs = "a second study with another network, given as --beside"
        yield FindingClaim(9, claim, NOT_TESTABLE, "", needs=needs)
        return
    pairs = [
        float(other.invariance(t, other.all, k, t).mean())
        - float(s.invariance(t, s.all, k, t).mean())
        for t in s.names
        if t in other.names
        for k in s.seeds
        if k in other.seeds
    ]
    more = mean_interval(pairs)
    yield decide(
        9,
        "The second network has more invariant units (mean I_k, all seen transformed)",
        more[1] > 0,
        f"by {plain(more)}",
        more,
        "the networks of the paper",
    )
