"""A session planned on a fitted network, and the network's invariances put to the neuron."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

from invariscope import FunctionSubject, seeds, write_report
from invariscope.errors import InputError, StoreError
from invariscope.natural.statistics import measure_natural
from invariscope.rig.held_back import HeldBackClaim
from invariscope.rig.plan import PLAN, load_predictions, plan_session
from invariscope.rig.predictions import ModelPredictions, power, refutations
from invariscope.rig.repeats import RepeatPolicy
from invariscope.rig.session import REFUTED
from invariscope.rig.simulate import DirectLink, SimulatedBrain, SimulatedRates

RATES = SimulatedRates(peak=80, spontaneous=2, drift=0, lost=0)
FEW = 'targets = ["a"]\nrepeats = 2\n'


@pytest.fixture
def planned(asked, network, generator, photos, tmp_path):
    def make(file=None, rates=RATES):
        return plan_session(
            file or asked(search=FEW),
            network,
            ("out:0", "out:1", "out:2"),
            tmp_path / "plan",
            rates=rates,
            base=tmp_path,
            generator=generator,
        )

    return make


def test_a_plan_counts_what_the_session_shows(planned, asked, tmp_path):
    plan = planned()
    lines = (tmp_path / "plan" / "simulated" / "log.jsonl").read_text().splitlines()
    blocks = [json.loads(line) for line in lines]
    shown = sum(len(entry["trials"]) for entry in blocks if entry["event"] == "block")
    extra = plan.presentations["predictions"]
    images = len(plan.predictions)
    assert extra == images * 3 + 4
    blocks = -(-extra // 10)
    assert plan.total == shown + extra + blocks * 3
    assert plan.presentations["range"] == 8 * 4
    assert plan.minutes == pytest.approx(plan.total * 0.2 / 60)
    kept = json.loads((tmp_path / "plan" / PLAN).read_text())
    assert kept["total"] == plan.total
    again = planned()
    assert again.presentations == plan.presentations


def test_predictions_are_images_that_keep_the_models_response(
    planned, network, generator, tmp_path
):
    planned()
    (made,) = load_predictions(tmp_path / "plan")
    answers = network.respond(made.images, ["out"])["out"][:, 0]
    at = float(network.respond(made.reference.unsqueeze(0), ["out"])["out"][0, 0])
    assert torch.allclose(answers.double(), made.responses, atol=1e-5)
    assert abs(at - made.reference_response) < 1e-5
    assert bool((answers >= 0.5 * at - 1e-6).all())
    stretch = (made.images - made.reference).flatten(1).norm(dim=1)
    assert torch.allclose(stretch.double(), made.stretch, atol=1e-4)
    assert bool((made.stretch.diff() >= 0).all())


@pytest.fixture
def put_to_neuron(planned, make_session, asked, tmp_path):
    """Runs a session on a neuron, and puts the plan's predictions to it."""
    planned()
    (made,) = load_predictions(tmp_path / "plan")
    text = asked(search=FEW, blocks="drift = 0.0\n")
    often = text.final.model_copy(update={"repeats": 100, "reference": 200})
    file = text.model_copy(update={"final": often})

    def tested(subject, units):
        brain = SimulatedBrain(subject, units, ["a", "b", "c"], cortex=RATES, seed=1)
        session = make_session(file, link=DirectLink(brain), out="real")
        session.run()
        found = session.test_predictions(made)
        assert found.equals(session.test_predictions(made))
        (kept,) = (tmp_path / "real" / REFUTED).glob("*.parquet")
        assert pd.read_parquet(kept)["rejected"].equals(found["rejected"])
        return found

    return tested, made


def test_a_neuron_that_is_the_model_rejects_nothing(put_to_neuron, network):
    tested, _ = put_to_neuron
    found = tested(network, ["out:0", "out:1", "out:2"])
    assert not found["rejected"].any()
    assert found["confirmed"].mean() > 0.5


def test_the_reference_is_shown_among_a_plans_images(planned, make_session, asked):
    planned()
    session = make_session(asked(search=FEW), out="real")
    session.run()
    (made,) = load_predictions(session.folder.parent / "plan")
    before = len(session.presenter.ledger.trials)
    session.test_predictions(made)
    trials = [*session.presenter.ledger.trials.values()][before:]
    name = session.presenter.store(made.reference[None])[0]
    (key,) = {trial.request for trial in trials} - {"control"}
    assert session.presenter.ledger.requests[key][-1] == name
    assert sum(t.image == name and t.request == key for t in trials) >= 4


def test_predictions_that_an_earlier_build_showed_keep_their_reference(
    planned, make_session, asked
):
    planned()
    session = make_session(asked(search=FEW), out="real")
    session.run()
    (made,) = load_predictions(session.folder.parent / "plan")
    key, presenter = f"asked/predictions-{made.key}", session.presenter
    blocks = session.block_plan(0, presenter.measured("range"))
    presenter.measure(f"{key}-reference", made.reference[None], RepeatPolicy(4), blocks)
    presenter.measure(f"{key}-images", made.images, RepeatPolicy(3), blocks)
    shown = len(presenter.ledger.trials)
    assert len(session.test_predictions(made)) == len(made.images)
    assert len(presenter.ledger.trials) == shown


def test_a_neuron_that_wants_the_reference_alone_rejects_all(put_to_neuron, tmp_path):
    tested, made = put_to_neuron

    def picky(images):
        far = (images - made.reference).flatten(1).norm(dim=1)
        return torch.exp(-(far**2)).unsqueeze(1).expand(-1, 3) + 0.02

    neuron = FunctionSubject(picky, name="picky", image_size=8)
    shown = torch.cat([made.reference.unsqueeze(0), made.images])
    path = tmp_path / "picky.parquet"
    measure_natural(neuron, [shown], ["output"], "train").save(path)
    neuron.natural = path
    found = tested(neuron, ["output:0", "output:1", "output:2"])
    assert found["rejected"].all()
    page = write_report(tmp_path / "real" / "runs").read_text()
    assert f"the neuron rejects {len(found)} (at distances" in page
    assert not found["confirmed"].any()


def test_false_rejections_are_held_at_the_level():
    """Neurons that answer every image exactly at the bound: the worst that the model can be."""
    stream, wrong, sessions = seeds.numpy_stream("null"), 0, 300
    n, repeats = 6, 20
    made = ModelPredictions(
        "a",
        "invariance",
        "m",
        1.0,
        torch.zeros(3, 2, 2),
        torch.zeros(n, 3, 2, 2),
        torch.ones(n),
        torch.arange(n),
    )
    for _ in range(sessions):
        at = stream.normal(20, 5, 60)
        claim = HeldBackClaim.of("invariance", at.mean(), at.std(ddof=1) / 60**0.5, 0.5, 0.05)
        trials = stream.normal(10, 4, (n, repeats))
        counts = np.full(n, repeats, float)
        table = refutations(made, claim, trials.mean(1), trials.var(1, ddof=1), counts)
        wrong += table["rejected"].any()
    assert wrong / sessions < 0.05 + 3 * (0.05 * 0.95 / sessions) ** 0.5


@pytest.mark.parametrize(("side", "true"), [("above", 12.0), ("below", 8.0), ("above", 10.0)])
def test_power_is_the_share_of_simulated_tests_that_find_it(side, true):
    claim, repeats, draws = HeldBackClaim(side, 10.0, 0.0, 0.05), 12, 20_000
    stream = seeds.numpy_stream("power", side, true)
    trials = stream.normal(true, 3, (draws, repeats))
    counts = np.full(draws, repeats, float)
    # Each is a test of its own: p at most the level.
    p = claim.test(np.full(draws, 10.0), trials.mean(1), trials.var(1, ddof=1), counts)["p"]
    found = power(true, claim, 9.0, repeats, 1)
    assert abs(float((p <= 0.05).mean()) - found) < 4 * (0.25 / draws) ** 0.5


def test_mistakes_are_one_sentence(planned, make_session, network, asked, generator, tmp_path):
    with pytest.raises(StoreError, match="holds no predictions"):
        load_predictions(tmp_path)
    with pytest.raises(InputError, match=r"2 units of .* for 3 recorded ones"):
        plan_session(
            asked(search=FEW),
            network,
            ("out:0", "out:1"),
            tmp_path / "p",
            rates=RATES,
            base=tmp_path,
            generator=generator,
        )
    planned()
    (made,) = load_predictions(tmp_path / "plan")
    session = make_session()
    words = {k: v for k, v in vars(made).items() if k != "unit"}
    with pytest.raises(InputError, match="'z', which is not recorded"):
        session.test_predictions(ModelPredictions(unit="z", **words))
    file = tmp_path / "plan" / "predictions" / "0" / "predictions.safetensors"
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(StoreError, match="damaged"):
        load_predictions(tmp_path / "plan")
