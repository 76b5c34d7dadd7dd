"""Coverage: cells counted by hand and by every choice of runs; verdicts on known searches."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from invariscope.analysis.coverage import (
    AS_MANY,
    EVERY_SITE,
    SECOND,
    coverage,
    coverage_gains,
    expected_cells,
)
from invariscope.paper.claim import CONTRADICTED, HOLDS, NOTHING, UNDECIDED
from invariscope.paper.figure_claims import COVERED, RESTARTS, figure_claims

RUNS = st.lists(st.frozensets(st.integers(0, 9)), min_size=1, max_size=6)


@given(RUNS)
def test_the_expectation_is_the_mean_over_every_choice(runs):
    for number in range(1, len(runs) + 1):
        unions = [len(frozenset().union(*some)) for some in combinations(runs, number)]
        assert expected_cells(runs, number) == pytest.approx(np.mean(unions))


def searches(reached, *, images=1000, site="pixels", strategy="isotropic"):
    """Runs of units; `reached(unit, seed)` gives a run's cells."""
    rows = [
        {
            "subject": "net",
            "strategy": strategy,
            "unit": f"fc:{unit}",
            "site": site,
            "seed": seed,
            "images": images,
            "reached": frozenset(reached(unit, seed)),
        }
        for unit in range(6)
        for seed in range(4)
    ]
    return pd.DataFrame(rows)


def test_cells_images_and_shares_are_those_counted_by_hand():
    table = coverage(searches(lambda unit, seed: {0, 1 + seed}))
    rows = table.set_index("restarts")
    assert list(rows["cells"]) == pytest.approx([2, 3, 4, 5])
    assert list(rows["share"]) == pytest.approx([0.4, 0.6, 0.8, 1])
    assert list(rows["images"]) == [1000, 2000, 3000, 4000]
    assert list(rows["per_1000"]) == pytest.approx([2, 1.5, 4 / 3, 1.25])
    assert set(table["units"]) == {6}
    assert EVERY_SITE not in set(table["site"])


def test_sites_together_are_restarts_too():
    two = pd.concat([searches(lambda u, s: {s}), searches(lambda u, s: {9}, site="deep")])
    table = coverage(two).set_index(["site", "restarts"])
    assert table.loc[(EVERY_SITE, 8), "cells"] == 5
    assert table.loc[("deep", 4), "share"] == pytest.approx(1 / 5)
    empty = coverage(searches(lambda u, s: ()))
    assert empty["cells"].eq(0).all()
    assert empty["share"].isna().all()


def verdict(table, statement):
    gains = coverage_gains(table).assign(constraints="none")
    (claim,) = (c for c in figure_claims({"coverage_gains": gains}) if c.statement == statement)
    return claim.verdict


def test_searches_that_find_new_cells_and_searches_that_find_the_same():
    new = searches(lambda unit, seed: {*range(4 + unit % 2), 10 + seed, 20 + seed})
    same = searches(lambda unit, seed: {*range(99), 99 + seed * (unit == 1)})
    some = searches(lambda unit, seed: {*range(5), 50 + seed * (unit % 2)})
    assert verdict(new, RESTARTS) == HOLDS
    assert verdict(same, RESTARTS) == CONTRADICTED
    assert verdict(some, RESTARTS) == UNDECIDED
    assert verdict(new[new["seed"] == 0], RESTARTS) == NOTHING


def test_a_strategy_is_held_against_restarts_that_show_as_many_images():
    plain = searches(lambda unit, seed: {seed, 9})
    for cells, right in ((9, HOLDS), (1, CONTRADICTED)):
        twin = searches(lambda u, s, n=cells + 1: range(n + (u == 0)), images=2500, strategy="twin")
        both = pd.concat([plain, twin])
        gains = coverage_gains(both).set_index(["gain", "strategy"])
        # 2,500 images are three restarts of 1,000, with four cells.
        assert gains.loc[(AS_MANY, "twin"), "more"] == pytest.approx(cells + 1 + 1 / 6 - 4)
        assert gains.loc[(SECOND, "isotropic"), "more"] == pytest.approx(0.5)
        assert verdict(both, COVERED) == right
    few = pd.concat([plain, searches(lambda u, s: {1}, images=9000, strategy="twin")])
    assert verdict(few, COVERED) == NOTHING  # nine restarts were not run


def test_a_table_without_another_strategy_is_judged_as_it_is_read_from_a_file(tmp_path):
    table = searches(lambda unit, seed: {unit, seed})
    coverage_gains(table).assign(constraints="none").to_csv(tmp_path / "gains.csv", index=False)
    gains = pd.read_csv(tmp_path / "gains.csv")
    claims = {c.statement: c for c in figure_claims({"coverage_gains": gains})}
    assert claims[COVERED].verdict == NOTHING
    assert claims[RESTARTS].verdict != NOTHING
