"""The paper's statements on recognition by networks: Figs. 4c and 4e."""

from collections.abc import Callable

import numpy as np

from invariscope.analysis.grouping import Rows, rows_where, rows_with
from invariscope.analysis.intervals import crossed_ends
from invariscope.analysis.recognition import ALL, ERRORS, REACHED, ROBUST, STANDARD
from invariscope.paper.claim import Evidence, shared_level
from invariscope.paper.measured_figures import (
    NO_BOUND,
    NO_ROLES,
    Select,
    Tables,
    bounded,
    first_study,
    unbounded,
    with_role,
)

SITES = 3  # pixels, mid and deep
Judged = list[Evidence] | str


def _slopes(table: Rows, role: str, parts: int) -> list[Evidence]:
    """Judge slopes of accuracy: falling for robust networks, rising for standard networks.

    Args:
        table: one row a network.
        role: of these networks.
        parts: how many networks the statement is about.
    """
    above, below = (-np.inf, 0.0) if role == ROBUST else (0.0, np.inf)
    return [
        Evidence(
            f"{row['source']}: slope of accuracy a site, {row['kind']} observers",
            *crossed_ends(
                row["slope"],
                [row[name] for name in ERRORS],
                [row["units"], row["observers"]],
                shared_level(parts),
            ),
            above=above,
            below=below,
        )
        for row in table.to_dict("records")
    ]


def trend(
    role: str, kind: str, select: Select = unbounded, match: str = REACHED
) -> Callable[[Tables], Judged]:
    """Judge the trend over sites of the networks of a role, seen by a kind of observer.

    Args:
        role: of the networks with these units.
        kind: of the observers.
        select: the rows that count, `unbounded` or `bounded`.
        match: of the images: `REACHED`, those of runs that reached 25 of 50; `SAME_LOSS` or
            `SAME_DISTANCE`.
    """

    def judged(tables: Tables) -> Judged:
        rows = select(tables["observers_slopes"])
        if select is bounded and not len(rows):
            return NO_BOUND
        table = with_role(rows, role)
        if table is None:
            return NO_ROLES
        own = rows_with(table, kind=kind, match=match)
        first = rows_with(own, source=list(own["source"])[:1]).drop_duplicates("source")
        if not len(first):
            return f"needs {kind} observers beside a {role} network"
        first = first.dropna(subset=["slope"])
        return _slopes(first, role, len(first)) or f"needs units with images of every site: {match}"

    return judged


def robust_recognised(tables: Tables, select: Select = unbounded) -> Judged:
    """Ask whether robust networks' images are recognised more often at every site."""
    table = first_study(select(tables["observers_robust"]))
    if select is bounded and not len(table):
        return NO_BOUND
    own = rows_with(table, kind=ALL)
    own = rows_where(own, own["task"].isin(["MEI", "invariance"]))
    if (own["task"] == "invariance").sum() < SITES:
        return f"needs both roles at {SITES} sites, and observers that are no source of the study"
    return [
        Evidence(
            f"{' '.join(filter(None, [row['task'], _word(row['site'])]))}: robust over standard",
            row["difference"],
            row["low_all"],
            row["high_all"],
            above=0,
        )
        for row in own.to_dict("records")
    ]


def _word(site: object) -> str:
    """Give the site's name; for a reference an empty name."""
    return site if isinstance(site, str) else ""


def other_sources(tables: Tables, select: Select = unbounded) -> Judged:
    """Ask whether each further network of a role has the trend of that role.

    The first network of each role is the one that Fig. 4c is about.
    """
    rows = select(tables["observers_slopes"])
    if select is bounded and not len(rows):
        return NO_BOUND
    several: dict[str, Rows] = {}
    for role in (STANDARD, ROBUST):
        table = with_role(rows, role)
        if table is None:
            return NO_ROLES
        own = rows_with(table, kind=ALL, match=REACHED)
        further = list(dict.fromkeys(own["source"]))[1:]
        # Of a network in several studies the first study with a slope counts.
        own = own.sort_values("slope", key=lambda slope: slope.isna(), kind="stable")
        own = own.drop_duplicates("source").set_index("source", drop=False)
        if further:
            several[role] = own.loc[further]
    parts = sum(map(len, several.values()))
    found = [part for role, own in several.items() for part in _slopes(own, role, parts)]
    return found or "needs units of two networks of a role"
