"""Distance, activity and convergence of made-up runs whose means are known."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from invariscope.analysis.affine import affine_distance
from invariscope.analysis.distance import (
    beside_affine,
    distance_activation,
    silencing_beside_invariance,
)
from invariscope.analysis.searches import convergence, site_of


def runs(**columns):
    base = {
        "condition": "invariance",
        "subject": "net",
        "task": "invariance",
        "site": "pixels",
        "subset": None,
        "unit": ["fc:0", "fc:0", "fc:1", "fc:1"],
        "pixel_distance": [10.0, 20.0, 30.0, 50.0],
        "activation": [8.0, 6.0, 2.0, 2.0],
        "reference_activity": [10.0, 10.0, 4.0, 4.0],
        "reduction": [20.0, 40.0, 50.0, 50.0],
        "natural_sd": [2.0, 2.0, 1.0, 1.0],
        "converged": [True, True, False, True],
        "milestone": [True, True, False, True],
        "generations": [10, 20, 30, 40],
    }
    return pd.DataFrame(base | columns)


AFFINE = pd.DataFrame(
    {
        "subject": "net",
        "unit": ["fc:0", "fc:1", "fc:0", "fc:1"],
        "kind": "rotation",
        "strength": [0.0, 0.0, 45.0, 45.0],
        "distance": [0.0, 0.0, 30.0, 50.0],
        "activation": [10.0, 4.0, 2.0, 0.8],
        "reference": [10.0, 4.0, 10.0, 4.0],
        "reduction": [0.0, 0.0, 80.0, 80.0],
    }
)


def test_means_and_spreads_are_over_units():
    row = distance_activation(runs()).to_dict("records")[0]
    assert (row["units"], row["with_reduction"]) == (2, 2)
    assert row["distance"] == pytest.approx((15 + 40) / 2)
    assert row["distance_sd"] == pytest.approx(np.std([15, 40], ddof=1))
    assert row["reduction"] == pytest.approx((30 + 50) / 2)
    assert row["loss"] == pytest.approx(((1 + 2) / 2 + 2) / 2)  # in SDs: (10 − 8) / 2, …
    assert np.isnan(row["share"])


def test_a_missing_reduction_leaves_its_unit_out_and_is_counted():
    table = runs(reduction=[20.0, 40.0, np.nan, np.nan], possible=100.0)
    row = distance_activation(table).to_dict("records")[0]
    assert (row["units"], row["with_reduction"]) == (2, 1)
    assert row["reduction"] == pytest.approx(30)
    assert row["share"] == pytest.approx(0.275)


def test_affine_copies_stand_beside_and_are_compared_at_the_same_loss():
    summary = distance_activation(runs(), AFFINE)
    copies = summary[summary["series"] == "rotation"]
    assert list(copies["distance"]) == [0.0, 40.0]
    assert copies["loss"].iloc[1] == pytest.approx((8 / 2 + 3.2 / 1) / 2)
    row = beside_affine(summary).to_dict("records")[0]
    # The mean curve goes from (0, 0 %) to (40, 80 %): a loss of 40 % is met at 20.
    assert (row["reduction"], row["distance"]) == (40, 27.5)
    assert row["affine"] == pytest.approx(20)
    assert affine_distance(AFFINE.iloc[[0, 2]], 90.0) == 30


def test_silencing_images_stand_beside_the_invariant_ones_of_the_same_units():
    """Unit 0: two invariant runs, one silencing; unit 1 has no silencing run and does not count."""
    silent = runs(task="adversarial", pixel_distance=5.0, reduction=95.0).iloc[:2]
    more = runs(task="adversarial", unit="fc:2", pixel_distance=9.0, reduction=70.0).iloc[:1]
    third = runs(unit="fc:2", pixel_distance=19.0, reduction=10.0).iloc[:1]
    found = silencing_beside_invariance(pd.concat([runs(), silent, more, third]))
    (row,) = found.to_dict("records")
    assert (row["compared"], row["site"]) == (2, "pixels")
    pairs = {"more_lost": [95 - 30, 70 - 10], "farther": [15 - 5, 19 - 9]}
    for name, values in pairs.items():
        assert row[name] == pytest.approx(np.mean(values))
        assert row[f"{name}_sd"] == pytest.approx(np.std(values, ddof=1))
    assert not len(silencing_beside_invariance(runs()))


def test_convergence_counts_runs_whose_rule_fired():
    row = convergence(runs()).to_dict("records")[0]
    assert (row["count"], row["converged"], row["share"]) == (4, 3, 0.75)
    assert (row["target"], row["generations"], row["milestone"]) == ("fc", 25, 0.75)
    # Wilson's interval in closed form.
    z, n, p = norm.ppf(0.975), 4, 0.75
    middle = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    assert (row["low"], row["high"]) == pytest.approx((middle - half, middle + half))


def test_searches_for_meis_have_no_rule():
    assert len(convergence(runs(task="excitation"))) == 0
    assert site_of("layer3.0.conv1:1+fc:2") == "layer3.0.conv1"
