"""Each search's goal is told: met or not, how many images were there, what was reached."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from invariscope.report.goals import goal_sentences
from invariscope.report.image_notes import cell_notes
from invariscope.search.monitor import StoppingMonitor
from invariscope.search.stopping import ActivationShare, FrontReaches

RULE = ActivationShare(10.0, "above")


def cell(task="invariance", *, status="finished", reached=31, population=50, beyond=False):
    journal = [{"generation": k, "told": population, "reached": reached} for k in range(1, 151)]
    settings = SimpleNamespace(stop=RULE.describe(), population=population)
    return {
        "record": SimpleNamespace(settings=settings, journal=journal),
        "task": task,
        "status": status,
        "generations": 150,
        "meets": beyond,
        "silences": beyond,
        "reduction": 23.4,
    }


def row(task, site, *cells):
    return {"task": task, "site": site, "cells": list(cells)}


def test_searches_that_met_their_goal_are_counted_and_the_others_say_what_they_reached():
    rows = [
        row("invariance", "pixels", cell(reached=31), cell(reached=12)),
        row("invariance", "Layer3", cell(status="stopped"), cell(reached=40, beyond=True)),
        row("adversarial", "pixels", cell("adversarial", reached=0, beyond=True)),
    ]
    first, *others = goal_sentences(rows)
    assert first.startswith("1 of 5 searches met the goal: 90 % of the last 50 images")
    assert "above the unit's strongest photo; to silence, below its weakest" in first
    end = "did not: at the end, after 150 generations, at most"
    assert others == [
        f"Far at pixels, 2 of 2 {end} 62 % were there; 0 of the images shown beat every photo.",
        f"Far at Layer3, 1 of 2 {end} 80 % were there; the image shown beats every photo.",
        f"Near at pixels, 1 of 1 {end} 0 % were there; the image shown silences the unit.",
    ]


def test_what_does_not_silence_says_how_much_it_takes():
    (_, weak) = goal_sentences([row("adversarial", "pixels", cell("adversarial", reached=3))])
    assert weak.endswith("6 % were there; the image shown does not: it loses 23 % of the activity.")
    known = [cell(beyond=True), cell(beyond=True), cell()]
    ends = [goal_sentences([row("invariance", "pixels", *known[:n])])[1] for n in (2, 3)]
    assert ends[0].endswith("the images shown beat every photo.")
    assert ends[1].endswith("2 of the images shown beat every photo.")


def test_all_met_is_one_sentence_and_without_a_rule_there_is_none():
    met = row("invariance", "pixels", cell(status="stopped"))
    assert len(goal_sentences([met])) == 1
    aimless = cell()
    aimless["record"].settings.stop = {"rule": "never"}
    assert goal_sentences([row("invariance", "pixels", aimless)]) == []


def test_a_twin_is_told_by_its_front():
    met, missed, far = cell(status="stopped"), cell(beyond=True), cell()
    for own in (met, missed, far):
        own["record"].settings.stop = FrontReaches(10.0, "above", growth=0.02).describe()
    first, other = goal_sentences([row("invariance", "pixels", met, missed, far)])
    goal = "a settled front with an image above the unit's strongest photo."
    assert first == f"1 of 3 searches met the goal: {goal}"
    assert "the front had not settled; 1 of the images shown beats every photo." in other
    assert "settled" not in goal_sentences([row("invariance", "pixels", far)])[1]
    far["reduction"] = -4.6
    told = goal_sentences([row("invariance", "pixels", far)])[1]
    assert "it drives the unit 5 % more than the reference does" in told


@pytest.mark.parametrize("population", [8, 10, 32, 50, 100])
def test_the_share_is_that_of_the_images_which_the_rule_saw(population):
    stream = np.random.default_rng(population)
    monitor, name = StoppingMonitor(population), "run"
    run = SimpleNamespace(name=name, stop=RULE, milestone=RULE)
    monitor.begin(run, {})
    monitor._milestones[name] = None
    journal = []
    for generation in range(1, 9):
        progress = monitor.progress(name, generation, stream.normal(10, 1, population))
        reached = RULE.reached(progress.activations)
        journal.append({"generation": generation, "told": population, "reached": reached})
        monitor.update(run, progress, None, 0)
        own = cell(population=population)
        own["record"].journal = list(journal)
        told = goal_sentences([row("invariance", "pixels", own)])[1]
        assert f"at most {100 * reached / len(progress.activations):.0f} % were" in told


@pytest.mark.parametrize(
    ("task", "kinds", "does"), [("invariance", 2, "keep"), ("adversarial", 1, "lose")]
)
def test_cells_and_kinds_that_a_search_fills_are_counted(task, kinds, does):
    """Of 2 × 2 kinds two keep half, one of them at two distances, and another loses half."""
    front = pd.DataFrame({"stretch": range(5), "activation": [9.0, 6.0, 8.0, 1.0, 9.0]})
    front = front.assign(light=[0.1, 0.2, 1.0, 0.4, np.nan], tint=[0.0, 1.5, 5.0, 3.0, 1.0])
    cells = [["light", 0.0, 1.0, 2], ["tint", 0.0, 4.0, 2]]
    settings = SimpleNamespace(strategy={"cells": cells}, task=task)
    activity = {"reference_activity": torch.tensor([10.0])}
    run = SimpleNamespace(settings=settings, front=front, tensors=activity, path=Path("x/own"))
    plain = SimpleNamespace(settings=SimpleNamespace(strategy={"name": "isotropic"}))
    (told,) = cell_notes([run, plain])
    assert "own fills cells: its front holds the best image of each of 5 cells" in told
    assert f"of {kinds} of 4 kinds of light × tint {does} half" in told
    for lacking in (
        {"front": front[["activation"]]},
        {"tensors": dict.fromkeys(activity, -run.tensors["reference_activity"])},
    ):
        (told,) = cell_notes([SimpleNamespace(**(vars(run) | lacking))])
        assert told.endswith("of distance × light × tint.")
