"""Rules see at least 50 candidates, in generations of any size."""

import math

import pytest
import torch

from invariscope.search.archive import Archive
from invariscope.search.course import WINDOW, Course
from invariscope.search.objectives import Objective
from invariscope.search.run import Run
from invariscope.search.stopping import Share
from invariscope.units import parse_target

TARGET = parse_target("unit:0", {"unit": (1,)})


def started(population, **rules):
    run = Run("run", Objective("excitation", TARGET), torch.zeros(2), **rules)
    course = Course(population)
    course.begin(run, {})
    return run, course


def follow(run, course, generation, activations):
    progress = course.progress(run.name, generation, activations)
    course.follow(run, progress, Archive.empty(1, 2), 0)
    return progress.activations.tolist()


@pytest.mark.parametrize("population", [2, 7, 10, 49, 50, 51, 100])
def test_rules_see_the_last_candidates_in_whole_generations(population):
    run, course = started(population)
    whole = math.ceil(WINDOW / population)
    shown = []
    for generation in range(1, 40):
        activations = torch.arange(population) + 1000.0 * generation
        shown.append(activations.tolist())
        expected = [value for own in shown[-whole:] for value in own]
        assert follow(run, course, generation, activations) == expected


@pytest.mark.parametrize("population", [10, 50])
def test_what_is_kept_goes_on(population):
    run, course = started(population)
    for generation in range(1, 8):
        follow(run, course, generation, torch.full((population,), float(generation)))
    again = Course(population)
    again.begin(run, course.pack("run"))
    more = torch.zeros(population)
    seen = [c.progress("run", 8, more).activations.tolist() for c in (course, again)]
    assert seen[0] == seen[1]
    assert len(seen[0]) == WINDOW


def test_the_papers_population_keeps_nothing_more():
    run, course = started(50)
    follow(run, course, 1, torch.zeros(50))
    assert course.pack("run") == {}


def test_a_lucky_small_generation_stops_nothing():
    """9 of 10 beyond the bound, after generations with 5 of 10, are 29 of 50."""
    run, course = started(10, stop=Share(0.5, "above"))
    for generation in range(1, 10):
        follow(run, course, generation, torch.tensor([0.0, 1.0] * 5))
    lucky = torch.tensor([1.0] * 9 + [0.0])
    assert run.stop.reached(course.progress("run", 10, lucky).activations) == 29
    assert not run.stop.met(course.progress("run", 10, lucky))
    for generation in range(10, 15):
        progress = course.progress("run", generation, lucky)
        assert run.stop.met(progress) is (generation == 14)
        course.follow(run, progress, Archive.empty(1, 2), 0)


def test_the_milestone_is_the_first_time_that_its_rule_held():
    run, course = started(10, milestone=Share(0.5, "above", share=0.5, first=1))
    follow(run, course, 1, torch.zeros(10))
    assert course.milestone("run") is None
    for generation in range(2, 9):
        follow(run, course, generation, torch.ones(10))
    milestone = course.milestone("run")
    assert milestone is not None
    assert milestone.generation == 2
    again = Course(10)
    again.begin(run, course.pack("run"))
    kept = again.milestone("run")
    assert kept is not None
    assert kept.generation == 2
