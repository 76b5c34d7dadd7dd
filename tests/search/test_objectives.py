"""Stretch, squeeze and activity against their definitions in NumPy."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from invariscope.errors import InputError
from invariscope.search.objectives import Objective, Objectives
from invariscope.units import parse_target

SITES = {"pixels": (3, 4, 4), "conv": (6, 3, 3), "blocks": (5, 7), "fc": (9,)}


def draws(seed, count):
    stream = np.random.Generator(np.random.PCG64(seed))
    return {site: stream.normal(size=(count, *shape)) for site, shape in SITES.items()}


def tensors(responses):
    return {site: torch.from_numpy(values).float() for site, values in responses.items()}


X, REFERENCE = draws(1, 11), draws(2, 1)


def objective(task="invariance", unit="fc:3", site="conv", subset=None, **words):
    target = parse_target(unit, SITES)
    bare = Objective(task=task, target=target, **words)
    if task == "excitation":
        return bare
    entries = torch.from_numpy(REFERENCE[site]).float().flatten()
    entries = entries if subset is None else entries[list(subset)]
    return replace(
        bare,
        site=site,
        subset=subset,
        site_reference=entries,
        target_reference=target.read(tensors(REFERENCE))[0],
    )


def score(*objectives, runs=None):
    own = Objectives(objectives, "cpu")
    runs = torch.zeros(11, dtype=torch.int64) if runs is None else runs
    return own.score(tensors(X), runs).numpy()


def stretch(site, subset=None):
    flat, reference = X[site].reshape(11, -1), REFERENCE[site].reshape(1, -1)
    entries = slice(None) if subset is None else list(subset)
    return np.sqrt(((flat - reference)[:, entries] ** 2).sum(1))


def activity(unit, source=X):
    return {
        "fc:3": lambda r: r["fc"][:, 3],
        "conv:2": lambda r: r["conv"][:, 2].mean((1, 2)),
        "conv:2,center": lambda r: r["conv"][:, 2, 1, 1],
        "conv:2,0,2": lambda r: r["conv"][:, 2, 0, 2],
        "blocks:0,6": lambda r: r["blocks"][:, 0, 6],
    }[unit](source)


@pytest.mark.parametrize("site", list(SITES))
@pytest.mark.parametrize("subset", [None, (0,), (1, 4, 6)])
def test_stretch_is_the_distance_at_the_site_or_a_subset_of_it(site, subset):
    scores = score(objective(site=site, subset=subset))
    assert scores[:, 0] == pytest.approx(stretch(site, subset), rel=1e-5)


@pytest.mark.parametrize("unit", ["fc:3", "conv:2", "conv:2,center", "conv:2,0,2", "blocks:0,6"])
def test_squeeze_is_the_change_of_the_units_activity(unit):
    scores = score(objective(unit=unit))
    assert scores[:, 2] == pytest.approx(activity(unit), rel=1e-5, abs=1e-6)
    change = np.abs(activity(unit) - activity(unit, REFERENCE))
    assert scores[:, 1] == pytest.approx(change, rel=1e-5, abs=1e-6)


def test_a_set_of_units_has_the_norm_of_the_changes_and_the_mean_activity():
    units = ["fc:3", "conv:2", "blocks:0,6"]
    scores = score(objective(unit="+".join(units)))
    changes = np.stack([activity(u) - activity(u, REFERENCE) for u in units], 1)
    assert scores[:, 1] == pytest.approx(np.linalg.norm(changes, axis=1), rel=1e-5)
    mean = np.stack([activity(u) for u in units], 1).mean(1)
    assert scores[:, 2] == pytest.approx(mean, rel=1e-5)


def test_direction_down_counts_losses_of_activity_only():
    scores = score(objective(task="adversarial", direction="down"))
    loss = np.maximum(0, activity("fc:3", REFERENCE) - activity("fc:3"))
    assert (loss == 0).any()
    assert (loss > 0).any()
    assert scores[:, 1] == pytest.approx(loss, rel=1e-5)


def test_excitation_scores_activity_alone():
    scores = score(objective(task="excitation"))
    assert not scores[:, :2].any()
    assert scores[:, 2] == pytest.approx(activity("fc:3"), rel=1e-6)


@pytest.mark.parametrize(
    ("task", "expected"),
    [("invariance", (-3.0, 2.0)), ("adversarial", (3.0, -2.0)), ("excitation", (0.0, -5.0))],
)
def test_each_task_minimises_its_two_costs(task, expected):
    costs = Objectives([objective(task=task)], "cpu").costs(torch.tensor([[[3.0, 2.0, 5.0]]]))
    assert costs.tolist() == [[list(expected)]]


@pytest.mark.parametrize("column", [0, 1, 2])
@pytest.mark.parametrize("task", ["invariance", "adversarial", "excitation"])
def test_a_candidate_that_was_not_recorded_has_no_costs(task, column):
    scores = torch.ones(1, 2, 3)
    scores[0, 1, column] = torch.nan
    costs = Objectives([objective(task=task)], "cpu").costs(scores)
    assert costs.isnan().all(-1).tolist() == [[False, True]]


def test_mixed_runs_in_one_call_equal_one_by_one():
    mixed = [
        objective(),
        objective(site="pixels", unit="conv:2"),
        objective(task="excitation", unit="blocks:0,6"),
        objective(subset=(1, 4, 6), unit="fc:3+conv:2"),
        objective(task="adversarial", direction="down"),
        objective(subset=(0, 2)),
    ]
    runs = torch.tensor([5, 0, 3, 1, 2, 2, 4, 0, 5, 1, 3])
    together = score(*mixed, runs=runs)
    for run, own in enumerate(mixed):
        rows = (runs == run).numpy()
        assert np.array_equal(together[rows], score(own)[rows])


def test_the_sites_of_several_runs_are_named_once():
    own = Objectives([objective(), objective(unit="conv:2"), objective(site="pixels")], "cpu")
    assert own.sites == ("conv", "fc", "pixels")


def test_fault_activations_were_truncated_to_whole_numbers():
    scores = score(objective())
    assert (scores[:, 2] % 1 != 0).all()
    assert scores.dtype == np.float32


@pytest.mark.parametrize("missing", ["site_reference", "target_reference"])
def test_an_objective_without_its_reference_is_refused(missing):
    with pytest.raises(ValueError, match="needs the reference"):
        score(replace(objective(), **{missing: None}))


@pytest.mark.parametrize("word", ["task", "direction", "tie_break"])
def test_an_unknown_word_is_refused(word):
    with pytest.raises(InputError, match="sideways"):
        replace(objective(), **{word: "sideways"})
