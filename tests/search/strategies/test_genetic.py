"""The genetic strategy against a slow twin, its closed forms and its switched-off parts."""

import math

import pytest
import torch
from scipy.stats import norm

from invariscope import seeds
from invariscope.errors import InputError
from invariscope.search.strategies import Genetic

N, SIZE = 25, 10


def begin(strategy, names=("a",), n=N, size=SIZE, sigma=1.0):
    runs = len(names)
    mean = torch.linspace(1, 2, n, dtype=torch.float64).expand(runs, n)
    return strategy.init(names, mean, torch.full((runs,), sigma), size)


def tell(strategy, state, codes, order=None):
    order = codes.square().sum(-1).argsort(dim=1) if order is None else order
    return strategy.tell(state, codes, order, torch.ones_like(order, dtype=torch.bool))


def uniform(name, generation, purpose, shape):
    return norm.cdf(seeds.numpy_stream(name, generation, purpose).standard_normal(shape))


def slow_children(strategy, name, pool, size, generation, sigma):
    """The next generation of a pool, best first, in plain Python."""
    count, n = len(pool), len(pool[0])
    ranks = list(range(count))
    mean = sum(ranks) / count
    spread = math.sqrt(sum((r - mean) ** 2 for r in ranks) / count)
    fitness = [(mean - r) / spread / strategy.temperature for r in ranks]
    parents = uniform(name, generation, "parents", (size, count))
    genes = uniform(name, generation, "genes", (size, n))
    mutates = uniform(name, generation, "mutation", (size, n))
    steps = seeds.numpy_stream(name, generation, "ask").standard_normal((size, n))
    children = []
    for child in range(size):
        if child < strategy.elites:
            children.append(pool[child])
            continue
        # A draw without replacement by weights e^f: the largest f + Gumbel noise.
        keys = [f - math.log(-math.log(u)) for f, u in zip(fitness, parents[child], strict=True)]
        family = sorted(ranks, key=lambda r: -keys[r])[: strategy.parents]
        code = []
        for i in range(n):
            gene = pool[family[int(genes[child, i] * len(family))]][i]
            if mutates[child, i] < strategy.mutation_rate:
                gene += strategy.mutation_size * sigma * steps[child, i]
            code.append(gene)
        children.append(code)
    return children


def test_it_equals_its_description_one_number_at_a_time():
    strategy = Genetic(temperature=0.7)
    state, pool = begin(strategy, sigma=0.5), []
    for generation in range(5):
        codes = strategy.ask(state, SIZE)
        if pool:
            expected = slow_children(strategy, "a", pool, SIZE, generation, 0.5)
            assert torch.allclose(codes[0], torch.tensor(expected, dtype=torch.float64), rtol=1e-13)
        order = codes.square().sum(-1).argsort(dim=1)
        pool = codes[0, order[0]].tolist()
        state = tell(strategy, state, codes, order)


def test_the_defaults_are_the_originals():
    own = Genetic()
    assert (own.mutation_rate, own.mutation_size, own.temperature) == (0.3, 0.3, 1.0)
    assert (own.parents, own.elites) == (4, 2)


def test_elites_live_on_and_the_best_never_gets_worse():
    strategy = Genetic()
    state, best = begin(strategy), math.inf
    for _ in range(30):
        codes = strategy.ask(state, SIZE)
        values = codes.square().sum(-1)
        assert float(values.min()) <= best
        best = float(values.min())
        order = values.argsort(dim=1)
        state = tell(strategy, state, codes, order)
        assert torch.equal(strategy.ask(state, SIZE)[0, :2], codes[0, order[0, :2]])


def test_parents_are_drawn_by_the_softmax_of_the_z_scored_ranks():
    strategy = Genetic(mutation_rate=0.0, parents=1, elites=0, temperature=0.5)
    state = begin(strategy, n=1, size=6)
    codes = torch.arange(6, dtype=torch.float64).view(1, 6, 1)
    state = tell(strategy, state, codes, torch.arange(6)[None])
    children = strategy.ask(state, 60_000).flatten()
    shares = torch.bincount(children.long(), minlength=6) / len(children)
    ranks = torch.arange(6, dtype=torch.float64)
    fitness = -(ranks - ranks.mean()) / ranks.std(correction=0)
    assert shares.numpy() == pytest.approx(torch.softmax(fitness / 0.5, 0).numpy(), abs=0.006)


def test_no_code_is_its_own_mate():
    # With as many parents as candidates every candidate is one, so each component of a child
    # comes from each of them equally often.
    strategy = Genetic(mutation_rate=0.0, parents=6, elites=0, temperature=0.1)
    state = begin(strategy, n=1000, size=6)
    codes = torch.arange(6, dtype=torch.float64).view(1, 6, 1).expand(1, 6, 1000)
    state = tell(strategy, state, codes, torch.arange(6)[None])
    for child in strategy.ask(state, 20)[0]:
        shares = torch.bincount(child.long(), minlength=6) / 1000
        assert shares.numpy() == pytest.approx(1 / 6, abs=0.06)


def test_without_mutation_components_only_change_places_between_codes():
    strategy = Genetic(mutation_rate=0.0)
    state = begin(strategy)
    first = strategy.ask(state, SIZE)
    codes = first
    for _ in range(4):
        state = tell(strategy, state, codes)
        codes = strategy.ask(state, SIZE)
    assert bool((codes.unsqueeze(2) == first.unsqueeze(1)).any(2).all())


def test_cold_with_one_parent_and_no_mutation_every_child_is_the_best():
    strategy = Genetic(mutation_rate=0.0, parents=1, elites=0, temperature=1e-3)
    state = begin(strategy)
    codes = strategy.ask(state, SIZE)
    state = tell(strategy, state, codes)
    best = codes[0, codes.square().sum(-1).argmin()]
    assert torch.equal(strategy.ask(state, SIZE)[0], best.expand(SIZE, N))


def test_mutations_have_their_rate_and_size():
    strategy = Genetic(parents=1, elites=1, temperature=1e-3, mutation_rate=0.2)
    state = begin(strategy, n=4000, sigma=2.0)
    codes = strategy.ask(state, SIZE)
    state = tell(strategy, state, codes)
    best, *children = strategy.ask(state, SIZE)[0]
    changed = torch.stack(children) - best
    hit = changed != 0
    assert float(hit.double().mean()) == pytest.approx(0.2, abs=0.01)
    assert float(changed[hit].std()) == pytest.approx(0.3 * 2.0, rel=0.03)
    assert float(changed[hit].mean()) == pytest.approx(0, abs=0.03)


def test_only_answered_candidates_are_parents():
    strategy = Genetic(mutation_rate=0.0, elites=2)
    state = begin(strategy)
    codes = strategy.ask(state, SIZE)
    order = torch.arange(SIZE)[None]
    for count in (1, 3):
        after = strategy.tell(state, codes, order, order < count)
        children = strategy.ask(after, SIZE)
        known = codes[:, :count]
        assert bool((children.unsqueeze(2) == known.unsqueeze(1)).any(2).all())
    assert after.known.tolist() == [3]
    silent = strategy.tell(after, codes, order, order < 0)
    assert torch.equal(silent.pool, after.pool)


def test_golden():
    best = [0.0049238382953800675, -0.23870674459541008, 0.22562540342393472]
    worst = [0.5221102710954311, -0.23870674459541008, 0.22562540342393472]
    strategy = Genetic()
    state = begin(strategy, ("golden",), n=3, size=6)
    for _ in range(10):
        state = tell(strategy, state, strategy.ask(state, 6))
    assert state.pool[0, 0].tolist() == pytest.approx(best, rel=1e-9)
    assert state.pool[0, 5].tolist() == pytest.approx(worst, rel=1e-9)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"mutation_rate": 1.5}, "mutation_rate is 1.5; expected a number from 0 to 1"),
        ({"mutation_size": -1}, "mutation_size is -1; expected at least 0"),
        ({"parents": 0}, "parents is 0; expected at least 1"),
        ({"elites": -1}, "elites is -1; expected at least 0"),
        ({"temperature": 0}, "temperature is 0; expected a number above 0"),
    ],
)
def test_parameters_that_make_no_sense_are_refused(words, message):
    with pytest.raises(InputError, match=message):
        Genetic(**words)
