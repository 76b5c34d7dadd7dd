"""What the figures show is what their tables say."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from invariscope import plot
from invariscope.plot.axes import points


def lines(ax):
    """Labelled lines with their numbers; bars' caps have no label."""
    shown = dict(zip(*reversed(ax.get_legend_handles_labels()), strict=True))
    return {name: handle.lines[0].get_ydata() for name, handle in shown.items()}


def ends(ax, group):
    """The lower and upper ends of a group's bars."""
    handles = dict(zip(*reversed(ax.get_legend_handles_labels()), strict=True))
    segments = handles[group].lines[2][0].get_segments()
    return np.array([[low[1], high[1]] for low, high in segments])


TABLE = pd.DataFrame(
    {
        "x": ["a", "b", "a", "b"],
        "y": [1.0, 2.0, 3.0, 4.0],
        "group": ["one", "one", "two", "two"],
        "sd": [0.5, np.nan, 0.1, 0.2],
        "low": [0.0, 1.0, 2.0, 3.0],
        "high": [2.0, 4.0, 3.5, 9.0],
    }
)


def test_points_bars_and_order():
    ax = points(TABLE, "x", "y", "group", order=["b", "a"], sd="sd")
    assert lines(ax)["one"].tolist() == [2, 1]  # b stands first
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["b", "a"]
    assert ends(ax, "one") == pytest.approx(np.array([[2, 2], [0.5, 1.5]]))
    ax = points(TABLE, "x", "y", "group", ends=("low", "high"))
    assert ends(ax, "two") == pytest.approx(np.array([[2, 3.5], [3, 9]]))


def test_the_legend_of_many_groups_stands_beside_the_axes():
    many = pd.concat([TABLE.assign(group=f"group {k}") for k in range(6)])
    ax = points(many, "x", "y", "group")
    figure = ax.figure
    figure.draw_without_rendering()
    assert ax.get_legend().get_window_extent().x0 >= ax.get_window_extent().x1
    assert ax.get_legend().get_window_extent().x1 <= figure.bbox.x1


def test_the_axes_that_are_given_are_used():
    own = Figure().add_subplot()
    assert points(TABLE, "x", "y", "group", ax=own) is own


def test_distances_of_searched_images_and_copies():
    table = pd.DataFrame(
        {
            "series": ["invariance", "adversarial", "rotation", "rotation"],
            "site": ["pixels", "pixels", "", ""],
            "strength": [np.nan, np.nan, 45.0, 0.0],
            "distance": [30.0, 10.0, 20.0, 0.0],
            "distance_sd": 1.0,
            "reduction": [20.0, 110.0, 80.0, 0.0],
            "reduction_sd": [2.0, 3.0, np.nan, 0.0],
        }
    )
    shown = plot.mean_distance(table)
    names = shown.get_legend_handles_labels()[1]
    assert "affine copies: rotation" in names
    assert "invariance, stretched at pixels" in names
    handles = dict(zip(*reversed(shown.get_legend_handles_labels()), strict=True))
    path = handles["affine copies: rotation"].lines[0]
    assert path.get_xdata().tolist() == [0, 20]  # along the distance
    assert path.get_ydata().tolist() == [0, 80]
    controls = pd.DataFrame({"series": ["affine copies", "second MEIs"], "distance": [1.0, 60.0]})
    controls = controls.assign(distance_sd=np.nan, reduction=[2.0, -3.0], reduction_sd=1.0)
    shown = plot.mean_distance(table, controls=controls)
    handles = dict(zip(*reversed(shown.get_legend_handles_labels()), strict=True))
    assert "affine copies" not in handles  # `table` has them at every strength
    point = handles["second MEIs"].lines[0]
    assert (point.get_xdata().tolist(), point.get_ydata().tolist()) == ([60], [-3])


def test_separability_with_chance_and_control():
    table = pd.DataFrame(
        {
            "subject": "net",
            "scheme": ["grouped", "grouped", "stratified"],
            "class": ["all", "all", "all"],
            "components": [2, 10, 2],
            "accuracy": [0.6, 0.9, 0.99],
            "low": [0.5, 0.8, 0.9],
            "high": [0.7, 0.95, 1.0],
            "shuffled": [0.3, 0.35, 0.3],
            "chance": 1 / 3,
        }
    )
    ax = plot.separability(table)
    assert lines(ax)["net"].tolist() == [0.6, 0.9]
    assert ends(ax, "net") == pytest.approx(np.array([[0.5, 0.7], [0.8, 0.95]]))
    heights = [line.get_ydata()[0] for line in ax.lines if len(set(line.get_ydata())) == 1]
    assert any(height == pytest.approx(1 / 3) for height in heights)


def test_simulated_answers_are_called_so():
    table = pd.DataFrame(
        {
            "network": ["", "net"],
            "condition": ["natural", "invariance"],
            "site": ["", "pixels"],
            "accuracy": [0.9, 0.5],
            "low": [0.8, 0.4],
            "high": [0.95, 0.6],
            "chance": 0.1,
            "simulated": [False, True],
        }
    )
    assert plot.people(table).get_title(loc="left") == "simulated answers"
    assert not plot.people(table.assign(simulated=False)).get_title(loc="left")
    agreed = pd.DataFrame(
        {"observer": ["a"], "how": "pearson", "r": 0.5, "low": 0.1, "high": 0.8, "ceiling": 0.9}
    ).assign(simulated=True)
    ax = plot.agreement(agreed)
    assert ax.get_title(loc="left") == "simulated answers"
    assert any(line.get_ydata()[0] == 0.9 for line in ax.lines)


def test_appearance_is_a_table_of_colours():
    table = pd.DataFrame(
        {
            "task": "invariance",
            "site": ["pixels", "pixels", "deep", "deep"],
            "statistic": ["luminance", "layout"] * 2,
            "relative": [1.0, 0.2, 0.3, 0.8],
        }
    )
    ax = plot.appearance(table)
    assert ax.images[0].get_array().tolist() == [[1.0, 0.2], [0.3, 0.8]]
    assert [text.get_text() for text in ax.texts] == ["1.00", "0.20", "0.30", "0.80"]


def test_dimension_is_sorted_by_size_and_subsets_name_the_whole_site():
    table = pd.DataFrame(
        {
            "unit": ["u", "v"] * 2,
            "site": "pixels",
            "estimator": "two nearest",
            "points": [100, 100, 25, 25],
            "dimension": [4.0, 6.0, 2.0, 4.0],
        }
    )
    ax = plot.dimension(table)
    assert lines(ax)["pixels"].tolist() == [3, 5]
    some = pd.DataFrame(
        {"subject": "net", "site": "mid", "entries": [None, 100], "full_stretch": [2.0, 1.0]}
    )
    ax = plot.subsets(some)
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["all", "100"]


RECOGNISED = pd.DataFrame(
    {
        "task": ["invariance", "invariance", "MEI", "MEI"],
        "site": ["pixels", "pixels", None, None],
        "kind": ["robust", "standard"] * 2,
        "accuracy": [0.3, 1.0, 0.8, 0.9],
        "low": [0.1, np.nan, 0.7, 0.8],
        "high": [0.6, np.nan, 1.0, 1.0],
        "units": [6, 6, 9, 10],
    }
)


def test_a_kind_of_observer_has_one_colour_in_whatever_order_rows_come():
    def colours(table):
        handles, names = plot.recognition(table).get_legend_handles_labels()
        return {
            n: (h.lines[0].get_color(), h.lines[0].get_marker())
            for h, n in zip(handles, names, strict=True)
        }

    found = colours(RECOGNISED)
    assert colours(RECOGNISED[::-1]) == found
    assert len(set(found.values())) == 2
    alone = colours(RECOGNISED[RECOGNISED["kind"] == "robust"])
    assert alone == {"robust observers": found["robust observers"]}
    other = colours(pd.concat([RECOGNISED, RECOGNISED.assign(kind="another")])[::-1])
    assert {name: other[name] for name in found} == found


def test_conditions_of_recognition_name_their_units():
    ax = plot.recognition(RECOGNISED, order=["MEI", "invariance pixels"])
    names = [tick.get_text() for tick in ax.get_xticklabels()]
    assert names == ["MEI (9 to 10 units)", "invariance pixels (6 units)"]
    assert lines(ax)["robust observers"].tolist() == [0.8, 0.3]


def test_figures_say_what_their_bars_are():
    ax = plot.recognition(RECOGNISED)
    assert ax.get_xlabel() == "bars: 95 % intervals over units and observers; no bar: no interval"
    r = pd.DataFrame({"subject": "net", "site": ["pixels"], "r": 0.2, "low": -0.1, "high": 0.5})
    assert plot.displacement(r).get_xlabel() == "bars: 95 % intervals over units"
    cells = pd.DataFrame({"images": [1000, 2000], "cells": [4.0, 6.0], "cells_sd": 1.0})
    ax = plot.coverage(cells.assign(site="pixels", strategy="isotropic"))
    assert ax.get_xlabel() == "images shown\nbars: SD over units"
    places = pd.DataFrame({"place": [0.0, 1.0], "kept": 1.0, "sd": 0.1, "way": "straight"})
    assert plot.paths(places).get_xlabel().endswith("\nbars: SD over pairs of images")
    some = {"subject": "net", "site": "mid", "entries": [100.0], "full_stretch": 2.0}
    some = pd.DataFrame({**some, "converged": 0.5, "low": 0.2, "high": 0.8})
    assert "bars" not in plot.subsets(some).get_xlabel()  # it has none
    assert "bars: Wilson's 95 % intervals" in plot.subsets(some, "converged").get_xlabel()
