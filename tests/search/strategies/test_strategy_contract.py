"""What every strategy promises, for each of them."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from invariscope.errors import InputError
from invariscope.generators import CodeStatistics
from invariscope.search.strategies import DEFAULT, STRATEGIES, Isotropic, load_strategy

N, SIZE = 10, 12
NAMES = tuple(f"run {i}" for i in range(8))


# Even, odd and prime; full vector registers and one number more or less; one number.
LENGTHS = [1, 2, 7, N, 30, 127, 255, 256, 257, 301, 1001]
# Codes of the last generation that are asked again.
ELITES = {"genetic": 2}
# Steps that do not shrink by what is told leave candidates around the best.
COARSE = {"genetic", "sphere"}


def ready(name, n=N):
    """A strategy for codes of length n that correlate, and for 100 generations."""
    places = torch.arange(n, dtype=torch.float64)
    covariance = 0.5 ** (places - places[:, None]).abs()
    statistics = CodeStatistics(torch.zeros(n, dtype=torch.float64), covariance)
    return STRATEGIES[name]().with_statistics(statistics).with_budget(100)


@pytest.fixture(params=list(STRATEGIES))
def strategy(request):
    return ready(request.param)


def best_code(strategy, n):
    """The code with the lowest cost: the origin, or as near as a sphere comes."""
    if strategy.name != "sphere":
        return torch.zeros(n, dtype=torch.float64)
    aim = torch.linspace(-1, 1, n, dtype=torch.float64)
    return strategy.radius * aim / aim.norm()


def cost(strategy, codes):
    return (codes - best_code(strategy, codes.shape[-1])).square().sum(-1)


def share_left(strategy, codes):
    """Costs as a share of the start's."""
    state = begin(strategy, ("a",), n=codes.shape[-1])
    first = state.mean if strategy.name == "sphere" else start(["a"], codes.shape[-1])
    return cost(strategy, codes) / float(cost(strategy, first))


def repeated(codes, before):
    """How many of each run's codes are among those before, `(runs,)`."""
    same = (codes.unsqueeze(2) == before.unsqueeze(1)).all(-1)
    return same.any(2).sum(1).tolist()


def start(names, n=N):
    """Where each run starts: elsewhere than the others, by its name alone."""
    values = [[3 + ord(name[-1]) / 1000] for name in names]
    return torch.tensor(values, dtype=torch.float64).expand(len(names), n)


def begin(strategy, names=NAMES, *, size=SIZE, n=N):
    return strategy.init(names, start(names, n), torch.ones(len(names)), size)


def best_first(strategy, codes):
    return cost(strategy, codes).argsort(dim=1, stable=True)


def everyone(order):
    return torch.ones_like(order, dtype=torch.bool)


def advance(strategy, state, generations, size=SIZE):
    for _ in range(generations):
        codes = strategy.ask(state, size)
        order = best_first(strategy, codes)
        state = strategy.tell(state, codes, order, everyone(order))
    return state


def some_told(strategy, codes, count):
    """An order and a mask in which the last candidates were not answered."""
    observed = torch.zeros(codes.shape[:2], dtype=torch.bool)
    observed[:, :count] = True
    order = best_first(strategy, codes.masked_fill(~observed.unsqueeze(-1), 1e9))
    return order, observed


def test_ask_gives_finite_float64_codes_of_every_run(strategy):
    codes = strategy.ask(begin(strategy), SIZE)
    assert codes.shape == (len(NAMES), SIZE, N)
    assert codes.dtype == torch.float64
    assert bool(codes.isfinite().all())


def test_fault_codes_changed_on_every_read(strategy):
    state = advance(strategy, begin(strategy), 2)
    assert torch.equal(strategy.ask(state, SIZE), strategy.ask(state, SIZE))


def test_codes_scatter_around_the_start_by_sigma(strategy):
    if strategy.name == "sphere":
        pytest.skip("a sphere has its own norm and scatters by an angle (test_sphere)")
    state = strategy.init(["a"], start(["a"]), torch.tensor([2.0]), SIZE)
    codes = strategy.ask(state, 4000)[0]
    assert codes.mean(0).numpy() == pytest.approx(start(["a"])[0].numpy(), abs=0.15)
    assert codes.std(0).numpy() == pytest.approx(2.0, abs=0.15)


def test_tell_counts_generations_and_draws_new_codes(strategy):
    state = begin(strategy)
    first = strategy.ask(state, SIZE)
    state = advance(strategy, state, 3)
    assert state.generation.tolist() == [3] * len(NAMES)
    kept = ELITES.get(strategy.name, 0)
    assert max(repeated(strategy.ask(state, SIZE), first)) <= kept


def test_states_split_and_join_by_runs(strategy):
    state = advance(strategy, begin(strategy), 2)
    codes = strategy.ask(state, SIZE)
    joined = type(state).cat([state[[5, 2]], state[[7]]])
    assert joined.names == (NAMES[5], NAMES[2], NAMES[7])
    assert len(joined) == 3
    assert torch.equal(strategy.ask(joined, SIZE), codes[[5, 2, 7]])


@pytest.mark.parametrize("n", LENGTHS)
def test_a_run_alone_equals_itself_among_others_bit_for_bit(strategy, n):
    strategy = ready(strategy.name, n)
    together = advance(strategy, begin(strategy, n=n), 5)
    alone = advance(strategy, begin(strategy, NAMES[3:4], n=n), 5)
    assert torch.equal(strategy.ask(together, SIZE)[3:4], strategy.ask(alone, SIZE))


def shifted(values, offset):
    """The same values, so many numbers behind where torch would begin."""
    room = torch.zeros(values.numel() + offset, dtype=values.dtype)
    room[offset:] = values.flatten()
    return room[offset:].view(values.shape)


@pytest.mark.parametrize("offset", [1, 2, 3, 7])
@pytest.mark.parametrize("n", [30, 257])
def test_numbers_at_a_shifted_offset_in_memory_lead_to_the_same_codes(strategy, n, offset):
    strategy = ready(strategy.name, n)
    state = advance(strategy, begin(strategy, NAMES[:2], n=n), 2)
    codes = strategy.ask(state, SIZE)
    order = best_first(strategy, codes)
    moved = replace(
        state,
        **{
            name: shifted(value, offset)
            for name, value in state.tensors().items()
            if name != "generation"
        },
    )
    assert torch.equal(strategy.ask(moved, SIZE), codes)
    given = [shifted(values, offset) for values in (codes, order, everyone(order))]
    expected = strategy.ask(strategy.tell(state, codes, order, everyone(order)), SIZE)
    if strategy.name == "cma":  # its optimisers change in place and were told above
        return
    assert torch.equal(strategy.ask(strategy.tell(moved, *given), SIZE), expected)


def test_a_run_is_computed_apart_on_memory_of_its_own(strategy, monkeypatch):
    seen = []
    for name in ("_ask", "_tell"):
        inner = getattr(type(strategy), name)

        def watched(self, state, *given, inner=inner):
            values = [*state.tensors().values(), *given]
            seen.append((len(state), [v for v in values if isinstance(v, torch.Tensor)]))
            return inner(self, state, *given)

        monkeypatch.setattr(type(strategy), name, watched)
    n = 257
    strategy = ready(strategy.name, n)
    advance(strategy, begin(strategy, n=n), 2)
    assert [runs for runs, _ in seen] == [1] * (2 * 2 * len(NAMES))
    assert all(value.data_ptr() % 64 == 0 for _, values in seen for value in values)


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


@pytest.mark.parametrize("observed", [SIZE, SIZE // 2, 1, 0], ids=lambda k: f"{k} told")
def test_packed_and_unpacked_it_goes_on_exactly(strategy, observed):
    state = advance(strategy, begin(strategy, ["a"]), 3)
    codes = strategy.ask(state, SIZE)
    state = strategy.tell(state, codes, *some_told(strategy, codes, observed))
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


@pytest.mark.parametrize("observed", range(SIZE))
def test_an_untold_candidate_teaches_nothing(strategy, observed):
    one, other = begin(strategy), begin(strategy)
    codes = strategy.ask(one, SIZE)
    order, mask = some_told(strategy, codes, observed)
    strange = codes.clone()
    strange[:, observed:] += 100
    strategy.ask(other, SIZE)
    turned = torch.cat([order[:, :observed], order[:, observed:].flip(1)], 1)
    one = strategy.tell(one, codes, order, mask)
    other = strategy.tell(other, strange, turned, mask)
    assert torch.allclose(strategy.ask(one, SIZE), strategy.ask(other, SIZE), rtol=1e-12)


def test_a_generation_without_any_answer_leaves_the_distribution(strategy):
    state = begin(strategy)
    before = strategy.ask(state, 4000)
    codes = strategy.ask(state, SIZE)
    state = strategy.tell(state, codes, *some_told(strategy, codes, 0))
    after = strategy.ask(state, 4000)
    assert after.mean(1).numpy() == pytest.approx(before.mean(1).numpy(), abs=0.15)
    assert after.std(1).numpy() == pytest.approx(before.std(1).numpy(), abs=0.15)
    assert not any(repeated(after[:, :100], before))


def test_some_answers_still_lead_downhill(strategy):
    state = begin(strategy)
    for _ in range(60):
        codes = strategy.ask(state, SIZE)
        state = strategy.tell(state, codes, *some_told(strategy, codes, 9))
    left = share_left(strategy, strategy.ask(state, SIZE))
    worst = left.amin(1) if strategy.name in COARSE else left.amax(1)
    assert float(worst.max()) < 0.1


def test_injected_codes_are_learnt_from(strategy):
    state = begin(strategy)
    goal = torch.linspace(-1, 1, N).double()
    if strategy.name == "sphere":
        goal = strategy.radius * goal / goal.norm()
    for _ in range(60):
        codes = goal + 0.1 * (strategy.ask(state, SIZE) - goal)
        order = (codes - goal).square().sum(-1).argsort(dim=1)
        state = strategy.tell(state, codes, order, everyone(order))
    mean = strategy.ask(state, 400).mean(1)
    assert float((mean - goal).abs().max()) < 0.2


@pytest.mark.parametrize("size", [4, SIZE, 50])
def test_it_minimises_the_sphere(strategy, size):
    # Of four candidates the two elites are known already.
    generations = 400 if size == 4 and strategy.name in ELITES else 100
    state = advance(strategy, begin(strategy, size=size), generations, size)
    assert float(share_left(strategy, strategy.ask(state, size)).amin(1).max()) < 0.05


def test_it_is_known_by_its_name(strategy):
    assert load_strategy(strategy.name) == type(strategy)()
    assert load_strategy(strategy) is strategy


def test_it_describes_itself_in_plain_data(strategy):
    plain = strategy.describe()
    assert plain["name"] == strategy.name
    assert len(json.dumps(plain, allow_nan=False)) < 300
    assert ready(strategy.name).describe() == plain


def test_statistics_and_budget_that_are_settled_stay(strategy):
    other = CodeStatistics(torch.ones(N).double(), 3 * torch.eye(N).double())
    assert strategy.with_statistics(other).with_budget(7) == strategy


def test_the_default_is_isotropic_and_an_unknown_name_is_refused():
    assert load_strategy() == Isotropic()
    assert DEFAULT == "isotropic"
    with pytest.raises(InputError, match="did you mean 'isotropic'"):
        load_strategy("isotropc")


def test_parameters_are_frozen(strategy):
    with pytest.raises(AttributeError):
        strategy.name = "other"
    assert replace(strategy) == strategy
