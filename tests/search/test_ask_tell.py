"""`Search` from outside: plain numbers, errors, and a state that can be taken along."""

import pytest
import torch

from invariscope import seeds
from invariscope.errors import InputError
from invariscope.search import ranking
from invariscope.search.search import Search
from invariscope.search.strategies import STRATEGIES

POPULATION = 12


def search(world, runs, **words):
    return Search(world.generator, runs, population=POPULATION, **words)


def outcomes(search, subject):
    told = [news for step in search.advance(subject) for news in step]
    return {news.run.name: news.outcome for news in told if news.outcome}


def test_plain_numbers_are_told_as_a_mapping_of_them_is(toy):
    first, second = (search(toy, [toy.run()]) for _ in range(2))
    for _ in range(3):
        images = first.ask()
        given = toy.subject.respond(images, second.sites)
        told = first.tell(given["linear"].numpy())
        assert torch.equal(second.ask(), images)
        assert second.tell(given)[0].line == told[0].line


def test_plain_numbers_of_several_sites_are_refused(toy):
    both = search(toy, [toy.run(site="energy")])
    both.ask()
    with pytest.raises(InputError, match="responses as a mapping by site"):
        both.tell(torch.zeros(POPULATION))


def test_a_wrong_number_of_responses_is_refused_and_nothing_is_told(toy):
    own = search(toy, [toy.run()])
    images = own.ask()
    with pytest.raises(InputError, match=r"expected 12 responses .* got 5"):
        own.tell(torch.zeros(5))
    assert torch.equal(own.ask(), images)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_search_goes_on_from_its_state(toy, strategy):
    runs = [toy.run("a", generations=2), toy.run("b", task="adversarial"), toy.run("c")]
    unbroken = search(toy, runs, strategy=strategy, slots=2)
    whole = outcomes(search(toy, runs, strategy=strategy, slots=2), toy.subject)
    for _ in range(3):
        unbroken.step(toy.subject)
    asked = unbroken.ask()
    resumed = search(toy, runs, strategy=strategy, slots=2)
    resumed.load_state_dict(unbroken.state_dict())
    assert [run.name for run in resumed.active] == ["b", "c"]
    assert torch.equal(resumed.ask(), asked)
    found = outcomes(resumed, toy.subject)
    assert set(found) == {"b", "c"}
    for name, outcome in found.items():
        assert torch.equal(outcome.front.scores, whole[name].front.scores)


def test_a_state_of_other_runs_is_refused(toy):
    with pytest.raises(InputError, match="holds run 'a'"):
        search(toy, [toy.run("b")]).load_state_dict(search(toy, [toy.run("a")]).state_dict())


@pytest.mark.parametrize("task", ["invariance", "adversarial", "excitation"])
def test_errors_of_zero_change_nothing(toy, task):
    exact, noisy = (search(toy, [toy.run(task=task)]) for _ in range(2))
    for _ in range(3):
        given = toy.subject.respond(exact.ask(), exact.sites)
        noisy.ask()
        exact.tell(given)
        noisy.tell(given, errors={"linear": torch.zeros_like(given["linear"])})
    assert torch.equal(exact.ask(), noisy.ask())


def test_expected_fronts_of_equal_draws_are_the_fronts(toy):
    costs = seeds.normal([("costs",)], (2, 9, 2))
    drawn = costs.expand(5, *costs.shape)
    assert torch.equal(ranking.expected_fronts(drawn), ranking.fronts(costs).double())


def test_expected_fronts_are_the_mean_over_draws_one_by_one():
    drawn = torch.stack([seeds.normal([("draw", i)], (3, 7, 2)) for i in range(6)])
    slow = torch.stack([ranking.fronts(d).double() for d in drawn]).mean(0)
    assert torch.equal(ranking.expected_fronts(drawn), slow)


def test_the_better_half_is_certain_without_noise_and_even_where_noise_is_all(toy):
    own = search(toy, [toy.run(task="excitation")])
    activity = torch.linspace(0, 1, POPULATION).unsqueeze(1).expand(-1, 2)
    own.ask()
    certain = own.p_top_half({"linear": activity}, {"linear": torch.zeros_like(activity)})
    assert certain.tolist() == [0.0] * 6 + [1.0] * 6
    even = own.p_top_half({"linear": activity}, {"linear": torch.full_like(activity, 1e4)})
    assert float((even - 0.5).abs().max()) < 0.35
    assert float(even.sum()) == pytest.approx(POPULATION / 2)


def test_a_candidate_that_was_not_recorded_is_never_in_the_better_half(toy):
    own = search(toy, [toy.run(task="excitation")])
    own.ask()
    activity = torch.linspace(0, 1, POPULATION).unsqueeze(1).expand(-1, 2).clone()
    activity[-1] = torch.nan
    likely = own.p_top_half({"linear": activity}, {"linear": torch.full_like(activity, 0.1)})
    assert float(likely[-1]) == 0
    told = own.tell({"linear": activity}, {"linear": torch.full_like(activity, 0.1)})
    assert told[0].line["told"] == POPULATION - 1
