"""Verdicts on the paper's statements, from the tables of analyses."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from invariscope.analysis.grouping import Rows, groups_by, invariant, rows_where
from invariscope.analysis.intervals import difference_interval, mean_interval

SAME, NOT, UNTESTED = "same direction", "not the same", "not testable at this size"
Tables = Mapping[str, Rows]


class Verdict(NamedTuple):
    """What was found.

    Attributes:
        found: the numbers.
        verdict: `SAME`, `NOT` or `UNTESTED`.
        reason: what decided.
    """

    found: str
    verdict: str
    reason: str


def _verdict(found: str, holds: bool, reason: str) -> Verdict:
    return Verdict(found, SAME if holds else NOT, reason)


def _untested(reason: str, found: str = "—") -> Verdict:
    return Verdict(found, UNTESTED, reason)


def robust_rows(table: Rows, column: str = "subject") -> list[str]:
    """The robust networks of a table: those whose name says so."""
    return [name for name in dict.fromkeys(table[column]) if "robust" in str(name)]


def standard_rows(table: Rows, column: str = "subject") -> list[str]:
    """The others."""
    names = [str(name) for name in dict.fromkeys(table[column].dropna()) if name]
    return [name for name in names if "robust" not in name]


def _both(table: Rows, column: str = "subject") -> tuple[str, str] | None:
    """A standard and a robust network, where there are both."""
    plain, hardened = standard_rows(table, column), robust_rows(table, column)
    return (plain[0], hardened[0]) if plain and hardened else None


NO_PAIR = "the study holds no standard and robust network side by side"


def _row(table: Rows, **values: str) -> Rows | None:
    chosen = np.logical_and.reduce([table[key] == value for key, value in values.items()])
    rows = rows_where(table, chosen)
    return rows.iloc[0] if len(rows) else None


def farther_than_affine(tables: Tables) -> Verdict:
    """Invariant images against the affine copies that lose no more."""
    own = tables["distance_beside_affine"]
    own = rows_where(own, own["site"] == "pixels").dropna(subset=["affine"])
    if not len(own):
        return _untested("the study measured no affine copies")
    found = "; ".join(
        f"{row['subject']}: {row['distance']:.1f} against {row['affine']:.1f} at "
        f"{row['reduction']:.0f} % lost"
        for row in own.to_dict("records")
    )
    farther = own["distance"] > own["affine"]
    return _verdict(found, bool(farther.all()), f"{farther.sum()} of {len(own)} networks")


def silenced_nearby(tables: Tables) -> Verdict:
    """Silencing images lose more at a smaller distance than invariant ones."""
    table, sentences, holds = tables["distance"], [], []
    for name in robust_rows(table) or standard_rows(table):
        silent = _row(table, subject=name, series="adversarial", site="pixels")
        kept = _row(table, subject=name, series="invariance", site="pixels")
        if silent is None or kept is None:
            continue
        holds.append(
            bool(silent["distance"] < kept["distance"] and silent["reduction"] > kept["reduction"])
        )
        sentences.append(
            f"{name}: adversarial {silent['reduction']:.0f} ± {silent['reduction_sd']:.0f} % at "
            f"{silent['distance']:.1f} ± {silent['distance_sd']:.1f} ({silent['share']:.0%} of the "
            f"possible), invariant {kept['reduction']:.0f} ± {kept['reduction_sd']:.0f} % at "
            f"{kept['distance']:.1f} ± {kept['distance_sd']:.1f} ({kept['share']:.0%})"
        )
    if not holds:
        return _untested("the study has not both tasks at pixels")
    reason = "more activity lost at a smaller distance, of the robust network where there is one"
    return _verdict("; ".join(sentences), all(holds), reason)


def _accuracies(table: Rows, components: int) -> dict[str, tuple[float, float, float]]:
    """Each network's accuracy and its interval's ends."""
    chosen = (table["scheme"] == "stratified") & (table["class"] == "all")
    own = rows_where(table, chosen & (table["components"] == components)).set_index("subject")
    return {name: tuple(own.loc[name, ["accuracy", "low", "high"]]) for name in own.index}


def sites_told_apart(tables: Tables) -> Verdict:
    """Accuracy of the classifier with a few dozen components."""
    table = tables["separability"]
    found = {k: _accuracies(table, k) for k in (25, 50)}
    words = "; ".join(
        f"{name}: {found[25][name][0]:.0%} with 25, {found[50][name][0]:.0%} with 50 components"
        for name in found[50]
    )
    own = rows_where(table, (table["scheme"] == "stratified") & (table["class"] == "all"))
    control = float(own["shuffled_high"].max())
    least = min(low for _, low, _ in found[50].values())
    reason = (
        f"the lowest end of an interval with 50 components, {least:.0%}, against the {control:.0%} "
        "that shuffled labels reach; the paper's percentages are not asked for"
    )
    return _verdict(words, least > control, reason)


def standard_easier(tables: Tables) -> Verdict:
    """The standard network's sites against the robust one's."""
    table = tables["separability"]
    pair = _both(table)
    if pair is None:
        return _untested(NO_PAIR)
    found = _accuracies(table, 50)
    words = ", ".join(f"{name} {found[name][0]:.0%}" for name in pair)
    gain, low, high = difference_interval(found[pair[0]], found[pair[1]])
    reason = f"with 50 components; {gain:+.1%} (95 %: {low:+.1%} to {high:+.1%})"
    if low <= 0 <= high:
        return _untested(f"{reason} holds 0: more units are needed", words)
    return _verdict(words, gain > 0, reason)


def _changes(tables: Tables, statistics: tuple[str, ...], place: int) -> Verdict:
    table = invariant(tables["appearance"])
    sentences, holds = [], []
    for key, own in groups_by(table, ["subject"]):
        sites = list(dict.fromkeys(own["site"]))
        if len(sites) != 3:
            return _untested(f"the study stretches {len(sites)} sites of {key['subject']}, not 3")
        for statistic in statistics:
            rows = rows_where(own, own["statistic"] == statistic)
            values = dict(zip(rows["site"], rows["relative"], strict=True))
            holds.append(max(values, key=lambda site: values[site]) == sites[place])
            numbers = " / ".join(f"{values[site]:.2f}" for site in sites)
            sentences.append(f"{key['subject']} {statistic}: {numbers}")
    reason = f"largest there in {sum(holds)} of {len(holds)} (pixels / mid / deep)"
    return _verdict("; ".join(sentences), all(holds), reason)


def light_at_pixels(tables: Tables) -> Verdict:
    """Luminance and contrast change most where pixels are stretched."""
    return _changes(tables, ("luminance", "contrast"), 0)


def texture_in_the_middle(tables: Tables) -> Verdict:
    """Texture and colour change most at the middle site."""
    return _changes(tables, ("texture", "colour"), 1)


def layout_when_deep(tables: Tables) -> Verdict:
    """Where contrast lies changes most at the deep site."""
    return _changes(tables, ("layout",), 2)


def _trend(tables: Tables, *, hardened: bool) -> Verdict:
    table = tables["observers_trend"]
    others = rows_where(table, ~table["own"].astype(bool))
    names = (robust_rows if hardened else standard_rows)(others, "source")
    if not names:
        kind = "robust" if hardened else "standard"
        return _untested(f"no {kind} network whose images another observer looks at")
    own = rows_where(others, others["source"].isin(names))
    slope, low, high = mean_interval(own["slope"])
    sentences = "; ".join(
        f"{row['observer']} of {row['source']}: {row['first']:.2f} → {row['last']:.2f}"
        for row in own.to_dict("records")
    )
    if len(own) < 2:
        return _untested("one observer gives no interval; add a second one", sentences)
    reason = f"mean slope {slope:+.3f} (95 %: {low:+.3f} to {high:+.3f}) a site over {len(own)}"
    if low <= 0 <= high:
        return _untested(f"{reason} observers holds 0: more observers are needed", sentences)
    return _verdict(sentences, slope < 0 if hardened else slope > 0, f"{reason} observers")


def falls_for_robust(tables: Tables) -> Verdict:
    """Observers' accuracy along the sites, robust network."""
    return _trend(tables, hardened=True)


def rises_for_standard(tables: Tables) -> Verdict:
    """Observers' accuracy along the sites, standard network."""
    return _trend(tables, hardened=False)


def no_people(_: Tables) -> Verdict:
    """What only people could tell."""
    return _untested("there are no answers of people here; simulated ones give no verdict")


def other_sources(tables: Tables) -> Verdict:
    """Whether the trends of observers are alike for every network that images come from."""
    table = tables["observers_trend"]
    others = rows_where(table, ~table["own"].astype(bool))
    slopes = others.groupby("source", sort=False)["slope"].mean()
    plain, hardened = standard_rows(others, "source"), robust_rows(others, "source")
    if max(len(plain), len(hardened)) < 2:
        return _untested("the study has units of one architecture only")
    sentences = "; ".join(f"{name}: {slope:+.3f} a site" for name, slope in slopes.items())
    holds = all(slopes[name] > 0 for name in plain) and all(slopes[name] < 0 for name in hardened)
    return _verdict(sentences, holds, f"{len(slopes)} networks that images come from")


def figures_without_reference(
    name: str, words: Callable[[Rows], str]
) -> Callable[[Tables], Verdict]:
    """Numbers of an analysis for which the paper's own could not be read."""

    def judge(tables: Tables) -> Verdict:
        return _untested("the paper's own figures could not be read", words(tables[name]))

    return judge


def middle_highest(tables: Tables) -> Verdict:
    """Dimension by site."""
    table = tables["dimension"]
    own = rows_where(table, table["last"].astype(bool))
    sentences, lowest, highest = [], [], []
    for key, rows in groups_by(own, ["subject", "estimator"]):
        means = rows.groupby("site", sort=False)["dimension"].mean()
        order = list(means.index)
        sentences.append(
            f"{' '.join(key.values())}: " + " / ".join(f"{means[s]:.1f}" for s in order)
        )
        if len(order) == 3:
            lowest.append(means.idxmin() == order[0])
            highest.append(means.idxmax() == order[1])
    words = "; ".join(sentences)
    if not own["enough"].astype(bool).all():
        return _untested("fewer than 100 independent runs of a unit and site", words)
    if not lowest:
        return _untested("the study stretches other than 3 sites", words)
    reason = (
        f"pixels / mid / deep; lowest at pixels in {sum(lowest)} of {len(lowest)}, highest at mid "
        f"in {sum(highest)}, and all are asked for: the paper's estimator is not known"
    )
    return _verdict(words, all(lowest) and all(highest), reason)


def subsets_work(tables: Tables) -> Verdict:
    """Distance and convergence of stretch at subsets."""
    table = tables["subsets"]
    own = table.dropna(subset=["entries", "full_stretch_ratio"])
    if not len(own):
        return _untested("the study has no runs that stretch the whole site beside the subsets")
    sentences = "; ".join(
        f"{row['site']}, {row['entries']:.0f} units: {row['full_stretch_ratio']:.0%} of the "
        f"distance, {row['converged']:.0%} converged"
        for row in own.to_dict("records")
    )
    least = float(own["full_stretch_ratio"].min())
    return _verdict(sentences, least >= 0.5, "half of the whole site's distance or more asked for")


def fronts_as_shown(tables: Tables) -> Verdict:
    """Whole fronts of both tasks."""
    table = rows_where(tables["fronts"], tables["fronts"]["site"] == "pixels")
    ends = table.groupby(["task", "run"], as_index=False, sort=False).agg(
        lost=("reduction", "max"), kept=("reduction", "min"), far=("pixel_distance", "median")
    )
    means = ends.groupby("task")[["lost", "kept", "far"]].median()
    if not {"adversarial", "invariance"} <= set(means.index):
        return _untested("the study has not both tasks at pixels")
    silent, kept = means.loc["adversarial"], means.loc["invariance"]
    found = (
        f"adversarial fronts lose up to {silent['lost']:.0f} % at {silent['far']:.1f}, invariance "
        f"fronts {kept['kept']:.0f} … {kept['lost']:.0f} % at {kept['far']:.1f}"
    )
    holds = bool(silent["far"] < kept["far"] and silent["lost"] > 90 > kept["kept"])
    return _verdict(found, holds, "medians over runs; 90 % lost asked of adversarial fronts")


def over_maximum(table: Rows) -> str:
    """Activity over the natural maximum."""
    rows = rows_where(table, table["series"].isin(["reference", "invariance", "adversarial"]))
    return "; ".join(
        f"{r['subject']} {r['series']} {r['site'] if isinstance(r['site'], str) else ''}: "
        f"{r['over_maximum']:.2f} × the natural maximum"
        for r in rows.to_dict("records")
    )


def converged(table: Rows) -> str:
    """Runs that converged."""
    return "; ".join(
        f"{r['subject']} {r['target']} {r['task']} {r['site']}: {r['converged']} of {r['count']}"
        for r in table.to_dict("records")
    )


def methods(table: Rows) -> str:
    """Starts that met the bound, and how far they are."""
    return "; ".join(
        f"{r['subject']} {r['task']}, {r['method']}: {r['met']:.0%} met, "
        f"{r['pixel_distance']:.1f} away"
        for r in table.to_dict("records")
    )


def kept_elsewhere(table: Rows) -> str:
    """Activity that matching units keep."""
    own = invariant(rows_where(table, ~table["own"].astype(bool)))
    return (
        "; ".join(
            f"{r['observer']} of {r['source']} {r['site']}: {r['kept']:.0f} % kept"
            for r in own.to_dict("records")
        )
        or "no observer but the source"
    )


def least_activity_on_paths(table: Rows) -> str:
    """The least share of activity kept along paths."""
    return "; ".join(
        f"{r['subject']} {r['site']} {r['way']}: {r['least']:.2f}" for r in table.to_dict("records")
    )


def layers(table: Rows) -> str:
    """Distances in the deepest layer."""
    last = rows_where(table, table["depth"] == table.groupby("observer")["depth"].transform("max"))
    own = rows_where(last, last["pair"] == "reference ↔ invariant")
    return "; ".join(
        f"{r['subject']} seen by {r['observer']} at {r['layer']}, {r['site']}: {r['relative']:.2f}"
        for r in own.to_dict("records")
    )
