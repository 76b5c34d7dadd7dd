"""What the paper says of each figure (PAPERS §1), and what judges it."""

from collections.abc import Callable
from dataclasses import dataclass

from invariscope.report import sns_verdicts as judge
from invariscope.report.sns_verdicts import Tables, Verdict


@dataclass(frozen=True)
class Claim:
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
    Claim(
        "Fig 2",
        "distance",
        ("distance_beside_affine",),
        "invariant images lie farther from the MEI than affine copies that lose as much",
        judge.farther_than_affine,
    ),
    Claim(
        "Fig 2",
        "distance",
        ("distance",),
        "robust: adversarial 111 ± 7 % lost at 72 ± 12, invariant 34 ± 11 % at 271 ± 32 "
        "(of 388 possible)",
        judge.silenced_nearby,
    ),
    Claim(
        "Fig 3a,b",
        "appearance",
        ("appearance",),
        "stretch at pixels changes luminance and contrast",
        judge.light_at_pixels,
    ),
    Claim(
        "Fig 3a,b",
        "appearance",
        ("appearance",),
        "stretch at mid level changes texture and colour",
        judge.texture_in_the_middle,
    ),
    Claim(
        "Fig 3a,b",
        "appearance",
        ("appearance",),
        "stretch at the deep site changes pose (here: where contrast lies)",
        judge.layout_when_deep,
    ),
    Claim(
        "Fig 3c",
        "separability",
        ("separability",),
        "the three sites are told apart: standard near perfect with a few dozen components, "
        "robust 80 % or more (chance 33 %)",
        judge.sites_told_apart,
    ),
    Claim(
        "Fig 3c",
        "separability",
        ("separability",),
        "more easily for the standard network than for the robust one",
        judge.standard_easier,
    ),
    Claim(
        "Fig 4a,b",
        "people",
        (),
        "people, robust: MEI .86, pixels .64, mid .56, deep .48; standard .21, .15, .14, .26",
        judge.no_people,
    ),
    Claim(
        "Fig 4c",
        "observers",
        ("observers_trend",),
        "for the robust network, observers' accuracy falls with the depth of the stretch",
        judge.falls_for_robust,
    ),
    Claim(
        "Fig 4c",
        "observers",
        ("observers_trend",),
        "for the standard network it rises",
        judge.rises_for_standard,
    ),
    Claim("Fig 4d", "people", (), "observers correlate with people", judge.no_people),
    Claim(
        "Fig 4e",
        "observers",
        ("observers_trend",),
        "the same trends for ResNet-18 and VGG16-bn",
        judge.other_sources,
    ),
    Claim(
        "row 8",
        "naturalness",
        ("naturalness",),
        UNREAD,
        judge.given("naturalness", judge.over_maximum),
    ),
    Claim("row 9", "layers", ("layers",), UNREAD, judge.given("layers", judge.layers)),
    Claim(
        "row 10",
        "convergence",
        ("convergence",),
        UNREAD,
        judge.given("convergence", judge.converged),
    ),
    Claim(
        "row 11",
        "dimension",
        ("dimension",),
        "the dimension is lowest for the low-level site and highest for the mid one",
        judge.middle_highest,
    ),
    Claim("row 12", "gradients", ("gradients",), UNREAD, judge.given("gradients", judge.methods)),
    Claim(
        "row 13",
        "subsets",
        ("subsets",),
        "stretch at subsets of a site still works",
        judge.subsets_work,
    ),
    Claim(
        "row 14",
        "transfer",
        ("transfer",),
        "no figure given",
        judge.given("transfer", judge.kept_elsewhere),
    ),
    Claim("row 14", "paths", ("paths",), "no figure given", judge.given("paths", judge.least)),
    Claim(
        "S1",
        "fronts",
        ("fronts",),
        "adversarial fronts suppress almost wholly while close, invariance fronts keep much "
        "while far",
        judge.fronts_as_shown,
    ),
)
