"""The isotropic strategy against Hansen's equations, one number at a time."""

import math

import pytest
import torch

from invariscope import seeds
from invariscope.search.strategies import Isotropic
from invariscope.search.strategies.weights import log_weights, observed_weights


def sphere(code):
    return sum((i + 1) * x * x for i, x in enumerate(code))


def slow_run(name, mean, sigma, size, generations):
    """CMA-ES with C = I as in the tutorial (arXiv 1604.00772, figure 6), in plain Python.

    Steps are shortened to the length of a far sample (Hansen 2011), own samples included.
    """
    n = len(mean)
    raw = [math.log((size + 1) / 2) - math.log(i) for i in range(1, size // 2 + 1)]  # eq. 49
    weights = [w / sum(raw) for w in raw]
    mu_eff = 1 / sum(w * w for w in weights)  # eq. 8
    c = (mu_eff + 2) / (n + mu_eff + 5)  # eq. 55
    d = 1 + 2 * max(0, math.sqrt((mu_eff - 1) / (n + 1)) - 1) + c  # eq. 55
    chi = math.sqrt(n) * (1 - 1 / (4 * n) + 1 / (21 * n**2))
    path = [0.0] * n
    for generation in range(generations):
        z = seeds.numpy_stream(name, generation, "ask").standard_normal((size, n)).tolist()
        codes = [[m + sigma * zi for m, zi in zip(mean, row, strict=True)] for row in z]
        best = sorted(range(size), key=lambda k: sphere(codes[k]))[: len(weights)]
        longest = math.sqrt(n) + 2 * n / (n + 2)
        z = [[zi * min(1, longest / math.hypot(*row)) for zi in row] for row in z]
        step = [sum(w * z[k][i] for w, k in zip(weights, best, strict=True)) for i in range(n)]
        mean = [m + sigma * s for m, s in zip(mean, step, strict=True)]  # eq. 42
        scale = math.sqrt(c * (2 - c) * mu_eff)
        path = [(1 - c) * p + scale * s for p, s in zip(path, step, strict=True)]  # eq. 43
        sigma *= math.exp(c / d * (math.hypot(*path) / chi - 1))  # eq. 44
    return mean, sigma, path


def fast_run(name, mean, sigma, size, generations):
    strategy = Isotropic()
    start = torch.tensor([mean], dtype=torch.float64)
    state = strategy.init([name], start, torch.tensor([sigma], dtype=torch.float64), size)
    for _ in range(generations):
        codes = strategy.ask(state, size)
        values = torch.tensor([[sphere(c) for c in codes[0].tolist()]], dtype=torch.float64)
        observed = torch.ones(1, size, dtype=torch.bool)
        state = strategy.tell(state, codes, values.argsort(dim=1, stable=True), observed)
    return state


@pytest.mark.parametrize(("n", "size"), [(60, 8), (60, 9), (200, 50), (60, 2), (12, 200)])
def test_it_equals_the_tutorials_equations_one_number_at_a_time(n, size):
    start = [0.1 * i - 2 for i in range(n)]
    mean, sigma, path = slow_run("twin", start, 0.7, size, 6)
    state = fast_run("twin", start, 0.7, size, 6)
    assert state.mean[0].tolist() == pytest.approx(mean, rel=1e-10)
    assert state.path[0].tolist() == pytest.approx(path, rel=1e-9, abs=1e-12)
    assert float(state.sigma) == pytest.approx(sigma, rel=1e-10)


def test_golden():
    mean = [1.4142941950299668, 0.00010722494055837, 0.6527328323408059]
    state = fast_run("golden", [1.0, -2.0, 3.0], 0.5, 6, 10)
    assert state.mean[0].tolist() == pytest.approx(mean, rel=1e-9)
    assert float(state.sigma) == pytest.approx(1.1097703623881938, rel=1e-9)


def test_telling_some_equals_telling_a_smaller_population():
    strategy, n = Isotropic(), 20
    state = strategy.init(["a"], torch.zeros(1, n), torch.ones(1), 12)
    codes = strategy.ask(state, 12)
    order = torch.arange(12).unsqueeze(0)
    some = strategy.tell(state, codes, order, order < 7)
    alone = strategy.tell(state, codes[:, :7], order[:, :7], torch.ones(1, 7, dtype=torch.bool))
    for name in ("mean", "sigma", "path"):
        assert torch.allclose(getattr(some, name), getattr(alone, name), rtol=1e-12)


def test_without_a_mean_rate_the_mean_stays():
    still = Isotropic(mean_rate=0.0)
    state = still.init(["a"], torch.ones(1, 5), torch.ones(1), 8)
    codes = still.ask(state, 8)
    after = still.tell(state, codes, torch.arange(8)[None], torch.ones(1, 8, dtype=torch.bool))
    assert torch.equal(after.mean, state.mean)
    assert not torch.equal(after.sigma, state.sigma)


def test_a_far_injected_code_moves_the_mean_no_farther_than_a_far_sample():
    strategy, n = Isotropic(), 30
    state = strategy.init(["a"], torch.zeros(1, n), torch.full((1,), 2.0), 2)
    codes = torch.full((1, 2, n), 1e6, dtype=torch.float64)
    after = strategy.tell(state, codes, torch.tensor([[0, 1]]), torch.ones(1, 2, dtype=torch.bool))
    longest = math.sqrt(n) + 2 * n / (n + 2)
    assert float(after.mean.norm()) == pytest.approx(2.0 * longest)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 7, 50, 51])
def test_weights_are_positive_falling_and_sum_to_one(size):
    weights = log_weights(size)
    best = max(size // 2, 1)
    raw = [math.log((size + 1) / 2) - math.log(i + 1) for i in range(best)]
    raw = raw if size > 1 else [1.0]
    assert weights.dtype == torch.float64
    assert weights[:best].tolist() == pytest.approx([w / sum(raw) for w in raw], rel=1e-14)
    assert not weights[best:].any()


def test_weights_go_to_those_that_were_told():
    observed = torch.tensor([[True] * 6, [True, False] * 3, [False] * 6])
    weights = observed_weights(observed)
    assert torch.equal(weights[0], log_weights(6))
    assert torch.equal(weights[1], torch.cat([log_weights(3), torch.zeros(3).double()]))
    assert not weights[2].any()
