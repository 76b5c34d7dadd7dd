"""Networks that answer: their choices follow the stated rule, and power the closed form."""

from dataclasses import dataclass, field

import numpy as np
import pytest
import torch
from scipy import stats

from invariscope import plot
from invariscope.analysis.people import people_accuracy
from invariscope.errors import InputError
from invariscope.photos.read import read_photo
from invariscope.subjects import Subject
from invariscope.survey.power import power, power_interval, power_table
from invariscope.survey.simulate import ObserverModel, simulate


@dataclass
class Colours(Subject):
    """A readout whose units are fixed sums of an image's mean colour."""

    classes: tuple = ("horn", "French horn, horn", "tench", "gas pump", "golf ball", "parachute")
    name: str = "colours"
    image_size: int = 4
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    def identity(self):
        return {"kind": "colours"}

    def _sites(self):
        return {"out": (6,)}

    def _respond(self, images, sites):
        weights = torch.tensor([[k, 3 - k, (k * k) % 5] for k in range(6)]).float()
        return {"out": 4 * images.mean((2, 3)) @ weights.T}


@pytest.fixture
def observer():
    return Colours()


def test_the_most_active_unit_of_the_categories_is_chosen(survey_folder, observer):
    sure = ObserverModel(temperature=0.0, lapse=0.0)
    answers = simulate(survey_folder, observer, 4, observer=sure)
    by_name = {s.image: s for s in survey_folder.stimuli}
    names = list(survey_folder.design.categories)
    units = [observer.classes.index(name) for name in names]
    for row in answers.itertuples():
        image = read_photo(survey_folder.image(by_name[row.image]))
        seen = observer.see(image[None].float() / 255)
        activity = observer.respond(seen, ["out"])["out"][0, units]
        assert row.answer == names[int(activity.argmax())]
    assert answers["simulated"].all()
    assert answers["rt_ms"].isna().all()
    assert answers.equals(simulate(survey_folder, observer, 4, observer=sure))


def test_choices_have_the_stated_probabilities():
    activity = np.array([[0.0, 1.0, 2.0]])
    how = ObserverModel(temperature=2.0, spread=0.5, lapse=0.1)
    weight = np.exp(activity / (2.0 * np.exp(0.5 * -1.2)))
    expected = 0.9 * weight / weight.sum() + 0.1 / 3
    np.testing.assert_allclose(how.chances(activity, -1.2), expected)
    assert ObserverModel(temperature=0.0, lapse=0.0).chances(activity, 1.0).tolist() == [[0, 0, 1]]
    pure = ObserverModel(lapse=1.0).chances(activity, 0.3)
    np.testing.assert_allclose(pure, 1 / 3)


def test_participants_who_only_lapse_are_at_chance(survey_folder, observer):
    answers = simulate(survey_folder, observer, 200, observer=ObserverModel(lapse=1.0))
    n, right = len(answers), int(answers["correct"].sum())
    assert stats.binomtest(right, n, 1 / 5).pvalue > 0.001


def test_power_is_that_of_the_t_test():
    stream = np.random.Generator(np.random.Philox(key=3))
    differences = stream.standard_normal(20_000)
    differences = 0.5 + (differences - differences.mean()) / differences.std()
    sizes = (5, 10, 20, 40)
    found = power(differences, sizes, draws=4000)
    for n, share in zip(sizes, found, strict=True):
        bound, shift = stats.t.ppf(0.975, n - 1), 0.5 * np.sqrt(n)
        exact = stats.nct.sf(bound, n - 1, shift) + stats.nct.cdf(-bound, n - 1, shift)
        assert abs(share - exact) < 4 * np.sqrt(exact * (1 - exact) / 4000) + 0.005


def test_without_a_difference_power_is_alpha_and_without_noise_one():
    stream = np.random.Generator(np.random.Philox(key=4))
    none = stream.standard_normal(20_000)
    assert abs(power(none - none.mean(), (20,), draws=4000)[0] - 0.05) < 0.015
    assert power(np.full(30, 0.1), (5,))[0] == 1.0
    assert power(np.zeros(30), (5,))[0] == 0.0


def test_the_interval_of_the_power_holds_the_truth_as_often_as_is_said():
    """A pilot's own difference taken for the true one claims .36 for no difference at all."""
    stream, inside, missed = np.random.default_rng(5), 0, 0
    for _ in range(300):
        low, high = power_interval(0.3 + stream.normal(size=20), (40,))[0]
        shift, bound = 0.3 * np.sqrt(40), stats.t.ppf(0.975, 39)
        true = stats.nct.sf(bound, 39, shift) + stats.nct.cdf(-bound, 39, shift)
        inside += low - 1e-9 <= true <= high + 1e-9
        missed += power_interval(stream.normal(size=20), (160,))[0, 0] > 0.051
    assert 0.92 < inside / 300 < 0.99
    assert missed / 300 < 0.08
    assert np.isnan(power_interval(np.full(30, 0.1), (5,))).all()


def test_power_compares_each_pair_of_conditions(survey_folder, observer):
    answers = simulate(survey_folder, observer, 30)
    table = power_table(answers, (5, 10)).set_index(["one", "other"])
    assert len(table) == 3
    assert table["simulated"].all()
    counted = answers.loc[~answers["excluded"]]
    own = counted.groupby(["participant", "condition"])["correct"].mean().unstack()
    short = {"natural": "natural", "MEI net": "MEI", "invariance pixels net": "invariance"}
    for (one, other), row in table.iterrows():
        expected = (own[short[one]] - own[short[other]]).mean()
        assert row["difference"] == pytest.approx(expected)


def test_every_plot_of_simulated_answers_says_so(survey_folder, observer):
    answers = simulate(survey_folder, observer, 10)
    ax = plot.people(people_accuracy(answers))
    assert "simulated" in ax.get_title("left")
    ax = plot.people(people_accuracy(answers.assign(simulated=False)))
    assert "simulated" not in ax.get_title("left")


def test_misuse_is_one_sentence(survey_folder, observer):
    with pytest.raises(InputError, match="--participants is 0"):
        simulate(survey_folder, observer, 0)
    with pytest.raises(InputError, match="--lapse is 2"):
        ObserverModel(lapse=2.0)
    observer.classes = ("a", "b")
    with pytest.raises(InputError, match="'tench'"):
        simulate(survey_folder, observer, 2)
