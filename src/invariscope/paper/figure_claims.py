"""The paper's statement on each figure (PAPERS §1), judged from tables of analyses."""

from collections.abc import Callable, Iterator, Mapping
from itertools import product
from typing import NamedTuple

import numpy as np

from invariscope.analysis.grouping import Rows, groups_by, invariant, rows_where, rows_with
from invariscope.analysis.intervals import Interval, difference_interval, summary_interval
from invariscope.paper.claim import Claim, Evidence, over_clusters, shared_level
from invariscope.plurals import number_of

Tables = Mapping[str, Rows]
STANDARD, ROBUST = "standard", "robust"
NO_ROLES = (
    "needs the subjects' roles; give `roles` (standard, robust) in the study file and analyse again"
)
NO_PAIR = "needs a standard and a robust network side by side"
COMPONENTS = 50  # of the classifier: the paper's "few dozen"
SITES = 3  # pixels, mid and deep
HALF = 0.5  # of the whole site's distance: what "still works" is taken to mean
SILENCED = 90.0  # percent of activity: what "almost wholly" is taken to mean


def with_role(table: Rows, role: str) -> Rows | None:
    """Select the rows of one role; None where the table names no roles."""
    known = "role" in table and table["role"].notna().any()
    return rows_where(table, table["role"] == role) if known else None


def _row(table: Rows, **values: str) -> Rows | None:
    rows = rows_with(table, **values)
    return rows.iloc[0] if len(rows) else None


def _over_units(row: Rows, column: str, parts: int) -> Interval:
    """Estimate a column from its mean and SD over units in a table."""
    return summary_interval(
        float(row[column]), float(row[f"{column}_sd"]), int(row["units"]), shared_level(parts)
    )


def farther_than_affine(tables: Tables) -> list[Evidence] | str:
    """Compare invariant images with the affine copies that lose no more."""
    own, table = tables["distance_beside_affine"], tables["distance"]
    own = rows_where(own, own["site"] == "pixels").dropna(subset=["affine"])
    rows = own.set_index("subject")["affine"].to_dict()
    found = []
    for name, affine in rows.items():
        row = _row(table, subject=name, series="invariance", site="pixels")
        if row is not None:
            distance = _over_units(row, "distance", len(rows))
            found.append(Evidence(f"{name}: pixel distance", *distance, above=float(affine)))
    return found or "needs affine copies of the references"


def silenced_nearby(tables: Tables) -> list[Evidence] | str:
    """Compare silencing with invariant images: loss of activity and distance."""
    table = with_role(tables["distance"], ROBUST)
    if table is None:
        return NO_ROLES
    found, names = [], list(dict.fromkeys(table["subject"]))
    for name in names:
        silent = _row(table, subject=name, series="adversarial", site="pixels")
        kept = _row(table, subject=name, series="invariance", site="pixels")
        if silent is None or kept is None:
            continue
        for words, one, other in (("reduction", silent, kept), ("distance", kept, silent)):
            first, second = (_over_units(row, words, 2 * len(names)) for row in (one, other))
            of = "more lost by silencing (%)" if one is silent else "farther when invariant"
            found.append(Evidence(f"{name}: {of}", *difference_interval(first, second), above=0))
    return found or "needs a robust network with both tasks at pixels"


def _changes(tables: Tables, statistics: tuple[str, ...], place: int) -> list[Evidence] | str:
    """Compare the change at one site with the changes at two others."""
    rows = invariant(tables["appearance"])
    rows = rows_where(rows, rows["statistic"].isin(statistics))
    sites = list(dict.fromkeys(rows["site"]))
    if len(sites) != SITES:
        return f"needs {SITES} stretched sites; the study has {len(sites)}"
    groups, found = list(groups_by(rows, ["subject", "statistic"])), []
    for key, own in groups:
        values = {
            row["site"]: _over_units(row, "relative", 2 * len(groups))
            for row in own.to_dict("records")
        }
        for other in [site for site in sites if site != sites[place]]:
            more = difference_interval(values[sites[place]], values[other])
            name = f"{key['subject']} {key['statistic']}: more than at {other}"
            found.append(Evidence(name, *more, above=0))
    return found


def light_at_pixels(tables: Tables) -> list[Evidence] | str:
    """Ask whether luminance and contrast change most where pixels are stretched."""
    return _changes(tables, ("luminance", "contrast"), 0)


def texture_in_the_middle(tables: Tables) -> list[Evidence] | str:
    """Ask whether texture and colour change most at the middle site."""
    return _changes(tables, ("texture", "colour"), 1)


def layout_when_deep(tables: Tables) -> list[Evidence] | str:
    """Ask whether the places of contrast change most at the deep site."""
    return _changes(tables, ("layout",), 2)


def _separated(table: Rows) -> Iterator[tuple[str, Rows]]:
    """Give each network's row of the classifier, folds grouped by unit."""
    own = rows_with(table, scheme="grouped", components=COMPONENTS, **{"class": "all"})
    for row in own.to_dict("records"):
        yield row["subject"], row


def sites_told_apart(tables: Tables) -> list[Evidence] | str:
    """Compare the classifier's accuracy with the largest for shuffled labels."""
    return [
        Evidence(
            f"{name}: accuracy with {number_of(row['components'], 'component')}, folds grouped by "
            "unit",
            row["accuracy"],
            row["low"],
            row["high"],
            above=row["shuffled_high"],
        )
        for name, row in _separated(tables["separability"])
    ] or f"needs a classifier with {COMPONENTS} components"


def standard_easier(tables: Tables) -> list[Evidence] | str:
    """Compare the classifier's accuracy for standard and for robust networks."""
    standard, robust = (with_role(tables["separability"], r) for r in (STANDARD, ROBUST))
    if standard is None or robust is None:
        return NO_ROLES
    found = []
    for (name, one), (second, other) in product(_separated(standard), _separated(robust)):
        first, last = ((r["accuracy"], r["low"], r["high"]) for r in (one, other))
        words = f"accuracy of {name} over {second}"
        found.append(Evidence(words, *difference_interval(first, last), above=0))
    return found or NO_PAIR


def _trend(tables: Tables, role: str, *, each: bool = False) -> list[Evidence] | str:
    """Estimate the slope of observers' accuracy along the sites, the source itself left out."""
    table = with_role(tables["observers_trend"], role)
    if table is None:
        return NO_ROLES
    own = rows_where(table, ~table["own"].astype(bool))
    if not len(own):
        return f"needs a {role} network whose images another observer looks at"
    if each and own["source"].nunique() < 2:
        return []
    above, below = (-np.inf, 0.0) if role == ROBUST else (0.0, np.inf)
    if not each:
        slopes = own.groupby("observer")["slope"].mean()
        return [
            over_clusters(f"{role}: slope of accuracy a site", slopes, above=above, below=below)
        ]
    groups = list(groups_by(own, ["source"]))
    return [
        over_clusters(
            f"{key['source']}: slope", rows["slope"], above=above, below=below, parts=len(groups)
        )
        for key, rows in groups
    ]


def falls_for_robust(tables: Tables) -> list[Evidence] | str:
    """Ask whether observers' accuracy falls along the sites of robust networks."""
    return _trend(tables, ROBUST)


def rises_for_standard(tables: Tables) -> list[Evidence] | str:
    """Ask whether observers' accuracy rises along the sites of standard networks."""
    return _trend(tables, STANDARD)


def other_sources(tables: Tables) -> list[Evidence] | str:
    """Ask whether each network of a role has the trend of that role."""
    standard, robust = (_trend(tables, role, each=True) for role in (STANDARD, ROBUST))
    if isinstance(standard, str) and isinstance(robust, str):
        return standard
    found = [part for parts in (standard, robust) if not isinstance(parts, str) for part in parts]
    return found or "needs units of two networks of a role"


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
    """Compare the distance of stretch at subsets with that of stretch at the whole site."""
    table = tables["subsets"].dropna(subset=["entries", "full_stretch_ratio"])
    return [
        Evidence(
            f"{row['site']}, {number_of(row['entries'], 'unit', '.0f')}: distance over the whole "
            "site's",
            row["full_stretch_ratio"],
            row.get("ratio_low", np.nan),
            row.get("ratio_high", np.nan),
            above=HALF,
        )
        for row in table.to_dict("records")
    ] or "needs runs that stretch the whole site beside the subsets"


def _ends(fronts: Rows, task: str, column: str) -> Rows:
    """Average the members with the largest value of a column in each unit's fronts of a task."""
    own = rows_where(fronts, fronts["task"] == task).dropna(subset=[column])
    ends = own.loc[own.groupby("run")[column].idxmax()]
    return ends.groupby("unit")[["reduction", "pixel_distance"]].mean()


def fronts_as_shown(tables: Tables) -> list[Evidence] | str:
    """Compare the most silencing member of a front with the farthest invariant member."""
    table = rows_where(tables["fronts"], tables["fronts"]["site"] == "pixels")
    groups, found = list(groups_by(table, ["subject"])), []
    for key, own in groups:
        silent, kept = (
            _ends(own, "adversarial", "reduction"),
            _ends(own, "invariance", "pixel_distance"),
        )
        if not len(silent) or not len(kept):
            continue
        farther, parts = kept["pixel_distance"] - silent["pixel_distance"], 3 * len(groups)
        found += [
            over_clusters(
                f"{key['subject']}: lost by silencing (%)",
                silent["reduction"],
                above=SILENCED,
                parts=parts,
            ),
            over_clusters(
                f"{key['subject']}: lost by the farthest invariant (%)",
                kept["reduction"],
                below=SILENCED,
                parts=parts,
            ),
            over_clusters(
                f"{key['subject']}: farther when invariant", farther, above=0, parts=parts
            ),
        ]
    return found or "needs both tasks at pixels"


def no_people(_: Tables) -> str:
    """Say that answers of people are lacking."""
    return "needs answers of people; simulated ones give no verdict"


def unread(_: Tables) -> str:
    """Say that the paper's own numbers are not known."""
    return "the paper's own figures could not be read"


class FigureTest(NamedTuple):
    """One statement of the paper, and the function that judges the statement.

    Attributes:
        source: the paper's figure, or row of its supplement.
        tables: the tables that are read, that of the analysis first.
        judge: from the tables to the evidence, or to what is lacking.
        statement: what the paper says.
        clusters: what the intervals are over.
    """

    source: str
    tables: tuple[str, ...]
    judge: Callable[[Tables], list[Evidence] | str]
    statement: str = "supplement; its numbers are not in what we could read"
    clusters: str = "units"

    def claim(self, tables: Tables, reasons: Mapping[str, str]) -> Claim:
        """Judge the statement.

        Args:
            tables: of the analyses.
            reasons: why an analysis could not be made, by its name.
        """
        analysis = self.tables[0].partition("_")[0]
        if all(name in tables for name in self.tables):
            found = self.judge(tables)
        else:
            found = reasons.get(analysis, f"the analysis {analysis!r} was not made")
        evidence, lacks = ((), found) if isinstance(found, str) else (tuple(found), "")
        return Claim(self.source, self.statement, evidence, self.clusters, lacks, analysis)


LIGHT = "stretch at pixels changes luminance and contrast"
TEXTURE = "stretch at mid level changes texture and colour"
POSE = "stretch at the deep site changes pose (here: where contrast lies)"
FARTHER = "invariant images lie farther from the MEI than affine copies that lose as much"
SILENCING = (
    "robust: silencing images lose more than invariant ones and lie nearer (111 ± 7 % at 72 ± 12 "
    "against 34 ± 11 % at 271 ± 32, of 388 possible)"
)
APART = (
    "the three sites are told apart: standard near perfect with a few dozen components, robust "
    "80 % or more (here: better than with shuffled labels)"
)
EASIER = "more easily for the standard network than for the robust one"
PEOPLE = "people, robust: MEI .86, pixels .64, mid .56, deep .48; standard .21, .15, .14, .26"
FALLS = "for the robust network, observers' accuracy falls with the depth of the stretch"
MIDDLE = "the dimension is lowest for the low-level site and highest for the mid one"
SUBSETS = "stretch at subsets of a site still works (here: half of the whole site's distance)"
FRONTS = (
    "adversarial fronts suppress almost wholly (here: 90 %) while close, invariance fronts keep "
    "much while far"
)
TREND = ("observers_trend",)
TESTS = (
    FigureTest("Fig 2", ("distance", "distance_beside_affine"), farther_than_affine, FARTHER),
    FigureTest("Fig 2", ("distance",), silenced_nearby, SILENCING),
    FigureTest("Fig 3a,b", ("appearance",), light_at_pixels, LIGHT),
    FigureTest("Fig 3a,b", ("appearance",), texture_in_the_middle, TEXTURE),
    FigureTest("Fig 3a,b", ("appearance",), layout_when_deep, POSE),
    FigureTest("Fig 3c", ("separability",), sites_told_apart, APART),
    FigureTest("Fig 3c", ("separability",), standard_easier, EASIER),
    FigureTest("Fig 4a,b", ("people",), no_people, PEOPLE),
    FigureTest("Fig 4c", TREND, falls_for_robust, FALLS, "observers"),
    FigureTest(
        "Fig 4c", TREND, rises_for_standard, "for the standard network it rises", "observers"
    ),
    FigureTest("Fig 4d", ("people",), no_people, "observers correlate with people"),
    FigureTest(
        "Fig 4e", TREND, other_sources, "the same trends for ResNet-18 and VGG16-bn", "observers"
    ),
    FigureTest("row 8", ("naturalness",), unread),
    FigureTest("row 9", ("layers",), unread),
    FigureTest("row 10", ("convergence",), unread),
    FigureTest("row 11", ("dimension",), middle_highest, MIDDLE),
    FigureTest("row 12", ("gradients",), unread),
    FigureTest("row 13", ("subsets",), subsets_work, SUBSETS),
    FigureTest("row 14", ("transfer",), unread),
    FigureTest("row 14", ("paths",), unread),
    FigureTest("S1", ("fronts",), fronts_as_shown, FRONTS),
)


def figure_claims(tables: Tables) -> list[Claim]:
    """Judge every statement of the paper.

    Args:
        tables: of the analyses, by name; `missing` says why others could not be made.
    """
    reasons: dict[str, str] = {}
    if "missing" in tables:
        missing = tables["missing"]
        reasons = dict(zip(missing["analysis"], missing["reason"], strict=True))
    return [test.claim(tables, reasons) for test in TESTS]
