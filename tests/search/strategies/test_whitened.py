"""The whitened strategy is the isotropic one in other coordinates."""

import json

import pytest
import torch

from invariscope import seeds
from invariscope.errors import InputError
from invariscope.generators import CodeStatistics
from invariscope.search.strategies import Isotropic, Whitened

N, SIZE = 30, 12


def statistics(covariance):
    return CodeStatistics(torch.zeros(len(covariance)).double(), covariance.double())


def random_covariance(n=N):
    """One with eigenvalues from 0.01 to 1 in random directions."""
    axes = torch.linalg.qr(seeds.normal([("axes",)], (n, n))[0])[0]
    covariance = (axes * torch.logspace(-2, 0, n, dtype=torch.float64)) @ axes.T
    return (covariance + covariance.T) / 2


def advance(strategy, start, generations, values_of):
    state = strategy.init(["a"], start, torch.tensor([0.7], dtype=torch.float64), SIZE)
    asked = []
    for _ in range(generations):
        asked.append(codes := strategy.ask(state, SIZE))
        order = values_of(codes).argsort(dim=1, stable=True)
        state = strategy.tell(state, codes, order, torch.ones_like(order, dtype=torch.bool))
    return state, torch.cat(asked)


def test_with_the_identity_it_equals_isotropic_bit_for_bit():
    start = torch.linspace(-2, 3, N, dtype=torch.float64)[None]
    identity = Whitened().with_statistics(statistics(torch.eye(N)))
    state, asked = advance(identity, start, 20, lambda c: c.square().sum(-1))
    plain, other = advance(Isotropic(), start, 20, lambda c: c.square().sum(-1))
    assert torch.equal(asked, other)
    assert torch.equal(state.mean, plain.mean)
    assert torch.equal(state.sigma, plain.sigma)


@pytest.mark.parametrize("scale", [1.0, 1e-6, 400.0])
def test_it_equals_isotropic_on_a_function_of_white_codes(scale):
    covariance = random_covariance()
    root = torch.linalg.cholesky(covariance) / covariance.diagonal().sqrt().mean()
    white = torch.linspace(-1, 1, N, dtype=torch.float64)[None]
    strategy = Whitened().with_statistics(statistics(scale * covariance))

    def values_of(codes):
        return ((codes @ torch.linalg.inv(root).T) - 1).square().sum(-1)

    _, asked = advance(strategy, white @ root.T, 15, values_of)
    _, plain = advance(Isotropic(), white, 15, lambda c: (c - 1).square().sum(-1))
    assert torch.allclose(asked, plain @ root.T, rtol=1e-8, atol=1e-10)


def test_codes_scatter_as_natural_ones_do():
    covariance = random_covariance(5)
    strategy = Whitened().with_statistics(statistics(covariance))
    sigma = float(covariance.diagonal().sqrt().mean())
    state = strategy.init(["a"], torch.zeros(1, 5), torch.tensor([sigma]), 8)
    codes = strategy.ask(state, 20_000)[0]
    assert codes.T.cov().numpy() == pytest.approx(covariance.numpy(), abs=0.02)


def test_a_covariance_without_an_inverse_is_searched_where_it_varies():
    covariance = torch.diag(torch.tensor([1.0, 4.0, 0.0]))
    strategy = Whitened().with_statistics(statistics(covariance))
    state = strategy.init(["a"], torch.zeros(1, 3), torch.ones(1), 8)
    spread = strategy.ask(state, 4000)[0].std(0)
    assert spread.numpy() == pytest.approx([1.0, 2.0, 0.0], abs=0.05)


@pytest.mark.parametrize(
    "covariance",
    [torch.zeros(3, 3), torch.full((3, 3), torch.nan), torch.eye(3) - 2 * torch.ones(3, 3)],
)
def test_what_is_no_covariance_is_refused(covariance):
    with pytest.raises(InputError, match="covariance of the natural codes is not one"):
        Whitened().with_statistics(statistics(covariance))


def test_without_statistics_it_is_refused():
    with pytest.raises(InputError, match="needs the covariance of natural codes"):
        Whitened().with_statistics(None)
    with pytest.raises(InputError, match="codes of length 0, and the start has length 4"):
        Whitened().init(["a"], torch.zeros(1, 4), torch.ones(1), 4)
    fitted = Whitened().with_statistics(statistics(torch.eye(3)))
    with pytest.raises(InputError, match="codes of length 3, and the start has length 4"):
        fitted.init(["a"], torch.zeros(1, 4), torch.ones(1), 4)


def test_in_settings_a_hash_stands_for_the_covariance():
    one, same, other = (
        Whitened().with_statistics(statistics(c)).describe()
        for c in (random_covariance(), random_covariance(), 2 * random_covariance())
    )
    assert one == same != other
    assert len(one["covariance"]) == 64
    assert json.loads(json.dumps(one)) == one


def test_golden():
    code = [0.0006505649750190579, -1.3822064868697268, 2.23688691353598]
    sigma = 0.9693640748874184
    strategy = Whitened().with_statistics(statistics(torch.diag(torch.tensor([1.0, 4.0, 9.0]))))
    state, asked = advance(
        strategy, torch.tensor([[1.0, -2.0, 3.0]]), 10, lambda c: c.square().sum(-1)
    )
    assert asked[-1, 0].tolist() == pytest.approx(code, rel=1e-9)
    assert float(state.sigma) == pytest.approx(sigma, rel=1e-9)


def test_parameters_that_make_no_sense_are_refused():
    with pytest.raises(InputError, match="mean_rate is -1; expected at least 0"):
        Whitened(mean_rate=-1)
