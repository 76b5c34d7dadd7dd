"""The paper's nine findings, each as holding or not, with its number and interval (PAPERS §2).

A finding has one or more claims. A claim holds where its number passes the bound that its words
name; it is not testable where the study lacks what it needs, or where networks have not learned
their categories: clean accuracy below five times chance.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from invariscope.analysis.across import NONE, correlation, mean_interval
from invariscope.analysis.network_tables import NetworkTables

HOLDS, FAILS, NOT_TESTABLE = "holds", "does not hold", "not testable"
LEARNED = 5  # times chance
LOCAL = ("convolutional", "noise")
NOISE = ("white-noise", "salt-and-pepper")
Interval = tuple[float, float, float]


@dataclass(frozen=True)
class Claim:
    """One claim of a finding.

    Attributes:
        finding: its number, 1 to 9.
        claim: in words.
        outcome: `holds`, `does not hold` or `not testable`.
        number: the figure that decides, in words.
        value, low, high: that figure with its 95 % interval; NaN where there is none.
        needs: where it does not hold or cannot be tested, what it would take.
    """

    finding: int
    claim: str
    outcome: str
    number: str
    value: float = float("nan")
    low: float = float("nan")
    high: float = float("nan")
    needs: str = ""


def family(label: str, families: Mapping[str, str]) -> str:
    """The family of a labelled transformation: `colour`, `convolutional`, `noise`, `geometric`."""
    return families.get(label.partition("(")[0], "own")


def _points(interval: Interval) -> str:
    value, low, high = interval
    known = f" (95 %: {100 * low:.1f} to {100 * high:.1f})" if np.isfinite(low) else ""
    return f"{100 * value:.1f}{known}"


def _plain(interval: Interval, digits: int = 2) -> str:
    value, low, high = interval
    known = f" (95 %: {low:.{digits}f} to {high:.{digits}f})" if np.isfinite(low) else ""
    return f"{value:.{digits}f}{known}"


def _claim(  # noqa: PLR0917
    finding: int, claim: str, holds: bool, number: str, interval: Interval, needs: str = ""
) -> Claim:
    if not np.isfinite(interval[0]):
        return Claim(finding, claim, NOT_TESTABLE, "", needs=needs or "the networks it compares")
    outcome = HOLDS if holds else FAILS
    return Claim(finding, claim, outcome, number, *interval, "" if holds else needs)


class _Study:
    """Tables with the look-ups that several findings share."""

    def __init__(self, tables: NetworkTables, families: Mapping[str, str]) -> None:
        self.tables, self.families = tables, families
        self.names = tables.transformations
        self.all = tables.categories
        counts = sorted({int(c) for c in tables.beside["count"]})
        self.partial = [c for c in counts if c < self.all]
        self._accuracy = tables.accuracy.set_index(["trained", "count", "seed", "tested", "group"])
        self.seeds = sorted(int(s) for s in tables.accuracy["seed"].unique())

    def of_family(self, *wanted: str) -> list[str]:
        return [name for name in self.names if family(name, self.families) in wanted]

    def accuracy(self, trained: str, count: int, seed: int, tested: str, group: str) -> float:
        try:
            return float(self._accuracy.loc[(trained, count, seed, tested, group), "accuracy"])  # pyright: ignore[reportArgumentType]
        except KeyError:
            return float("nan")

    def without(self, seed: int, tested: str) -> float:
        """Accuracy under a transformation of the network that saw none."""
        return self.accuracy(NONE, 0, seed, tested, "all")

    def column(self, column: str, names: list[str], count: int) -> list[float]:
        """A column of `beside` for these transformations at a count, a value a seed."""
        table = self.tables.beside
        rows = table[table["trained"].isin(names) & (table["count"] == count)]
        return rows[column].tolist()

    def gains(self, column: str, names: list[str], first: int, last: int) -> list[float]:
        """How much a column of `beside` rises between two counts, a value a network pair."""
        table = self.tables.beside.set_index(["trained", "seed", "count"])[column]
        return [
            float(table.get((name, seed, last), np.nan) - table.get((name, seed, first), np.nan))  # pyright: ignore[reportOptionalOperand]
            for name in names
            for seed in self.seeds
        ]

    def invariance(self, trained: str, count: int, seed: int, tested: str) -> pd.Series:
        """I_k of every unit of the penultimate site over all images."""
        units = self.tables.units
        rows = units[
            (units["trained"] == trained)
            & (units["count"] == count)
            & (units["seed"] == seed)
            & (units["transformation"] == tested)
            & (units["class"] == "all")
        ]
        return rows["invariance"].dropna()

    def raised(self, name: str) -> list[float]:
        """Rise of mean I_k by training with a transformation on all categories, a value a seed."""
        return [
            float(self.invariance(name, self.all, seed, name).mean())
            - float(self.invariance(NONE, 0, seed, name).mean())
            for seed in self.seeds
        ]


def _transfer(s: _Study) -> Iterator[Claim]:
    tested = [t for t in s.tables.accuracy["tested"].unique() if t != NONE]

    def gain(trained: str, under: str) -> list[float]:
        return [
            s.accuracy(trained, s.all, seed, under, "all") - s.without(seed, under)
            for seed in s.seeds
        ]

    def base(label: str) -> str:
        return label.partition("(")[0]

    own = mean_interval([g for t in s.names for g in gain(t, t)])
    other = mean_interval(
        [
            g
            for t in s.names
            for u in tested
            if family(t, s.families) != family(u, s.families)
            for g in gain(t, u)
        ]
    )
    yield _claim(
        1,
        "Robustness does not transfer between families: what training with one transformation "
        "gains under another is less than a quarter of what it gains under itself",
        own[1] > 0 and other[0] < own[0] / 4,
        f"{_points(other)} points under other families, {_points(own)} under itself",
        other,
        "more seeds, or networks with a larger gain under their own transformation",
    )
    colours = [t for t in tested if family(t, s.families) == "colour"]
    kept = mean_interval(
        [
            s.without(seed, u) / max(s.accuracy(NONE, 0, seed, NONE, "all"), 1e-9)
            for u in colours
            for seed in s.seeds
        ]
    )
    yield _claim(
        1,
        "Networks are robust to colour transformations without training: they keep more than "
        "half of their clean accuracy",
        kept[0] > 0.5,
        f"{_points(kept)} % of clean accuracy is kept under {', '.join(colours)}",
        kept,
        "categories that colour tells less apart",
    )
    blurs = [t for t in s.names if base(t) == "blur"]
    helped = mean_interval(
        [g for t in blurs for u in tested if base(u) in NOISE for g in gain(t, u)]
    )
    yield _claim(
        1,
        "Training with blur helps under noise a little",
        helped[1] > 0,
        f"{_points(helped)} points gained under noise",
        helped,
        "more seeds: the interval holds 0",
    )


def _within(s: _Study) -> Iterator[Claim]:
    least = s.partial[0] if s.partial else 0
    few = mean_interval(s.column("within", s.names, least))
    fall = mean_interval([-g for g in s.gains("within", s.names, least, s.all)])
    yield _claim(
        2,
        f"Within-category accuracy is near 100 % (at least 90 %) with {least} seen categories",
        few[0] >= 0.9,
        f"{_points(few)} %",
        few,
        "networks with a higher accuracy to begin with",
    )
    yield _claim(
        2,
        f"Within-category accuracy falls from {least} seen categories to all",
        fall[1] > 0,
        f"by {_points(fall)} points",
        fall,
        "more seeds: the interval holds 0",
    )
    table = s.tables.confusion
    rows = table[(table["count"] == least) & (table["quadrant"] == "I")]
    half = s.all // 2
    near = min(s.partial, key=lambda c: abs(c - half)) if s.partial else 0
    later = table[(table["count"] == near) & (table["quadrant"] == "I")]
    went = mean_interval(rows["share"])
    yield _claim(
        2,
        f"With {least} of {s.all} seen, transformed images of unseen categories go mainly (more "
        "than half) to seen ones",
        went[0] > 0.5,
        f"{_points(went)} %; with {near} seen {_points(mean_interval(later['share']))} %",
        went,
        "a transformation that tells seen categories apart",
    )


def _across(s: _Study) -> Iterator[Claim]:
    least, most = (s.partial[0], s.partial[-1]) if s.partial else (0, 0)
    rise = mean_interval(s.gains("across", s.names, least, most))
    yield _claim(
        3,
        f"Across-category accuracy rises from {least} to {most} seen categories",
        rise[1] > 0,
        f"by {_points(rise)} points",
        rise,
        "more seeds: the interval holds 0",
    )
    colour = s.of_family("colour")
    ratio = mean_interval(
        np.array(s.column("across", colour, least)) / np.array(s.column("across", colour, most))
    )
    yield _claim(
        3,
        f"For colour few suffice: {least} seen categories give at least 80 % of what {most} give",
        ratio[0] >= 0.8,
        f"{_points(ratio)} %",
        ratio,
        "a colour transformation among those trained, and more seeds",
    )
    turned = [t for t in s.names if t.startswith("rotation")]

    def gained(names: list[str]) -> list[float]:
        table = s.tables.beside.set_index(["trained", "seed", "count"])["across"]
        return [
            float(table.get((t, k, most), np.nan)) - s.without(k, t)  # pyright: ignore[reportArgumentType]
            for t in names
            for k in s.seeds
        ]

    rotations, local = mean_interval(gained(turned)), mean_interval(gained(s.of_family(*LOCAL)))
    yield _claim(
        3,
        f"Rotations gain only a few percent: with {most} seen, less than half of what local "
        "transformations gain",
        rotations[0] < local[0] / 2 and local[0] > 0,
        f"rotations {_points(rotations)} points, local {_points(local)}",
        rotations,
        "more seeds, and local transformations that gain more",
    )


def _raises(s: _Study) -> Iterator[Claim]:
    each = {t: mean_interval(s.raised(t)) for t in s.names}
    up = [t for t, (mean, _, _) in each.items() if mean > 0]
    pooled = mean_interval([x for t in s.names for x in s.raised(t)])
    told = "; ".join(f"{t} {mean:+.2f}" for t, (mean, _, _) in each.items())
    yield _claim(
        4,
        "Training with a transformation raises I_k, for every one of them",
        len(up) == len(each) and bool(each),
        f"in {len(up)} of {len(each)}, on average by {_plain(pooled)} ({told})",
        pooled,
        "transformations for which it does not: more training images or longer training",
    )


def _more(s: _Study) -> Iterator[Claim]:
    least = s.partial[0] if s.partial else 0
    rise = mean_interval(s.gains("invariance", s.names, least, s.all))
    yield _claim(
        5,
        f"I_k rises from {least} seen categories to all",
        rise[1] > 0,
        f"by {_plain(rise)}",
        rise,
        "more seeds: the interval holds 0",
    )
    local = [x for t in s.of_family(*LOCAL) for x in s.raised(t)]
    geometric = [x for t in s.of_family("geometric") for x in s.raised(t)]
    ratio = _ratio(local, geometric)
    yield _claim(
        5,
        "The increase from none to all is about twice as large (at least 1.5 times) for local as "
        "for geometric transformations",
        ratio[0] >= 1.5 and ratio[1] > 1,
        f"{_plain(ratio)} times: local {_plain(mean_interval(local))}, geometric "
        f"{_plain(mean_interval(geometric))}",
        ratio,
        "all twelve transformations and more seeds",
    )
    table = s.tables.beside
    rows = table[table["count"].isin(s.partial[1:])]
    apart = mean_interval(rows["invariance_seen"] - rows["invariance_unseen"])
    yield _claim(
        5,
        "I_k of seen and unseen categories are nearly equal (within 0.05) beyond the smallest "
        "count",
        abs(apart[0]) < 0.05,
        f"seen less unseen: {_plain(apart, 3)}",
        apart,
        "more seen categories",
    )


def _ratio(above: list[float], below: list[float]) -> Interval:
    """Ratio of two means with a bootstrap interval over their values."""
    if not above or not below:
        return (float("nan"),) * 3
    stream = np.random.Generator(np.random.Philox(key=0))
    first, second = np.array(above), np.array(below)
    draws = [
        stream.choice(first, len(first)).mean() / stream.choice(second, len(second)).mean()
        for _ in range(2000)
    ]
    low, high = np.percentile(draws, (2.5, 97.5))
    return float(first.mean() / second.mean()), float(low), float(high)


def _layers(s: _Study) -> Iterator[Claim]:
    means = s.tables.means
    rows = means[(means["count"] == s.all) & (means["group"] == "all")]
    wide = rows[rows["transformation"] == rows["trained"]].pivot_table(
        index=["trained", "seed"], columns="site", values="mean"
    )
    wide = wide.reindex(columns=list(s.tables.sites))
    built = mean_interval(wide.iloc[:, -1] - wide.iloc[:, 0]) if len(wide) else (np.nan,) * 3
    told = ", ".join(f"{site.rpartition('.')[2]} {wide[site].mean():.2f}" for site in wide)
    yield _claim(
        6,
        "I_k builds up across layers: larger at the last than at the first",
        built[1] > 0,
        f"by {_plain(built)} ({told})",
        built,
        "deeper networks, or a unit at each place in early layers (a channel's mean hides where)",
    )
    last = rows[(rows["site"] == s.tables.site) & (rows["transformation"] == rows["trained"])]
    spread = last.groupby("trained")["spread"].mean().sort_values(ascending=False)
    widest = str(spread.index[0]) if len(spread) else ""
    told = ", ".join(f"{name} {value:.2f}" for name, value in spread.items())
    value = float(spread.iloc[0]) if len(spread) else float("nan")
    rotations = any(name.startswith("rotation") for name in spread.index)
    yield _claim(
        6,
        "Specialization spreads widest for a rotation",
        widest.startswith("rotation"),
        f"SD over units: {told}",
        (value if rotations else float("nan"), float("nan"), float("nan")),
        "more seeds",
    )


def _follows(s: _Study) -> Iterator[Claim]:
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
        yield _claim(
            7,
            f"{words}: over networks, r is {'above 0' if positive else 'not above 0'}",
            holds,
            f"r = {_plain((r, low, high))} over {number} networks",
            (r, low, high),
            "more transformations and counts",
        )


def _active(s: _Study) -> Iterator[Claim]:
    units, images = s.tables.units, s.tables.images
    own = units[(units["count"] == s.all) & (units["class"] == "all")]
    share = (own["active"].astype(float) / own["images"])[own["invariance"].notna()]
    middle = [float(x) for x in np.percentile(share, (5, 50, 95))] if len(share) else [np.nan] * 3
    tau = s.tables.measured.get("tau", float("nan"))
    interval = (middle[1], middle[0], middle[2])
    yield _claim(
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
    yield _claim(
        8,
        "10–20 % of the units are active in an image (median)",
        0.1 <= each[1] <= 0.2,
        f"median {100 * each[1]:.0f} % (5th to 95th percentile: {100 * each[0]:.0f} to "
        f"{100 * each[2]:.0f})",
        (each[1], each[0], each[2]),
        "a wider penultimate layer and more categories",
    )
    yield from _ablated(s)


def _ablated(s: _Study) -> Iterator[Claim]:
    table = s.tables.ablation
    if not len(table):
        yield Claim(8, "Ablation", NOT_TESTABLE, "", needs="networks that saw all transformed")
        return
    shown = table[table["shown"] == "transformed"]
    wide = shown.assign(kind=shown["ablated"] + " " + shown["threshold"]).pivot_table(
        index=["trained", "seed"], columns="kind", values="accuracy"
    )
    taus = [c.removeprefix("inactive ") for c in wide if c.startswith("inactive tau")]
    intact = wide["nothing "]
    lost = mean_interval(intact - wide[f"inactive {taus[0]}"])
    left = mean_interval(wide[f"active {taus[0]}"])
    yield _claim(
        8,
        "Ablating the inactive units costs less than 1 percentage point",
        lost[0] < 0.01,
        f"{_points(lost)} points",
        lost,
        "a smaller τ",
    )
    chance = s.tables.chance
    near = chance + 0.25 * (float(intact.mean()) - chance)
    yield _claim(
        8,
        "Ablating the active units brings accuracy near chance (at most a quarter of what is "
        "above it)",
        left[0] <= near,
        f"{_points(left)} % are left of {100 * float(intact.mean()):.1f} %; chance is "
        f"{100 * chance:.1f} %",
        left,
        "a smaller τ, where inactive units carry information too",
    )
    if "active top 20 %" in wide:
        top = mean_interval(wide["active top 20 %"])
        yield _claim(
            8,
            "By Goodfellow et al.'s rule with k up to 20 % the excluded units keep accuracy: more "
            "than a quarter of what is above chance",
            top[0] > near,
            f"{_points(top)} % are left without the units of the top 20 %",
            top,
            "a sparser code: here the top 20 % hold what matters",
        )


def _second(s: _Study, other: _Study | None) -> Iterator[Claim]:
    claim = "Inception has more invariant units than AlexNet (mean I_k, all seen transformed)"
    if other is None:
        needs = "a second study with another network, given as --beside"
        yield Claim(9, claim, NOT_TESTABLE, "", needs=needs)
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
    yield _claim(
        9,
        "The second network has more invariant units (mean I_k, all seen transformed)",
        more[1] > 0,
        f"by {_plain(more)}",
        more,
        "the networks of the paper",
    )


PARTS: tuple[Callable[[_Study], Iterator[Claim]], ...] = (
    _transfer,
    _within,
    _across,
    _raises,
    _more,
    _layers,
    _follows,
    _active,
)


def clean_accuracy(tables: NetworkTables) -> Interval:
    """Accuracy of the networks without transformation on images as they are, with its interval."""
    own = tables.accuracy
    rows = own[(own["trained"] == NONE) & (own["tested"] == NONE) & (own["group"] == "all")]
    return mean_interval(rows["accuracy"])


def find(
    tables: NetworkTables, families: Mapping[str, str], beside: NetworkTables | None = None
) -> list[Claim]:
    """Every claim of the nine findings.

    Args:
        families: of transformations, by name.
        beside: the same study of a second network, for finding 9.
    """
    study = _Study(tables, families)
    claims = [claim for part in PARTS for claim in part(study)]
    claims += _second(study, None if beside is None else _Study(beside, families))
    clean, bound = clean_accuracy(tables)[0], LEARNED * tables.chance
    if clean >= bound:
        return claims
    needs = (
        f"clean accuracy of {100 * bound:.0f} % (five times chance); it is {100 * clean:.1f} %: "
        "more images or longer training"
    )
    return [Claim(c.finding, c.claim, NOT_TESTABLE, c.number, needs=needs) for c in claims]


def findings_table(claims: list[Claim]) -> pd.DataFrame:
    """A row a claim."""
    rows: list[dict[str, Any]] = [asdict(claim) for claim in claims]
    return pd.DataFrame(rows)
