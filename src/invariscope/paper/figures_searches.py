"""The paper's statements on searches: Figs. 2, 3 and S1, rows 11 and 13."""

from collections.abc import Callable, Iterator
from itertools import product

import numpy as np

from invariscope.analysis.controls import AFFINE
from invariscope.analysis.grouping import Rows, groups_by, rows_where, rows_with
from invariscope.analysis.intervals import difference_interval
from invariscope.paper.claim import Evidence, over_clusters, widened
from invariscope.paper.measured_figures import (
    NO_BOUND,
    NO_PAIR,
    NO_ROLES,
    ROBUST,
    STANDARD,
    Select,
    Tables,
    bounded,
    first_study,
    over_units,
    unbounded,
    with_role,
)
from invariscope.plurals import number_of

COMPONENTS = 50  # of the classifier: the paper's "few dozen"
SITES = 3  # pixels, mid and deep
UNKNOWN = (np.nan, np.nan, np.nan)  # a number that is not there, and its interval
AS_FAR = 0.9  # of the distance that gradients reach: what "as far" is taken to mean
ON_CODES = "gradients on codes"
HALF = 0.5  # of the whole site's distance: what "still works" is taken to mean
SILENCED = 90.0  # percent of activity: what "almost wholly" is taken to mean
KEEPS_MUCH = 50.0  # percent of activity that is lost, at most: what "keep much" is taken to mean
NEAR_PERFECT, MOSTLY = 0.9, 0.8  # accuracy: what the paper says of standard and robust networks
JUDGED = (25.0, 50.0)  # percent of activity lost; hardly a front has members that lose 10 or less
CONTROL_LOSS = 50.0  # percent of activity; hardly any control has images that lose 25 or less


def _farther(table: Rows) -> list[Evidence]:
    """Judge each row of the controls: invariant images farther at equal loss, paired by unit."""
    rows = table.to_dict("records")
    return [
        Evidence(
            f"{row['subject']}: farther than {row['series']} at {row['loss']:g} % lost{_of(row)}",
            *over_units(row, "farther", len(rows), "compared"),
            above=0,
        )
        for row in rows
    ]


def _of(row: Rows) -> str:
    """Say how many of the units are compared, where some are not."""
    compared, units = int(row["compared"]), int(row["units"])
    return f" ({compared} of {number_of(units, 'unit')})" if compared < units else ""


def farther_than_affine(tables: Tables, select: Select = unbounded) -> list[Evidence] | str:
    """Compare invariant images with the affine copies that lose no more, unit by unit."""
    own = rows_with(first_study(select(tables["controls"])), series=AFFINE)
    own = rows_where(own, own["loss"].isin(JUDGED))
    lacks = NO_BOUND if select is bounded else "needs affine copies of the references, at pixels"
    return _farther(own) or lacks


def farther_than_controls(tables: Tables, select: Select = unbounded) -> list[Evidence] | str:
    """Compare invariant images with every control at one loss, unit by unit."""
    own = rows_with(first_study(select(tables["controls"])), loss=CONTROL_LOSS)
    return _farther(own) or (NO_BOUND if select is bounded else "needs runs at pixels")


def silenced_nearby(tables: Tables, select: Select = unbounded) -> list[Evidence] | str:
    """Compare silencing with invariant images of robust networks, unit by unit."""
    table = select(tables["distance_of_tasks"])
    own = with_role(table, ROBUST)
    if own is None:
        return NO_ROLES if len(table) else NO_BOUND if select is bounded else "needs runs"
    own = rows_with(first_study(own, {"site": "pixels"}), site="pixels")
    return [
        Evidence(f"{row['subject']}: {of}", *over_units(row, words, 2 * len(own), "compared"), 0)
        for row in own.to_dict("records")
        for words, of in (
            ("more_lost", "more lost by silencing (%)"),
            ("farther", "farther when invariant"),
        )
    ] or "needs a robust network with both tasks at pixels"


def changes(
    statistics: tuple[str, ...], place: int, select: Select = unbounded
) -> Callable[[Tables], list[Evidence] | str]:
    """Compare the change at one site with the changes at two others, paired by unit.

    Args:
        statistics: of images.
        place: of the site, in the order of depth.
        select: the rows that count, `unbounded` or `bounded`.
    """

    def judged(tables: Tables) -> list[Evidence] | str:
        rows = first_study(select(tables["appearance_sites"]))
        if select is bounded and not len(rows):
            return NO_BOUND
        sites = list(dict.fromkeys([*rows["site"], *rows["other"]]))
        if len(sites) != SITES:
            return f"needs {SITES} stretched sites; the study has {len(sites) or 1}"
        names = ["subject", "statistic", "site", "other"]
        known = {tuple(row[name] for name in names): row for row in rows.to_dict("records")}
        others = [site for site in sites if site != sites[place]]
        parts = list(product(dict.fromkeys(rows["subject"]), statistics, others))
        found = []
        for subject, statistic, other in parts:
            there = known.get((subject, statistic, sites[place], other))
            back = known.get((subject, statistic, other, sites[place]))
            row = there or back
            mean, low, high = over_units(row, "difference", len(parts)) if row else UNKNOWN
            if not there:
                mean, low, high = -mean, -high, -low
            name = f"{subject} {statistic}: more than at {other}"
            found.append(Evidence(name, mean, low, high, above=0))
        return found

    return judged


def _separated(table: Rows) -> Iterator[tuple[str, Rows]]:
    """Give each network's row of the classifier, folds grouped by unit."""
    own = rows_with(table, scheme="grouped", components=COMPONENTS, **{"class": "all"})
    for row in own.to_dict("records"):
        yield row["subject"], row


def sites_told_apart(tables: Tables, select: Select = unbounded) -> list[Evidence] | str:
    """Compare the classifier's accuracy with the paper's, by the network's role.

    With codes bounded, which the paper did not do, and of a network without a role, the bound is
    the largest accuracy for shuffled labels.
    """
    own = first_study(select(tables["separability"]))
    if select is bounded and not len(own):
        return NO_BOUND
    networks = list(_separated(own))
    paper = {STANDARD: NEAR_PERFECT, ROBUST: MOSTLY} if select is unbounded else {}
    return [
        Evidence(
            f"{name}: accuracy with {number_of(row['used'], 'component')}, folds grouped by unit",
            *widened((row["accuracy"], row["low"], row["high"]), len(networks), row["units"] - 1),
            above=paper[row["role"]] if row.get("role") in paper else row["shuffled_high"],
            lacks=_too_few(row) if row.get("role") in paper else "",
        )
        for name, row in networks
    ] or f"needs a classifier with {COMPONENTS} components"


def _too_few(row: Rows) -> str:
    """Say where a fold's training images allow fewer components than the paper's few dozen."""
    if row["used"] >= COMPONENTS:
        return ""
    return (
        f"needs more units: with {number_of(row['images'], 'image')}, a fold's allow "
        f"{number_of(row['used'], 'component')}"
    )


def standard_easier(tables: Tables, select: Select = unbounded) -> list[Evidence] | str:
    """Compare the classifier's accuracy for standard and for robust networks."""
    own = first_study(select(tables["separability"]))
    if select is bounded and not len(own):
        return NO_BOUND
    standard, robust = (with_role(own, role) for role in (STANDARD, ROBUST))
    if standard is None or robust is None:
        return NO_ROLES
    found = []
    for (name, one), (second, other) in product(_separated(standard), _separated(robust)):
        first, last = ((r["accuracy"], r["low"], r["high"]) for r in (one, other))
        words = f"accuracy of {name} over {second}"
        found.append(Evidence(words, *difference_interval(first, last), above=0))
    return found or NO_PAIR


def middle_highest(tables: Tables) -> list[Evidence] | str:
    """Compare the dimension between sites, paired by unit, for each estimator."""
    table = tables["dimension"]
    own = rows_where(table, table["last"].astype(bool))
    sites = list(dict.fromkeys(own["site"]))
    if not own["enough"].astype(bool).all():
        return "needs 100 independent runs of a unit and site"
    if len(sites) != SITES:
        return f"needs {SITES} stretched sites; the study has {len(sites)}"
    groups, found = list(groups_by(own, ["subject", "estimator"])), []
    low, middle, deep = sites
    for key, rows in groups:
        wide = rows.pivot_table(index="unit", columns="site", values="dimension")
        for high, less in ((middle, low), (deep, low), (middle, deep)):
            name = f"{key['subject']} {key['estimator']}: {high} over {less}"
            paired = wide[high] - wide[less]
            found.append(over_clusters(name, paired, above=0, parts=3 * len(groups)))
    return found


def subsets_work(tables: Tables) -> list[Evidence] | str:
    """Compare stretch at subsets with the whole site, with two MEIs and with stretch at pixels."""
    table = tables["subsets"].dropna(subset=["entries", "full_stretch_ratio"])
    numbers = [
        (row, words, column, above)
        for row in table.to_dict("records")
        for words, column, above in (
            ("the whole site's", "full_stretch_ratio", HALF),
            ("that of two MEIs", "mei_ratio", 1.0),
            ("that of stretch at pixels", "pixel_ratio", 1.0),
        )
    ]
    found = []
    for row, words, column, above in numbers:
        known = {column: np.nan, f"{column}_sd": np.nan, f"{column}_units": 0} | row
        ends = over_units(known, column, len(numbers), f"{column}_units")
        name = f"{row['site']}, {number_of(row['entries'], 'unit', '.0f')}: distance over {words}"
        found.append(Evidence(name, *ends, above=above))
    return found or "needs runs that stretch the whole site beside the subsets"


def as_far_as_gradients(tables: Tables) -> list[Evidence] | str:
    """Compare the search with gradients on the same codes: farther, or nearer when silencing."""
    table = unbounded(tables["gradients_beside"])
    own = rows_with(table, method=ON_CODES)
    return [
        Evidence(
            f"{row['subject']}, {row['task']}: distance over that of gradients{_of(row)}",
            *over_units(row, "ratio", len(own), "compared"),
            above=AS_FAR if row["task"] == "invariance" else -np.inf,
            below=np.inf if row["task"] == "invariance" else 1 / AS_FAR,
        )
        for row in own.to_dict("records")
    ] or "needs units that both a search and gradients bring beyond the natural bound"


def fronts_as_shown(tables: Tables) -> list[Evidence] | str:
    """Compare the most silencing member of a front with the farthest invariant member."""
    table = rows_with(tables["fronts_ends"], site="pixels")
    groups, found = list(groups_by(table, ["subject"])), []
    for key, own in groups:
        silent, kept = (
            rows_with(own, task=task).groupby("unit")[["reduction", "pixel_distance"]].mean()
            for task in ("adversarial", "invariance")
        )
        name, parts = key["subject"], 3 * len(groups)
        farther = kept["pixel_distance"] - silent["pixel_distance"]
        for words, values, bounds in (
            ("lost by silencing (%)", silent["reduction"], {"above": SILENCED}),
            ("lost by the farthest invariant (%)", kept["reduction"], {"below": KEEPS_MUCH}),
            ("farther when invariant", farther, {"above": 0.0}),
        ):
            found.append(over_clusters(f"{name}: {words}", values, **bounds, parts=parts))
    return found or "needs both tasks at pixels"
