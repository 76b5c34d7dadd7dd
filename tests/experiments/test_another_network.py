"""A result of another network of the same name, weights and source is never given back."""

import pytest
import torch

from invariscope import (
    find_mei,
    image_set,
    invariance_coefficient,
    load_result,
    open_folder,
    stretch_and_squeeze,
)
from invariscope.errors import InputError, StoreError
from invariscope.natural.folder_pass import NATURAL, measure_folder
from invariscope.natural.statistics import NaturalStatistics
from invariscope.testing.networks import RepeatingNetwork, small_subject

SIDE = 8


def network(times):
    return small_subject(RepeatingNetwork(times), name="repeats", classes=["a", "b", "c", "d"])


def test_the_two_have_one_identity_and_other_answers():
    assert network(1).identity() == network(8).identity()
    images = torch.rand(2, 3, SIDE, SIDE)
    one, other = (network(n).respond(images, ["last"])["last"] for n in (1, 8))
    assert not torch.allclose(one, other, rtol=0.01)


def test_a_finished_search_of_another_network_is_refused(
    generator, reference, make_options, tmp_path
):
    asked = {"reference": reference, "options": make_options(), "out": tmp_path, "seeds": [0, 1]}
    before = stretch_and_squeeze(network(1), generator, "last:1", **asked)
    with pytest.raises(StoreError, match="answer otherwise"):
        stretch_and_squeeze(network(8), generator, "last:1", **asked)
    again = stretch_and_squeeze(network(1), generator, "last:1", **asked)
    assert again.front.equals(before.front)


def test_a_finished_mei_of_another_network_is_refused(generator, make_options, tmp_path):
    find_mei(network(1), generator, "last:1", options=make_options(), out=tmp_path)
    with pytest.raises(StoreError, match="choose another --out"):
        find_mei(network(8), generator, "last:1", options=make_options(), out=tmp_path)


def test_a_run_of_version_0_1_is_taken_with_a_word(generator, make_options, tmp_path, monkeypatch):
    monkeypatch.setattr("invariscope.experiments.execute.PROBE", "kept otherwise")
    find_mei(network(1), generator, "last:1", options=make_options(), out=tmp_path)
    monkeypatch.undo()
    with pytest.warns(UserWarning, match="without answers to compare"):
        find_mei(network(1), generator, "last:1", options=make_options(), out=tmp_path)
    assert len(load_result(tmp_path).runs) == 1


@pytest.fixture
def photos(tmp_path):
    from PIL import Image

    folder = tmp_path / "photos"
    for number in range(6):
        path = folder / ("ab"[number % 2]) / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = torch.rand(SIDE, SIDE, 3).mul(255).byte().numpy()
        Image.fromarray(pixels).save(path)
    return folder


def test_natural_statistics_of_another_network_are_refused(photos, tmp_path):
    out = tmp_path / "natural"
    measure_folder(network(1), open_folder(photos), out)
    with pytest.raises(StoreError, match="answers otherwise at site 'last'"):
        measure_folder(network(8), open_folder(photos), out)
    with pytest.raises(InputError, match="answers otherwise at site 'last'"):
        NaturalStatistics.load(out / NATURAL, network(8))
    assert len(NaturalStatistics.load(out / NATURAL, network(1)).table) == 4


def test_coefficients_of_another_network_are_refused(tmp_path):
    images = image_set(torch.rand(6, 3, SIDE, SIDE))
    asked = {"sites": ["last"], "out": tmp_path, "top": ()}
    first = invariance_coefficient(network(1), images, "grayscale", **asked)
    with pytest.raises(StoreError, match="answers otherwise at site 'last'"):
        invariance_coefficient(network(8), images, "grayscale", **asked)
    assert invariance_coefficient(network(1), images, "grayscale", **asked).units.equals(
        first.units
    )
