"""Hypervolume, noise and the images a strategy needs, against closed forms and pymoo."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pymoo.indicators.hv import HV

from bench.frugality import (
    UNNAMED,
    FrugalityBench,
    FrugalityTrial,
    NoisySubject,
    entrant,
    hypervolume,
    named,
)
from bench.needed import (
    as_markdown,
    curves_of,
    evaluations_to_target,
    figures_of,
    images_to_reach,
    last_mean,
)
from frugality import (
    as_trials,
    fronts_as_markdown,
    jobs,
    of_found,
    of_generator,
    side_by_side,
)
from images_needed import app
from invariscope.cli.app import run
from invariscope.errors import InputError
from invariscope.search.strategies import load_strategy
from invariscope.testing.toys import ToyGenerator, ToySubject

share = st.floats(0, 1)


@given(st.lists(st.tuples(share, share), min_size=1, max_size=12))
def test_hypervolume_is_that_of_pymoo(points):
    values = torch.tensor(points, dtype=torch.float64)
    # pymoo minimises, below a reference point.
    expected = HV(ref_point=np.zeros(2))(-values.numpy())
    assert hypervolume(values) == pytest.approx(float(expected), abs=1e-12)


def test_hypervolume_in_closed_form():
    assert hypervolume(torch.tensor([[0.5, 0.5]])) == 0.25
    assert hypervolume(torch.tensor([[0.25, 1.0], [0.5, 0.5], [1.0, 0.25]])) == 0.5
    assert hypervolume(torch.tensor([[0.4, 0.4], [0.5, 0.5]])) == 0.25
    assert hypervolume(torch.tensor([[-1.0, 0.5]])) == 0
    assert hypervolume(torch.zeros(0, 2)) == 0


@pytest.fixture
def toy():
    weights = torch.linspace(-1, 1, 96).reshape(2, 3, 4, 4)
    return ToySubject(weights), ToyGenerator(4)


def test_noise_has_its_sd_and_comes_again_but_never_twice(toy):
    subject, _ = toy
    images = torch.full((4000, 3, 4, 4), 0.4)
    clean = subject.respond(images, ["linear", "energy"])

    def answers():
        noisy = NoisySubject(subject, ["linear"], 0.5, "a")
        return [noisy.respond(images, ["linear", "energy"]) for _ in range(2)]

    (first, second), (again, _) = answers(), answers()
    change = first["linear"] - clean["linear"]
    assert torch.equal(first["energy"], clean["energy"])
    assert torch.equal(first["linear"], again["linear"])
    assert not torch.equal(first["linear"], second["linear"])
    # One number an image: the same for every unit of the site.
    assert torch.allclose(change[:, 0], change[:, 1], atol=1e-5)
    assert float(change[:, 0].std()) == pytest.approx(0.5, rel=0.05)
    assert abs(float(change.mean())) < 0.03


def test_a_trial_is_done_once_and_its_hypervolume_never_falls(toy, tmp_path):
    subject, generator = toy
    trial = FrugalityTrial(load_strategy("isotropic"), "linear:1", 0.0, 1500, (0, 1))
    bench = FrugalityBench(subject, generator, tmp_path, mei_generations=20)
    said = []
    result = bench.run(trial, say=said.append)
    assert bench.run(trial, say=said.append) == result
    assert len(said) == 1
    for curve in result["curves"].values():
        assert [n for n, _ in curve] == [250, 500, 1000, 1500]
        values = [v for _, v in curve]
        assert values == sorted(values)
        assert 0 < values[0] < values[-1] < 1
    assert json.loads((tmp_path / f"{trial.key}.json").read_text()) == result


def test_a_result_names_its_generator_and_one_of_another_is_refused(toy, tmp_path):
    subject, generator = toy
    trial = FrugalityTrial(load_strategy("isotropic"), "linear:1", 0.0, 250, (0,))
    result = FrugalityBench(subject, generator, tmp_path, mei_generations=20).run(trial)
    assert result["generator"] == {"name": "toy4", **generator.identity()}
    other = FrugalityBench(subject, ToyGenerator(4, gain=0.1), tmp_path, mei_generations=20)
    with pytest.raises(InputError, match=r"made with the generator 'toy4'.*choose another --out"):
        other.run(trial)


def test_figures_of_another_generator_do_not_count(tmp_path):
    """Files that name none are of the generator that was shipped before they did."""
    path = tmp_path / "figures.json"
    own = {"generator": named(ToyGenerator(4))}
    assert of_generator(path, UNNAMED) is None
    for figures in ({"seeds": 1}, {"seeds": 1, **own}):
        path.write_text(json.dumps(figures))
        for generator in (UNNAMED, own["generator"]):
            same = figures.get("generator", UNNAMED) == generator
            assert of_generator(path, generator) == (figures if same else None)
    known, unknown = (
        {(job.name, job.noise) for job in jobs(1, 1, baseline=baseline) if job.task == "invariance"}
        for baseline in (True, False)
    )
    assert unknown - known == {("cma", 0.0), ("isotropic:10", 0.0), ("isotropic:10", 0.2)}


def test_a_unit_that_nothing_excites_is_refused(toy, tmp_path):
    subject, generator = toy
    trial = FrugalityTrial(load_strategy("isotropic"), "linear:0", 0.0, 300, (0,))
    with pytest.raises(InputError, match="answers 0"):
        FrugalityBench(subject, generator, tmp_path, mei_generations=200).run(trial)


def test_noise_needs_the_units_natural_statistics(toy, tmp_path):
    subject, generator = toy
    trial = FrugalityTrial(load_strategy("isotropic"), "linear:1", 0.2, 300, (0,))
    with pytest.raises(InputError, match="no natural statistics"):
        FrugalityBench(subject, generator, tmp_path, mei_generations=2).run(trial)


def test_images_needed_in_closed_form():
    images = [100, 200, 300]
    assert images_to_reach(images, np.array([0.5, 0.9, 1.1]), 1) == pytest.approx(250)
    assert images_to_reach(images, np.array([1.0, 1.1, 1.2]), 1) == 100
    assert images_to_reach(images, np.array([0.1, 0.2, 0.9]), 1) == float("inf")
    assert images_to_reach(images, np.array([0.0, 0.2, 0.9]), 0) == 100


def test_the_interval_holds_the_figure_and_is_a_point_without_variation():
    def result(unit, slopes):
        curves = {str(s): [[n, n * slope] for n in (100, 200, 300)] for s, slope in slopes.items()}
        return {"unit": unit, "curves": curves}

    alike = [result("a", {0: 1.0, 1: 1.0}), result("b", {0: 2.0, 1: 2.0})]
    assert last_mean(alike[0]) == 300
    found = evaluations_to_target([100, 200, 300], curves_of(alike), {"a": 150.0, "b": 300.0}, "x")
    assert found == {"images": 150.0, "low": 150.0, "high": 150.0}
    varied = [result("a", {0: 1.0, 1: 1.5}), result("b", {0: 2.0, 1: 3.0})]
    found = evaluations_to_target([100, 200, 300], curves_of(varied), {"a": 200.0, "b": 400.0}, "x")
    assert found["low"] < found["images"] < found["high"]


def test_a_unit_in_which_the_baseline_finds_nothing_drowns_no_other():
    def result(unit, last):
        return {"unit": unit, "curves": {"0": [[100, 0.0], [200, last]]}}

    ends = {"a": 0.0, "b": 0.8}
    row = figures_of("x", 0.2, [result("a", 0.2), result("b", 0.5)], ends)
    assert row["share"] == [0.0, 0.875]
    assert row["needed"]["images"] is None
    row = figures_of("x", 0.2, [result("a", 0.2), result("b", 0.6)], ends)
    assert row["needed"]["images"] == pytest.approx(200)
    assert figures_of("x", 0.2, [result("a", 0.2)], ends)["share"] is None


@pytest.fixture
def short(monkeypatch):
    """The baseline shows 500 images."""
    for module in ("images_needed", "bench.needed"):
        monkeypatch.setattr(f"{module}.BASELINE_IMAGES", 500)


def test_the_command_chooses_on_one_half_and_reports_on_the_other(
    tmp_path, capsys, monkeypatch, short
):
    """Two strategies, of which one is worse wherever it is tried."""
    words = ["--out", str(tmp_path), "--noise", "0", "--seeds", "1"]
    words += ["--images", "250", "--strategies", "isotropic", "--units", "fc:3", "fc:8"]

    def trial(_self, trial, say):
        level = 0.2 if trial.strategy.name == "cma" else 0.4
        points = [n for n in (250, 500) if n <= trial.images]
        say(trial.key)
        return {"unit": trial.unit, "curves": {"0": [[n, level + n * 1e-4] for n in points]}}

    monkeypatch.setattr(FrugalityBench, "run", trial)
    assert run(words, app) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "chosen on other units: isotropic" in said
    found = json.loads((tmp_path / "frugality.json").read_text())
    assert (found["chosen_on"], found["units"]) == (["fc:3"], ["fc:8"])
    (condition,) = found["conditions"]
    assert [row["strategy"] for row in condition["rows"]] == ["cma", "isotropic"]
    assert condition["rows"][0]["needed"]["images"] == pytest.approx(500)
    assert condition["rows"][1]["ratio"]["ratio"] == pytest.approx(2)


@pytest.mark.parametrize(("level", "chosen"), [(0.19, "cma"), (0.21, "isotropic")])
def test_strategies_are_chosen_with_as_many_images_each(
    tmp_path, monkeypatch, short, level, chosen
):
    """The baseline's further images do not count."""

    def trial(_self, trial, say):
        own = 0.2 if trial.strategy.name == "cma" else level
        points = [n for n in (250, 500) if n <= trial.images]
        curve = [[n, own + (n == 500) * 0.5] for n in points]
        return {"unit": trial.unit, "curves": {"0": curve}}

    monkeypatch.setattr(FrugalityBench, "run", trial)
    words = ["--out", str(tmp_path), "--noise", "0", "--seeds", "1"]
    words += ["--images", "250", "--strategies", "isotropic", "--units", "fc:3", "fc:8"]
    assert run(words, app) == 0
    found = json.loads((tmp_path / "frugality.json").read_text())
    assert found["conditions"][0]["chosen"] == chosen


def test_a_strategy_that_never_gets_there_is_said_to(tmp_path, capsys, monkeypatch, short):
    def trial(_self, trial, say):
        level = 0.2 if trial.strategy.name == "cma" else 0.1
        points = [n for n in (250, 500) if n <= trial.images]
        return {"unit": trial.unit, "curves": {"0": [[n, level + n * 1e-4] for n in points]}}

    monkeypatch.setattr(FrugalityBench, "run", trial)
    words = ["--out", str(tmp_path), "--noise", "0", "--seeds", "1"]
    assert run([*words, "--images", "250", "--strategies", "sphere", "--units", "fc:3"], app) == 0
    assert "not reached" in capsys.readouterr().out
    condition = json.loads((tmp_path / "frugality.json").read_text())["conditions"][0]
    assert condition["chosen"] is None
    assert condition["rows"][1]["needed"] == {"images": None, "low": None, "high": None}


def test_the_table_is_made_from_the_figures_that_the_command_wrote(written):
    figures, table = written("frugality.json")
    assert as_markdown(json.loads(figures)["conditions"]) == table


def test_a_strategy_enters_with_its_own_population(tmp_path, monkeypatch, short):
    asked = []

    def trial(_self, trial, say):
        asked.append((trial.strategy.name, trial.population, trial.images))
        return {"unit": trial.unit, "curves": {"0": [[250, 0.1], [500, 0.2]]}}

    monkeypatch.setattr(FrugalityBench, "run", trial)
    words = ["--out", str(tmp_path), "--noise", "0", "--seeds", "1"]
    words += ["--images", "250", "--units", "fc:3", "--strategies", "separable", "separable:10"]
    assert run(words, app) == 0
    assert asked == [("cma", 50, 500), ("separable", 50, 250), ("separable", 10, 250)]
    (condition,) = json.loads((tmp_path / "frugality.json").read_text())["conditions"]
    assert [row["strategy"] for row in condition["rows"]] == ["cma", "separable", "separable:10"]


@pytest.mark.parametrize("text", ["separable:", "separable:1", "separable:ten", "separable:-5"])
def test_a_population_that_is_none_is_refused(text):
    with pytest.raises(InputError, match="NAME:POPULATION with at least 2"):
        entrant(text, None)


def test_two_proxies_are_as_far_apart_as_their_images():
    generator = ToyGenerator(4)
    ends = {"twin": {"0": 0.1, "1": 0.2, "2": 0.4}, "twin on standard": {"0": 0.3, "1": None}}
    results = [
        {
            "task": "invariance",
            "noise": 0.2,
            "images": 500,
            "entrant": name,
            "unit": "fc:0",
            "fronts": {
                seed: {"farthest": value and [value] * generator.code_dim}
                for seed, value in own.items()
            },
        }
        for name, own in ends.items()
    ]
    images = [generator.generate(torch.full((1, generator.code_dim), v)) for v in (0.0, 0.1)]
    step = float((images[1] - images[0]).norm())
    rows = side_by_side(results, generator)
    assert [(row["proxies"], row["pairs"]) for row in rows] == [
        (["twin", "twin"], 3),
        (["twin", "twin on standard"], 3),
    ]
    assert rows[0]["distance"] == pytest.approx(step * (1 + 2 + 3) / 3, abs=0.051)
    assert rows[1]["distance"] == pytest.approx(step * (2 + 1 + 1) / 3, abs=0.051)
    text = fronts_as_markdown({"conditions": [], "proxies": rows})
    assert "| two proxies | `twin` and `twin on standard` | 3 of 1 unit |" in text


def test_units_for_which_cma_ends_with_nothing_do_not_count():
    """What another strategy finds there would count as its share of the others."""
    row = {"strategy": "x", "images": [250, 500], "units": {"a": [0.1, 0.4], "b": [0.7, 0.9]}}
    row["needed"] = {"images": 250.0, "low": 250.0, "high": 250.0}
    found = of_found(row, as_trials(row), {"a": 0.5, "b": 0.0})
    assert found["share"] == [0.2, 0.8]
    assert found["needed"]["images"] is None
    assert list(found["units"]) == ["a"]
    assert (found["left_out"], found["needed_of_all"]["images"]) == ({"b": 0.9}, 250.0)
    again = of_found(found, as_trials(found), {"a": 0.5, "b": 0.0})
    assert (again["left_out"], again["needed_of_all"]) == ({"b": 0.9}, row["needed"])
