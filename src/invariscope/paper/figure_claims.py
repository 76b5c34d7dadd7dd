"""The paper's statement on each figure (PAPERS §1), judged from tables of analyses."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

from invariscope.analysis.acceptance import OVER_CHANCE, OWN_OVER_OTHERS, SAME_ROLE
from invariscope.analysis.recognition import (
    REACHED,
    ROBUST,
    SAME_DISTANCE,
    SAME_LOSS,
    STANDARD,
)
from invariscope.paper import figures_new as shared
from invariscope.paper import figures_observers as observers
from invariscope.paper import figures_searches as searches
from invariscope.paper.claim import Claim, Evidence
from invariscope.paper.measured_figures import Tables, bounded, unbounded


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
        lacking = [name for name in self.tables if name not in tables]
        if lacking:
            found = reasons.get(analysis, f"the table {lacking[0]!r} was not made")
        else:
            found = self.judge(tables)
        evidence, lacks = ((), found) if isinstance(found, str) else (tuple(found), "")
        return Claim(self.source, self.statement, evidence, self.clusters, lacks, analysis)


LIGHT = "stretch at pixels changes luminance and contrast"
TEXTURE = "stretch at mid level changes texture and colour"
POSE = "stretch at the deep site changes pose (here: where contrast lies)"
FARTHER = (
    "invariant images lie farther from the MEI than affine copies that lose as much (here: 25 and "
    "50 %, of units with images of both)"
)
SILENCING = (
    "robust: silencing images lose more than invariant ones and lie nearer (111 ± 7 % at 72 ± 12 "
    "against 34 ± 11 % at 271 ± 32, of 388 possible)"
)
APART = (
    "the three sites are told apart: standard near perfect with a few dozen components (here: "
    "90 %), robust 80 % or more"
)
NEAR = "robust: silencing images lose more than invariant ones and lie nearer"
EASIER = "more easily for the standard network than for the robust one"
PEOPLE = "people, robust: MEI .86, pixels .64, mid .56, deep .48; standard .21, .15, .14, .26"
MIDDLE = "the dimension is lowest for the low-level site and highest for the mid one"
SUBSETS = (
    "stretch at subsets of a site still works (here: half of the whole site's distance, and "
    "farther there than two MEIs lie apart and than stretch at pixels reaches)"
)
FRONTS = (
    "adversarial fronts suppress almost wholly (here: 90 %) while close, invariance fronts keep "
    "much (here: half) while far; stretch at pixels"
)
BOUND = " (ours: codes held to the natural 99th percentile)"
CONTROLS = (
    "control of ours (exploratory: half was chosen on these numbers, of a quarter, a tenth and "
    "half): where half of the activity may be lost, invariant images lie farther, unit "
    "by unit, than the study's controls (copies, photos of the class, random images, other MEIs)"
)
FALLS = "{} observers: their accuracy falls with the depth of the stretch for the robust network"
RISES = "{} observers: their accuracy rises with the depth of the stretch for the standard network"
GRADIENTS = (
    "ours: without gradients the search goes as far (here: 90 %; when silencing as near) as "
    "gradients on the same codes, with the same budget, stop rule and member"
)
SHARED = "ours: other networks accept invariant images (more activity than for random images)"
OWN = "ours: a network accepts its own invariant images more than other networks do"
ALIKE = "ours: networks of one role accept each other's invariant images more than other networks'"
SILENT = "ours: silencing images silence their own network more than other networks"
RESTARTS = (
    "ours: one search does not exhaust what a unit ignores: a second one, with another seed or "
    "at another site, reaches new cells of luminance, colour and layout (here: a tenth as many as "
    "the first)"
)
COVERED = "ours: the twin reaches more cells than restarts of another search with as many images"
PREDICTED = (
    "ours: a unit's invariance coefficient predicts how far its invariant images go along that "
    "transformation"
)
ARCHITECTURES = (
    "the same trends for ResNet-18 and VGG16-bn (here: for two further pairs of networks)"
)
HEADLINE = "images of robust networks are recognised more often, at every site"
BOTH = "units and observers"
AS_MUCH_LOST = " (ours: of images that lose at most 25 %)"
AS_FAR_AWAY = " (ours: of images at the same pixel distance)"
SELECTED = ((unbounded, ""), (bounded, BOUND))  # rows that count, and how a statement says so
MATCHES = {AS_MUCH_LOST: SAME_LOSS, AS_FAR_AWAY: SAME_DISTANCE}  # of images, by a statement's end
TRENDS = (
    *((select, REACHED, end) for select, end in SELECTED),
    *((unbounded, match, end) for end, match in MATCHES.items()),
)
CHANGES = (
    (("luminance", "contrast"), LIGHT),
    (("texture", "colour"), TEXTURE),
    (("layout",), POSE),
)
APART_BOUND = "the three sites are told apart better than with shuffled labels" + BOUND
TREND = ("observers_slopes",)


def _both(
    source: str,
    table: str,
    judge: Callable[..., list[Evidence] | str],
    words: str,
    clusters: str = "units",
) -> list[FigureTest]:
    """Test a statement for unbounded and for bounded codes."""
    return [
        FigureTest(source, (table,), partial(judge, select=select), words + end, clusters)
        for select, end in SELECTED
    ]


TESTS = (
    *_both("Fig 2", "controls", searches.farther_than_affine, FARTHER),
    *_both("Fig 2", "controls", searches.farther_than_controls, CONTROLS),
    FigureTest("Fig 2", ("distance_of_tasks",), searches.silenced_nearby, SILENCING),
    FigureTest(
        "Fig 2",
        ("distance_of_tasks",),
        partial(searches.silenced_nearby, select=bounded),
        NEAR + BOUND,
    ),
    *(
        FigureTest(
            "Fig 3a,b", ("appearance_sites",), searches.changes(names, place, select), words + end
        )
        for select, end in SELECTED
        for place, (names, words) in enumerate(CHANGES)
    ),
    FigureTest("Fig 3c", ("separability",), searches.sites_told_apart, APART),
    FigureTest(
        "Fig 3c", ("separability",), partial(searches.sites_told_apart, select=bounded), APART_BOUND
    ),
    *_both("Fig 3c", "separability", searches.standard_easier, EASIER),
    FigureTest("Fig 4a,b", ("people",), no_people, PEOPLE),
    *(
        FigureTest(
            "Fig 4c",
            TREND,
            observers.trend(role, kind, select, match),
            words.format(kind) + end,
            BOTH,
        )
        for select, match, end in TRENDS
        for role, words in ((ROBUST, FALLS), (STANDARD, RISES))
        for kind in (STANDARD, ROBUST)
    ),
    *_both("Fig 4c", "observers_robust", observers.robust_recognised, HEADLINE, BOTH),
    FigureTest("Fig 4d", ("people",), no_people, "observers correlate with people"),
    *_both("Fig 4e", "observers_slopes", observers.other_sources, ARCHITECTURES, BOTH),
    FigureTest("row 8", ("naturalness",), unread),
    FigureTest("row 9", ("layers",), unread),
    FigureTest("row 10", ("convergence",), unread),
    FigureTest("row 11", ("dimension",), searches.middle_highest, MIDDLE),
    FigureTest("row 12", ("gradients_beside",), searches.as_far_as_gradients, GRADIENTS),
    FigureTest("row 13", ("subsets",), searches.subsets_work, SUBSETS),
    FigureTest("row 14", ("acceptance",), unread),
    FigureTest("row 14", ("paths",), unread),
    FigureTest("S1", ("fronts_ends",), searches.fronts_as_shown, FRONTS),
    *(
        FigureTest("acceptance", ("acceptance_contrasts",), judge, words, clusters)
        for judge, words, clusters in (
            (shared.compared(OVER_CHANCE, "invariance", above=0), SHARED, BOTH),
            (shared.compared(OWN_OVER_OTHERS, "invariance", above=0), OWN, BOTH),
            (shared.compared(SAME_ROLE, "invariance", above=0), ALIKE, "units"),
            (shared.compared(OWN_OVER_OTHERS, "adversarial", below=0), SILENT, BOTH),
        )
    ),
    FigureTest("coverage", ("coverage_gains",), shared.second_restart, RESTARTS),
    FigureTest("coverage", ("coverage_gains",), shared.twin_covers_more, COVERED),
    FigureTest("displacement", ("displacement",), shared.coefficient_predicts, PREDICTED),
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
