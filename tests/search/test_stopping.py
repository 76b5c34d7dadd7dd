"""Stopping rules: the paper's 45 of 50 from generation 5, and how rules compose."""

import numpy as np
import pytest

from invariscope.errors import InputError
from invariscope.search.stopping import (
    ActivationShare,
    FrontReaches,
    GenerationProgress,
    Generations,
    Never,
)


def progress(beyond, *, generation=5, population=50, value=2.0, rest=0.0):
    return GenerationProgress(
        generation, np.array([value] * beyond + [rest] * (population - beyond))
    )


@pytest.mark.parametrize(("beyond", "met"), [(0, False), (44, False), (45, True), (50, True)])
def test_invariance_stops_at_45_of_50_above_the_natural_maximum(beyond, met):
    assert ActivationShare(1.0, "above").met(progress(beyond)) is met


@pytest.mark.parametrize(("beyond", "met"), [(24, False), (25, True)])
def test_the_milestone_is_25_of_50(beyond, met):
    rule = ActivationShare(1.0, "above", share=0.5, first=1)
    assert rule.met(progress(beyond, generation=1)) is met


@pytest.mark.parametrize(("generation", "met"), [(1, False), (4, False), (5, True), (6, True)])
def test_it_fires_from_generation_five(generation, met):
    assert ActivationShare(1.0, "above").met(progress(50, generation=generation)) is met


@pytest.mark.parametrize(("side", "reached"), [("above", 1), ("below", 1), ("at_or_below", 3)])
def test_a_value_at_the_bound_counts_for_at_or_below_only(side, reached):
    activations = np.array([-1.0, 0.0, 0.0, 2.0, np.nan])
    assert ActivationShare(0.0, side).reached(activations) == reached


@pytest.mark.parametrize("side", ["above", "below", "at_or_below"])
def test_what_was_not_recorded_is_not_reached(side):
    rule = ActivationShare(0.0, side, share=0.5)
    assert rule.reached(np.full(50, np.nan)) == 0
    assert not rule.met(GenerationProgress(9, np.full(50, np.nan)))


@pytest.mark.parametrize(("population", "needed"), [(50, 45), (10, 9), (32, 29), (2, 2), (1, 1)])
def test_the_share_is_rounded_up_to_whole_candidates(population, needed):
    rule = ActivationShare(1.0, "above")
    assert rule.met(progress(needed, population=population))
    assert not rule.met(progress(needed - 1, population=population))


@pytest.mark.parametrize("a", [Never(), Generations(5)])
@pytest.mark.parametrize("b", [Never(), Generations(5)])
def test_rules_compose_as_and_and_or(a, b):
    now = progress(0)
    assert (a & b).met(now) is (a.met(now) and b.met(now))
    assert (a | b).met(now) is (a.met(now) or b.met(now))


def test_compositions_compose_and_describe_themselves():
    rule = (ActivationShare(1.0, "above") & Generations(7)) | Generations(9)
    met = [rule.met(progress(50, generation=g)) for g in (6, 7)]
    met += [rule.met(progress(0, generation=g)) for g in (8, 9)]
    assert met == [False, True, False, True]
    assert rule.describe() == {
        "rule": "any",
        "of": [
            {
                "rule": "all",
                "of": [
                    {"rule": "share", "bound": 1.0, "side": "above", "share": 0.9, "first": 5},
                    {"rule": "generations", "most": 7},
                ],
            },
            {"rule": "generations", "most": 9},
        ],
    }


def test_never_never_stops():
    assert not Never().met(progress(50, generation=10**6))
    assert Never().describe() == {"rule": "never"}


@pytest.mark.parametrize(
    "wrong",
    [lambda: ActivationShare(0.0, "abov"), lambda: Generations(0)],
    ids=["side", "generations"],
)
def test_a_rule_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(InputError):
        wrong()


@pytest.mark.parametrize(
    ("members", "growth", "met"),
    [
        ([0.5, 2.0], 0.01, True),
        ([0.5, 2.0], 0.02, False),
        ([0.5, 2.0], np.nan, False),
        ([0.5, 1.0], 0.0, False),
        ([], 0.0, False),
    ],
)
def test_a_front_that_reaches_beyond_the_bound_and_has_settled_stops_a_run(members, growth, met):
    now = GenerationProgress(9, np.zeros(50), np.array(members), growth)
    assert FrontReaches(1.0, "above", growth=0.02).met(now) is met
    assert FrontReaches(1.0, "above").met(now) is (len(members) > 0 and max(members) > 1)


def test_candidates_beyond_the_bound_are_no_member_of_the_front():
    assert not FrontReaches(1.0, "above").met(GenerationProgress(9, np.full(50, 2.0)))
    assert FrontReaches(0.0, "at_or_below").describe() == {
        "rule": "front",
        "bound": 0.0,
        "side": "at_or_below",
    }
    with pytest.raises(InputError, match="growth"):
        FrontReaches(1.0, "above", growth=0)
