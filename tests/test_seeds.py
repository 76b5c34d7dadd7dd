"""Named random streams."""

import random

import numpy as np
import pytest
import torch
from scipy.stats import kstest

from invariscope import seeds

NAMES = (("a", 1), ("a", "1"), ("a1",), ("a", 1, ""), (1, "a"), ("a", 0), ("a",), (0,), ())


def test_words_of_another_type_order_or_grouping_give_another_stream():
    assert len({seeds.integer(*name) for name in NAMES}) == len(NAMES)
    first = {float(seeds.numpy_stream(*name).standard_normal()) for name in NAMES}
    assert len(first) == len(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_stream_depends_on_its_words_alone(name):
    first = seeds.normal([name], (5,))
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002
    torch.manual_seed(1)
    seeds.normal([("another",)], (7,))
    assert torch.equal(first, seeds.normal([name], (5,)))
    assert seeds.torch_stream(*name).initial_seed() == seeds.integer(*name)
    assert 0 <= seeds.integer(*name) < 2**63


def test_streams_are_the_same_in_every_version():
    assert seeds.integer("run", 0) == 5541894638731704113
    drawn = seeds.numpy_stream("run", 0).standard_normal(3)
    np.testing.assert_allclose(
        drawn, [0.9040918176802973, 0.12285722442581695, -1.0013124953716217], rtol=1e-15
    )


@pytest.mark.parametrize("kind", [np.int64, np.int32, np.uint8])
def test_a_numpy_integer_is_the_same_word(kind):
    assert seeds.integer("start", kind(3)) == seeds.integer("start", 3)


def test_fault_seed_0_dropped():
    drawn = [seeds.normal([("start", seed)], (4,)) for seed in (0, 0, 1)]
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])
    torch_drawn = [torch.rand(4, generator=seeds.torch_stream("x", seed)) for seed in (0, 0, 1)]
    assert torch.equal(torch_drawn[0], torch_drawn[1])
    assert not torch.equal(torch_drawn[0], torch_drawn[2])


def test_drawing_leaves_global_random_states_untouched():
    def states():
        numpy_state = np.random.get_state()[1].tolist()  # noqa: NPY002
        return random.getstate(), numpy_state, torch.random.get_rng_state().tolist()

    before = states()
    seeds.normal([("a",), ("b",)], (3, 3))
    torch.rand(3, generator=seeds.torch_stream("a"))
    seeds.numpy_stream("a").random(3)
    assert states() == before


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_rows_of_normal_equal_single_calls(dtype):
    names = [("run", i, "ask") for i in range(4)]
    together = seeds.normal(names, (3, 2), dtype=dtype)
    assert together.dtype == dtype
    assert together.shape == (4, 3, 2)
    for row, name in zip(together, names, strict=True):
        assert torch.equal(row, seeds.normal([name], (3, 2), dtype=dtype)[0])


def test_normal_without_names_is_empty():
    assert seeds.normal([], (3, 2)).shape == (0, 3, 2)


def test_moments_are_those_of_a_standard_normal():
    draws = seeds.normal([("moments", i) for i in range(20)], (10_000,))
    n = draws.numel()
    assert abs(float(draws.mean())) < 5 / n**0.5
    assert abs(float(draws.var()) - 1) < 5 * (2 / n) ** 0.5
    assert abs(float((draws**3).mean())) < 5 * (15 / n) ** 0.5
    between = torch.corrcoef(draws)[~torch.eye(20, dtype=torch.bool)]
    assert float(between.abs().max()) < 5 / 10_000**0.5


def test_torchs_global_stream_follows_from_the_words_and_goes_on_as_before():
    state = torch.get_rng_state()
    expected = [torch.rand(3), torch.rand(3)]
    torch.set_rng_state(state)
    before = torch.rand(3)
    with seeds.torch_global("net", 1):
        first = torch.rand(3)
    with seeds.torch_global("net", 1):
        again = torch.rand(3)
    with seeds.torch_global("net", 2):
        other = torch.rand(3)
    assert torch.equal(before, expected[0])
    assert torch.equal(torch.rand(3), expected[1])
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_uniform_numbers_are_in_range_and_have_the_moments():
    draws = seeds.uniform([("uniform", i) for i in range(20)], (10_000,), dtype=torch.float32)
    n = draws.numel()
    assert float(draws.min()) >= 0
    assert float(draws.max()) < 1
    assert abs(float(draws.mean()) - 0.5) < 5 * (1 / 12 / n) ** 0.5
    assert abs(float(draws.double().var()) - 1 / 12) < 5 * (1 / 180 / n) ** 0.5
    assert torch.equal(draws[3], seeds.uniform([("uniform", 3)], (10_000,), dtype=torch.float32)[0])


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [
        ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        (
            (0xFFFFFFFF,) * 4,
            (0xFFFFFFFF,) * 2,
            (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD),
        ),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xA4093822, 0x299F31D0),
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
)
def test_philox_gives_its_authors_known_answers(counter, key, expected):
    words = [[torch.tensor([word]) for word in part] for part in (counter, key)]
    assert tuple(int(word) for word in seeds.philox(*words)) == expected


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_counted_streams_depend_on_their_own_name_alone(dtype):
    names = [("run", number, "ask") for number in range(5)]
    together = seeds.counted(names, (3, 7), dtype, "cpu", "normal")
    assert together.shape == (5, 3, 7)
    assert together.dtype == dtype
    for row, name in enumerate(names):
        assert torch.equal(together[row], seeds.counted([name], (3, 7), dtype, "cpu", "normal")[0])
    assert len(together.flatten().unique()) == together.numel()


def test_counted_numbers_have_their_distributions():
    names = [("run", number) for number in range(4)]
    normal = seeds.counted(names, (20_001,), torch.float64, "cpu", "normal").flatten().numpy()
    uniform = seeds.counted(names, (20_001,), torch.float32, "cpu", "uniform").flatten().numpy()
    assert kstest(normal, "norm").pvalue > 0.01
    assert kstest(uniform, "uniform").pvalue > 0.01
    assert abs(np.corrcoef(normal[:-1], normal[1:])[0, 1]) < 4 / len(normal) ** 0.5
    assert uniform.min() >= 0
    assert uniform.max() < 1
