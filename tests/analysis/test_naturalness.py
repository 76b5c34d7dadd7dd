"""Percentiles and distances whose values are known in closed form."""

import numpy as np
import pandas as pd
import pytest
import torch

from invariscope.analysis.layers import between, layer_distances, over_units, to_one
from invariscope.analysis.naturalness import distribution, naturalness, percentile, sample
from invariscope.analysis.searches import subsets
from invariscope.errors import InputError


def test_percentiles_of_a_sample_are_its_ranks():
    known = sample([0.0, 1.0, 2.0, 3.0, 4.0])
    assert percentile([-1, 0, 1, 2.5, 4, 9], known) == pytest.approx([0, 0, 25, 62.5, 100, 100])


def test_a_floor_that_many_share_has_its_highest_rank():
    known = sample([0.0, 0.0, 0.0, 0.0, 1.0])
    assert percentile([-0.1, 0.0, 1.0], known) == pytest.approx([0, 75, 100])


def test_percentiles_of_stored_statistics_are_exact_for_a_uniform_unit():
    ranks = (1.0, 25.0, 50.0, 99.0)
    row = {"minimum": 0.0, "maximum": 100.0, **{f"p{q:g}": q for q in ranks}}
    known = distribution(row, ranks)
    assert percentile([0.5, 37.0, 99.5, 200.0], known) == pytest.approx([0.5, 37, 99.5, 100])


def runs():
    return pd.DataFrame(
        {
            "subject": "net",
            "task": ["invariance", "invariance", "adversarial"],
            "site": "pixels",
            "unit": "fc:0",
            "activation": [6.0, 10.0, -1.0],
            "reference_activity": 12.0,
            "reference_id": "a",
            "natural_maximum": 8.0,
        }
    )


def test_activity_over_the_natural_maximum_beside_photos():
    photos = pd.DataFrame(
        {
            "subject": "net",
            "unit": "fc:0",
            "same_class": [True, False, False],
            "activation": [8.0, 0.0, 4.0],
        }
    )
    table = naturalness(runs(), {("net", "fc:0"): sample(np.linspace(0, 8, 81))}, photos)
    rows = table.set_index("series")
    assert rows.loc["reference", "over_maximum"] == pytest.approx(1.5)
    assert rows.loc["invariance", "over_maximum"] == pytest.approx(1.0)
    assert rows.loc["invariance", "above_maximum"] == pytest.approx(0.5)
    assert rows.loc["invariance", "percentile"] == pytest.approx((75 + 100) / 2)
    assert rows.loc["adversarial", "percentile"] == 0
    assert rows.loc["same class", "over_maximum"] == pytest.approx(1)
    assert rows.loc["other classes", "percentile"] == pytest.approx(25)


def test_without_a_natural_distribution_percentiles_are_missing():
    table = naturalness(runs(), {})
    assert table["percentile"].isna().all()
    assert list(table["series"]) == ["reference", "invariance", "adversarial"]


def test_distances_between_points():
    points = torch.tensor([[0.0, 0.0], [3.0, 4.0], [0.0, 0.0]])
    assert between(points) == pytest.approx((5 + 0 + 5) / 3)
    assert to_one(points[0], points) == pytest.approx(5 / 3)
    assert np.isnan(between(points[:1]))


@pytest.fixture
def shades(subject):
    """Grey images: at the site `pixels` two of them lie √(3·8·8) times their difference apart."""
    values = [0.5, 0.6, 0.7, 0.1, 0.2, 0.0, 0.1, 0.9, 1.0]
    images = torch.tensor(values)[:, None, None, None].expand(-1, 3, 8, 8).clone()
    labels = pd.DataFrame(
        {
            "kind": ["reference", "invariant", "invariant", "mei", "mei", *["natural"] * 4],
            "unit": ["u"] * 5 + [None] * 4,
            "site": ["", "deep", "deep", "", "", *[""] * 4],
            "class": ["a"] * 5 + ["a", "a", "b", "b"],
        }
    )
    return images, labels


def test_distances_through_a_layer_over_those_of_natural_images(subject, shades):
    images, labels = shades
    table = layer_distances(subject, images, labels, ["pixels", "features"])
    rows = table[table["layer"] == "pixels"].set_index("pair")
    unit = np.sqrt(3 * 64)
    assert rows.loc["reference ↔ invariant", "distance"] == pytest.approx(0.15 * unit, rel=1e-5)
    assert rows.loc["reference ↔ invariant", "relative"] == pytest.approx(1.5, rel=1e-5)
    assert rows.loc["invariant ↔ invariant", "relative"] == pytest.approx(1.0, rel=1e-5)
    assert rows.loc["MEI ↔ MEI", "relative"] == pytest.approx(1.0, rel=1e-5)
    mean = over_units(table)
    assert list(dict.fromkeys(mean["layer"])) == ["pixels", "features"]
    assert set(mean["units"]) == {1}


def test_a_unit_whose_class_has_no_photos_takes_the_mean_of_classes(subject, shades):
    images, labels = shades
    labels["class"] = labels["class"].where(labels["kind"] == "natural", "unknown")
    table = layer_distances(subject, images, labels, ["pixels"])
    assert table.set_index("pair").loc["MEI ↔ MEI", "relative"] == pytest.approx(1, rel=1e-5)
    with pytest.raises(InputError, match="give a folder"):
        layer_distances(subject, images[:5], labels[:5], ["pixels"])


def test_subsets_beside_the_whole_site():
    table = pd.DataFrame(
        {
            "task": "invariance",
            "subject": "net",
            "site": "deep",
            "unit": ["u", "v", "u", "u", "v"],
            "subset": pd.array([None, None, 100, 100, 100], dtype="Int64"),
            "draw": pd.array([None, None, 0, 1, 0], dtype="Int64"),
            "pixel_distance": [10.0, 20.0, 5.0, 15.0, 30.0],
            "reduction": [10.0, 10.0, 20.0, 20.0, 20.0],
            "full_stretch": [4.0, 4.0, 2.0, 2.0, 1.0],
            "converged": [True, False, True, True, True],
        }
    )
    keys = {"subject": "net", "site": "deep"}
    meis = pd.DataFrame([{**keys, "unit": "u", "apart": 0.5}, {**keys, "unit": "v", "apart": 4.0}])
    found = subsets(table, {"mei": meis, "pixel": meis[:1]})
    rows = found.set_index(found["entries"].fillna(0))
    small = rows.loc[100]
    assert (small["draws"], small["count"], small["units"]) == (2, 3, 2)
    assert small["pixel_distance"] == pytest.approx(20)
    assert small["pixel_distance_ratio"] == pytest.approx((1 + 1.5) / 2)
    assert small["full_stretch_ratio"] == pytest.approx((0.5 + 0.25) / 2)
    assert small["full_stretch_ratio_sd"] == pytest.approx(np.std([0.5, 0.25], ddof=1))
    assert small["mei_ratio"] == pytest.approx((2 / 0.5 + 1 / 4) / 2)
    assert (small["pixel_ratio"], small["pixel_ratio_units"]) == (2 / 0.5, 1)
    assert small["converged"] == 1
    assert rows.loc[0, "pixel_distance_ratio"] == 1
    alone = subsets(table[table["subset"].notna()].drop(columns="full_stretch"))
    assert alone["pixel_distance_ratio"].isna().all()
