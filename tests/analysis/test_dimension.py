"""Estimators of dimension on manifolds whose dimension is known."""

import numpy as np
import pytest

from invariscope.analysis.dimension import (
    dimension,
    known_dimensions,
    participation_ratio,
    two_nearest,
)
from invariscope.analysis.separability import gram
from invariscope.errors import InputError

STREAM = np.random.default_rng(0)
MAP = np.linalg.qr(STREAM.normal(size=(300, 20)))[0].T  # 20 dimensions laid into 300


def flat(dim, points=400, seed=0):
    values = np.random.default_rng(seed).uniform(-1, 1, (points, dim))
    return values @ MAP[:dim]


@pytest.mark.parametrize("dim", [1, 2, 3, 5])
def test_flat_cubes(dim):
    products = gram(flat(dim, 1000))
    assert participation_ratio(products) == pytest.approx(dim, rel=0.06)
    assert two_nearest(products) == pytest.approx(dim, rel=0.15)


def test_a_curved_sheet_is_two_dimensional_to_neighbours_only():
    stream = np.random.default_rng(1)
    turn, height = stream.uniform(4, 14, 1500), stream.uniform(0, 20, 1500)
    sheet = np.stack([turn * np.cos(turn), height, turn * np.sin(turn)], 1)
    assert two_nearest(gram(sheet)) == pytest.approx(2, rel=0.12)
    assert participation_ratio(gram(sheet)) > 2.3


def test_participation_ratio_is_the_closed_form_of_the_eigenvalues():
    scales = np.array([4.0, 2.0, 1.0])
    data = np.random.default_rng(2).normal(size=(50, 3)) * scales
    values = np.linalg.eigvalsh(np.cov(data.T))
    expected = values.sum() ** 2 / (values**2).sum()
    assert participation_ratio(gram(data)) == pytest.approx(expected, rel=1e-4)
    assert participation_ratio(gram(np.eye(30))) == pytest.approx(29, rel=1e-4)  # all equal


def test_points_that_do_not_differ_have_no_dimension():
    alike = np.tile(np.random.default_rng(3).normal(size=50), (7, 1))
    for products in (np.zeros((4, 4)), np.ones((1, 1)), gram(alike), alike @ alike.T):
        assert np.isnan(participation_ratio(products))


def test_equal_points_count_once():
    data = flat(3, 300)
    once, twice = two_nearest(gram(data)), two_nearest(gram(np.concatenate([data, data[:50]])))
    assert twice == pytest.approx(once, rel=1e-3)
    assert np.isnan(two_nearest(np.zeros((10, 10))))


def test_against_the_size_of_the_subsample():
    data = np.concatenate([flat(2, 120), flat(6, 60, seed=3)])
    groups = [("net", "fc:0", "pixels")] * 120 + [("net", "fc:0", "deep")] * 60
    table = dimension(gram(data), groups, sizes=(25, 50, 100))
    low = table[(table["site"] == "pixels") & (table["estimator"] == "two nearest")]
    assert list(low["points"]) == [25, 50, 100, 120]
    assert list(low["draws"]) == [20, 20, 20, 1]
    assert low["enough"].all()
    assert not table[table["site"] == "deep"]["enough"].any()
    whole = table[table["last"] & (table["estimator"] == "participation ratio")]
    by_site = whole.set_index("site")["dimension"]
    assert by_site["pixels"] == pytest.approx(2, rel=0.1)
    assert by_site["deep"] == pytest.approx(6, rel=0.15)
    assert low["dimension"].to_numpy() == pytest.approx([2, 2, 2, 2], rel=0.25)


def test_groups_go_with_points():
    with pytest.raises(InputError, match="1 group "):
        dimension(np.eye(3), [("a", "b", "c")])


def test_a_hundred_points_show_too_few_of_many_dimensions():
    """Of n normal points of d equal variances the participation ratio is d (n - 1) / (n + d)."""
    table = known_dimensions()
    assert set(table["points"]) == {100}
    for known, own in table[table["shape"] == "normal"].groupby("known"):
        found = own.set_index("estimator")["dimension"]
        expected = known * 99 / (100 + known)
        assert found["participation ratio"] == pytest.approx(expected, rel=0.03)
    nearest = table[table["estimator"] == "two nearest"].groupby("known")["share"].mean()
    assert nearest[2] == pytest.approx(1, abs=0.15)
    assert 0.65 < nearest[20] < 0.85  # about 15 for 20
    assert 0.45 < nearest[40] < 0.65  # about 22 for 40
