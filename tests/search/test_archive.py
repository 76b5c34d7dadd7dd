"""The archive against the brute-force non-dominated subset of everything that was added."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from invariscope.search.archive import Archive
from invariscope.testing.strategies import costs

RUNS = 3
generations = st.lists(costs(runs=RUNS, most=8), min_size=1, max_size=5)


def candidates(values, generation):
    """What comes with a generation's costs; codes and scores name generation and place."""
    runs, population, _ = values.shape
    candidate = torch.arange(population).expand(runs, population)
    at = torch.full_like(candidate, generation)
    codes = torch.stack([at, candidate], -1).float()
    scores = torch.cat([values, values.sum(-1, keepdim=True)], -1).float()
    return scores, codes, at, candidate


def filled(history, archive=None, first=1):
    archive = archive or Archive.empty(len(history[0]), 2, capacity=2)
    for generation, values in enumerate(history, first):
        archive = archive.add(values.float(), *candidates(values, generation))
    return archive


def members(archive, run):
    front = archive.front(run)
    return set(zip(front.generation.tolist(), front.candidate.tolist(), strict=True))


def brute_force(history, run):
    met = [
        ((generation, candidate), tuple(point))
        for generation, values in enumerate(history, 1)
        for candidate, point in enumerate(values[run].float().tolist())
        if not any(map(math.isnan, point))
    ]
    kept = set()
    for i, (key, point) in enumerate(met):
        worse = any(o[0] <= point[0] and o[1] <= point[1] and o != point for _, o in met)
        seen = any(o == point for _, o in met[:i])
        if not worse and not seen:
            kept.add(key)
    return kept


def same_front(one, other):
    return all(
        torch.equal(getattr(one, name), getattr(other, name))
        for name in ("scores", "codes", "generation", "candidate")
    )


@given(generations)
def test_it_holds_the_non_dominated_subset_of_everything_ever_added(history):
    archive = filled(history)
    for run in range(RUNS):
        assert members(archive, run) == brute_force(history, run)


@given(generations)
def test_no_member_is_dominated_or_equals_another(history):
    archive = filled(history)
    for run in range(RUNS):
        points = [tuple(p) for p in archive.costs[run, archive.alive[run]].tolist()]
        assert len(set(points)) == len(points)
        for a in points:
            assert not any(b[0] <= a[0] and b[1] <= a[1] for b in points if b != a)


@given(generations)
def test_each_member_keeps_its_own_scores_and_code(history):
    archive = filled(history)
    for run in range(RUNS):
        front = archive.front(run)
        assert torch.equal(
            front.codes, torch.stack([front.generation, front.candidate], -1).float()
        )
        for scores, generation, candidate in zip(
            front.scores, front.generation.tolist(), front.candidate.tolist(), strict=True
        ):
            assert torch.equal(scores[:2], history[generation - 1][run, candidate].float())


@given(generations)
def test_runs_together_equal_each_run_alone(history):
    together = filled(history)
    for run in range(RUNS):
        alone = filled([values[run : run + 1] for values in history])
        assert same_front(together.front(run), alone.front(0))


@given(generations, generations)
def test_joined_and_split_archives_go_on_as_if_nothing_had_happened(before, after):
    archive = filled(before)
    unbroken = filled(after, filled(before), first=10)
    parts = [archive[[2]], archive[[0, 1]].grow(64)]
    joined = Archive.cat(parts)
    moved = filled([values[[2, 0, 1]] for values in after], joined, first=10)
    for row, run in enumerate([2, 0, 1]):
        assert same_front(moved.front(row), unbroken.front(run))


@given(generations)
@settings(max_examples=20)
def test_growing_adds_slots_and_no_member(history):
    archive = filled(history)
    grown = archive.grow(archive.alive.shape[1] + 5)
    assert grown.alive.shape[1] == archive.alive.shape[1] + 5
    assert grown.grow(1) is grown
    for run in range(RUNS):
        assert same_front(grown.front(run), archive.front(run))


def test_it_grows_when_a_front_needs_more_slots_than_it_has():
    stretch = torch.arange(40.0)
    values = torch.stack([stretch, -stretch], -1).unsqueeze(0)
    archive = filled([values[:, :3], values])
    assert len(archive.front(0).scores) == 40
    assert archive.front(0).scores[:, 0].tolist() == stretch.tolist()


@pytest.mark.parametrize("missing", [(torch.nan, 1.0), (1.0, torch.nan), (torch.nan, torch.nan)])
def test_a_candidate_with_an_unknown_cost_is_never_taken(missing):
    archive = filled([torch.tensor([[missing, missing]])])
    assert members(archive, 0) == set()
    assert len(filled([torch.tensor([[(9.0, 9.0)]])], archive, first=2).front(0).scores) == 1


def test_a_front_runs_from_the_smallest_stretch_to_the_largest():
    values = torch.tensor([[(3.0, 1.0), (1.0, 3.0), (2.0, 2.0)]])
    front = filled([values]).front(0)
    assert front.scores[:, 0].tolist() == [1, 2, 3]
    assert front.candidate.tolist() == [1, 2, 0]


def test_fault_best_codes_changed_on_every_read():
    values = torch.stack([torch.arange(20.0), -torch.arange(20.0)], -1).flip(0).unsqueeze(0)
    archive = filled([values])
    assert same_front(archive.front(0), archive.front(0))


def test_codes_take_the_memory_of_the_members_that_there_are():
    # One run holds 400 members, seven hold one: tables may be wide, codes may not.
    many = torch.stack([torch.arange(400.0), -torch.arange(400.0)], -1)
    few = torch.zeros(400, 2)
    archive = filled([torch.stack([many, *[few] * 7])])
    assert archive.alive.sum(1).tolist() == [400, *[1] * 7]
    assert len(archive.codes) == 407
    kept = archive[[*range(1, 8)]]
    assert len(kept.codes) == 7
    assert all(len(kept.front(row).codes) == 1 for row in range(7))


def test_rows_of_beaten_members_are_used_again():
    values = torch.stack([torch.arange(50.0), -torch.arange(50.0)], -1).unsqueeze(0)
    history = [values - generation for generation in range(20)]
    archive = filled(history)
    assert len(archive.front(0).scores) == 50
    assert len(archive.codes) <= 2 * 50 + 50 // 4
