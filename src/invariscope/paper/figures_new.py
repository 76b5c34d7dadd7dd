"""Statements of ours: shared invariances, and how much of the set a search reaches."""

from collections.abc import Callable

import numpy as np

from invariscope.analysis.acceptance import OVER_CHANCE, OWN_OVER_OTHERS, SAME_ROLE
from invariscope.analysis.coverage import AS_MANY, EVERY_SITE, SECOND
from invariscope.analysis.grouping import rows_where, rows_with
from invariscope.paper.claim import Evidence
from invariscope.paper.measured_figures import Tables, over_units, unbounded

TENTH = 0.1  # of what one run reaches: what "new cells" is taken to mean
TWIN = "twin"
NEEDS = {
    OVER_CHANCE: "needs networks that know the classes, beside the sources",
    OWN_OVER_OTHERS: "needs networks that know the classes, beside the sources",
    SAME_ROLE: "needs answering networks of both roles; give `roles` in the study file",
}


def compared(
    contrast: str, task: str, *, above: float = -np.inf, below: float = np.inf
) -> Callable[[Tables], list[Evidence] | str]:
    """Judge one comparison of acceptance, for every source and stretched site.

    Args:
        contrast: of `analysis.acceptance.CONTRASTS`.
        task: of the images.
        above: the statement's lower bound.
        below: the statement's upper bound.
    """

    def judged(tables: Tables) -> list[Evidence] | str:
        table = unbounded(tables["acceptance_contrasts"])
        own = rows_with(table, contrast=contrast, task=task)
        return [
            Evidence(
                f"{row['source']}, stretched at {row['site']}: {contrast}",
                row["difference"],
                row["low_all"],
                row["high_all"],
                above=above,
                below=below,
            )
            for row in own.to_dict("records")
        ] or NEEDS[contrast]

    return judged


def second_restart(tables: Tables) -> list[Evidence] | str:
    """Ask whether a second run adds at least a tenth of the cells that one run reaches.

    Runs of one site compare, which differ in their seed alone; where there are none, runs of every
    site together, of which the second may stretch at another site than the first.
    """
    own = rows_with(unbounded(tables["coverage_gains"]), gain=SECOND)
    alike = rows_where(own, own["site"] != EVERY_SITE)
    own = alike if len(alike) else own
    return [
        Evidence(
            f"{row['subject']}, {row['strategy']}, stretched at {row['site']}: cells that a second "
            f"run {'(of any site) ' * (row['site'] == EVERY_SITE)}adds, over one run's",
            *over_units(row, "more", len(own)),
            above=TENTH,
        )
        for row in own.to_dict("records")
    ] or "needs two runs of a unit that reach beyond its natural maximum"


def twin_covers_more(tables: Tables) -> list[Evidence] | str:
    """Ask whether a search by a twin reaches more cells than restarts that show as many images."""
    own = rows_with(unbounded(tables["coverage_gains"]), gain=AS_MANY)
    # Read from a file, a column without a word holds numbers.
    twins = [own[name].astype(str).str.startswith(TWIN) for name in ("strategy", "other")]
    own = rows_where(own, twins[0] & ~twins[1])
    return [
        Evidence(
            f"{row['subject']}, stretched at {row['site']}: cells of {row['strategy']} over "
            f"{row['other']}",
            *over_units(row, "more", len(own)),
            above=0,
        )
        for row in own.to_dict("records")
    ] or "needs a study with the strategy 'twin' beside another"


def coefficient_predicts(tables: Tables) -> list[Evidence] | str:
    """Ask whether I_k predicts displacement along a transformation, inside units."""
    own = unbounded(tables["displacement"])
    return [
        Evidence(
            f"{row['subject']}, stretched at {row['site']}: r of I_k and displacement",
            *(float(np.tanh(end)) for end in over_units(row, "z", len(own))),
            above=0,
        )
        for row in own.to_dict("records")
    ] or "needs coefficients of several units for three transformations"
