"""Recognition by kinds of observers, in worlds whose trends and differences are known."""

import numpy as np
import pandas as pd
import pytest

from invariscope.analysis.recognition import (
    recognition,
    recognition_slopes,
    robust_over_standard,
)

SITES = ("pixels", "mid", "deep")
BY_SOURCE = {"net": SITES, "net-r": SITES}
OBSERVERS = {"plain": "standard", "narrow": "standard", "plain-r": "robust", "narrow-r": "robust"}
KINDS = {**OBSERVERS, "net": "standard", "net-r": "robust"}
ROLES = {"net": "standard", "net-r": "robust"}


def world(slopes, gap=0.0, stream=None, units=10, each=1):
    """Answers whose chance of being right moves by `slopes[kind]` a site; `gap` is by source.

    `each`: as many observers in place of each that is no source.
    """
    stream = stream or np.random.default_rng(0)
    kinds = KINDS | {f"{o} {k}": kind for o, kind in OBSERVERS.items() for k in range(1, each)}
    rows = []
    for source in ("net", "net-r"):
        for observer, kind in kinds.items():
            for u in range(units):
                for place, site in enumerate(SITES):
                    p = 0.5 + slopes[kind] * (place - 1) + gap * (source == "net-r")
                    p = 1.0 if observer == source else p
                    row = {"source": source, "observer": observer, "kind": kind, "unit": f"fc:{u}"}
                    row |= {"own": observer == source, "task": "invariance", "site": site}
                    rows.append({**row, "restricted": stream.random() < p})
    return pd.DataFrame(rows)


def test_accuracy_is_the_mean_over_units_and_observers_other_than_the_source():
    answers = world({"standard": 0.2, "robust": -0.2})
    found = recognition(answers)
    row = found[
        (found["source"] == "net") & (found["kind"] == "standard") & (found["site"] == "deep")
    ].iloc[0]
    own = answers[answers["observer"].isin(["plain", "narrow"]) & (answers["source"] == "net")]
    assert row["accuracy"] == pytest.approx(own[own["site"] == "deep"]["restricted"].mean())
    assert (row["units"], row["observers"], row["images"]) == (10, 2, 10)
    assert row["low"] <= row["accuracy"] <= row["high"]
    assert set(found["kind"]) == {"standard", "robust", "all"}


@pytest.mark.parametrize(
    ("kind", "effect"), [("standard", 0.3), ("standard", 0.0), ("robust", -0.3)]
)
def test_a_trend_of_one_kind_of_observer_is_found_and_none_is_not_made_up(kind, effect):
    stream, beyond, slopes = np.random.default_rng(1), [], []
    for _ in range(30):
        answers = world({"standard": 0.0, "robust": 0.0} | {kind: effect}, stream=stream, each=3)
        found = recognition_slopes(answers, BY_SOURCE).set_index(["source", "kind"])
        row = found.loc[("net", kind)]
        slopes.append(row["slope"])
        beyond.append(int(row["low"] > 0) - int(row["high"] < 0))
    assert np.mean(slopes) == pytest.approx(effect, abs=0.05)
    if effect:
        assert np.mean(beyond) * np.sign(effect) > 0.75
    else:
        assert np.abs(beyond).mean() < 0.15


def test_opposite_trends_of_two_kinds_cancel_when_pooled_and_stand_when_apart():
    answers = world({"standard": 0.4, "robust": -0.4}, units=40, each=2)
    found = recognition_slopes(answers, BY_SOURCE).set_index(["source", "kind"])
    assert found.loc[("net", "standard"), "low"] > 0.2
    assert found.loc[("net", "robust"), "high"] < -0.2
    assert found.loc[("net", "all"), "low"] < 0 < found.loc[("net", "all"), "high"]


def test_the_slope_is_that_of_the_line_and_units_without_a_site_are_left_out():
    answers = world({"standard": 0.3, "robust": 0.0})
    gone = (answers["unit"] == "fc:0") & (answers["site"] == "mid") & (answers["source"] == "net")
    found = recognition_slopes(answers[~gone], BY_SOURCE).set_index(["source", "kind"])
    assert found.loc[("net", "standard"), "units"] == 9
    own = answers[(answers["source"] == "net") & (answers["unit"] != "fc:0")]
    means = own[own["observer"].isin(["plain", "narrow"])].groupby("site")["restricted"].mean()
    slope = np.polyfit(range(3), means[list(SITES)], 1)[0]
    assert found.loc[("net", "standard"), "slope"] == pytest.approx(slope)


def test_each_source_has_sites_of_its_own():
    answers = world({"standard": 0.3, "robust": 0.0})
    whole = recognition_slopes(answers, BY_SOURCE)
    other = answers["source"] == "net-r"
    named = answers.assign(site=answers["site"].mask(other, "stage " + answers["site"]))
    apart = recognition_slopes(named, {"net": SITES, "net-r": [f"stage {s}" for s in SITES]})
    pd.testing.assert_frame_equal(apart, whole)


@pytest.mark.parametrize("gap", [0.4, 0.0, -0.4])
def test_robust_over_standard_is_paired_and_keeps_its_sign(gap):
    answers = world({"standard": 0.0, "robust": 0.0}, gap=gap, units=20, each=2)
    found = robust_over_standard(answers, ROLES)
    own = found[found["kind"] == "all"]
    assert set(own["site"]) == set(SITES)
    assert set(own["observers"]) == {8}  # the two sources judge one side alone
    assert (own["low_all"] <= own["low"]).all()
    assert (own["high_all"] >= own["high"]).all()
    signs = np.sign(own["low_all"]) + np.sign(own["high_all"])
    assert set(signs / 2) == {float(np.sign(gap))}


def test_nothing_is_compared_without_two_roles_or_with_sources_alone_as_observers():
    answers = world({"standard": 0.0, "robust": 0.0})
    assert len(robust_over_standard(answers, {"net": "standard"})) == 0
    inside = answers[answers["observer"].isin(["net", "net-r"])]
    assert len(robust_over_standard(inside, ROLES)) == 0
    assert len(robust_over_standard(answers, ROLES)) > 0
