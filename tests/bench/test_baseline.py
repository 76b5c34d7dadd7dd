"""The baseline does what the original does, so that it is a fair thing to be measured beside."""

import cma
import numpy as np
import pytest
import torch

from bench.baseline import OriginalLoop, contiguous
from bench.plain_sorting import sort_fronts
from invariscope import seeds
from invariscope.experiments.reference import depart_from
from invariscope.search import ranking
from invariscope.search.archive import Archive
from invariscope.search.measure import measure
from invariscope.search.objectives import Objective, Objectives
from invariscope.units import parse_target

POPULATION, SEED = 8, 5


@pytest.mark.parametrize("levels", [3, 1000])
def test_plain_sorting_finds_the_fronts_of_the_batched_ranking(levels):
    draws = seeds.normal([("costs", k) for k in range(20)], (30, 2))
    costs = (draws * levels / 4).round()
    expected = ranking.fronts(costs)
    for row, own in zip(costs.tolist(), expected, strict=True):
        fronts = sort_fronts(row)
        assert sorted(i for front in fronts for i in front) == list(range(30))
        for k, front in enumerate(fronts):
            assert sorted(front) == (own == k).nonzero().flatten().tolist()


@pytest.fixture
def reference(generator):
    return seeds.normal([("reference",)], (generator.code_dim,))[0]


@pytest.fixture
def baseline(generator, conv_subject, reference):
    return OriginalLoop(
        generator,
        conv_subject,
        unit=2,
        readout="fc",
        site="conv2",
        reference=reference,
        start=torch.zeros(generator.code_dim),
        population=POPULATION,
        seed=SEED,
    )


def test_generations_equal_those_of_the_library_and_the_engines_parts(
    baseline, generator, conv_subject, reference
):
    random = np.random.default_rng(SEED)
    library = cma.CMAEvolutionStrategy(
        np.zeros(generator.code_dim),
        1.0,
        {
            "popsize": POPULATION,
            "seed": np.nan,
            "randn": lambda *shape: random.standard_normal(shape),
            "verbose": -9,
        },
    )
    target = parse_target("fc:2", conv_subject.sites())
    image = generator.generate(reference.unsqueeze(0))[0]
    objective = depart_from(Objective("invariance", target, "conv2"), conv_subject, image, 32)
    archive = Archive.empty(1, generator.code_dim)
    for generation in range(4):
        codes = library.ask()
        batch = torch.from_numpy(np.stack(codes))
        scores = measure(generator, conv_subject, batch, objective, chunk=32).unsqueeze(0)
        costs = Objectives([objective], "cpu").costs(scores)
        order = ranking.order(costs, scores[..., 1])[0].tolist()
        library.tell([codes[i] for i in order], list(range(POPULATION)))
        when = torch.full((1, POPULATION), generation)
        archive = archive.add(costs, scores, batch.unsqueeze(0), when, torch.zeros_like(when))
        baseline.generation()
    np.testing.assert_allclose(baseline.optimiser.mean, library.mean, rtol=1e-12)
    members = sorted(cost for cost, _ in baseline.archive)
    expected = sorted(archive.costs[0][archive.alive[0]].tolist())
    np.testing.assert_allclose(members, expected, rtol=1e-4, atol=1e-4)


def test_weights_are_contiguous_and_those_of_the_subject_stay_as_they_are(baseline, conv_subject):
    own, theirs = baseline.model.conv1.weight, conv_subject.model.conv1.weight
    assert own.equal(theirs)
    assert own.stride() == (27, 9, 3, 1)
    assert theirs.stride() != own.stride()
    one = torch.nn.Conv2d(4, 4, 1).to(memory_format=torch.channels_last)
    assert contiguous(one).weight.stride() == (4, 1, 1, 1)


def test_the_whole_network_runs_and_every_tap_is_numpy(baseline):
    baseline.generation()
    assert set(baseline.states) == {"conv2", "fc"}
    assert all(isinstance(state, np.ndarray) for state in baseline.states.values())
    assert baseline.states["fc"].shape == (POPULATION, 5)
    assert baseline.states["fc"].dtype == np.float32
    assert baseline.checkpoint_bytes() > baseline.generator.code_dim**2 * 8
