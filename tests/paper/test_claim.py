"""The one rule of verdicts, held on simulated truth: a true effect, none, and a reversed one."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from invariscope.analysis.intervals import correlation_within, mean_interval
from invariscope.paper.claim import (
    CONTRADICTED,
    HOLDS,
    NOTHING,
    UNDECIDED,
    Claim,
    Evidence,
    over_clusters,
    read_claim,
    shared_level,
    widened,
)
from invariscope.paper.measured_study import finding

NUMBER = st.floats(-1e6, 1e6)
REPEATS = 600
# Of 600 draws at 2.5 %, more than 5 % come once in some 5,000 times (binomial).
RARE = 0.05


@given(NUMBER, NUMBER, NUMBER, NUMBER, NUMBER)
def test_the_verdict_follows_from_where_the_interval_lies(value, a, b, c, d):
    (low, high), (above, below) = sorted((a, b)), sorted((c, d))
    verdict = Evidence("x", value, low, high, above=above, below=below).verdict
    inside = all(above < x < below for x in (low, high))
    beyond = high < above or low > below
    assert verdict == (HOLDS if inside else CONTRADICTED if beyond else UNDECIDED)


@given(NUMBER, NUMBER, NUMBER, NUMBER)
def test_an_interval_with_the_bound_inside_never_holds(a, b, bound, value):
    low, high = sorted((a, b))
    if low <= bound <= high:
        for evidence in (
            Evidence("x", value, low, high, above=bound),
            Evidence("x", value, low, high, below=bound),
        ):
            assert evidence.verdict == UNDECIDED


@given(st.lists(NUMBER, min_size=0, max_size=1))
def test_one_cluster_or_none_decides_nothing(values):
    found = over_clusters("x", values, above=0)
    assert found.verdict == (UNDECIDED if values else NOTHING)
    claim = Claim("Fig 1", "x rises", (found,), "seeds")
    words = "undecided: needs an interval over seeds"
    assert claim.outcome == (words if values else f"{NOTHING}: {claim.reason}")


def test_claims_join_their_evidence():
    good, bad = Evidence("a", 2, 1, 3, above=0), Evidence("b", -2, -3, -1, above=0)
    wide, none = Evidence("c", 1, -1, 3, above=0), Evidence("d", math.nan, math.nan, math.nan)
    for evidence, verdict in (
        ((), NOTHING),
        ((good, good), HOLDS),
        ((good, wide), UNDECIDED),
        ((good, none), UNDECIDED),
        ((none, none), NOTHING),
        ((good, wide, bad), CONTRADICTED),
    ):
        claim = Claim("Fig 1", "s", evidence)
        assert claim.verdict == verdict
        assert bool(claim.reason) == (verdict in (UNDECIDED, NOTHING))
        assert read_claim(claim.record()).outcome == claim.outcome


def test_a_statement_without_its_number_says_what_is_lacking_and_no_other_number():
    other = over_clusters("gained", [0.1, 0.2], above=0, parts=2)
    claim = finding(3, "s", "x", pd.Series(dtype=float), above=0, more=[other], lacks="needs y")
    assert (claim.outcome, claim.found) == (f"{NOTHING}: needs y", "")
    assert read_claim(claim.record()).outcome == claim.outcome


def test_a_claim_is_kept_to_the_last_digit():
    evidence = (Evidence("a", 0.1, 0.05, 0.3, below=0.2), Evidence("b", 1, math.nan, math.nan))
    claim = Claim("finding 1", "s", evidence, "seeds", analysis="x")
    assert read_claim(claim.record()).record() == claim.record()


def rates(effect, sd, clusters, **bounds):
    """How often each verdict is given for clusters about a true effect."""
    stream = np.random.default_rng(0)
    draws = effect + sd * stream.normal(size=(REPEATS, clusters))
    verdicts = [over_clusters("x", values, **bounds).verdict for values in draws]
    return pd.Series(verdicts).value_counts(normalize=True)


@pytest.mark.parametrize("clusters", [2, 5, 20])
def test_without_an_effect_a_rise_holds_in_at_most_one_of_forty_studies(clusters):
    found = rates(0.0, 1.0, clusters, above=0)
    assert found.get(HOLDS, 0) < RARE
    assert found.get(CONTRADICTED, 0) < RARE
    assert found[UNDECIDED] > 0.9


@pytest.mark.parametrize(
    ("effect", "right", "wrong"), [(1, HOLDS, CONTRADICTED), (-1, CONTRADICTED, HOLDS)]
)
def test_a_true_and_a_reversed_effect_are_found(effect, right, wrong):
    found = rates(effect, 0.3, 5, above=0)
    assert found[right] > 0.9
    assert found.get(wrong, 0) < 0.001


def test_equality_is_shown_by_a_narrow_interval_not_by_a_wide_one():
    assert rates(0.0, 0.02, 5, above=-0.05, below=0.05)[HOLDS] > 0.9
    assert rates(0.0, 0.5, 5, above=-0.05, below=0.05).get(HOLDS, 0) < RARE
    assert rates(0.5, 0.1, 5, above=-0.05, below=0.05)[CONTRADICTED] > 0.9


def test_networks_that_share_a_seed_are_one_cluster():
    """Six transformations of one seed move together: counted apart they would find an effect."""
    stream = np.random.default_rng(1)
    apart = together = 0
    for _ in range(REPEATS):
        seeds = stream.normal(size=(3, 1)) + 0.1 * stream.normal(size=(3, 6))
        apart += over_clusters("x", seeds.ravel(), above=0).verdict == HOLDS
        together += over_clusters("x", seeds.mean(1), above=0).verdict == HOLDS
    assert together / REPEATS < RARE
    assert apart / REPEATS > 3 * RARE


def test_of_several_numbers_one_true_statement_is_rarely_contradicted():
    """Ten effects of exactly 0 beside a stated rise: all at once they are wrong in 5 % at most."""
    stream = np.random.default_rng(2)
    wrong = 0
    for _ in range(400):
        parts = [over_clusters("x", stream.normal(size=6), above=0, parts=10) for _ in range(10)]
        wrong += Claim("Fig 1", "s", tuple(parts)).verdict in (HOLDS, CONTRADICTED)
    assert wrong / 400 < 0.06


@pytest.mark.parametrize("parts", [1, 2, 12])
def test_intervals_that_are_widened_are_those_of_the_shared_level(parts):
    values = np.random.default_rng(4).normal(size=5)
    found = widened(mean_interval(values), parts, 4)
    assert found == pytest.approx(mean_interval(values, shared_level(parts)))
    mean, low, high = mean_interval(values)
    assert widened((mean, low, (mean + high) / 2), parts, 4) == pytest.approx(found)  # cut off
    assert np.isnan(widened((1.0, math.nan, math.nan), parts, math.nan)[1:]).all()


def world(slope, stream, seeds=5):
    """Networks of two transformations that lie apart; `slope` is inside a transformation."""
    rows = []
    for seed in range(seeds):
        shift = stream.normal()
        for name, far in (("a", 0.0), ("b", 10.0)):
            for count in range(6):
                x = count + far + 0.3 * stream.normal()
                rows.append((name, seed, x, shift + slope * count + far + 0.3 * stream.normal()))
    return pd.DataFrame(rows, columns=["trained", "seed", "x", "y"])


@pytest.mark.parametrize(
    ("slope", "verdict"), [(1.0, HOLDS), (0.0, UNDECIDED), (-1.0, CONTRADICTED)]
)
def test_transformations_that_lie_apart_make_no_correlation(slope, verdict):
    stream = np.random.default_rng(3)
    found, pooled = [], []
    for _ in range(100):
        table = world(slope, stream)
        r = correlation_within(table["x"], table["y"], table["trained"], table["seed"])
        found.append(Evidence("r", *r, above=0).verdict)
        pooled.append(np.corrcoef(table["x"], table["y"])[0, 1])
    assert min(pooled) > 0.6  # what the two transformations alone make of every world
    assert found.count(verdict) / 100 > 0.9


def test_a_correlation_needs_pairs_that_vary_inside_a_group():
    for x in ([1.0, 1, 1, 1], [0.1, 0.1, 0.7, 0.7], [1.0, 2, 3, 4]):
        own = correlation_within(x, [1.0, 2, 3, 4], list("aabb"), [0] * 4)
        assert np.isnan(own[0]) == (len(set(x)) < 3)
        assert np.isnan(own[1])
    r = correlation_within([0.0, 1, 2, 0], [0.0, 1, 0, 5], list("aaab"), [0] * 4)[0]
    assert r == pytest.approx(np.corrcoef([0, 1, 2], [0, 1, 0])[0, 1], abs=1e-8)
