"""`docs/neurons.md` says what `benchmarks/neurons.json` holds; its networks are quick and right."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats

import invariscope as iv
from invariscope.rig.file import parse_session

ROOT = Path(__file__).resolve().parent.parent


def load(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "benchmarks" / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def page():
    return load("neurons_page")


@pytest.fixture
def network():
    """A small network of the layout, every weight and running moment drawn."""
    networks = load("v4_networks")
    made = networks.NeuronNetwork((8, 7, 6, 5, 4), side=32)
    stream = torch.Generator().manual_seed(0)
    for name, tensor in made.state_dict().items():
        if tensor.is_floating_point():
            drawn = torch.randn(tensor.shape, generator=stream) / 3
            tensor.copy_(drawn.exp() if name.endswith("running_var") else drawn)
    return networks, made.eval()


def test_the_quick_network_is_the_same_function(network):
    networks, slow = network
    images = torch.rand(5, 3, 32, 32, generator=torch.Generator().manual_seed(1)) * 255 - 110
    with torch.inference_mode():
        expected = slow(images)
    assert expected.std() > 0.1
    with torch.inference_mode():
        found = networks.quickened(slow)(images)
    assert torch.allclose(found, expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max()))


def test_a_scaled_network_answers_in_its_neurons_spikes(network):
    networks, model = network
    subject = iv.NetworkSubject(model, image_size=32, std=1, value_range=255, name="n")
    photos = torch.rand(40, 3, 32, 32, generator=torch.Generator().manual_seed(2))
    raw = networks.answers(subject, photos)
    rates = 40 + 7 * raw / raw.std() + np.random.default_rng(0).normal(0, 2, 40)
    told = networks.in_spikes(subject, raw, rates)
    assert np.allclose(networks.answers(subject, photos), told, rtol=1e-4)
    assert abs((rates - told).mean()) < 1e-5  # of some 40 spikes/s in float32
    assert abs(np.corrcoef(raw, rates - told)[0, 1]) < 1e-6


@pytest.fixture(scope="module")
def figures(page):
    return page.read(ROOT / "benchmarks" / "neurons.json")


def test_the_page_is_what_the_command_writes_of_its_figures(page, figures):
    plan = page.read(ROOT / "benchmarks" / "neurons_plan.json")
    beside = page.read(ROOT / "benchmarks" / "v4_readouts.json")
    assert (ROOT / "docs" / "neurons.md").read_text() == page.render(figures, plan, beside)


def test_the_page_counts_what_the_figures_hold(page, figures):
    rows = figures["rows"]["excitation"]
    above = sum(row["mei"] > row["best_photo"] for row in rows)
    text = page.render(figures)
    assert f"For {above} of {len(rows)} model neurons" in text
    assert len(rows) == figures["neurons"]
    others = [row for row in rows if row["neuron"] not in figures["watched"]]
    above = sum(row["mei"] > row["best_photo"] for row in others)
    assert f"chosen: {above} of {len(others)}" in text
    assert max(figures["importer"].values()) < 1e-6


def test_a_neuron_has_one_row_in_each_part(figures):
    for rows in figures["rows"].values():
        numbers = [row["neuron"] for row in rows]
        assert numbers == sorted(set(numbers))


def test_the_intervals_are_students_of_the_rows(page, figures):
    for group, without in (("all", []), ("not watched", figures["watched"])):
        for name, found in figures["intervals"][group].items():
            rows = [r for r in figures["rows"][name] if r["neuron"] not in without]
            logs = np.log([r["distance"] / r["affine"] for r in rows if r["affine"] >= page.LEAST])
            half = stats.t.ppf(0.975, len(logs) - 1) * stats.sem(logs)
            expected = np.exp([logs.mean(), logs.mean() - half, logs.mean() + half])
            assert np.allclose(found["ratio"], expected)
            assert found["farther"] == sum(r["distance"] > r["affine"] for r in rows)
            if group == "all":
                assert f"| {page.verdict(found['ratio'])} |" in page.render(figures)


@pytest.mark.parametrize(
    ("ratio", "said"),
    [([2, 1.1, 3], "holds"), ([1.4, 0.8, 2.4], "undecided"), ([0.5, 0.3, 0.9], "contradicted")],
)
def test_a_verdict_follows_from_the_interval_alone(page, ratio, said):
    assert page.verdict(ratio) == said
    assert page.verdict([1.5, float("nan"), float("nan")]) == "undecided"


def test_the_session_of_the_page_is_one(page):
    asked = parse_session(page.SESSION)
    assert list(asked.rig.units) == list(asked.search.targets) == ["n12"]
    assert asked.final.repeats == page.HELD_BACK_REPEATS


def test_a_folded_regression_answers_as_the_fitted_one():
    readouts = load("v4_readouts")
    stream = np.random.default_rng(3)
    features = stream.normal(2, 3, (40, 60))
    rates = features[:, :2] @ [[1.0, 0.2], [-0.5, 0.1]] + stream.normal(0, 1, (40, 2))
    fitted = readouts.ridge(60).fit(features, rates)
    with torch.no_grad():
        answers = readouts.folded(fitted)(torch.from_numpy(features).float()).numpy()
    assert np.allclose(answers, fitted.predict(features), atol=1e-4)


def test_a_readout_of_a_networks_layers_answers_as_its_features_do():
    """The subject's own pass, preprocessing included, and features × weights are one number."""
    readouts = load("v4_readouts")
    network = readouts.embedded("standard")
    photos = torch.rand(4, 3, 96, 96, generator=torch.Generator().manual_seed(4))
    site = readouts.LAYERS["embedded"]
    found = network.respond(photos, [site])[site]
    grid = torch.nn.functional.adaptive_avg_pool2d(found, readouts.GRID).flatten(1)
    stream = torch.Generator().manual_seed(5)
    neurons = torch.nn.Linear(grid.shape[1], len(readouts.NEURONS))
    torch.nn.init.normal_(neurons.weight, generator=stream)
    subject = readouts.with_readout(
        network, readouts.up_to(network.model, site), neurons, "neurons of features"
    )
    with torch.no_grad():
        expected = neurons(grid)
    answers = subject.respond(photos, ["neurons"])["neurons"]
    assert torch.allclose(answers, expected, rtol=1e-4, atol=1e-3)
    assert subject.classes == tuple(f"n{number}" for number in readouts.NEURONS)


def test_layers_that_are_not_there_are_named():
    readouts = load("v4_readouts")
    with pytest.raises(ValueError, match="'layer9' among conv1, bn1"):
        readouts.up_to(readouts.embedded("standard").model, "layer9")
