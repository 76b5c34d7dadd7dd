"""Acceptance on simulated networks: shared, private and absent invariances must be told apart."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t

from invariscope import plot
from invariscope.analysis.acceptance import (
    OVER_CHANCE,
    OWN_OVER_OTHERS,
    SAME_ROLE,
    acceptance,
    acceptance_contrasts,
    accepted_images,
    false_discoveries,
    matrix,
    rank_p,
    scaled_units,
    similar_order,
    split_half,
)
from invariscope.analysis.intervals import ratio_interval
from invariscope.paper.claim import CONTRADICTED, HOLDS, NOTHING, UNDECIDED
from invariscope.paper.figure_claims import ALIKE, OWN, SHARED, SILENT, figure_claims

ROLES = {"a": "standard", "b": "robust", "c": "standard", "d": "robust", "e": "standard"}
CHANCE, REFERENCE = 2.0, 10.0


def answers(share, *, task="invariance", units=10, sources="ab", noise=0.05, seed=0, **columns):
    """Answers of five networks; `share(source, observer)` is the acceptance that is true."""
    stream = np.random.default_rng(seed)
    rows = []
    for source in sources:
        for observer in ROLES:
            for unit in range(units):
                size = 1 + 0.3 * stream.normal()  # units differ in how strongly they answer
                true = share(source, observer) + noise * stream.normal()
                rows.append(
                    {
                        "source": source,
                        "observer": observer,
                        "own": source == observer,
                        "task": task,
                        "site": "pixels",
                        "unit": f"fc:{unit}",
                        "activation": size * (CHANCE + (REFERENCE - CHANCE) * true),
                        "reference": size * REFERENCE,
                        "chance": size * CHANCE,
                        "others": size * (CHANCE + 0.1),
                        "maximum": 12.0,
                        "p": 1 / 401 if true > 0.2 else 0.5,
                        "reliability": 1.0,
                    }
                )
    return pd.DataFrame(rows).assign(**columns)


def tables(*parts):
    images = accepted_images(pd.concat(parts, ignore_index=True))
    contrasts = acceptance_contrasts(images, ROLES).assign(constraints="none")
    return {"acceptance": acceptance(images), "acceptance_contrasts": contrasts}


def verdicts(*parts):
    found = tables(*parts)
    return {c.statement: c.verdict for c in figure_claims(found)}


def test_the_scale_is_chance_at_0_and_the_reference_at_1():
    table = acceptance(accepted_images(answers(lambda s, o: 0.5, noise=0)))
    assert table["acceptance"].to_numpy() == pytest.approx(np.full(10, 0.5), abs=1e-6)
    assert table["kept"].to_numpy() == pytest.approx(np.full(10, 60.0), abs=1e-3)  # (2 + 4) of 10
    assert table["chance"].to_numpy() == pytest.approx(np.full(10, 20.0))
    assert table["others"].to_numpy() == pytest.approx(np.full(10, 0.1 / 8), rel=0.3)
    assert table["low"].isna().all()  # units that all agree say nothing of others
    assert (table["units"] == 10).all()
    assert table["above_maximum"].eq(0).all()


def test_an_observer_that_does_not_know_the_references_has_no_scale():
    blind = answers(lambda s, o: 0.5)
    blind.loc[blind["observer"] == "c", "reference"] = CHANCE + 0.1 * (-1) ** np.arange(20)
    table = acceptance(accepted_images(blind)).set_index(["source", "observer"])["acceptance"]
    assert np.isnan(table["a", "c"])
    assert np.isfinite(table["a", "d"])
    assert "c" not in scaled_units(blind[blind["source"] == "a"])
    assert list(matrix(acceptance(accepted_images(blind))).columns)[-1] == "c"


def test_a_shared_a_private_and_a_reversed_invariance():
    private = answers(lambda s, o: 0.9 if s == o else 0.4)
    found = verdicts(private)
    assert (found[SHARED], found[OWN], found[ALIKE]) == (HOLDS, HOLDS, UNDECIDED)
    assert found[SILENT] == NOTHING
    common = verdicts(answers(lambda s, o: 0.8))
    assert (common[SHARED], common[OWN]) == (HOLDS, UNDECIDED)
    turned = verdicts(answers(lambda s, o: 0.5 if s == o else 0.8))
    assert turned[OWN] == CONTRADICTED
    absent = verdicts(answers(lambda s, o: 0.9 if s == o else 0.0))
    assert (absent[SHARED], absent[OWN]) == (UNDECIDED, HOLDS)
    below = verdicts(answers(lambda s, o: 0.9 if s == o else -0.3))
    assert below[SHARED] == CONTRADICTED


def test_networks_of_a_role_that_accept_each_other():
    alike = answers(lambda s, o: 0.9 if ROLES[s] == ROLES[o] else 0.4)
    assert verdicts(alike)[ALIKE] == HOLDS
    unlike = answers(lambda s, o: 0.4 if ROLES[s] == ROLES[o] else 0.9)
    assert verdicts(unlike)[ALIKE] == CONTRADICTED
    images = accepted_images(alike)
    assert set(acceptance_contrasts(images, {})["contrast"]) == {OVER_CHANCE, OWN_OVER_OTHERS}
    counts = acceptance_contrasts(images, ROLES).set_index(["source", "contrast"])["observers"]
    assert counts["a", SAME_ROLE] == 4


def test_silencing_that_is_private_shared_or_the_others():
    def silent(own, other):
        share = answers(lambda s, o: own if s == o else other, task="adversarial")
        return verdicts(share)[SILENT]

    assert silent(-0.2, 0.8) == HOLDS
    assert silent(0.1, 0.1) == UNDECIDED
    assert silent(0.8, 0.1) == CONTRADICTED


def test_without_an_effect_few_cells_are_found_and_q_is_never_below_p():
    stream = np.random.default_rng(4)
    drawn = stream.normal(size=400)
    none = answers(lambda s, o: 0.0, units=40)
    none["p"] = rank_p(stream.normal(size=len(none)), drawn)
    images = accepted_images(none)
    others = images[~images["own"]]
    assert (others["q"] >= others["p"]).all()
    assert others["accepted"].mean() < 0.02
    assert images.loc[images["own"], "q"].isna().all()


def test_false_discoveries_are_those_of_the_definition_without_the_missing():
    p = [0.01, np.nan, 0.04, 0.03, 0.005]
    # Sorted .005 .01 .03 .04: times 4 over the rank, then the smallest from there on.
    assert false_discoveries(p) == pytest.approx([0.02, np.nan, 0.04, 0.04, 0.02], nan_ok=True)
    assert np.isnan(false_discoveries([np.nan])).all()


@given(st.lists(st.floats(-5, 5), min_size=1), st.lists(st.floats(-5, 5), min_size=1))
def test_the_rank_is_counted_one_by_one(values, chance):
    slow = [(1 + sum(c >= v for c in chance)) / (1 + len(chance)) for v in values]
    assert rank_p(values, chance).tolist() == slow


def test_reliability_is_the_share_of_signal_in_the_mean_of_repeats():
    stream = np.random.default_rng(5)
    signal = stream.normal(size=(4000, 1))
    noisy = signal + 2 * stream.normal(size=(4000, 10))
    assert split_half(noisy) == pytest.approx(1 / (1 + 4 / 10), abs=0.03)
    assert split_half(signal) == 1.0


def test_the_ends_of_a_ratio_are_where_student_just_tells():
    stream = np.random.default_rng(6)
    b = 3 + stream.normal(size=12)
    a = 0.7 * b + 0.5 * stream.normal(size=12)
    ratio, low, high = ratio_interval(a, b)
    assert low < ratio < high
    for end in (low, high):
        rest = a - end * b
        apart = abs(rest.mean()) / (rest.std(ddof=1) / 12**0.5)
        assert apart == pytest.approx(t.ppf(0.975, 11))
    assert np.isnan(ratio_interval(a, b - b.mean() + 0.1)[1])
    assert np.isnan(ratio_interval([1.0], [2.0])[1])
    assert ratio_interval([1.0, np.nan], [2.0, 3.0])[0] == 0.5


def test_neighbours_are_alike_and_blind_rows_come_last():
    groups = [[0, 0, 1], [5, 5, 5], [0, 1, 0], [5, 6, 5], [np.nan] * 3]
    order = similar_order(groups)
    assert order[-1] == 4
    assert {frozenset(order[:2]), frozenset(order[2:4])} == {frozenset({0, 2}), frozenset({1, 3})}
    assert order[0] in (0, 2)
    assert similar_order([[1.0]]) == [0]


def test_a_dot_marks_activity_above_random_images_alone():
    """As decided below them, as silencing images often are, there is none."""
    row = {"source": "a", "task": "adversarial", "site": "pixels", "q": 0.01, "own": False}
    values = {"b": -0.4, "c": 0.4}
    table = pd.DataFrame([{**row, "observer": n, "acceptance": v} for n, v in values.items()])
    shown = {text.get_text() for text in plot.acceptance(table).texts}
    assert shown == {"-0.40", "0.40 •"}


def test_an_answer_that_is_no_number_has_no_rank():
    p = rank_p([np.nan, 2.5], [1.0, 2.0, 3.0])
    assert np.isnan(p[0])
    assert p[1] == 0.5
