"""The reference strategy against plain use of the library `cma` with the same draws."""

import math
import warnings

import cma
import numpy as np
import pytest
import torch

from invariscope import seeds
from invariscope.errors import InputError
from invariscope.search.strategies import LibraryCma


def ellipsoid(codes):
    return (codes**2 * np.arange(1, codes.shape[-1] + 1)).sum(-1)


@pytest.mark.parametrize(("n", "size"), [(3, 6), (12, 10), (5, 50)])
def test_it_equals_plain_use_of_the_library(n, size):
    generation = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plain = cma.CMAEvolutionStrategy(
            np.full(n, 2.0),
            0.5,
            {
                "popsize": size,
                "seed": math.nan,
                "verbose": -9,
                "randn": lambda *shape: seeds.numpy_stream(
                    "plain", generation, "ask"
                ).standard_normal(shape),
            },
        )
    strategy = LibraryCma()
    state = strategy.init(["plain"], torch.full((1, n), 2.0), torch.tensor([0.5]), size)
    for generation in range(15):  # noqa: B007  (read by the plain library's draws)
        asked = plain.ask()
        codes = strategy.ask(state, size)
        assert np.array_equal(np.stack(asked), codes[0].numpy())
        values = ellipsoid(np.stack(asked))
        plain.tell(asked, values.tolist())
        order = torch.from_numpy(np.argsort(values)).unsqueeze(0)
        state = strategy.tell(state, codes, order, torch.ones(1, size, dtype=torch.bool))
    own = state.optimisers[0].library
    assert np.array_equal(own.mean, plain.mean)
    assert own.sigma == plain.sigma
    assert np.array_equal(own.C, plain.C)


def test_too_few_answers_teach_nothing():
    strategy, size = LibraryCma(), 10
    state = strategy.init(["a"], torch.ones(1, 4), torch.ones(1), size)
    order = torch.arange(size).unsqueeze(0)
    for count in (1, 4):
        state = strategy.tell(state, strategy.ask(state, size), order, order < count)
    assert np.array_equal(state.optimisers[0].library.mean, np.ones(4))
    state = strategy.tell(state, strategy.ask(state, size), order, order < 5)
    assert not np.array_equal(state.optimisers[0].library.mean, np.ones(4))
    assert state.generation.tolist() == [3]


def test_a_run_that_was_told_other_codes_cannot_be_packed():
    strategy, size = LibraryCma(), 6
    state = strategy.init(["a"], torch.ones(1, 4), torch.ones(1), size)
    order, observed = torch.arange(size).unsqueeze(0), torch.ones(1, size, dtype=torch.bool)
    state = strategy.tell(state, strategy.ask(state, size), order, observed)
    assert strategy.pack(state)["orders"].shape == (1, size)
    state = strategy.tell(state, strategy.ask(state, size) + 1, order, observed)
    with pytest.raises(InputError, match="cannot be packed"):
        strategy.pack(state)


def test_high_dimensional_codes_keep_step_size_control_and_the_global_stream():
    n, strategy = 320, LibraryCma()
    state = strategy.init(["a"], torch.full((1, n), 1.0), torch.ones(1), 20)
    np.random.seed(5)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    lengths = []
    for _ in range(120):
        codes = strategy.ask(state, 20)
        lengths.append(float(codes.norm(dim=2).mean()))
        order = codes.norm(dim=2).argsort(dim=1)
        state = strategy.tell(state, codes, order, torch.ones(1, 20, dtype=torch.bool))
    assert lengths[-1] < 0.7 * lengths[0]
    assert state.optimisers[0].library.sigma < 1
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002
