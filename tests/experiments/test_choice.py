"""Which member of a front to show."""

import pandas as pd
import pytest

from invariscope.errors import InputError
from invariscope.experiments.front_choice import CHOICES, choose, knee
from invariscope.store.settings import RunSettings


def front(points, activation=None):
    table = pd.DataFrame(points, columns=["stretch", "squeeze"], dtype=float)
    return table.assign(activation=[0.0] * len(table) if activation is None else activation)


def settings(task, side=None, bound=5.0):
    rule = {"rule": "share", "bound": bound, "side": side} if side else {"rule": "never"}
    return RunSettings(
        subject={},
        generator={},
        unit="out:0",
        site="pixels",
        task=task,
        strategy={},
        start={},
        stop={"rule": "never"},
        milestone=rule,
    )


CONSTRUCTED = [(0, 0), (5, 1), (9, 2), (10, 10)]


@pytest.mark.parametrize(
    ("points", "row"),
    [
        (CONSTRUCTED, 2),
        ([(x * 1000, y / 1000) for x, y in CONSTRUCTED], 2),
        ([(0, 0), (1, 8), (5, 9), (10, 10)], 1),
        ([(0, 0), (10, 10)], 1),
        ([(3, 3)], 0),
        ([(1, 0), (2, 0), (3, 0)], 2),
    ],
)
def test_the_knee_is_farthest_from_the_line_between_the_ends(points, row):
    assert knee(front(points)) == row


@pytest.mark.parametrize(
    ("task", "side", "activation", "row"),
    [
        ("invariance", "above", [9, 8, 5, 1], 1),
        ("invariance", "above", [9, 8, 7, 6], 3),
        ("invariance", "above", [5, 5, 5, 5], 2),
        ("adversarial", "below", [9, 6, 4, 3], 2),
        ("adversarial", "below", [9, 6, 5, 3], 3),
        ("adversarial", "below", [9, 8, 7, 6], 3),
        ("adversarial", "below", [9, 6, 8, 12], 1),
        ("adversarial", "at_or_below", [9, 5, 5, 5], 1),
        ("adversarial", "at_or_below", [9, 8, 7, 6], 3),
        ("invariance", None, [9, 8, 7, 6], 2),
        ("adversarial", None, [1, 1, 1, 1], 0),
    ],
)
def test_kept_is_the_best_beyond_the_bound_else_knee_or_weakest(task, side, activation, row):
    assert choose(front(CONSTRUCTED, activation), settings(task, side)) == row


@pytest.mark.parametrize(("which", "row"), [("farthest", 3), ("nearest", 0), ("knee", 2)])
def test_the_ends_and_the_knee_ignore_the_bound(which, row):
    table = front(CONSTRUCTED, [9, 8, 7, 6])
    assert choose(table, settings("invariance", "above"), which) == row


def test_an_unknown_choice_names_the_nearest():
    with pytest.raises(InputError, match="unknown choice 'nearst'; did you mean 'nearest'"):
        choose(front(CONSTRUCTED), settings("invariance"), "nearst")
    assert CHOICES[0] == "kept"
