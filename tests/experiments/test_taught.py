"""What earlier runs of a unit teach a twin: in its own terms, told by the run's name, resumable."""

import shutil
from dataclasses import fields, replace

import pytest
import torch

from invariscope import (
    ExperimentCondition,
    SearchOptions,
    image_reference,
    run_experiment,
    stretch_and_squeeze,
)
from invariscope.errors import InputError
from invariscope.experiments.evaluator import Evaluator
from invariscope.experiments.mei import plan_mei
from invariscope.experiments.plan import plan
from invariscope.search.problem import Problem
from invariscope.search.search import Search
from invariscope.search.strategies import Cells, Measure, Twin
from invariscope.search.strategies.twin_features import Features
from invariscope.search.strategies.twin_goals import Goals, front_area
from invariscope.search.strategies.twin_taught import taught_observations
from invariscope.testing.toys import ToyGenerator, ToySubject

SIZE, POPULATION = 4, 20
CPU = torch.device("cpu")
MASK = torch.zeros(1, 3, SIZE, SIZE)
MASK[0, :, :2] = 1
SUBJECT, GENERATOR = ToySubject(MASK), ToyGenerator(SIZE)
TWIN = Twin(proxy="codes", scale=1.0, steps=4)
CONDITION = ExperimentCondition("invariance", "pixels")
IMAGE = torch.full((3, SIZE, SIZE), 0.5)
IMAGE[:, :2] += 0.25
OTHER = torch.full((3, SIZE, SIZE), 0.4)
OTHER[:, :2] += 0.3


def reference(image):
    return image_reference(image, SIZE, GENERATOR.code_of(image[None])[0])


def options(**changed):
    given = {"strategy": TWIN, "population": POPULATION, "generations": 6, "precision": "float32"}
    return SearchOptions(**(given | changed))


@pytest.fixture(scope="module")
def earlier(tmp_path_factory):
    """An ended run of the same unit from another reference."""
    out = tmp_path_factory.mktemp("earlier")
    asked = {"reference": reference(OTHER), "options": options(generations=10), "out": out}
    return out, stretch_and_squeeze(SUBJECT, GENERATOR, "energy:0", **asked)


def planned(folder, unit="energy:0", image=IMAGE, seed=0, subject=SUBJECT, **changed):
    (one,) = plan(
        subject,
        GENERATOR,
        unit,
        task="invariance",
        reference=reference(image),
        run_seeds=[seed],
        options=options(taught_by=folder, **changed),
    )
    return one


def search_of(*plans, strategy=TWIN):
    own = Evaluator(SUBJECT, GENERATOR, options(), 32)
    return Search(
        GENERATOR,
        [own.run(own.settled(p)) for p in plans],
        strategy=strategy,
        population=POPULATION,
        stage=SUBJECT,
    )


def test_taught_images_have_the_stretch_and_the_change_that_a_measurement_gives(earlier):
    folder, result = earlier
    own = planned(folder)
    evaluator = Evaluator(SUBJECT, GENERATOR, options(), 32)
    problem = Problem.of(evaluator.run(own), GENERATOR, SUBJECT)
    taught = taught_observations(problem, Features.of("codes", GENERATOR), None, CPU)
    codes = result.runs[0].tensors["codes"]
    wanted = evaluator.measure(codes, problem.objective, "float32")
    assert len(taught) == len(codes) > 3
    assert torch.allclose(taught.scores.float(), wanted, rtol=1e-4, atol=1e-4)
    assert not taught.generation.any()


def test_taught_images_keep_the_standard_errors_of_their_answers(earlier):
    folder, _ = earlier
    evaluator = Evaluator(SUBJECT, GENERATOR, options(), 32)
    run = evaluator.run(planned(folder))
    exact = run.taught
    errors = torch.linspace(0.1, 2, len(exact.codes), dtype=torch.float64)
    noisy = replace(run, taught=replace(exact, errors=errors))
    words = Features.of("codes", GENERATOR), None, CPU
    for one, wanted in ((run, torch.zeros_like(errors)), (noisy, errors)):
        found = taught_observations(Problem.of(one, GENERATOR, SUBJECT), *words)
        assert torch.equal(found.errors, wanted)
    assert noisy.taught.describe() == exact.describe()


def test_a_taught_twin_predicts_what_the_earlier_run_measured(earlier):
    folder, _ = earlier
    evaluator = Evaluator(SUBJECT, GENERATOR, options(), 32)
    run = evaluator.run(planned(folder))
    problem = Problem.of(run, GENERATOR, SUBJECT)
    start = TWIN.init(["a"], run.start[None], torch.ones(1), POPULATION)
    state = TWIN._taught(start, [problem])
    data, process = TWIN._twin(state, [problem])
    predicted = process.predict(data.features)[0][0]
    error = float((predicted - data.values[0]).square().mean().sqrt())
    assert error < 0.2  # in SD of the activities


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_its_first_front_is_larger_than_that_of_an_untaught_twin(earlier, seed):
    areas = []
    for own in (None, earlier[0]):
        found = search_of(planned(own, seed=seed))
        found.step(SUBJECT)
        scores = found.interrupted()[0].front.scores.double()
        goals = Goals.of(found._problems(), [torch.ones(1, 3).double()])
        areas.append(front_area(goals, scores[:, 0], scores[:, 2]))
    assert areas[1] > 1.1 * areas[0]


def test_it_goes_on_to_the_same_bits_and_alone_as_in_company(earlier):
    folder, _ = earlier
    plans = [planned(folder), planned(None, seed=1), planned(folder, image=OTHER, seed=2)]
    together, alone = search_of(*plans), search_of(plans[0])
    for found in (together, alone):
        for _ in range(2):
            found.step(SUBJECT)
    assert torch.equal(together.ask_codes()[0], alone.ask_codes()[0])
    other = search_of(plans[0])
    other.load_state_dict(alone.state_dict())
    for _ in range(2):
        assert torch.equal(other.ask_codes(), alone.ask_codes())
        other.step(SUBJECT), alone.step(SUBJECT)
    fronts = (found.interrupted()[0].front for found in (other, alone))
    one, two = ([getattr(front, f.name) for f in fields(front)] for front in fronts)
    assert all(torch.equal(a, b) for a, b in zip(one, two, strict=True))


@pytest.mark.parametrize(
    "cells", [None, Cells((Measure("red", 0, 1, 4, lambda i: i[:, 0].mean((1, 2))),))]
)
def test_members_are_the_runs_own_images(earlier, cells):
    folder, result = earlier
    own = replace(TWIN, cells=cells)
    found = search_of(planned(folder, strategy=own), strategy=own)
    for _ in range(3):
        found.step(SUBJECT)
    front = found.interrupted()[0].front
    assert bool((front.generation > 0).all())
    taught = {tuple(code) for code in result.runs[0].tensors["codes"].tolist()}
    assert not taught & {tuple(code) for code in front.codes.float().tolist()}


def test_a_run_is_named_by_the_images_that_teach_it(earlier, tmp_path):
    folder, result = earlier
    names = {planned(own).settings.name for own in (None, folder)}
    assert len(names) == 2
    copied = shutil.copytree(folder, tmp_path / "copied")
    assert planned(copied).settings.name in names
    assert planned(result.runs[0].path).settings.name in names  # one run, or the folder around it
    more = options(strategy="isotropic", generations=3)
    stretch_and_squeeze(
        SUBJECT, GENERATOR, "energy:0", reference=reference(IMAGE), options=more, out=tmp_path / "b"
    )
    shutil.copytree(next((tmp_path / "b").iterdir()), copied / "one_more")
    assert planned(copied).settings.name not in names
    assert "taught" not in planned(None).settings.strategy


def test_the_reference_of_taught_runs_is_that_of_untaught_ones(earlier):
    folder, _ = earlier
    names = {
        plan_mei(SUBJECT, GENERATOR, "energy:0", options=options(taught_by=own))[0].settings.name
        for own in (None, folder)
    }
    assert len(names) == 1


def test_what_cannot_teach_is_refused_in_a_sentence(earlier, tmp_path):
    folder, _ = earlier
    with pytest.raises(InputError, match=r"no run that can teach of linear:0; expected ended runs"):
        planned(folder, "linear:0")
    with pytest.raises(InputError, match="no run that can teach"):
        planned(folder, subject=ToySubject(2 * MASK))
    with pytest.raises(InputError, match="no run that can teach"):
        planned(tmp_path)
    for nowhere, words in (
        (tmp_path / "nothing", "nothing', and no such folder is there"),
        ([], "names no folder"),
    ):
        with pytest.raises(InputError, match=words):  # before the search for a reference
            options(taught_by=nowhere)
    with pytest.raises(InputError, match="a set of 2 units"):
        planned(folder, "energy:0+linear:0")
    with pytest.raises(InputError, match="taught_by is for strategy 'twin'; 'isotropic'"):
        options(strategy="isotropic", taught_by=folder)


def test_a_noisy_unit_is_not_taught(earlier):
    class Noisy(ToySubject):
        noisy = frozenset({"energy"})

    with pytest.raises(InputError, match="answers with noise"):
        planned(earlier[0], subject=Noisy(MASK))


def test_teachers_are_asked_for_before_anything_is_searched(earlier, tmp_path):
    asked = options(generations=1, taught_by=str(earlier[0]))
    with pytest.raises(InputError, match="no run that can teach of linear:0"):
        run_experiment(
            SUBJECT, GENERATOR, "linear:0", [CONDITION], out=tmp_path / "runs", options=asked
        )
    assert not (tmp_path / "runs").exists()


def test_a_search_that_would_teach_itself_the_next_time_is_refused(earlier, tmp_path):
    own = shutil.copytree(earlier[0], tmp_path / "own")
    asked = options(generations=1, taught_by=str(own))
    before = sorted(path.name for path in own.iterdir())
    with pytest.raises(InputError, match="where the new runs go too"):
        run_experiment(SUBJECT, GENERATOR, "energy:0", [CONDITION], out=own, options=asked)
    with pytest.raises(InputError, match="give another --out"):
        stretch_and_squeeze(
            SUBJECT, GENERATOR, "energy:0", reference=reference(IMAGE), out=own, options=asked
        )
    assert sorted(path.name for path in own.iterdir()) == before
