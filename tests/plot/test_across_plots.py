"""Figures of studies of networks say what they show."""

import pandas as pd
import pytest

from invariscope import plot


@pytest.mark.parametrize(
    ("counts", "title"), [([2, 20], "r needs more counts"), ([2, 5, 9], "r =")]
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
