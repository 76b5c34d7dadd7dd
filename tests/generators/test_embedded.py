"""The generator that is shipped, and what every generator promises."""

import pytest
import torch

from invariscope import load_generator, seeds
from invariscope.errors import InputError
from invariscope.generators import CodeStatistics, EmbeddedGenerator, constrain_generator


@pytest.fixture(scope="module")
def embedded():
    return load_generator("embedded")


@pytest.fixture
def codes(embedded):
    return seeds.normal([("codes",)], (4, embedded.code_dim))[0]


@pytest.mark.parametrize("scale", [0, 1, 30])
def test_images_lie_in_0_1_and_have_the_promised_shape(embedded, codes, scale):
    images = embedded.generate(codes * scale)
    assert images.shape == (4, 3, embedded.image_size, embedded.image_size)
    assert images.dtype == torch.float32
    assert 0 <= float(images.min()) <= float(images.max()) <= 1


def test_codes_make_different_images_and_the_same_ones_again(embedded, codes):
    images = embedded.generate(codes)
    assert torch.equal(images, embedded.generate(codes))
    between = torch.cdist(images.flatten(1), images.flatten(1)) + 1e3 * torch.eye(4)
    assert float(between.min()) > 1


def test_no_code_is_longer_than_the_99th_percentile_of_random_ones(embedded, codes):
    many = seeds.normal([("many",)], (20_000, embedded.code_dim))[0]
    shorter = float((many.norm(dim=1) <= embedded.longest).double().mean())
    assert abs(shorter - 0.99) < 0.003
    near = codes / codes.norm(dim=1, keepdim=True) * embedded.longest * 0.99
    assert torch.equal(embedded.bounded(near), near)
    far = embedded.bounded(near * 5)
    torch.testing.assert_close(far.norm(dim=1), torch.full_like(far[:, 0], embedded.longest))
    torch.testing.assert_close(embedded.generate(near * 5), embedded.generate(far))
    first = load_generator("embedded:v1")
    assert first.longest is None
    long = torch.ones(1, first.code_dim) * 9
    assert torch.equal(first.bounded(long), long)


def test_a_constraint_holds_codes_to_the_narrower_of_two_bounds(embedded, codes):
    for percentile, expected in ((50, None), (99.99, embedded.longest)):
        held = constrain_generator(embedded, code_percentile=percentile)
        norms = held.bounded(codes * 9).norm(dim=1)
        wanted = embedded.code_statistics.radius(percentile) if expected is None else expected
        torch.testing.assert_close(norms, torch.full_like(norms, wanted))


def test_natural_codes_have_a_mean_and_a_covariance(embedded):
    statistics = embedded.code_statistics
    n = embedded.code_dim
    assert statistics.mean.shape == (n,)
    assert statistics.covariance.shape == (n, n)
    assert torch.equal(statistics.covariance, statistics.covariance.T)
    assert bool((torch.linalg.eigvalsh(statistics.covariance) > 0).all())
    torch.testing.assert_close(statistics.sd, statistics.covariance.diagonal().sqrt())


def test_the_standard_deviation_is_the_diagonals_root():
    covariance = torch.tensor([[4.0, 1.0], [1.0, 9.0]])
    assert CodeStatistics(torch.zeros(2), covariance).sd.tolist() == [2.0, 3.0]


def test_its_identity_is_the_checksum_of_its_file(embedded):
    again = load_generator()
    assert isinstance(again, EmbeddedGenerator)
    assert again.identity() == embedded.identity()
    assert len(embedded.identity()["weights"]) == 64


@pytest.mark.parametrize("shape", [(6,), (2, 5), (2, 6, 1)])
def test_codes_of_another_length_are_refused(generator, shape):
    with pytest.raises(InputError, match=r"paint takes \(n, 6\)"):
        generator.generate(torch.zeros(shape))


def test_values_beyond_0_1_are_clipped(generator):
    generator._generate = lambda codes: codes.view(-1, 3, 1, 2)
    codes = torch.tensor([[-1.0, 0.0, 0.25, 0.5, 1.0, 2.0]], dtype=torch.float64)
    images = generator.generate(codes)
    assert images.dtype == torch.float32
    assert images.flatten().tolist() == [0.0, 0.0, 0.25, 0.5, 1.0, 1.0]


def test_an_unknown_generator_names_the_nearest():
    with pytest.raises(InputError, match="unknown generator 'embeded'; did you mean 'embedded'"):
        load_generator("embeded")
