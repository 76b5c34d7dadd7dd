"""Rules see at least 50 candidates, in generations of any size."""

import math

import pytest
import torch

from invariscope.search.archive import Archive
from invariscope.search.monitor import WINDOW, StoppingMonitor
from invariscope.search.objectives import Objective
from invariscope.search.run import Run
from invariscope.search.stopping import ActivationShare
from invariscope.units import parse_target

TARGET = parse_target("unit:0", {"unit": (1,)})


def started(population, **rules):
    run = Run("run", Objective("excitation", TARGET), torch.zeros(2), **rules)
    monitor = StoppingMonitor(population)
    monitor.begin(run, {})
    return run, monitor


def follow(run, monitor, generation, activations):
    progress = monitor.progress(run.name, generation, activations)
    monitor.update(run, progress, Archive.empty(1, 2), 0)
    return progress.activations.tolist()


@pytest.mark.parametrize("population", [2, 7, 10, 49, 50, 51, 100])
def test_rules_see_the_last_candidates_in_whole_generations(population):
    run, monitor = started(population)
    whole = math.ceil(WINDOW / population)
    shown = []
    for generation in range(1, 40):
        activations = torch.arange(population) + 1000.0 * generation
        shown.append(activations.tolist())
        expected = [value for own in shown[-whole:] for value in own]
        assert follow(run, monitor, generation, activations) == expected


@pytest.mark.parametrize("population", [10, 50])
def test_what_is_kept_goes_on(population):
    run, monitor = started(population)
    for generation in range(1, 8):
        follow(run, monitor, generation, torch.full((population,), float(generation)))
    again = StoppingMonitor(population)
    again.begin(run, monitor.pack("run"))
    more = torch.zeros(population)
    seen = [c.progress("run", 8, more).activations.tolist() for c in (monitor, again)]
    assert seen[0] == seen[1]
    assert len(seen[0]) == WINDOW


def test_the_papers_population_keeps_nothing_more():
    run, monitor = started(50)
    follow(run, monitor, 1, torch.zeros(50))
    assert monitor.pack("run") == {}


def test_a_lucky_small_generation_stops_nothing():
    """9 of 10 beyond the bound, after generations with 5 of 10, are 29 of 50."""
    run, monitor = started(10, stop=ActivationShare(0.5, "above"))
    for generation in range(1, 10):
        follow(run, monitor, generation, torch.tensor([0.0, 1.0] * 5))
    lucky = torch.tensor([1.0] * 9 + [0.0])
    assert run.stop.reached(monitor.progress("run", 10, lucky).activations) == 29
    assert not run.stop.met(monitor.progress("run", 10, lucky))
    for generation in range(10, 15):
        progress = monitor.progress("run", generation, lucky)
        assert run.stop.met(progress) is (generation == 14)
        monitor.update(run, progress, Archive.empty(1, 2), 0)


def test_the_milestone_is_the_first_time_that_its_rule_held():
    run, monitor = started(10, milestone=ActivationShare(0.5, "above", share=0.5, first=1))
    follow(run, monitor, 1, torch.zeros(10))
    assert monitor.milestone("run") is None
    for generation in range(2, 9):
        follow(run, monitor, generation, torch.ones(10))
    milestone = monitor.milestone("run")
    assert milestone is not None
    assert milestone.generation == 2
    again = StoppingMonitor(10)
    again.begin(run, monitor.pack("run"))
    kept = again.milestone("run")
    assert kept is not None
    assert kept.generation == 2
