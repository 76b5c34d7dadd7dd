"""Error consistency beside scikit-learn's kappa, its bounds beside every arrangement."""

from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from invariscope.analysis.error_consistency import (
    NETWORK,
    PEOPLE,
    consistency_table,
    correctness,
    error_consistency,
)
from invariscope.errors import InputError

pairs = st.integers(2, 40).flatmap(
    lambda n: st.tuples(*[st.lists(st.booleans(), min_size=n, max_size=n)] * 2)
)


@given(pairs)
def test_kappa_is_cohens_of_right_and_wrong_and_lies_within_its_bounds(both):
    one, other = both
    found = error_consistency(one, other)
    if len(set(one)) == 1 and one == other:
        assert np.isnan(found.kappa)
        return
    expected = 0.0 if len({*one, *other}) < 2 else cohen_kappa_score(one, other)
    assert found.kappa == pytest.approx(expected, abs=1e-12)
    assert found.lowest - 1e-12 <= found.kappa <= found.highest + 1e-12
    assert error_consistency(other, one) == found


@pytest.mark.parametrize(("right", "other"), [(3, 2), (4, 4), (1, 5), (6, 3)])
def test_the_bounds_are_the_extremes_over_all_arrangements(right, other):
    one = [k < right for k in range(6)]
    theirs = sorted({*permutations([k < other for k in range(6)])})
    kappas = [error_consistency(one, arranged).kappa for arranged in theirs]
    found = error_consistency(one, theirs[0])
    known = [kappa for kappa in kappas if not np.isnan(kappa)]
    assert min(known) == pytest.approx(found.lowest)
    assert max(known) == pytest.approx(found.highest)


def made(people, images=30, seed=0):
    stream = np.random.default_rng(seed)
    rows = [
        {"participant": f"p{p}", "condition": "c", "image": f"i{k}", "correct": bool(right)}
        for p in range(people)
        for k, right in enumerate(stream.random(images) < 0.6)
    ]
    return pd.DataFrame(rows)


def test_the_table_is_the_mean_over_pairs_done_plainly():
    people, network = made(4), made(1, seed=9).assign(participant="net")
    # A person who missed an image has fewer in common with the others.
    people = people.loc[~((people["participant"] == "p2") & (people["image"] == "i3"))]
    found = consistency_table(people, network).set_index("pair")
    right = {(r.participant, r.image): r.correct for r in people.itertuples()}
    theirs = {r.image: r.correct for r in network.itertuples()}
    names = ["p0", "p1", "p2", "p3"]

    def plain(a, b):
        common = [f"i{k}" for k in range(30) if f"i{k}" in a and f"i{k}" in b]
        return cohen_kappa_score([a[i] for i in common], [b[i] for i in common])

    own = {n: {i: c for (p, i), c in right.items() if p == n} for n in names}
    among = [plain(own[a], own[b]) for k, a in enumerate(names) for b in names[k + 1 :]]
    assert found.loc[PEOPLE, "kappa"] == pytest.approx(np.mean(among))
    assert found.loc[NETWORK, "kappa"] == pytest.approx(
        np.mean([plain(own[n], theirs) for n in names])
    )
    row = found.loc[PEOPLE]
    assert row["low"] < row["kappa"] < row["high"]
    assert row["pairs"] == 6


def test_the_same_answers_are_perfectly_consistent():
    one = made(1)
    both = pd.concat([one, one.assign(participant="p1")])
    found = consistency_table(both)
    assert found["kappa"].tolist() == [1.0]
    assert found["highest"].tolist() == [1.0]


def test_an_image_answered_twice_is_refused_with_its_count():
    one = made(1)
    with pytest.raises(InputError, match=r"2 answers .* 'i0' of 'p0'"):
        correctness(pd.concat([one, one.iloc[:2]]))


def test_other_trials_are_refused():
    with pytest.raises(InputError, match="same trials"):
        error_consistency([True], [True, False])


def test_few_errors_and_answers_that_are_all_alike_give_no_interval_of_kappa():
    """Of three errors a redrawn sample says next to nothing."""
    rows = [
        {"participant": who, "condition": "c", "image": f"i{k}", "correct": k not in wrong}
        for who, wrong in (("a", {0, 1, 2}), ("b", {1, 2, 3}))
        for k in range(50)
    ]
    few = consistency_table(pd.DataFrame(rows)).iloc[0]
    assert np.isfinite(few["kappa"])
    assert np.isnan([few["low"], few["high"]]).all()
    many = pd.DataFrame(rows).assign(correct=[row["image"][-1] in "012" for row in rows])
    alike = consistency_table(many).iloc[0]
    assert alike["kappa"] == pytest.approx(1)
    assert np.isnan([alike["low"], alike["high"]]).all()
