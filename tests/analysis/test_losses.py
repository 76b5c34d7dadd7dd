"""Members of fronts at fixed losses of activity: against a plain search, and a closed form."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from invariscope.analysis.losses import (
    LOSSES,
    distance_at_losses,
    member_at_loss,
    members_at_losses,
)
from invariscope.errors import InputError

TASKS = ("invariance", "adversarial")
NUMBERS = st.floats(-5, 20)
FRONTS = st.lists(st.tuples(st.floats(0, 100), NUMBERS), min_size=1, max_size=12)


def front_of(points):
    return pd.DataFrame(sorted(points), columns=["stretch", "activation"])


def plain(points, reference, loss, task):
    """The best stretch among the members that fit, one by one."""
    best = None
    for stretch, activation in points:
        lost = 100 * (1 - activation / reference)
        if task == "invariance" and lost <= loss:
            best = stretch if best is None else max(best, stretch)
        if task == "adversarial" and lost >= loss:
            best = stretch if best is None else min(best, stretch)
    return best


@given(FRONTS, st.floats(0.1, 20), st.floats(0, 150), st.sampled_from(TASKS))
def test_the_member_is_the_best_of_those_that_fit(points, reference, loss, task):
    front = front_of(points)
    row = member_at_loss(front, reference, loss, task)
    found = None if row is None else front["stretch"].iloc[row]
    assert found == plain(points, reference, loss, task)


def test_a_straight_front_gives_the_distances_of_its_line():
    """Activity falls by 1 % a unit of distance: what loses at most 25.5 % lies at 25."""
    far = np.arange(101.0)
    front = pd.DataFrame({"stretch": far, "activation": 8 * (1 - far / 100)})
    found = [member_at_loss(front, 8.0, loss, task) for loss in (10.5, 25.5) for task in TASKS]
    assert found == [10, 11, 25, 26]


@pytest.mark.parametrize("reference", [0.0, -1.0, float("nan")])
def test_no_share_is_told_of_a_reference_without_positive_activity(reference):
    front = front_of([(1, 2), (3, 1)])
    assert member_at_loss(front, reference, 25, "invariance") is None
    rows = list(members_at_losses(front, reference, "invariance", {"kept": 1}))
    assert [row["row"] for row in rows] == [None] * len(LOSSES) + [1]
    assert np.isnan(rows[-1]["reduction"])


@pytest.mark.parametrize("loss", [-1, float("nan"), float("inf")])
def test_a_loss_that_is_none_is_refused(loss):
    with pytest.raises(InputError, match="expected a number of at least 0"):
        member_at_loss(front_of([(1, 2)]), 1.0, loss, "invariance")


def test_means_are_over_units_and_count_the_runs_that_reach_a_loss():
    rows = []
    for unit, distances in {"a": (10, 30), "b": (40,), "c": (None,)}.items():
        for far in distances:
            row = {"subject": "s", "unit": unit, "task": "invariance", "site": "pixels"}
            member = {"member": "loses at most 10 %", "row": None if far is None else 0}
            values = dict.fromkeys(("stretch", "reduction", "saturation", "code_norm"), 1.0)
            rows.append({**row, **member, **values, "pixel_distance": far or np.nan})
    found = distance_at_losses(pd.DataFrame(rows)).to_dict("records")
    assert len(found) == 1
    assert (found[0]["count"], found[0]["reached"], found[0]["units"]) == (4, 3, 2)
    assert found[0]["pixel_distance"] == (20 + 40) / 2
    assert found[0]["pixel_distance_sd"] == pytest.approx(np.std([20, 40], ddof=1))
