"""Figures of studies of networks say what they show."""

import pandas as pd
import pytest

from invariscope import plot
from invariscope.report.network_figures import _panels

QUADRANTS = pd.DataFrame({"quadrant": ["I", "II", "III", "IV"], "share": [0.4, 0.9, 0.1, 0.6]})


@pytest.mark.parametrize(
    ("counts", "title"), [([2, 20], "no r: too few counts"), ([2, 5, 9], "r =")]
)
def test_a_correlation_of_too_few_counts_is_told_in_words(counts, title):
    rows = [
        {
            "trained": "blur",
            "count": c,
            "seed": s,
            "across": 0.1 * c + s,
            "invariance_unseen": c + s,
        }
        for s in range(2)
        for c in counts
    ]
    axes = plot.invariance_accuracy(pd.DataFrame(rows), "across", "invariance_unseen")
    assert axes.get_title().startswith(title)
    assert "nan" not in axes.get_title()


def test_layers_are_told_apart_by_their_names():
    sites = [f"network.blocks.{k}.mlp.act" for k in range(3)]
    means = pd.DataFrame({"site": sites, "mean": [0.8, 0.5, 0.4], "group": "all"})
    axes = plot.layer_by_layer(means.assign(transformation="blur", trained="blur", count=2), "blur")
    names = [label.get_text() for label in axes.get_xticklabels()]
    assert names == [f"blocks.{k}.mlp.act" for k in range(3)]


def test_counts_are_whole_numbers_also_where_one_count_has_a_value():
    table = pd.DataFrame({"trained": "blur", "count": [8, 40], "across": [0.3, None], "seed": 0})
    for shown in (table, table[:1]):
        axes = plot.against_count(shown, "across")
        assert axes.get_xticks().tolist() == shown["count"].tolist()
        low, high = axes.get_xlim()
        assert low < 8 <= shown["count"].max() < high
    close = pd.concat([table[:1], table.assign(count=[39, 40])])
    assert plot.against_count(close, "across").get_xticks().tolist() == [8, 40]


def test_figures_of_nothing_measured_are_empty():
    table = pd.DataFrame({"trained": "blur", "count": [8], "across": 0.3, "seed": 0})
    axes = plot.against_count(table[:0], "across", names=["blur"])
    assert axes.get_xlabel() == "categories seen transformed"
    quadrants = QUADRANTS.assign(trained="blur", count=8)
    assert not any(len(line.get_xdata()) for line in plot.confusion(quadrants, "hue").lines)


def test_a_count_alone_is_a_mark():
    axes = plot.confusion(QUADRANTS.assign(trained="blur", count=8), "blur")
    assert {line.get_marker() for line in axes.lines} == {"o", "s"}
    assert axes.get_xticks().tolist() == [8]


@pytest.mark.parametrize("names", [["blur"], ["blur", "hue", "thinning", "scale"]])
def test_panels_with_the_same_legend_share_it_below(names):
    every = pd.concat([QUADRANTS.assign(trained=name, count=8) for name in names])
    figure = _panels(names, (3.4, 2.8), lambda name, ax: plot.confusion(every, name, ax))
    figure.draw_without_rendering()
    assert [ax.get_legend() for ax in figure.axes] == [None] * len(names)
    (shared,) = figure.legends
    box = shared.get_window_extent()
    assert figure.bbox.x0 <= box.x0 < box.x1 <= figure.bbox.x1
    assert all(box.y1 <= ax.get_tightbbox().y0 + 1 for ax in figure.axes)


def test_panels_with_legends_of_their_own_keep_them():
    table = pd.DataFrame({"trained": ["blur", "hue"], "count": 8, "within": 0.3})
    figure = _panels(
        ["blur", "hue"],
        (3.4, 2.8),
        lambda name, ax: plot.against_count(table, "within", names=[name], ax=ax),
    )
    assert all(ax.get_legend() for ax in figure.axes)
    assert not figure.legends


def test_every_bar_of_an_ablation_has_its_number_and_none_lies_under_the_legend():
    row = {"transformation": "hue", "shown": "transformed", "threshold": "tau 0.1"}
    kinds = {"nothing": 0.9, "inactive": 0.89, "active": 0.0}
    axes = plot.ablation(
        pd.DataFrame([{**row, "ablated": k, "accuracy": a} for k, a in kinds.items()])
    )
    axes.figure.draw_without_rendering()
    assert [text.get_text() for text in axes.texts] == ["90", "89", "0"]
    assert axes.get_legend().get_window_extent().x0 >= axes.get_window_extent().x1
