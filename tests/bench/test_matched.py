"""Invariant images beside affine copies whose curves are known."""

import numpy as np
import pandas as pd
import pytest

from bench.matched import (
    NONE_LOSES,
    NONE_SO_FAR,
    UNKNOWN,
    distance_at,
    matched_affine,
    reduction_at,
)


def curve(kind, strengths, distances, reductions, unit="fc:0"):
    return pd.DataFrame(
        {
            "subject": "net",
            "unit": unit,
            "kind": kind,
            "strength": strengths,
            "distance": distances,
            "reduction": reductions,
        }
    )


COPIES = pd.concat(
    [
        curve("rotation", [0, 45, 90], [0.0, 10, 8], [0.0, 40, 20]),  # it comes back half-way
        curve("scale", [0.5, 1.0], [30.0, 0], [60.0, 0]),  # strength 1 is the image itself
    ],
    ignore_index=True,
)


def test_the_farthest_copy_of_the_same_loss():
    assert distance_at(COPIES, 30) == pytest.approx(15)  # scale; rotation has it at 7.5 and 9
    assert distance_at(COPIES.iloc[:3], 30) == pytest.approx(9)
    assert distance_at(COPIES.iloc[:3], 40) == 10


@pytest.mark.parametrize("lost", [0.0, -5.0, 61.0])
def test_the_image_itself_and_losses_that_no_copy_has_do_not_count(lost):
    assert np.isnan(distance_at(COPIES, lost))


def test_the_least_loss_at_a_distance():
    assert reduction_at(COPIES, 9) == pytest.approx(18)  # rotation: 36 and, behind, 30; scale: 18
    assert reduction_at(COPIES.iloc[:3], 9) == pytest.approx(30)
    assert np.isnan(reduction_at(COPIES, 31))


def test_each_run_is_matched_with_its_own_units_copies_and_every_gap_has_its_reason():
    other = curve("rotation", [0, 90], [0.0, 100], [0.0, 100], unit="fc:1")
    runs = pd.DataFrame(
        [
            ("fc:0", 0, "invariance", "pixels", 60.0, 30.0),
            ("fc:0", 1, "invariance", "pixels", 60.0, -2.0),
            ("fc:1", 0, "invariance", "pixels", 50.0, 20.0),
            ("fc:1", 1, "invariance", "pixels", 50.0, np.nan),
            ("fc:1", 0, "invariance", "deep", 50.0, 20.0),
            ("fc:1", 0, "adversarial", "pixels", 5.0, 120.0),
        ],
        columns=["unit", "seed", "task", "site", "pixel_distance", "reduction"],
    ).assign(subject="net")
    found = matched_affine(runs, pd.concat([COPIES, other], ignore_index=True))
    assert list(found["ratio"].fillna(-1)) == pytest.approx([4, -1, 2.5, -1])
    assert list(found["why"]) == ["", NONE_LOSES, "", UNKNOWN]
    assert list(found["affine_reduction"].fillna(-1)) == pytest.approx([-1, -1, 50, -1])
    assert list(found["why_not"]) == [NONE_SO_FAR, NONE_SO_FAR, "", UNKNOWN]
