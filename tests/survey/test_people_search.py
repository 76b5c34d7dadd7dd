"""A search that asks people: who judges what, what is learnt, and what the front comes to."""

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.stats import norm

from invariscope.errors import InputError
from invariscope.store.record import load_run
from invariscope.survey.difference_model import LAPSE, DifferenceModel, descriptions
from invariscope.survey.judgements import (
    CATCH,
    DIFFERS,
    LEASE_SECONDS,
    SAME,
    JudgementBook,
    JudgementRules,
)
from invariscope.survey.people_search import DONE, JUDGED, PeopleSearch, departure
from invariscope.survey.search_design import SearchDesign, read_search_design
from invariscope.survey.simulated_judges import SimulatedJudges, judge_search
from invariscope.testing.toys import ToyGenerator, ToySubject

SMALL = {
    "people": {"judgements": 400, "repeats": 2, "same_first": 12},
    "search": {"population": 8, "generations": 4, "network": "toy"},
    "final": {"members": 3, "repeats": 12},
}


def test_judgements_are_spread_over_images_and_people():
    book = JudgementBook(JudgementRules(same=0.2, catch=0.1, per_person=500, seed=3))
    book.open("g0001", 10, 6)
    now = 0.0
    while not book.complete:
        for who in range(5):
            now += 1
            trial = book.next(who, now)
            if trial is not None:
                book.answer(trial.number, different=trial.kind == CATCH)
    assert book.counts()[1].tolist() == [6] * 10
    each = [[0] * 10 for _ in range(5)]
    for trial in book.trials:
        if trial.kind == DIFFERS:
            each[trial.participant][trial.candidate] += 1
    assert max(map(max, each)) <= 2  # of 6 judgements of an image nobody gives more
    kinds = [trial.kind for trial in book.trials]
    assert 5 <= kinds.count(SAME) <= 40
    assert kinds.count(CATCH) >= 1


def test_who_leaves_holds_nobody_up():
    book = JudgementBook(JudgementRules(same=0, catch=0))
    book.open("g0001", 2, 1)
    gone = book.next(0, 0.0)
    stays = book.next(1, 0.0)
    book.answer(stays.number, different=False)
    assert {gone.candidate, stays.candidate} == {0, 1}
    assert book.next(1, LEASE_SECONDS - 1) is None
    again = book.next(1, LEASE_SECONDS + 1)
    assert again.candidate == gone.candidate
    book.answer(again.number, different=True)
    assert book.complete
    # Who comes back meets a phase that is over: the old trial is not asked again.
    book.open("g0002", 1, 1)
    assert book.next(0, LEASE_SECONDS + 2).phase == "g0002"


def test_a_reload_brings_the_same_trial():
    book = JudgementBook(JudgementRules())
    book.open("g0001", 4, 3)
    assert book.next(7, 0.0) is book.next(7, 50.0)


def test_judgements_of_the_inattentive_do_not_count_and_are_asked_again():
    book = JudgementBook(JudgementRules(same=0, catch=0.5, per_person=1000, seed=1))
    book.open("g0001", 3, 4)
    for k in range(60):
        trial = book.next(0, float(k))
        if trial is None:
            break
        book.answer(trial.number, different=False)  # misses what nobody overlooks
    assert book.excluded() == {0}
    assert book.counts()[1].tolist() == [0, 0, 0]
    assert not book.complete
    k = 100.0
    while not book.complete:
        trial = book.next(1, k)
        book.answer(trial.number, different=True)
        k += 1
    assert book.counts()[0].tolist() == [4, 4, 4]


def test_nobody_gives_more_judgements_than_one_person_may():
    book = JudgementBook(JudgementRules(per_person=5))
    book.open("g0001", 9, 9)
    for k in range(5):
        book.answer(book.next(0, float(k)).number, different=True)
    assert book.next(0, 9.0) is None
    assert book.judged_by(0) == 5


@settings(max_examples=30)
@given(st.integers(0, 10_000))
def test_a_book_from_its_trials_is_the_same_book(seed):
    book = JudgementBook(JudgementRules(seed=seed))
    book.open("g0001", 3, 3)
    for k in range(12):
        trial = book.next(k % 3, float(k))
        if trial is not None and k % 4:
            book.answer(trial.number, different=k % 2 == 0)
    again = JudgementBook(JudgementRules(seed=seed), list(book.trials))
    again.open("g0001", 3, 3)
    assert again.counts()[0].tolist() == book.counts()[0].tolist()
    assert again.same_counts() == book.same_counts()
    one, other = again.next(9, 500.0), book.next(9, 500.0)
    assert (one and (one.kind, one.candidate)) == (other and (other.kind, other.candidate))


def test_the_model_finds_what_people_look_at():
    stream = np.random.default_rng(0)
    squares = stream.gamma(2, 1, (400, 6)) * np.array([1, 10, 0.1, 1, 1, 1])
    true = np.sqrt(0.5 * squares[:, 0] + 0.02 * squares[:, 1])
    chance = LAPSE / 2 + (1 - LAPSE) * norm.cdf(true - 0.8)
    judged = np.full(400, 5.0)
    said = stream.binomial(5, chance).astype(float)
    false = round(200 * float(norm.cdf(-0.8)))
    model = DifferenceModel.fit(squares, said, judged, false=false, same=200)
    assert model.criterion == pytest.approx(0.8, abs=0.05)
    mean, spread = model.posterior(squares, said, judged)
    assert np.corrcoef(mean, true)[0, 1] > 0.95
    assert np.abs(mean - true).mean() < 0.15
    own = norm.ppf((said + 0.5) / 6) + 0.8
    assert np.abs(mean - true).mean() < 0.5 * np.abs(own - true).mean()
    assert (spread < 1).all()


def test_the_posterior_is_the_integral_done_slowly():
    model = DifferenceModel(np.array([1.0]), criterion=0.5, spread=0.4)
    squares, said, judged = np.array([[1.0]]), np.array([3.0]), np.array([4.0])
    grid = np.linspace(1 - 4, 1 + 4, 20_001)
    seen = np.maximum(grid, 0)
    p = LAPSE / 2 + (1 - LAPSE) * norm.cdf(seen - 0.5)
    weight = norm.pdf(grid, 1.0, 0.4) * p**3 * (1 - p)
    mean = (weight * seen).sum() / weight.sum()
    sd = np.sqrt((weight * (seen - mean) ** 2).sum() / weight.sum())
    found = model.posterior(squares, said, judged)
    assert found[0][0] == pytest.approx(mean, abs=2e-3)
    assert found[1][0] == pytest.approx(sd, abs=2e-3)


def test_descriptions_of_the_reference_itself_are_0():
    network = ToySubject(torch.ones(2, 3, 8, 8))
    reference = torch.rand(3, 8, 8, generator=torch.Generator().manual_seed(0))
    found = descriptions(torch.stack([reference, 1 - reference]), reference, network)
    assert (found[0] == 0).all()
    assert (found[1] > 0).any()


@pytest.fixture
def made(tmp_path):
    """A small search, and participants who see the upper half of an image."""
    generator, network = ToyGenerator(4), ToySubject(torch.ones(1, 3, 4, 4))

    def make(place="runs", **changes):
        values = {name: {**SMALL[name], **changes.get(name, {})} for name in SMALL}
        design = SearchDesign.model_validate(values)
        reference = departure(design, generator, tmp_path)
        search = PeopleSearch(design, network, generator, tmp_path / place, reference=reference)

        def distance(images):
            return (images - search.reference)[:, :, :2].flatten(1).norm(dim=1).double().numpy()

        return search, SimulatedJudges(distance, 0.5, participants=5)

    return make


def test_a_whole_search_is_a_run_like_any_other(made):
    search, judges = made()
    judge_search(search, judges)
    search.close()
    assert search.phase == DONE
    assert search.book.given <= 400
    table = pd.read_parquet(search.folder / JUDGED)
    assert len(table) <= 3
    assert (table["judgements"] >= 12).all()
    assert (table["low"] < table["difference"]).all()
    assert load_run(search.folder).labels["subject"] == "people: people in toy"


@pytest.mark.parametrize("budget", range(150, 160))
def test_the_budget_is_kept(budget):
    """Ten images, 12 judgements each, and `same` and catch trials only while there is room."""
    book = JudgementBook(JudgementRules(same=0.2, catch=0.1, budget=budget, seed=budget))
    book.open("g0001", 10, 12)
    now = 0.0
    while not book.complete:
        now += 1
        trial = book.next(int(now) % 3, now)
        if trial is not None:
            book.answer(trial.number, different=True)
    assert book.given <= budget
    assert book.counts()[1].tolist() == [12] * 10
    kinds = [trial.kind for trial in book.trials]
    assert {SAME, CATCH} <= set(kinds)
    assert set(kinds[-5:]) == {DIFFERS} or book.given < budget


def test_the_bound_is_tested_with_all_of_the_error(made):
    search, judges = made(final={"members": 3, "repeats": 40}, people={"judgements": 600})
    judge_search(search, judges)
    search.close()
    table = pd.read_parquet(search.folder / JUDGED)
    again = norm.cdf((table["difference"] - 1.0) / table["error"])
    np.testing.assert_allclose(table["p"], again)
    assert table["q"].to_numpy() == pytest.approx(stats.false_discovery_control(table["p"]))
    assert (table["holds"] == (table["q"] <= 0.05)).all()


def test_a_search_that_was_stopped_goes_on_as_if_it_had_not_been(made):
    whole, judges = made("whole")
    judge_search(whole, judges)
    whole.close()
    first, judges = made("parts")
    book = first.book
    number = 0
    while first.phase != "g0003":
        if first.advance():
            continue
        number += 1
        trial = book.next(number % 5, float(number))
        if trial is not None:
            book.answer(trial.number, different=number % 3 == 0)
    shown = first.images
    first.close()
    second, _ = made("parts")
    for trial in book.trials:
        second.book.add(trial)
    while second.advance():
        pass
    assert second.phase == "g0003"
    assert torch.equal(second.images, shown)
    assert len(second._known) == 2
    second.close()


def test_people_who_run_out_are_named(made):
    search, judges = made(people={"per_person": 10})
    with pytest.raises(InputError, match="5 participants gave all"):
        judge_search(search, judges)
    search.close()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[people]\njudgements = 100\n", "need about"),
        ("[people]\nrepeat = 3\n", "repeat"),
        ('[search]\nstrategy = "luck"\n', "luck"),
        ("[people", "TOML"),
    ],
)
def test_designs_that_cannot_be_used_are_refused(tmp_path, text, words):
    path = tmp_path / "design.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=words):
        read_search_design(path)


def test_the_command_with_simulated_participants(tmp_path, capsys):
    from invariscope.cli.app import run

    path = tmp_path / "trial.toml"
    path.write_text(
        "[people]\njudgements = 260\nrepeats = 1\nsame_first = 10\n"
        "[search]\npopulation = 8\ngenerations = 2\n[final]\nmembers = 2\nrepeats = 10\n"
    )
    assert run(["survey", "search", str(path), "--simulated", "6"]) == 0
    assert "done" in capsys.readouterr().out
    assert list((tmp_path / "trial" / "simulated" / "runs").glob("*/held_back.parquet"))


@pytest.mark.statistical
def test_3000_noisy_judgements_come_close_to_knowing_it_all(tmp_path):
    import json
    import subprocess
    import sys
    from pathlib import Path

    script = Path(__file__).parents[2] / "benchmarks" / "people_search.py"
    out = tmp_path / "found.json"
    out.write_text(json.dumps({"setting": [3, 0.1, 16]}))
    line = [sys.executable, str(script), "tell", "--references", "1", "--out", str(out)]
    subprocess.run(line, check=True, capture_output=True)
    runs = json.loads(out.read_text())["runs"]
    assert all(run["judgements"] <= 3000 for run in runs)
    # The reference had no part in the choice of the setting.
    assert np.mean([run["area"] / run["noise_free"]["squeeze"] for run in runs]) > 0.85
