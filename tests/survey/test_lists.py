"""Lists are balanced, repeat for their seed, and never show an image twice."""

from collections import Counter
from itertools import pairwise
from math import gcd

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from invariscope.errors import InputError
from invariscope.survey.design import parse_design
from invariscope.survey.lists import cells_of, trials_of, williams


def design_of(categories, per_condition, **settings):
    names = [f"class {k}" for k in range(categories)]
    return parse_design({"categories": names, "per_condition": per_condition, **settings})


@pytest.fixture(scope="module")
def surveys(make_stimuli):
    """Strategies of designs with their images."""

    @st.composite
    def draw(draw):
        categories, each = draw(st.integers(2, 7)), draw(st.integers(1, 3))
        cells = [("natural", "", "")]
        cells += [("invariance", f"s{k}", "net") for k in range(draw(st.integers(0, 4)))]
        n = draw(st.integers(1, categories * each))
        own = design_of(
            categories,
            n,
            practice=draw(st.integers(0, 4)),
            catch=draw(st.integers(0, 4)),
            seed=draw(st.integers(0, 3)),
        )
        return own, make_stimuli(cells, own.categories, each, practice=2)

    return draw()


@given(st.integers(1, 12))
def test_each_condition_follows_each_other_one_equally_often(n):
    rows = williams(n)
    assert all(sorted(row) == list(range(n)) for row in rows)
    for column in zip(*rows, strict=True):
        assert set(Counter(column).values()) == {len(rows) // n}
    follows = Counter(pair for row in rows for pair in pairwise(row))
    assert len(follows) == n * (n - 1)
    assert len(set(follows.values())) <= 1


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_a_list_shows_no_image_twice_and_each_condition_equally_often(surveys, data):
    design, stimuli = data.draw(surveys)
    number = data.draw(st.integers(0, 50))
    trials = trials_of(design, stimuli, number)
    assert trials == trials_of(design, stimuli, number)
    images = [trial.image for trial in trials if trial.image]
    assert len(set(images)) == len(images)
    by_name = {s.image: s for s in stimuli}
    assert all(by_name[t.image].category == t.category for t in trials if t.image)
    kinds = Counter(trial.kind for trial in trials)
    cells = {s.cell for s in stimuli if s.condition != "practice"}
    assert kinds["practice"] == design.practice
    assert kinds["catch"] == design.catch
    assert [t.kind for t in trials[: design.practice]] == ["practice"] * design.practice
    main = [by_name[t.image] for t in trials if t.kind == "trial"]
    for start in range(0, len(main), len(cells)):  # once in every round
        assert {s.cell for s in main[start : start + len(cells)]} == cells
    for cell in cells:
        shown = Counter(s.category for s in main if s.cell == cell)
        counts = [shown[c] for c in design.categories]
        assert sum(counts) == design.per_condition
        assert max(counts) - min(counts) <= 1


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_over_participants_each_image_is_shown_equally_often(surveys, data):
    design, stimuli = data.draw(surveys)
    circle = len(cells_of(design, stimuli)[0])
    people = circle // gcd(circle, design.per_condition)
    shown = Counter(
        trial.image
        for number in range(people)
        for trial in trials_of(design, stimuli, number)
        if trial.kind == "trial"
    )
    assert len(shown) == sum(s.condition != "practice" for s in stimuli)
    assert set(shown.values()) == {design.per_condition // gcd(circle, design.per_condition)}


def test_units_rotate_over_conditions_as_in_a_latin_square(make_stimuli):
    design = design_of(4, 1, practice=0, catch=0)
    cells = [("invariance", f"s{k}", "net") for k in range(4)]
    stimuli = make_stimuli(cells, design.categories, 1, practice=0)
    by_name = {s.image: s for s in stimuli}
    square = {}
    for number in range(4):
        for trial in trials_of(design, stimuli, number):
            square[number, by_name[trial.image].site] = trial.category
    for number in range(4):
        assert len({square[number, f"s{k}"] for k in range(4)}) == 4
        assert len({square[p, f"s{number}"] for p in range(4)}) == 4


def test_without_photos_for_practice_words_are_shown(make_stimuli):
    design = design_of(3, 2, practice=5, catch=0)
    trials = trials_of(design, make_stimuli(categories=design.categories, practice=0), 0)
    assert [t.image for t in trials[:5]] == [""] * 5
    assert {t.category for t in trials[:3]} == set(design.categories)


def test_too_few_images_are_refused(make_stimuli):
    design = design_of(3, 7)
    with pytest.raises(InputError, match="has 6 images; a participant is to see 7"):
        trials_of(design, make_stimuli(categories=design.categories), 0)
