"""The paper's nine findings, each as holding or not, with its number and interval (PAPERS §2).

A finding has one or more claims. A claim holds where its number passes the bound that its words
name; it is not testable where the study lacks what it needs, or where networks have not learned
their categories: clean accuracy below five times chance.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from typing import Any

import pandas as pd

from invariscope.analysis.across import NONE
from invariscope.analysis.intervals import mean_interval
from invariscope.analysis.network_tables import NetworkTables
from invariscope.paper import findings_accuracy, findings_units
from invariscope.paper.finding_claims import NOT_TESTABLE, FindingClaim, Interval, MeasuredStudy

LEARNED = 5  # times chance
PARTS: tuple[Callable[[MeasuredStudy], Iterator[FindingClaim]], ...] = (
    findings_accuracy.transfer,
    findings_accuracy.within_category,
    findings_accuracy.across_category,
    findings_units.training_raises_invariance,
    findings_units.more_categories_more_invariance,
    findings_units.across_layers,
    findings_units.accuracy_follows_invariance,
    findings_units.active_sets,
)


def clean_accuracy(tables: NetworkTables) -> Interval:
    """Accuracy of the networks without transformation on images as they are, with its interval."""
    own = tables.accuracy
    rows: Any = own[(own["trained"] == NONE) & (own["tested"] == NONE) & (own["group"] == "all")]
    return mean_interval(rows["accuracy"])


def find(
    tables: NetworkTables, families: Mapping[str, str], beside: NetworkTables | None = None
) -> list[FindingClaim]:
    """Every claim of the nine findings.

    Args:
        families: of transformations, by name.
        beside: the same study of a second network, for finding 9.
    """
    study = MeasuredStudy(tables, families)
    claims = [claim for part in PARTS for claim in part(study)]
    claims += findings_units.second_network(
        study, None if beside is None else MeasuredStudy(beside, families)
    )
    clean, bound = clean_accuracy(tables)[0], LEARNED * tables.chance
    if clean >= bound:
        return claims
    needs = (
        f"clean accuracy of {100 * bound:.0f} % (five times chance); it is {100 * clean:.1f} %: "
        "more images or longer training"
    )
    return [FindingClaim(c.finding, c.claim, NOT_TESTABLE, c.number, needs=needs) for c in claims]


def findings_table(claims: list[FindingClaim]) -> pd.DataFrame:
    """A row a claim."""
    rows: list[dict[str, Any]] = [asdict(claim) for claim in claims]
    return pd.DataFrame(rows)
