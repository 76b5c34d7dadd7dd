"""The search against what is known beforehand: closed-form fronts, perfect squeezes, pixels."""

import math
from dataclasses import replace

import pytest
import torch

from invariscope.generators.base import Generator
from invariscope.search.measure import measure
from invariscope.search.objectives import TASKS
from invariscope.search.run import Run
from invariscope.search.search import Search
from invariscope.search.strategies import STRATEGIES
from invariscope.testing.toys import ToyGenerator, ToySubject, least_stretch, most_stretch

# A sphere of codes does not hold the toy's best images, and a genetic search with a fixed
# mutation size comes near them only.
EXACT = [name for name in STRATEGIES if name not in ("sphere", "genetic")]


@pytest.fixture(params=EXACT)
def strategy(request):
    return request.param


def test_fault_a_perfect_squeeze_made_scores_infinite(toy):
    # The energy unit ignores half of the pixels: candidates that differ there only squeeze
    # perfectly. All of a population that does so is ranked by stretch, and the search goes on.
    class HalfGenerator(Generator):
        name, code_dim, image_size, device = "half", 24, 4, torch.device("cpu")

        def identity(self):
            return {}

        def _generate(self, codes):
            pixels = torch.cat([torch.zeros_like(codes), 0.1 * codes], 1)
            return 0.5 + pixels.unflatten(1, (3, 4, 4))

    objective = toy.objective(unit="energy:1")
    own = Run("perfect", objective, torch.zeros(24), generations=40)
    search = Search(HalfGenerator(), [own], population=12)
    news = [told[0] for told in search.advance(toy.subject)]
    assert {tuple(n.line["squeeze"]) for n in news} == {(0.0, 0.0, 0.0)}
    assert {n.line["archive"] for n in news} == {1}
    (member,) = news[-1].outcome.front.scores.tolist()
    assert member[0] > 0.95 * most_stretch(toy.subject.weights[1], 0)
    assert all(math.isfinite(x) for n in news for x in n.line["stretch"])


def test_fault_distances_were_measured_again_from_8_bit_images(toy):
    front = toy.outcomes([toy.run()])["run"].front
    images = toy.generator.generate(front.codes).double()
    exact = (images - 0.5).flatten(1).norm(dim=1)
    coarse = ((images * 255).round() / 255 - 0.5).flatten(1).norm(dim=1)
    assert front.scores[:, 0].numpy() == pytest.approx(exact.numpy(), rel=1e-6)
    assert front.scores[:, 0].numpy() != pytest.approx(coarse.numpy(), rel=1e-6)


@pytest.mark.parametrize("site", ["pixels", "deep"])
@pytest.mark.parametrize("chunk", [32, 50])
def test_the_references_own_squeeze_and_stretch_are_0(world, site, chunk):
    site = world.site if site == "deep" else site
    objective = world.objective(site=site, chunk=chunk)
    codes = torch.cat([world.reference.unsqueeze(0), world.reference.unsqueeze(0) + 1])
    scores = measure(world.generator, world.subject, codes, objective, chunk=chunk)
    assert scores[0, :2].tolist() == [0, 0]
    assert bool((scores[1, :2] > 0).all())


def test_fault_a_border_that_the_network_never_sees_counted_as_stretch():
    # Every pixel of a generated image, its border too, reaches the unit and the pixel site.
    generator, subject = ToyGenerator(8), ToySubject(torch.ones(1, 3, 4, 4))
    codes = torch.cat([torch.zeros(1, 192), torch.eye(192)])
    answers = subject.respond(generator.generate(codes), ["pixels", "linear"])
    assert answers["pixels"].shape == (193, 3, 4, 4)
    assert bool((answers["linear"][1:] > answers["linear"][:1] + 1e-3).all())
    assert bool(((answers["pixels"][1:] - answers["pixels"][:1]).flatten(1).norm(dim=1) > 0).all())


def reach(world, task, strategy, reference):
    """The front of a search for the task's toy unit from that reference code."""
    world = replace(world, reference=reference)
    unit, sigma = {"invariance": ("energy:1", 1.0), "adversarial": ("linear:0", 0.3)}[task]
    # The toy's statistics do not fit its units, so a whitened search takes longer.
    generations = 300 if strategy == "whitened" else 150
    own = world.run(
        task,
        task=task,
        unit=unit,
        sigma=sigma,
        tie_break=TASKS[task].tie_break,
        generations=generations,
    )
    return world.outcomes([own], strategy=strategy, population=20)[task].front.scores.double()


def test_the_search_reaches_the_analytic_invariance_front(toy, strategy):
    mask = toy.subject.weights[1]
    scores = reach(toy, "invariance", strategy, toy.reference)
    best = torch.tensor([most_stretch(mask, squeeze) for squeeze in scores[:, 1].tolist()])
    assert bool((scores[:, 0] <= best * (1 + 1e-5)).all())
    assert float((scores[:, 0] / best).median()) > 0.99
    assert float(scores[:, 1].min()) < 0.1
    at_best = scores[scores[:, 1].argmin()]
    assert float(at_best[0]) > 0.95 * most_stretch(mask, float(at_best[1]))


@pytest.mark.parametrize("where", ["grey", "elsewhere"])
def test_the_search_reaches_the_analytic_adversarial_front(toy, strategy, where):
    # The closed form holds from any reference, as long as the way along w stays in the box.
    weights = toy.subject.weights[0]
    shift = 0.0 if where == "grey" else 0.5
    reference = toy.reference + shift * torch.linspace(-1, 1, 48, dtype=torch.float64)
    scores = reach(toy, "adversarial", strategy, reference)
    scores = scores[scores[:, 1] > 1]
    least = torch.tensor([least_stretch(weights, squeeze) for squeeze in scores[:, 1].tolist()])
    assert bool((scores[:, 0] >= least * (1 - 1e-5)).all())
    assert float((scores[:, 0] / least).min()) < 1.02
    assert float((scores[:, 0] / least).median()) < 1.05


def test_the_toys_closed_forms_are_attained(toy):
    linear, mask = toy.subject.weights
    squeeze = 2.0
    along = 0.5 + squeeze * linear / linear.norm() ** 2
    spread = torch.where(mask > 0, 0.5 + (squeeze / mask.sum()).sqrt(), torch.ones(()))
    images = torch.stack([torch.full((3, 4, 4), 0.5), along, spread])
    assert float(images.min()) >= 0
    assert float(images.max()) <= 1
    answers = toy.subject.respond(images, ["linear", "energy"])
    stretch = (images - 0.5).flatten(1).norm(dim=1).tolist()
    assert float(answers["linear"][1, 0] - answers["linear"][0, 0]) == pytest.approx(squeeze, 1e-5)
    assert stretch[1] == pytest.approx(least_stretch(linear, squeeze), rel=1e-5)
    assert float(answers["energy"][2, 1]) == pytest.approx(squeeze, rel=1e-5)
    assert stretch[2] == pytest.approx(most_stretch(mask, squeeze), rel=1e-5)
    assert torch.allclose(toy.generator.generate(toy.generator.code_of(images)), images)
