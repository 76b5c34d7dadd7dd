"""Kinds of image: the best member of each cell of the measures."""

from types import SimpleNamespace

import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given

import invariscope as iv
from invariscope.errors import InputError
from invariscope.experiments.front_choice import choose, undominated
from invariscope.experiments.image_kinds import KEPT, kinds
from invariscope.experiments.pictures import MOST
from invariscope.report.album import Album, pictured
from invariscope.report.kind_grid import kind_grid
from invariscope.testing.toys import ToyGenerator, ToySubject

MEASURES = [["light", 0.0, 1.0, 2], ["tint", -1.0, 1.0, 3]]


def run_settings(task="invariance", cells=MEASURES):
    return SimpleNamespace(task=task, strategy={"name": "twin", "cells": cells})


def slow(front, task, reference):
    """Each kind's best member, found member by member."""
    best = {}
    for row, member in front.iterrows():
        place = []
        for name, low, high, cells in MEASURES:
            edges = np.linspace(low, high, cells + 1)[1:-1]
            place.append(int(np.sum(member[name] >= edges)))
        kept = member["activation"] / reference
        good = kept <= KEPT if task == "adversarial" else kept >= KEPT
        if not good or np.isnan(member[["light", "tint"]].to_numpy(float)).any():
            continue
        sign = -1 if task == "adversarial" else 1
        known = best.get(tuple(place))
        if known is None or sign * member["stretch"] > sign * front["stretch"][known]:
            best[tuple(place)] = row
    return best


numbers = st.integers(-8, 12).map(lambda n: n / 7)
members = st.tuples(
    st.integers(0, 100).map(float), numbers, st.one_of(numbers, st.just(np.nan)), numbers
)


@pytest.mark.parametrize("task", ["invariance", "adversarial"])
@given(st.lists(members, min_size=1, max_size=30, unique_by=lambda member: member[0]))
def test_kinds_are_those_of_a_search_member_by_member(task, drawn):
    front = pd.DataFrame(drawn, columns=["stretch", "light", "tint", "activation"])
    assert kinds(front, run_settings(task), 1.3) == slow(front, task, 1.3)


def test_no_kinds_without_cells_measures_or_a_positive_reference():
    front = pd.DataFrame({"stretch": [1.0], "activation": [1.0], "light": [0.0], "tint": [0.0]})
    assert kinds(front, run_settings(), 1.0) == {(0, 1): 0}
    for lacking in (-1.0, 0.0, float("nan")):
        assert kinds(front, run_settings(), lacking) is None
    assert kinds(front.drop(columns="tint"), run_settings(), 1.0) is None
    assert kinds(front, run_settings(cells=None), 1.0) is None


def test_every_kind_has_a_picture_and_a_place_in_the_report(tmp_path):
    """Also where a front has more kinds than it otherwise gets pictures."""
    subject, generator = ToySubject(torch.ones(1, 3, 4, 4)), ToyGenerator(4)
    reference = iv.image_reference(torch.full((3, 4, 4), 0.5), 4)
    options = iv.SearchOptions(
        strategy="twin:codes?cells=luminance,red_green,contrast", population=60, generations=2
    )
    found = iv.stretch_and_squeeze(
        subject, generator, "linear:0", reference=reference, options=options, out=tmp_path
    )
    (record,) = found.runs
    best = kinds(record.front, record.settings, float(record.tensors["reference_activity"].mean()))
    assert best is not None
    assert set(best.values()) <= set(pictured(record))
    assert len(record.front) > MOST
    grid = kind_grid(record, Album([record]))
    assert grid is not None
    assert (grid["down"], grid["across"], grid["others"]) == (
        "luminance",
        "red_green",
        ["contrast"],
    )
    assert grid["rows"][0]["label"] == "0.8 to 1"
    assert grid["columns"][0] == "-0.3 to -0.15"
    for place, line in enumerate(reversed(grid["rows"])):
        for across, shown in enumerate(line["cells"]):
            own = [row for kind, row in best.items() if kind[:2] == (place, across)]
            assert (shown is None) == (not own)
            if own:
                assert shown["distance"] == record.front["pixel_distance"].iloc[own].max()
    page = iv.write_report(tmp_path).read_text()
    assert f"Kinds of image, seed 0: {grid['filled']} of 20" in page


@given(st.lists(st.tuples(*[st.integers(0, 6).map(float)] * 2), min_size=1, max_size=20))
@pytest.mark.parametrize("task", ["invariance", "adversarial"])
def test_members_that_no_other_is_better_than(task, drawn):
    """Of a search that fills cells the knee is one of these, never an image left far behind."""
    front = pd.DataFrame(drawn, columns=["stretch", "squeeze"]).sort_values("stretch")
    front = front.reset_index(drop=True).assign(activation=1.0)
    sign = 1 if task == "invariance" else -1
    costs = np.stack([-sign * front["stretch"], sign * front["squeeze"]], 1)
    kept = [
        k
        for k, own in enumerate(costs)
        if not any((other <= own).all() and (other < own).any() for other in costs)
    ]
    assert undominated(front, task).tolist() == kept
    settings = run_settings(task)
    settings.milestone = {"side": "above", "bound": 99.0}
    assert choose(front, settings, "knee") in kept


def test_grey_images_have_no_hue_and_nothing_is_searched(tmp_path):
    subject = iv.load_subject("embedded:standard")
    grey = iv.constrain_generator(iv.load_generator("embedded"), grey=True)
    reference = iv.image_reference(torch.full((3, 96, 96), 0.5), 96)
    for measure, words in (("hue", "has no meaning"), ("yellow_blue", "for every one of 8 random")):
        options = iv.SearchOptions(strategy=f"twin:codes?cells={measure}", generations=1)
        with pytest.raises(InputError, match=words):
            iv.stretch_and_squeeze(
                subject, grey, "fc:3", reference=reference, options=options, out=tmp_path / "runs"
            )
        with pytest.raises(InputError, match=words):  # nor is its most exciting image
            iv.run_experiment(
                subject,
                grey,
                "fc:3",
                [iv.ExperimentCondition("invariance", "pixels")],
                options=options,
                out=tmp_path / "runs",
            )
        assert not (tmp_path / "runs").exists()


def test_the_front_of_a_result_has_the_measures(tmp_path):
    subject, generator = ToySubject(torch.ones(1, 3, 4, 4)), ToyGenerator(4)
    reference = iv.image_reference(torch.full((3, 4, 4), 0.5), 4)
    options = iv.SearchOptions(strategy="twin:codes?cells=luminance", population=10, generations=1)
    found = iv.stretch_and_squeeze(
        subject, generator, "linear:0", reference=reference, options=options, out=tmp_path
    )
    assert found.front["luminance"].between(0, 1).all()
