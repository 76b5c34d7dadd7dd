"""Pareto ranking against an obvious slow twin, pymoo, and the properties it promises."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pymoo.operators.survival.rank_and_crowding.metrics import get_crowding_function
from pymoo.util.nds.non_dominated_sorting import NonDominatedSorting

from invariscope.search import ranking
from invariscope.testing.strategies import costs


def beats(a, b):
    """Whether a dominates b, by the definition; any number beats what is not known."""
    if any(map(math.isnan, b)):
        return not any(map(math.isnan, a))
    if any(map(math.isnan, a)):
        return False
    return a[0] <= b[0] and a[1] <= b[1] and (a[0] < b[0] or a[1] < b[1])


def slow_fronts(points):
    """Peel off the candidates that none of the rest beats; unknown ones make the last front."""
    rest = [i for i, p in enumerate(points) if not any(map(math.isnan, p))]
    unknown = [i for i in range(len(points)) if i not in rest]
    index, front = [0] * len(points), 0
    while rest:
        best = [i for i in rest if not any(beats(points[j], points[i]) for j in rest)]
        for i in best:
            index[i] = front
        rest = [i for i in rest if i not in best]
        front += 1
    for i in unknown:
        index[i] = front
    return index


def slow_crowding(points, index):
    """Deb et al. 2002: for each front and cost, sort, ends get ∞, others their gap."""
    distance = [0.0] * len(points)
    for front in set(index):
        members = [i for i in range(len(points)) if index[i] == front]
        for cost in (0, 1):
            ranked = sorted(members, key=lambda i: points[i][cost])
            span = points[ranked[-1]][cost] - points[ranked[0]][cost]
            for before, i, after in zip(ranked[:-2], ranked[1:-1], ranked[2:], strict=True):
                gap = points[after][cost] - points[before][cost]
                distance[i] += gap / span if span > 0 else 0.0
            distance[ranked[0]] = distance[ranked[-1]] = math.inf
    return distance


def random_costs(*shape, seed=0):
    draws = np.random.Generator(np.random.PCG64(seed)).normal(size=shape)
    return torch.from_numpy(draws)


@given(costs())
def test_fronts_equal_a_slow_twin(values):
    expected = [slow_fronts(run.tolist()) for run in values]
    assert ranking.fronts(values).tolist() == expected


@pytest.mark.parametrize("candidates", [1, 7, 50])
def test_fronts_equal_pymoo(candidates):
    values = random_costs(4, candidates, 2, seed=candidates)
    for run, index in zip(values, ranking.fronts(values), strict=True):
        published = NonDominatedSorting().do(run.numpy())
        assert [set(np.flatnonzero(index == k)) for k in range(len(published))] == [
            set(front) for front in published
        ]
        assert int(index.max()) == len(published) - 1


@given(costs())
def test_some_member_of_each_front_dominates_each_member_of_the_next(values):
    for run, index in zip(values.tolist(), ranking.fronts(values).tolist(), strict=True):
        for j, front in enumerate(index):
            above = [i for i, other in enumerate(index) if other == front - 1]
            assert front == 0 or any(beats(run[i], run[j]) for i in above)
            assert not any(beats(run[i], run[j]) for i, k in enumerate(index) if k == front)


@given(costs())
def test_dominance_is_by_definition_where_costs_are_numbers(values):
    known = values.nan_to_num(nan=0.5)
    for run, over in zip(known.tolist(), ranking.dominates(known).tolist(), strict=True):
        assert over == [[beats(a, b) for b in run] for a in run]


@given(costs(), costs())
def test_dominance_over_others_is_a_block_of_dominance_among_all(values, others):
    together = ranking.dominates(torch.cat([values, others], 1))
    n = values.shape[1]
    assert torch.equal(ranking.dominates(values, others), together[:, :n, n:])


@given(costs(), st.randoms(use_true_random=False))
def test_fronts_do_not_depend_on_the_order_of_candidates(values, random):
    shuffle = list(range(values.shape[1]))
    random.shuffle(shuffle)
    assert torch.equal(ranking.fronts(values[:, shuffle]), ranking.fronts(values)[:, shuffle])


@given(costs())
def test_fronts_and_order_survive_monotone_rescaling(values):
    # Each cost is replaced by a function of its dense rank, so that no rounding makes ties.
    dense = torch.stack(
        [
            torch.searchsorted(run.nan_to_num(nan=2e6).unique(), run.nan_to_num(nan=2e6))
            for run in values.transpose(1, 2).flatten(0, 1)
        ]
    )
    rescaled = (dense.double() ** 3 - 7).unflatten(0, (len(values), 2)).transpose(1, 2)
    rescaled = rescaled.masked_fill(values.isnan(), torch.nan)
    assert torch.equal(ranking.fronts(values), ranking.fronts(rescaled))
    order = ranking.order(values, values[..., 1])
    assert torch.equal(order, ranking.order(rescaled, rescaled[..., 1]))


@given(costs())
def test_order_is_a_permutation_that_never_lets_a_worse_front_come_first(values):
    order = ranking.order(values, values[..., 1])
    assert torch.equal(order.sort(1).values, torch.arange(values.shape[1]).expand_as(order))
    walked = ranking.fronts(values).gather(1, order)
    assert bool((walked.diff(dim=1) >= 0).all())


@given(costs())
def test_nan_never_outranks_a_number(values):
    unknown = values.isnan().any(-1)
    order = ranking.order(values, torch.zeros_like(values[..., 0]))
    assert bool((unknown.gather(1, order).int().diff(dim=1) >= 0).all())


@given(costs(missing=False), st.sampled_from([0.0, torch.nan, torch.inf]))
def test_candidates_that_cannot_be_told_apart_keep_their_places(values, tie_break):
    order = ranking.order(values, torch.full_like(values[..., 0], tie_break))
    for run, index in zip(order.tolist(), ranking.fronts(values).tolist(), strict=True):
        assert run == sorted(range(len(run)), key=lambda i: index[i])


def test_within_a_front_the_smaller_value_comes_first_and_nan_last():
    front = torch.tensor([[[0.0, 4], [1, 3], [2, 2], [3, 1]]])
    tie_break = torch.tensor([[2.0, torch.nan, -torch.inf, torch.inf]])
    assert ranking.order(front, tie_break).tolist() == [[2, 0, 3, 1]]


@given(costs(missing=False))
def test_crowding_equals_a_slow_twin(values):
    index = ranking.fronts(values)
    distance = ranking.crowding(values, index)
    for run, fronts, own in zip(values.tolist(), index.tolist(), distance.tolist(), strict=True):
        assert own == pytest.approx(slow_crowding(run, fronts))


def test_crowding_equals_pymoo_inside_each_front():
    values = random_costs(3, 60, 2, seed=1)
    index = ranking.fronts(values)
    distance = ranking.crowding(values, index)
    for run, fronts, own in zip(values, index, distance, strict=True):
        for front in range(int(fronts.max()) + 1):
            members = fronts == front
            published = 2 * get_crowding_function("cd").do(run[members].numpy())  # a mean
            assert own[members].numpy() == pytest.approx(published)


@given(costs())
def test_each_run_is_ranked_as_if_alone(values):
    order = ranking.order(values, values[..., 1])
    for row in range(len(values)):
        alone = ranking.order(values[row : row + 1], values[row : row + 1, :, 1])
        assert torch.equal(order[row : row + 1], alone)


def test_fault_crowding_by_argsort_let_worse_fronts_outrank_better_ones():
    values = random_costs(5, 50, 2, seed=2)
    index = ranking.fronts(values)
    order = ranking.order(values, -ranking.crowding(values, index))
    assert bool((index.gather(1, order).diff(dim=1) >= 0).all())
    assert int(index.max()) >= 3
    # The loneliest of a front come first: its ends.
    for run, fronts, first in zip(values, index, order[:, :2], strict=True):
        best = run[fronts == 0, 0]
        assert {best.min().item(), best.max().item()} <= set(run[first, 0].tolist())


def test_fault_reciprocal_distance_made_scores_infinite_at_a_perfect_squeeze():
    # Invariance costs are (-stretch, squeeze): a perfect squeeze is the number 0, and
    # candidates with it are still told apart by their stretch.
    stretch = torch.tensor([1.0, 5, 3, 4, 2])
    squeeze = torch.tensor([0.0, 0, 0, 0.5, 0])
    values = torch.stack([-stretch, squeeze], -1).unsqueeze(0)
    assert ranking.order(values, values[..., 1]).tolist() == [[1, 2, 3, 4, 0]]
