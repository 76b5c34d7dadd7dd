"""The Gaussian process, held against scikit-learn's."""

import math

import numpy as np
import pytest
import torch
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, DotProduct

from invariscope import seeds
from invariscope.errors import InputError
from invariscope.search import gp

POINTS, WIDTH = 25, 6


def normal(*words):
    return seeds.normal([words], (POINTS, WIDTH))[0]


@pytest.fixture(scope="module")
def world():
    """Features of one block, values and errors, hyperparameters, and the library's process."""
    features = normal("features")
    values = features[:, 0] + torch.sin(features[:, 1])
    errors = 0.1 + 0.2 * normal("errors")[:, 0].abs()
    parameters = torch.tensor([[0.3, -0.4, 0.2, -2.0, 0.0]], dtype=torch.float64)
    linear, rbf, length, noise = parameters[0, :4].exp().tolist()
    kernel = ConstantKernel(linear) * DotProduct(sigma_0=1e-9, sigma_0_bounds="fixed")
    kernel += ConstantKernel(rbf) * RBF(length)
    alpha = noise + gp.LEAST_NOISE + errors.numpy() ** 2
    library = GaussianProcessRegressor(kernel, alpha=alpha, optimizer=None)
    library.fit(features.numpy() / math.sqrt(WIDTH), values.numpy())
    return features, values, errors, parameters, library


def test_mean_and_deviation_are_the_librarys(world):
    features, values, errors, parameters, library = world
    process = gp.Process.of(features[None], values[None], errors[None], parameters, [WIDTH])
    new = 2 * normal("new")
    mean, sd = process.predict(new[None])
    there = library.predict(new.numpy() / math.sqrt(WIDTH), return_std=True)
    assert mean[0].numpy() == pytest.approx(there[0], rel=1e-8)
    assert sd[0].numpy() == pytest.approx(there[1], rel=1e-6)


def test_the_marginal_likelihood_is_the_librarys(world):
    features, values, errors, parameters, library = world
    own = gp.negative_log_likelihood(
        features[None], values[None], errors[None], parameters, [WIDTH]
    )
    assert -float(own) == pytest.approx(library.log_marginal_likelihood_value_, rel=1e-9)


def test_blocks_share_the_inner_product(world):
    """Two blocks, of which one has all of the share, are that block alone."""
    features, values, errors, parameters, _ = world
    wide = torch.cat([features, normal("other")], 1)
    certain = torch.cat([parameters[:, :4], torch.tensor([[40.0, -40.0]]).double()], 1)
    own = gp.Process.of(wide[None], values[None], errors[None], certain, [WIDTH, WIDTH])
    alone = gp.Process.of(features[None], values[None], errors[None], parameters, [WIDTH])
    new = torch.cat([normal("new"), normal("more")], 1)
    found, wanted = own.predict(new[None]), alone.predict(new[None, :, :WIDTH])
    for one, other in zip(found, wanted, strict=True):
        assert torch.allclose(one, other, rtol=1e-9)


def test_learning_finds_the_block_that_matters_and_the_noise(world):
    features = world[0]
    wide = torch.cat([normal("idle"), features], 1)
    noise = 0.3 * normal("noise")[:, 0]
    values = features @ torch.linspace(-1, 1, WIDTH).double() + noise
    values = (values - values.mean()) / values.std()
    words = (wide[None], values[None], torch.zeros(1, POINTS).double())
    first = gp.first_parameters(1, 2)
    learnt = gp.learn_parameters(*words, first, blocks=[WIDTH, WIDTH], steps=60)
    before, after = (
        float(gp.negative_log_likelihood(*words, p, [WIDTH, WIDTH])) for p in (first, learnt)
    )
    assert after < before
    assert float(torch.softmax(learnt[0, 4:], 0)[1]) > 0.6


def test_runs_do_not_touch_each_other(world):
    features, values, errors, parameters, _ = world
    both = [torch.stack([t, t.flip(0) * 2]) for t in (features, values, errors)]
    twice = parameters.expand(2, -1)
    together = gp.Process.of(*both, twice, [WIDTH]).predict(both[0])[0]
    for run in range(2):
        own = [part[run : run + 1] for part in both]
        alone = gp.Process.of(*own, parameters, [WIDTH]).predict(own[0])[0]
        assert np.allclose(together[run], alone[0], rtol=1e-9)


def test_what_has_no_factor_is_a_sentence_and_rounding_is_borne():
    """Copies of a point that rounding makes indefinite are factorised; infinity is refused."""
    flat = torch.ones(1, 6, 6, dtype=torch.float64) - 1e-13 * torch.eye(6, dtype=torch.float64)
    factor = gp._factor(flat)
    torch.testing.assert_close(factor @ factor.mT, flat, atol=1e-5, rtol=0)
    with pytest.raises(InputError, match="no twin can be fitted"):
        gp._factor(flat * torch.inf)
