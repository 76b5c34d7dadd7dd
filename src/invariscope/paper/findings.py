"""The paper's nine findings, each as claims that one rule judges (PAPERS §2)."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from invariscope.analysis.across import NONE, NetworkTables
from invariscope.analysis.intervals import Interval, mean_interval
from invariscope.paper import findings_accuracy, findings_open, findings_units
from invariscope.paper.claim import Claim
from invariscope.paper.measured_study import MeasuredStudy

# Times chance, or where that is less half of the way from chance to 1: below, networks have not
# learned their categories.
LEARNED = 5
PARTS: tuple[Callable[[MeasuredStudy], Iterator[Claim]], ...] = (
    findings_accuracy.transfer,
    findings_accuracy.within_category,
    findings_accuracy.across_category,
    findings_accuracy.shape_of_rise,
    findings_units.training_raises_invariance,
    findings_units.more_categories_more_invariance,
    findings_units.across_layers,
    findings_units.accuracy_follows_invariance,
    findings_units.active_sets,
    findings_open.other_strengths,
    findings_open.pairs,
)


def clean_accuracy(study: MeasuredStudy) -> Interval:
    """Estimate the accuracy on untransformed images of networks that saw no transformation."""
    return mean_interval(study.without(NONE))


def find(
    tables: NetworkTables, families: Mapping[str, str], beside: NetworkTables | None = None
) -> list[Claim]:
    """Judge every claim of the nine findings, and the open questions.

    Args:
        tables: of the study.
        families: of transformations, by name.
        beside: the same study of a second network, for finding 9; or of the recurrent twin.
    """
    study = MeasuredStudy(tables, families)
    claims = [claim for part in PARTS for claim in part(study)]
    second = None if beside is None else MeasuredStudy(beside, families)
    claims += findings_units.second_network(study, second)
    claims += findings_open.recurrence(study, second)
    clean = clean_accuracy(study)[0]
    bound = min(LEARNED * tables.chance, (1 + tables.chance) / 2)
    if clean >= bound:
        return claims
    lacks = (
        f"needs clean accuracy of {100 * bound:.0f} % (five times chance, or half of the way from "
        f"chance to all right); it is {100 * clean:.1f} %"
    )
    return [replace(claim, evidence=(), lacks=lacks) for claim in claims]
