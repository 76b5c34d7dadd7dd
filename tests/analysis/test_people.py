"""Answers drawn from known probabilities: accuracy, agreement and the mixed model."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from invariscope.analysis.mixed import condition_names, mixed_model, planned
from invariscope.analysis.people import (
    COLUMNS,
    KEYS,
    agreement,
    noise_ceiling,
    people_accuracy,
    usable,
)
from invariscope.errors import InputError

CONDITIONS = (
    ("", "natural", ""),
    ("robust", "mei", ""),
    ("robust", "invariance", "pixels"),
    ("robust", "invariance", "deep"),
)
ODDS = (1.5, 1.0, 0.0, -1.0)


def simulated(odds=ODDS, *, participants=24, categories=12, spread=0.5, trials=2, seed=0):
    """Each person sees each category in each condition; log odds differ by category."""
    stream = np.random.default_rng(seed)
    of_category = stream.normal(0, spread, categories)
    of_person = stream.normal(0, 0.3, participants)
    rows = []
    for person in range(participants):
        for (network, condition, site), own in zip(CONDITIONS, odds, strict=True):
            for category in range(categories):
                for trial in range(trials):
                    chance = 1 / (1 + np.exp(-own - of_category[category] - of_person[person]))
                    right = stream.random() < chance
                    rows.append(
                        {
                            "participant": f"p{person}",
                            "session": "s",
                            "trial": trial,
                            "condition": condition,
                            "site": site or None,
                            "network": network or None,
                            "unit": f"fc:{category}",
                            "image": "i.png",
                            "category": f"c{category}",
                            "answer": f"c{category}" if right else "c-other",
                            "correct": right,
                            "rt_ms": 500.0,
                            "excluded": False,
                            "simulated": True,
                        }
                    )
    return pd.DataFrame(rows, columns=list(COLUMNS))


@pytest.fixture(scope="module")
def answers():
    return simulated()


def test_accuracy_is_that_of_the_simulation(answers):
    table = people_accuracy(answers)
    assert len(table) == 4
    assert table["simulated"].all()
    assert set(table["chance"]) == {1 / 12}
    assert list(table["accuracy"]) == pytest.approx(
        [answers[answers["condition"] == "natural"]["correct"].mean()]
        + [
            answers[(answers["condition"] == c) & (answers["site"].fillna("") == s)][
                "correct"
            ].mean()
            for _, c, s in CONDITIONS[1:]
        ]
    )
    assert (table["low"] < table["accuracy"]).all()
    assert (table["accuracy"] < table["high"]).all()


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    truth = 1 / (1 + np.exp(-1.0))
    covered = 0
    for seed in range(40):
        stream = np.random.default_rng(seed)
        table = simulated((0, 0, 0, 0), participants=20, categories=2, trials=1)
        table["correct"] = stream.random(len(table)) < truth
        row = people_accuracy(table).iloc[0]
        covered += row["low"] <= truth <= row["high"]
    assert 33 <= covered <= 40


def test_what_is_excluded_does_not_count(answers):
    half = answers.assign(excluded=answers["participant"].isin([f"p{k}" for k in range(12)]))
    assert people_accuracy(half)["participants"].eq(12).all()
    with pytest.raises(InputError, match="all excluded: 2304 answers"):
        usable(answers.assign(excluded=True))
    with pytest.raises(InputError, match="lack the columns correct"):
        usable(answers.drop(columns="correct"))


def observer(name, values):
    rows = [dict(zip(KEYS, (n, c, s), strict=True)) for n, c, s in CONDITIONS]
    return pd.DataFrame(rows).assign(observer=name, accuracy=values)


def test_agreement_of_an_observer_that_answers_as_people_do(answers):
    truth = [1 / (1 + np.exp(-odds)) for odds in ODDS]
    table = agreement(
        answers, pd.concat([observer("like", truth), observer("unlike", [-t for t in truth])])
    )
    rows = table.set_index(["observer", "how"])
    assert rows.loc[("like", "pearson"), "r"] > 0.97
    assert rows.loc[("unlike", "pearson"), "r"] < -0.97
    assert rows.loc[("like", "spearman"), "r"] == pytest.approx(1)
    assert set(table["conditions"]) == {4}
    assert rows.loc[("like", "pearson"), "low"] <= rows.loc[("like", "pearson"), "r"]
    assert 0.95 < rows.loc[("like", "pearson"), "ceiling"] <= 1
    assert table["simulated"].all()


def test_too_few_conditions_have_no_correlation(answers):
    table = agreement(answers, observer("two", [0.1, 0.2, np.nan, np.nan]))
    assert table["r"].isna().all()
    assert set(table["conditions"]) == {2}


def test_the_ceiling_of_people_who_guess_is_low():
    table = simulated((0, 0, 0, 0), spread=0.0, participants=12, seed=3)
    assert noise_ceiling(table) < 0.9
    assert np.isnan(noise_ceiling(table[table["participant"].isin(["p0", "p1", "p2"])]))


def test_an_observer_without_noise_reaches_the_ceiling_on_average_and_does_not_pass_it():
    """A reliability as the ceiling would lie below most perfect observers."""
    truth, stream = np.array([0.3, 0.5, 0.7, 0.9]), np.random.default_rng(0)
    ceilings, reached = [], []
    for _ in range(10):
        rows = [
            ("s", f"p{k}", 0, t, c, "", "n", "", f"{t}", "a", "b", stream.random() < truth[i])
            for k in range(20)
            for i, c in enumerate("wxyz")
            for t in range(5)
        ]
        table = pd.DataFrame(rows, columns=["_", "participant", "session", "trial", "condition",
            "site", "network", "unit", "image", "category", "answer", "correct"])  # fmt: skip
        table = table.assign(rt_ms=500.0, excluded=False, simulated=True)
        perfect = pd.DataFrame(
            {"network": "n", "condition": list("wxyz"), "site": "", "accuracy": truth}
        ).assign(observer="perfect")
        own = agreement(table, perfect.assign(site=usable(table)["site"].iloc[0])).iloc[0]
        ceilings.append(own["ceiling"])
        reached.append(own["r"])
    assert np.mean(reached) == pytest.approx(np.mean(ceilings), abs=0.03)


def test_few_people_give_no_interval_of_a_correlation(answers):
    few = answers[answers["participant"].isin([f"p{k}" for k in range(9)])]
    truth = observer("like", [0.2, 0.4, 0.6, 0.9])
    assert agreement(few, truth)[["low", "high"]].isna().all(axis=None)
    assert agreement(few, truth)["r"].notna().all()
    alone = few[few["participant"] == "p0"]
    assert agreement(alone, truth)[["low", "high"]].isna().all(axis=None)


def test_chance_is_one_over_the_categories_that_people_chose_from(answers):
    number = answers["category"].nunique()
    assert people_accuracy(answers)["chance"].iloc[0] == pytest.approx(1 / number)
    assert people_accuracy(answers, 16)["chance"].iloc[0] == 1 / 16


def test_the_mixed_model_finds_the_effects_that_were_put_in():
    contrasts = {
        "pixels − deep": {"robust invariance pixels": 1.0, "robust invariance deep": -1.0},
        "mei − mean of both": {
            "robust mei": 1.0,
            "robust invariance pixels": -0.5,
            "robust invariance deep": -0.5,
        },
    }
    table = mixed_model(simulated(participants=40, seed=5), contrasts)
    rows = table.set_index(["kind", "name"])
    assert rows.loc[("contrast", "pixels − deep"), "estimate"] == pytest.approx(1.0, abs=0.3)
    assert rows.loc[("contrast", "mei − mean of both"), "estimate"] == pytest.approx(1.5, abs=0.3)
    assert rows.loc[("contrast", "pixels − deep"), "p"] < 1e-4
    assert rows.loc[("spread", "category"), "estimate"] == pytest.approx(0.5, abs=0.25)
    assert table["simulated"].all()
    row = rows.loc[("contrast", "pixels − deep")]
    assert row["low"] < row["estimate"] < row["high"]


def test_without_an_effect_the_contrast_covers_zero_about_as_often_as_it_says():
    hits = 0
    for seed in range(8):
        table = mixed_model(simulated((0, 0, 0, 0), participants=10, categories=6, seed=seed))
        own = table[table["kind"] == "contrast"].iloc[0]
        hits += own["low"] <= 0 <= own["high"]
    assert hits >= 6


def test_names_and_planned_contrasts(answers):
    names = list(dict.fromkeys(condition_names(usable(answers))))
    assert names == [
        "natural",
        "robust mei",
        "robust invariance pixels",
        "robust invariance deep",
    ]
    assert list(planned(names)) == [f"{a} − {b}" for a, b in pairwise(names)]


def test_a_model_that_cannot_be_fitted_is_refused(answers):
    with pytest.raises(InputError, match="did you mean 'robust mei'"):
        mixed_model(answers, {"x": {"robust mea": 1.0}})
    with pytest.raises(InputError, match="2 conditions or more"):
        mixed_model(answers[answers["condition"] == "mei"])


# lme4 1.1-31 (R 4.2.2) on `simulated(participants=40, seed=5)`: estimate and SE of each contrast.
GLMER = {
    "natural − robust mei": (0.599158, 0.110191),
    "robust mei − robust invariance pixels": (1.030512, 0.099124),
    "robust invariance pixels − robust invariance deep": (0.910909, 0.100789),
}


def test_the_mixed_model_agrees_with_stored_results_of_lme4():
    """`glmer(correct ~ 0 + named + (1 | category) + (1 | participant), family = binomial)`.

    The table was written by `to_csv` with a column `named` of `condition_names`; contrasts are
    `sum(w * fixef(m))` and `sqrt(t(w) %*% vcov(m) %*% w)`.
    """
    table = mixed_model(simulated(participants=40, seed=5))
    rows = table[table["kind"] == "contrast"].set_index("name")
    for name, (estimate, se) in GLMER.items():
        assert rows.loc[name, "estimate"] == pytest.approx(estimate, rel=0.01)
        assert rows.loc[name, "se"] == pytest.approx(se, rel=0.007)
