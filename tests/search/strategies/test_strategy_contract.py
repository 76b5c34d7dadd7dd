"""What every strategy promises, for each of them."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from invariscope.errors import InputError
from invariscope.search.strategies import DEFAULT, STRATEGIES, Isotropic, load_strategy

N, SIZE = 10, 12
NAMES = tuple(f"run {i}" for i in range(8))


@pytest.fixture(params=list(STRATEGIES))
def strategy(request):
    return STRATEGIES[request.param]()


def start(names, n=N):
    """Where each run starts: elsewhere than the others, by its name alone."""
    values = [[3 + ord(name[-1]) / 1000] for name in names]
    return torch.tensor(values, dtype=torch.float64).expand(len(names), n)


def begin(strategy, names=NAMES, *, size=SIZE, n=N):
    return strategy.init(names, start(names, n), torch.ones(len(names)), size)


def best_first(codes):
    return codes.square().sum(-1).argsort(dim=1, stable=True)


def everyone(order):
    return torch.ones_like(order, dtype=torch.bool)


def advance(strategy, state, generations, size=SIZE):
    for _ in range(generations):
        codes = strategy.ask(state, size)
        order = best_first(codes)
        state = strategy.tell(state, codes, order, everyone(order))
    return state


def some_told(codes, count):
    """An order and a mask in which the last candidates were not answered."""
    told = torch.zeros(codes.shape[:2], dtype=torch.bool)
    told[:, :count] = True
    order = best_first(codes.masked_fill(~told.unsqueeze(-1), 1e9))
    return order, told


def test_ask_gives_finite_float64_codes_of_every_run(strategy):
    codes = strategy.ask(begin(strategy), SIZE)
    assert codes.shape == (len(NAMES), SIZE, N)
    assert codes.dtype == torch.float64
    assert bool(codes.isfinite().all())


def test_fault_codes_changed_on_every_read(strategy):
    state = advance(strategy, begin(strategy), 2)
    assert torch.equal(strategy.ask(state, SIZE), strategy.ask(state, SIZE))


def test_codes_scatter_around_the_start_by_sigma(strategy):
    state = strategy.init(["a"], start(["a"]), torch.tensor([2.0]), SIZE)
    codes = strategy.ask(state, 4000)[0]
    assert codes.mean(0).numpy() == pytest.approx(start(["a"])[0].numpy(), abs=0.15)
    assert codes.std(0).numpy() == pytest.approx(2.0, abs=0.15)


def test_tell_counts_generations_and_draws_new_codes(strategy):
    state = begin(strategy)
    first = strategy.ask(state, SIZE)
    state = advance(strategy, state, 3)
    assert state.generation.tolist() == [3] * len(NAMES)
    assert not torch.isin(strategy.ask(state, SIZE), first).any()


def test_states_split_and_join_by_runs(strategy):
    state = advance(strategy, begin(strategy), 2)
    codes = strategy.ask(state, SIZE)
    joined = type(state).cat([state[[5, 2]], state[[7]]])
    assert joined.names == (NAMES[5], NAMES[2], NAMES[7])
    assert len(joined) == 3
    assert torch.equal(strategy.ask(joined, SIZE), codes[[5, 2, 7]])


@pytest.mark.parametrize("n", [N, 257])
def test_a_run_alone_equals_itself_among_others_bit_for_bit(strategy, n):
    together = advance(strategy, begin(strategy, n=n), 5)
    alone = advance(strategy, begin(strategy, NAMES[3:4], n=n), 5)
    assert torch.equal(strategy.ask(together, SIZE)[3:4], strategy.ask(alone, SIZE))


def test_fault_seed_zero_was_dropped(strategy):
    # A seed is part of a run's name; 0 names a stream of its own, which is always the same.
    names = ["seed=0", "seed=1", "seed=", "seed=0"]
    starts = torch.zeros(4, N, dtype=torch.float64)
    codes = strategy.ask(strategy.init(names, starts, torch.ones(4), SIZE), SIZE)
    assert torch.equal(codes[0], codes[3])
    assert not torch.isin(codes[0], codes[1:3]).any()


def test_global_random_states_are_neither_read_nor_changed(strategy):
    def run(seed):
        torch.manual_seed(seed)
        np.random.seed(seed)  # noqa: NPY002
        before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
        codes = strategy.ask(advance(strategy, begin(strategy), 2), SIZE)
        assert torch.equal(before[0], torch.get_rng_state())
        assert np.array_equal(before[1], np.random.get_state()[1])  # noqa: NPY002
        return codes

    saved = torch.get_rng_state(), np.random.get_state()  # noqa: NPY002
    try:
        assert torch.equal(run(1), run(2))
    finally:
        torch.set_rng_state(saved[0])
        np.random.set_state(saved[1])  # noqa: NPY002


@pytest.mark.parametrize("told", [SIZE, SIZE // 2, 1, 0], ids=lambda k: f"{k} told")
def test_packed_and_unpacked_it_goes_on_exactly(strategy, told):
    state = advance(strategy, begin(strategy, ["a"]), 3)
    codes = strategy.ask(state, SIZE)
    state = strategy.tell(state, codes, *some_told(codes, told))
    packed = strategy.pack(state)
    assert all(isinstance(value, torch.Tensor) for value in packed.values())
    again = strategy.unpack("a", start(["a"]), torch.ones(1), SIZE, packed)
    assert again.generation.tolist() == [4]
    for _ in range(3):
        assert torch.equal(strategy.ask(again, SIZE), strategy.ask(state, SIZE))
        state, again = advance(strategy, state, 1), advance(strategy, again, 1)


def test_a_fresh_state_packs_and_unpacks(strategy):
    state = strategy.init(["a"], torch.zeros(1, N), torch.ones(1), SIZE)
    packed = strategy.pack(state)
    again = strategy.unpack("a", torch.zeros(1, N), torch.ones(1), SIZE, packed)
    assert torch.equal(strategy.ask(again, SIZE), strategy.ask(state, SIZE))


@pytest.mark.parametrize("told", range(SIZE))
def test_an_untold_candidate_teaches_nothing(strategy, told):
    one, other = begin(strategy), begin(strategy)
    codes = strategy.ask(one, SIZE)
    order, mask = some_told(codes, told)
    strange = codes.clone()
    strange[:, told:] += 100
    strategy.ask(other, SIZE)
    turned = torch.cat([order[:, :told], order[:, told:].flip(1)], 1)
    one = strategy.tell(one, codes, order, mask)
    other = strategy.tell(other, strange, turned, mask)
    assert torch.allclose(strategy.ask(one, SIZE), strategy.ask(other, SIZE), rtol=1e-12)


def test_a_generation_without_any_answer_leaves_the_distribution(strategy):
    state = begin(strategy)
    before = strategy.ask(state, 4000)
    codes = strategy.ask(state, SIZE)
    state = strategy.tell(state, codes, *some_told(codes, 0))
    after = strategy.ask(state, 4000)
    assert after.mean(1).numpy() == pytest.approx(before.mean(1).numpy(), abs=0.15)
    assert after.std(1).numpy() == pytest.approx(before.std(1).numpy(), abs=0.15)
    assert not torch.isin(after, before).any()


def test_some_answers_still_lead_downhill(strategy):
    state = begin(strategy)
    for _ in range(60):
        codes = strategy.ask(state, SIZE)
        state = strategy.tell(state, codes, *some_told(codes, 9))
    assert float(strategy.ask(state, SIZE).square().sum(-1).max()) < 0.1 * 9 * N


def test_injected_codes_are_learnt_from(strategy):
    state = begin(strategy)
    goal = torch.linspace(-1, 1, N).double()
    for _ in range(60):
        codes = goal + 0.1 * (strategy.ask(state, SIZE) - goal)
        order = (codes - goal).square().sum(-1).argsort(dim=1)
        state = strategy.tell(state, codes, order, everyone(order))
    mean = strategy.ask(state, 400).mean(1)
    assert float((mean - goal).abs().max()) < 0.2


@pytest.mark.parametrize("size", [4, SIZE, 50])
def test_it_minimises_the_sphere(strategy, size):
    state = advance(strategy, begin(strategy, size=size), 100, size)
    values = strategy.ask(state, size).square().sum(-1)
    assert float(values.amin(1).max()) < 0.05 * 9 * N


def test_it_is_known_by_its_name(strategy):
    assert load_strategy(strategy.name) == strategy
    assert load_strategy(strategy) is strategy


def test_the_default_is_isotropic_and_an_unknown_name_is_refused():
    assert load_strategy() == Isotropic()
    assert DEFAULT == "isotropic"
    with pytest.raises(InputError, match="did you mean 'isotropic'"):
        load_strategy("isotropc")


def test_parameters_are_frozen(strategy):
    with pytest.raises(AttributeError):
        strategy.name = "other"
    assert replace(strategy) == strategy
