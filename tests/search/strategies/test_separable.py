"""The separable strategy against the library's diagonal CMA and its own equations."""

import math
import warnings
from importlib.metadata import version

import cma
import numpy as np
import pytest
import torch

from invariscope import seeds
from invariscope.errors import InputError
from invariscope.search.strategies import Isotropic, Separable
from invariscope.search.strategies.separable import MARGIN, normal_length, rates
from invariscope.search.strategies.weights import worse_half

# The library's damping changed before this version.
SAME_LIBRARY = tuple(int(x) for x in version("cma").split(".")[:2]) >= (4, 5)


def ellipsoid(codes):
    return (codes**2 * np.arange(1, codes.shape[-1] + 1)).sum(-1)


def rosenbrock(codes):
    rest = codes[..., 1:] - codes[..., :-1] ** 2
    return (100 * rest**2 + (1 - codes[..., :-1]) ** 2).sum(-1)


def first_three(codes):
    return codes[..., :3].sum(-1)


class Library:
    """The library's diagonal CMA with the draws of the run `twin`."""

    def __init__(self, n, size):
        self.generation = 0
        options = {
            "CMA_diagonal": True,
            "AdaptSigma": cma.sigma_adaptation.CMAAdaptSigmaCSA,
            "popsize": size,
            "seed": math.nan,
            "verbose": -9,
            "randn": self.draw,
        }
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.es = cma.CMAEvolutionStrategy(np.full(n, 2.0), 0.5, options)

    def draw(self, *shape):
        return seeds.numpy_stream("twin", self.generation, "ask").standard_normal(shape)

    def step(self, values_of):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            asked = np.stack(pool := self.es.ask())
            self.es.tell(pool, values_of(asked).tolist())
        self.generation += 1
        return asked

    @property
    def std(self):
        return self.es.sigma_vec.scaling * self.es.sm.variances**0.5


def begin(n, size=50, start=2.0, sigma=0.5, name="twin", **words):
    strategy = Separable(**words)
    mean = torch.full((1, n), start, dtype=torch.float64)
    return strategy, strategy.init([name], mean, torch.tensor([sigma], dtype=torch.float64), size)


def step(strategy, state, size, values_of):
    codes = strategy.ask(state, size)
    order = torch.from_numpy(values_of(codes.numpy()).argsort(axis=1, kind="stable"))
    return codes, strategy.tell(state, codes, order, torch.ones_like(order, dtype=torch.bool))


@pytest.mark.skipif(not SAME_LIBRARY, reason="cma below 4.5 damps the step size otherwise")
@pytest.mark.parametrize("values_of", [ellipsoid, rosenbrock, first_three])
@pytest.mark.parametrize(("n", "size"), [(30, 50), (200, 50), (400, 51), (30, 7), (5, 6)])
def test_it_equals_the_librarys_diagonal_cma_for_50_generations(n, size, values_of):
    library = Library(n, size)
    strategy, state = begin(n, size)
    for _ in range(50 if n > 5 else 15):
        codes, state = step(strategy, state, size, values_of)
        assert np.abs(library.step(values_of) - codes[0].numpy()).max() < 1e-6
        assert np.abs(library.es.mean - state.mean[0].numpy()).max() < 1e-6
        assert float(state.sigma[0]) == pytest.approx(library.es.sigma, rel=1e-6)
        assert state.std[0].numpy() == pytest.approx(library.std, rel=1e-6)
    assert np.ptp(library.std) > 0.1


@pytest.mark.skipif(not SAME_LIBRARY, reason="cma below 4.5 damps the step size otherwise")
@pytest.mark.parametrize(("n", "size"), [(4, 10), (30, 50), (290, 50), (7, 200)])
def test_its_constants_are_the_librarys(n, size):
    es = Library(n, size).es
    es.ask()
    own = rates(size, n)
    assert own.mu_eff == pytest.approx(es.sp.weights.mueff, rel=1e-12)
    assert own.c_sigma == pytest.approx(es.adapt_sigma.cs, rel=1e-12)
    assert own.damping == pytest.approx(es.adapt_sigma.damps, rel=1e-12)
    assert (own.c_c, own.c1) == pytest.approx((es.sp.cc_sep, es.sp.c1_sep), rel=1e-12)
    assert own.c_mu == pytest.approx(es.sp.cmu_sep, rel=1e-12)
    negative = np.minimum(np.array(es.sp.weights), 0)
    assert (-own.negative * worse_half(size)).numpy() == pytest.approx(negative, abs=1e-12)


def test_without_learning_the_deviations_stay_and_the_first_move_is_the_isotropic_one():
    n, size = 200, 50
    strategy, state = begin(n, std_rate=0.0)
    plain = Isotropic()
    other = plain.init(["twin"], state.mean, state.sigma, size)
    codes = strategy.ask(state, size)
    assert torch.equal(codes, plain.ask(other, size))
    # Among these draws none is far enough for `isotropic` to shorten it.
    longest = float((codes - 2).norm(dim=2).max()) / 0.5
    assert longest < math.sqrt(n) + 2 * n / (n + 2)
    _, state = step(strategy, state, size, ellipsoid)
    order = torch.from_numpy(ellipsoid(codes.numpy()).argsort(axis=1, kind="stable"))
    other = plain.tell(other, codes, order, torch.ones_like(order, dtype=torch.bool))
    assert torch.allclose(state.mean, other.mean, rtol=1e-14)
    own = rates(size, n)
    norm = float(state.path.norm())
    grown = math.exp(own.c_sigma / own.damping * (norm / normal_length(n) - 1))
    assert float(state.sigma) == pytest.approx(0.5 * grown, rel=1e-12)
    for _ in range(5):
        _, state = step(strategy, state, size, ellipsoid)
    assert torch.equal(state.std, torch.ones_like(state.std))


def test_deviations_fall_along_steep_components_and_rise_along_flat_ones():
    strategy, state = begin(12, 20)
    for _ in range(200):
        _, state = step(strategy, state, 20, lambda c: (c**2 * 10.0 ** np.arange(12)).sum(-1))
    scale = state.std[0].log10()
    assert torch.equal(scale.argsort(descending=True), torch.arange(12))
    # The best deviations fall with the root of the curvature, half a decade a component.
    slope = float((scale[-1] - scale[0]) / 11)
    assert slope == pytest.approx(-0.5, abs=0.1)


def test_telling_some_equals_telling_a_smaller_population():
    n = 20
    strategy, state = begin(n, 12)
    codes = strategy.ask(state, 12)
    order = torch.arange(12).unsqueeze(0)
    some = strategy.tell(state, codes, order, order < 7)
    alone = strategy.tell(state, codes[:, :7], order[:, :7], torch.ones(1, 7, dtype=torch.bool))
    for name in ("mean", "sigma", "std", "path", "long_path"):
        assert torch.allclose(getattr(some, name), getattr(alone, name), rtol=1e-12)


def test_a_far_injected_code_moves_the_mean_no_farther_than_any_sample():
    strategy, state = begin(30, 2, start=0.0, sigma=2.0)
    codes = torch.full((1, 2, 30), 1e6, dtype=torch.float64)
    after = strategy.tell(state, codes, torch.tensor([[0, 1]]), torch.ones(1, 2, dtype=torch.bool))
    assert float(after.mean.norm()) == pytest.approx(2.0 * (math.sqrt(30) + MARGIN))
    assert bool((after.std < 10).all())


@pytest.mark.parametrize("n", [1, 2, 50, 100, 101, 4096])
def test_the_normal_length_is_the_mean_norm(n):
    exact = math.sqrt(2) * math.exp(math.lgamma((n + 1) / 2) - math.lgamma(n / 2))
    assert normal_length(n) == pytest.approx(exact, rel=1e-7)


def test_golden():
    mean = [-0.0217521696338255, 0.06411099318107372, 0.1638737528565417]
    std = [0.8083328300725643, 0.5988560697056181, 0.531526977951707]
    sigma = 0.2735334757596608
    strategy, state = begin(3, 6, start=1.0, name="golden")
    for _ in range(10):
        _, state = step(strategy, state, 6, ellipsoid)
    assert state.mean[0].tolist() == pytest.approx(mean, rel=1e-9)
    assert state.std[0].tolist() == pytest.approx(std, rel=1e-9)
    assert float(state.sigma) == pytest.approx(sigma, rel=1e-9)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"mean_rate": -0.1}, "mean_rate is -0.1; expected at least 0"),
        ({"std_rate": 1.1}, "std_rate is 1.1; expected a number from 0 to 1"),
        ({"std_rate": math.nan}, "std_rate is nan"),
    ],
)
def test_parameters_that_make_no_sense_are_refused(words, message):
    with pytest.raises(InputError, match=message):
        Separable(**words)
