"""Streaming in batches equals whole arrays in NumPy, written from the definitions."""

from itertools import product

import numpy as np
import pytest
import torch

from invariscope.invariance.coefficient import invariance_coefficient
from invariscope.invariance.images import image_set
from invariscope.invariance.ranges import measure_ranges
from invariscope.invariance.setup import make_setup
from invariscope.transformations import load

SITES = ("conv1", "relu", "relu@2", "fc")
TRANSFORMATIONS = ("grayscale", "inversion")
CLASSES = ("a", "b", "c")


def labels(n):
    return [k * k % 2 + (k % 5 == 0) for k in range(n)]


def whole(subject, images, site, reading):
    """Every unit's activity for every image, in one go, `(images, units)` float64."""
    response = subject.respond(images, [site])[site].double().numpy()
    if reading == "channel" and response.ndim == 4:
        return response.mean((2, 3))
    return response.reshape(len(response), -1)


def twin(before, after, tau, negatives, chosen):
    """I_k, specialization and |A_k| over the chosen images; from normalised activity."""
    if negatives == "rectified":
        before, after = np.maximum(before, 0), np.maximum(after, 0)
    rows = []
    for plain, changed in zip(before.T, after.T, strict=True):
        maximum = max(abs(plain).max(), abs(changed).max())
        if maximum == 0:
            rows.append((np.nan, np.nan, 0))
            continue
        f, g = plain / maximum, changed / maximum
        a = [x for x in chosen if abs(f[x]) > tau or abs(g[x]) > tau]
        h = [1 - abs(g[x] - f[x]) / (abs(g[x]) + abs(f[x])) for x in a]
        s = [(abs(g[x]) - abs(f[x])) / (abs(g[x]) + abs(f[x])) for x in a]
        rows.append((np.mean(h) if a else np.nan, np.mean(s) if a else np.nan, len(a)))
    return np.array(rows)


@pytest.mark.parametrize("reading", ["channel", "place"])
@pytest.mark.parametrize("negatives", ["signed", "rectified"])
def test_streams_equal_whole_arrays(conv_subject, make_photos, reading, negatives):
    photos, tau = make_photos(23), 0.3
    images = image_set(photos, labels(23), CLASSES)
    result = invariance_coefficient(
        conv_subject,
        images,
        TRANSFORMATIONS,
        sites=SITES,
        tau=tau,
        reading=reading,
        negatives=negatives,
        by_class=True,
        batch=5,
        top=(),
    )
    groups = {"all": range(23)} | {
        name: [k for k in range(23) if labels(23)[k] == row] for row, name in enumerate(CLASSES)
    }
    units = result.units.set_index(["site", "transformation", "class"]).sort_index()
    for site, name in product(SITES, TRANSFORMATIONS):
        before = whole(conv_subject, photos, site, reading)
        after = whole(conv_subject, load(name)(photos), site, reading)
        for group, chosen in groups.items():
            found = units.loc[(site, name, group)]
            expected = twin(before, after, tau, negatives, chosen)
            got = found[["invariance", "specialization", "active"]].to_numpy(float)
            np.testing.assert_allclose(got, expected, atol=1e-6)
            assert found["images"].eq(len(chosen)).all()


def test_units_an_image_and_images_a_unit_are_two_sides_of_one_count(conv_subject, make_photos):
    result = invariance_coefficient(
        conv_subject, make_photos(17), ["inversion"], sites="relu", tau=0.4, batch=4
    )
    assert result.images["active"].sum() == result.units["active"].sum()
    assert len(result.images) == 17
    assert result.images["share"].tolist() == (result.images["active"] / 8).tolist()


def test_the_size_of_batches_changes_rounding_alone(conv_subject, make_photos):
    results = [
        invariance_coefficient(conv_subject, make_photos(31), ["hue"], sites="all", batch=batch)
        for batch in (1, 7, 31)
    ]
    for other in results[1:]:
        for column in ("invariance", "specialization"):
            np.testing.assert_allclose(
                other.units[column], results[0].units[column], rtol=0, atol=2e-6
            )
        assert other.units["active"].equals(results[0].units["active"])
        assert other.top["fired"].equals(results[0].top["fired"])


@pytest.mark.parametrize("percent", [5, 10, 40])
def test_the_top_rule_is_goodfellows(conv_subject, make_photos, percent):
    photos = make_photos(40)
    result = invariance_coefficient(
        conv_subject, photos, ["inversion"], sites="conv1", top=(percent,), batch=9
    )
    before = conv_subject.respond(photos, ["conv1"])["conv1"].mean((2, 3)).abs().numpy()
    after = conv_subject.respond(1 - photos, ["conv1"])["conv1"].mean((2, 3)).abs().numpy()
    firing = percent * 40 // 100
    for k, row in result.top.iterrows():
        best = np.argsort(before[:, k])[::-1][: firing + 1]
        level = before[best[-1], k]
        assert row["fired"] == firing
        assert row["threshold"] == pytest.approx(level, rel=1e-5)
        assert row["kept"] == pytest.approx(np.mean(after[best[:-1], k] > level))


def test_a_share_of_less_than_one_image_is_missing(conv_subject, make_photos):
    top = invariance_coefficient(conv_subject, make_photos(40), ["hue"], sites="conv1").top
    few = top.set_index("percent").loc[1]
    assert few["kept"].isna().all()
    assert set(few["reason"]) == {"fewer than one image in this share"}


def test_activities_are_not_kept_beyond_the_bound(conv_subject, make_photos, monkeypatch):
    from invariscope.errors import InputError
    from invariscope.invariance import top

    monkeypatch.setattr(top, "MOST_BYTES", 4 * 8 * 39)
    with pytest.raises(InputError, match="8 units × 40 images"):
        invariance_coefficient(conv_subject, make_photos(40), ["hue"], sites="conv1")
    result = invariance_coefficient(conv_subject, make_photos(40), ["hue"], sites="conv1", top=())
    assert len(result.top) == 0


def test_random_transformations_are_the_same_in_both_passes(conv_subject, make_photos):
    """The maximum of the first pass is reached, and never exceeded, in the second."""
    setup = make_setup(conv_subject, make_photos(12), ["white-noise"], "relu", batch=5)
    maximum = measure_ranges(setup).maximum(0, "signed")
    shown = torch.cat([s.activities for s in setup.show()])
    assert torch.equal(shown.abs().amax(0).double(), maximum)
