"""The classifier on clusters whose best possible accuracy is known."""

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.decomposition import PCA

from invariscope.analysis.separability import _predict, gram, separability
from invariscope.errors import InputError

SITES = np.repeat(["a", "b", "c"], 40)
UNITS = np.tile(np.repeat([f"fc:{k}" for k in range(10)], 4), 3)


def points(shift, dim=200, seed=0):
    stream = np.random.default_rng(seed)
    centres = np.eye(3, dim) * shift
    return stream.normal(size=(120, dim)) + centres[np.repeat([0, 1, 2], 40)]


def accuracy(table, scheme, components, name="all"):
    rows = table[(table["scheme"] == scheme) & (table["components"] == components)]
    return float(rows.loc[rows["class"] == name, "accuracy"].iloc[0])


def test_far_clusters_are_told_apart_and_the_control_is_at_chance():
    table = separability(gram(points(100.0)), SITES, UNITS, components=(2, 10), shuffles=5)
    assert accuracy(table, "stratified", 2) == accuracy(table, "grouped", 2) == 1
    own = table[table["class"] == "all"]
    assert (own["chance"] == 1 / 3).all()
    assert np.allclose(own["shuffled"], 1 / 3, atol=0.1)
    assert (own["accuracy"] == 1).all()
    assert own[["low", "high"]].isna().all(axis=None)  # equal units say nothing of others


def test_without_a_difference_accuracy_is_chance():
    table = separability(gram(points(0.0)), SITES, UNITS, components=(2, 25), shuffles=1)
    assert table[table["class"] == "all"]["accuracy"].between(0.15, 0.5).all()


def test_accuracy_comes_near_the_bayes_rate_of_two_gaussians():
    stream = np.random.default_rng(1)
    line = stream.normal(size=(1000, 1)) * 0.01 + np.repeat([[0.0], [2.0]], 500, 0)
    line += stream.normal(size=(1000, 1))
    sites, units = np.repeat(["a", "b"], 500), np.tile(np.arange(10).astype(str), 100)
    table = separability(gram(line), sites, units, components=(1,), shuffles=1)
    assert accuracy(table, "stratified", 1) == pytest.approx(norm.cdf(1.0), abs=0.03)
    # The spread over ten units of 100 images each, all alike, is the binomial's.
    own = table[table["class"] == "all"]
    width = (own["high"] - own["low"]) / (2 * norm.ppf(0.975))
    binomial = (norm.cdf(1.0) * norm.cdf(-1.0) / 1000) ** 0.5
    assert width.to_numpy() == pytest.approx(binomial, rel=0.6)


def test_grouped_folds_do_not_reward_knowing_the_unit():
    # Images cluster by unit alone, and a unit has images of one site mostly.
    stream = np.random.default_rng(2)
    units = np.repeat([f"fc:{k}" for k in range(12)], 20)
    centres = stream.normal(size=(12, 30)) * 20
    data = centres[np.repeat(np.arange(12), 20)] + stream.normal(size=(240, 30))
    sites = np.repeat(np.tile(["a", "b", "c"], 4), 20)
    table = separability(gram(data), sites, units, components=(10,), shuffles=1, folds=4)
    assert accuracy(table, "stratified", 10) > 0.95
    assert accuracy(table, "grouped", 10) < 0.6
    own = table[(table["class"] == "all") & (table["scheme"] == "stratified")]
    assert own["shuffled"].iloc[0] > 0.95  # the control knows the units, too


def test_chance_is_the_largest_class_where_classes_are_unequal():
    stream = np.random.default_rng(4)
    sites, units = np.array((["a"] * 4 + ["b"]) * 20), np.repeat(np.arange(10).astype(str), 10)
    table = separability(gram(stream.normal(size=(100, 20))), sites, units, components=(2,))
    own = table[table["class"] == "all"]
    assert (own["chance"] == 0.8).all()
    assert np.allclose(own["shuffled"], 0.8, atol=0.05)


def test_components_are_those_of_pca_fitted_on_the_training_images_alone():
    data = points(2.0)
    train, test = np.arange(0, 120, 2), np.arange(1, 120, 2)
    found = _predict(gram(data), SITES, train, test, [5])[5]
    from sklearn.svm import SVC

    fitted = PCA(5, svd_solver="full").fit(data[train].astype(np.float32))
    twin = SVC(C=1.0, gamma="scale").fit(fitted.transform(data[train]), SITES[train])
    agree = (twin.predict(fitted.transform(data[test])) == found).mean()
    assert agree > 0.98


def test_more_components_than_training_images_are_cut_and_said():
    table = separability(gram(points(5.0)), SITES, UNITS, components=(100,), shuffles=1)
    assert set(table["used"]) == {95}
    per_class = table[(table["scheme"] == "grouped") & (table["class"] != "all")]
    whole = table[(table["scheme"] == "grouped") & (table["class"] == "all")]
    assert per_class["accuracy"].mean() == pytest.approx(whole["accuracy"].iloc[0])


@pytest.mark.parametrize(
    ("sites", "units", "says"),
    [
        (["a"] * 6, list("abcdef"), "2 sites or more; got 1"),
        (["a"] * 3 + ["b"] * 3, list("abcdef"), "3 images of a"),
        (["a", "b"] * 6, ["u", "v"] * 6, "got 2 units"),
    ],
)
def test_too_little_is_refused(sites, units, says):
    with pytest.raises(InputError, match=says):
        separability(np.eye(len(sites)), sites, units)
