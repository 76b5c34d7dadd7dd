"""Cells: their numbers, their best images and the way to them; a twin search that fills them."""

import math

import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from invariscope.errors import InputError
from invariscope.search.strategies import Cells, Measure, Twin, load_strategy, without_cells
from invariscope.search.strategies.twin_cells import MEASURES

CELLS = Cells.named(["luminance", "hue"])
ANY = st.floats(-0.5, 1.5, allow_nan=False, width=32)


def flat(*rgb):
    return torch.tensor(rgb).float().view(1, 3, 1, 1).expand(1, 3, 4, 4)


@pytest.mark.parametrize(
    ("rgb", "turn"),
    [
        ((1, 0, 0), 0),
        ((1, 1, 0), 1 / 6),
        ((0, 1, 0), 1 / 3),
        ((0, 0, 1), 2 / 3),
        ((1, 0, 1), 5 / 6),
    ],
)
def test_hue_is_the_angle_of_the_colour_circle(rgb, turn):
    measured = float(MEASURES["hue"].of(flat(*rgb))[0])
    assert min(abs(measured - turn), 1 - abs(measured - turn)) == pytest.approx(0, abs=1e-6)


def test_a_grey_image_has_no_hue_and_is_in_no_cell():
    measured = CELLS.measured(flat(0.4, 0.4, 0.4))
    assert measured[0, 0] == pytest.approx(0.4)
    assert math.isnan(measured[0, 1])
    cell = CELLS.inside(CELLS.places(torch.tensor([0.5]), measured))
    assert CELLS.numbers(cell).tolist() == [-1]
    aim = torch.tensor([[1, 2, 3]])
    assert CELLS.outside(CELLS.places(torch.tensor([0.3]), measured), aim) >= 1


@pytest.mark.parametrize(
    ("name", "rgb", "value"),
    [
        ("luminance", (1, 0, 0), 0.2126),
        ("luminance", (0.5, 0.5, 0.5), 0.5),
        ("red_green", (0.7, 0.2, 0.9), 0.5),
        ("yellow_blue", (0.6, 0.4, 0.1), 0.4),
        ("contrast", (0.3, 0.8, 0.1), 0.0),
    ],
)
def test_measures_of_a_flat_image_are_its_colours(name, rgb, value):
    assert float(MEASURES[name].of(flat(*rgb))[0]) == pytest.approx(value, abs=1e-6)


@given(st.lists(st.tuples(ANY, ANY, ANY), min_size=1, max_size=20), st.data())
def test_an_image_is_outside_every_cell_but_its_own(rows, data):
    values = torch.tensor(rows).double()
    places = CELLS.places(values[:, 0], values[:, 1:])
    cell = CELLS.inside(places)
    # hue closes on itself: its range is taken as it is measured, in [0, 1)
    within = (values[:, 2] >= 0) & (values[:, 2] < 1)
    assert bool((CELLS.outside(places, cell)[within] < 1e-9).all())
    axis = data.draw(st.integers(0, 2))
    beside = cell.clone()
    beside[:, axis] = (beside[:, axis] + 1) % CELLS.axes[axis].cells
    inner = places[:, axis] - places[:, axis].floor()
    clear = within & (inner > 1e-6) & (inner < 1 - 1e-6)
    assert bool((CELLS.outside(places, beside)[clear] > 0).all())


@given(
    st.lists(
        st.tuples(st.integers(-1, 5), st.floats(-2, 2, allow_nan=False, width=32)),
        min_size=1,
        max_size=30,
    )
)
def test_the_best_of_each_cell_is_that_of_a_slow_grouping(rows):
    number, quality = (torch.tensor(column) for column in zip(*rows, strict=True))
    table = pd.DataFrame({"cell": number.numpy(), "quality": quality.numpy()})
    slow = table[table["cell"] >= 0].groupby("cell")["quality"].idxmax()
    assert CELLS.best(number, quality).tolist() == slow.tolist()


def test_steps_end_at_the_ends_of_the_grid_and_go_round_the_hues():
    cell, steps = torch.tensor([[3, 0, 5], [0, 4, 0]]), torch.tensor([[1, -1, 1], [1, 1, -1]])
    assert CELLS.near(cell, steps).tolist() == [[3, 0, 0], [1, 4, 5]]


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("isotropic?cells=hue", "behind 'twin' alone"),
        ("twin?cells=hue,hue", "each once"),
        ("twin?cells=", "measure"),
        ("twin?cells=shape", "measure"),
        ("twin?cells=distance", "measure"),
        ("twin?cell=hue", r"expected \?cells= and measures"),
    ],
)
def test_wrong_cells_are_refused_in_a_sentence(address, says):
    with pytest.raises(InputError, match=says):
        load_strategy(address)


def test_a_measure_of_ones_own_is_told_by_its_name_and_range():
    red = Measure("red", 0, 1, 4, lambda images: images[:, 0].mean((1, 2)))
    cells = Cells((red,))
    assert cells.describe() == [["red", 0, 1, 4]]
    assert cells.count == 16
    assert load_strategy("twin:codes?cells=luminance,hue").describe()["cells"] == CELLS.describe()
    assert "cells" not in load_strategy("twin").describe()
    with pytest.raises(InputError, match="high of red"):
        Measure("red", 1, 1, 4, red.of)


def test_a_most_exciting_image_is_one_image_and_fills_no_cells():
    assert without_cells("twin:codes?cells=hue") == "twin:codes"
    assert without_cells(Twin(cells=CELLS)) == Twin()
    assert without_cells("isotropic") == "isotropic"
