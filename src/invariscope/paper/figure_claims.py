"""What the paper says of each figure (PAPERS §1), and what judges it."""

from collections.abc import Callable
from dataclasses import dataclass

from invariscope.paper import figure_verdicts as judge
from invariscope.paper.figure_verdicts import Tables, Verdict


@dataclass(frozen=True)
class FigureClaim:
    """One statement of the paper.

    Attributes:
        figure: the paper's figure or row.
        analysis: which analysis tests it.
        tables: that it needs.
        paper: what the paper says.
        decide: from the tables to a verdict.
    """

    figure: str
    analysis: str
    tables: tuple[str, ...]
    paper: str
    decide: Callable[[Tables], Verdict]


UNREAD = "supplement; its numbers are not in what we could read"
CLAIMS = (
    FigureClaim(
        "Fig 2",
        "distance",
        ("distance_beside_affine",),
        "invariant images lie farther from the MEI than affine copies that lose as much",
        judge.farther_than_affine,
    ),
    FigureClaim(
        "Fig 2",
        "distance",
        ("distance",),
        "robust: adversarial 111 ± 7 % lost at 72 ± 12, invariant 34 ± 11 % at 271 ± 32 "
        "(of 388 possible)",
        judge.silenced_nearby,
    ),
    FigureClaim(
        "Fig 3a,b",
        "appearance",
        ("appearance",),
        "stretch at pixels changes luminance and contrast",
        judge.light_at_pixels,
    ),
    FigureClaim(
        "Fig 3a,b",
        "appearance",
        ("appearance",),
        "stretch at mid level changes texture and colour",
        judge.texture_in_the_middle,
    ),
    FigureClaim(
        "Fig 3a,b",
        "appearance",
        ("appearance",),
        "stretch at the deep site changes pose (here: where contrast lies)",
        judge.layout_when_deep,
    ),
    FigureClaim(
        "Fig 3c",
        "separability",
        ("separability",),
        "the three sites are told apart: standard near perfect with a few dozen components, "
        "robust 80 % or more (chance 33 %)",
        judge.sites_told_apart,
    ),
    FigureClaim(
        "Fig 3c",
        "separability",
        ("separability",),
        "more easily for the standard network than for the robust one",
        judge.standard_easier,
    ),
    FigureClaim(
        "Fig 4a,b",
        "people",
        (),
        "people, robust: MEI .86, pixels .64, mid .56, deep .48; standard .21, .15, .14, .26",
        judge.no_people,
    ),
    FigureClaim(
        "Fig 4c",
        "observers",
        ("observers_trend",),
        "for the robust network, observers' accuracy falls with the depth of the stretch",
        judge.falls_for_robust,
    ),
    FigureClaim(
        "Fig 4c",
        "observers",
        ("observers_trend",),
        "for the standard network it rises",
        judge.rises_for_standard,
    ),
    FigureClaim("Fig 4d", "people", (), "observers correlate with people", judge.no_people),
    FigureClaim(
        "Fig 4e",
        "observers",
        ("observers_trend",),
        "the same trends for ResNet-18 and VGG16-bn",
        judge.other_sources,
    ),
    FigureClaim(
        "row 8",
        "naturalness",
        ("naturalness",),
        UNREAD,
        judge.figures_without_reference("naturalness", judge.over_maximum),
    ),
    FigureClaim(
        "row 9",
        "layers",
        ("layers",),
        UNREAD,
        judge.figures_without_reference("layers", judge.layers),
    ),
    FigureClaim(
        "row 10",
        "convergence",
        ("convergence",),
        UNREAD,
        judge.figures_without_reference("convergence", judge.converged),
    ),
    FigureClaim(
        "row 11",
        "dimension",
        ("dimension",),
        "the dimension is lowest for the low-level site and highest for the mid one",
        judge.middle_highest,
    ),
    FigureClaim(
        "row 12",
        "gradients",
        ("gradients",),
        UNREAD,
        judge.figures_without_reference("gradients", judge.methods),
    ),
    FigureClaim(
        "row 13",
        "subsets",
        ("subsets",),
        "stretch at subsets of a site still works",
        judge.subsets_work,
    ),
    FigureClaim(
        "row 14",
        "transfer",
        ("transfer",),
        "no figure given",
        judge.figures_without_reference("transfer", judge.kept_elsewhere),
    ),
    FigureClaim(
        "row 14",
        "paths",
        ("paths",),
        "no figure given",
        judge.figures_without_reference("paths", judge.least_activity_on_paths),
    ),
    FigureClaim(
        "S1",
        "fronts",
        ("fronts",),
        "adversarial fronts suppress almost wholly while close, invariance fronts keep much "
        "while far",
        judge.fronts_as_shown,
    ),
)
