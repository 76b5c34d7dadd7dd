import pytest
import torch
from torch import nn

from invariscope.errors import InputError
from invariscope.invariance.coefficient import invariance_coefficient
from invariscope.invariance.reading import count, read, spread, unit_names
from invariscope.invariance.setup import choose_sites, nonlinear_sites
from invariscope.subjects import NetworkSubject
from invariscope.units import parse_target

SHAPES = ((5,), (4, 3), (4, 3, 2), (3, 3, 5))


def network(*layers):
    model = nn.Sequential(nn.Flatten(), *layers).eval()
    return NetworkSubject(model, image_size=4, mean=(0,) * 3, std=(1,) * 3, name="net")


def test_every_call_of_a_relu_is_a_site_and_nothing_else(conv_subject):
    assert choose_sites(conv_subject) == ("relu", "relu@2")


def test_without_a_relu_the_other_nonlinearities_count():
    subject = network(nn.Linear(48, 4), nn.GELU(), nn.Linear(4, 4), nn.SiLU())
    assert nonlinear_sites(subject) == ("2", "4")
    mixed = network(nn.Linear(48, 4), nn.GELU(), nn.ReLU(), nn.LeakyReLU())
    assert nonlinear_sites(mixed) == ("3",)


def test_named_sites_come_from_shallow_to_deep(conv_subject):
    assert choose_sites(conv_subject, ["fc", "conv1", "fc"]) == ("conv1", "fc")
    assert choose_sites(conv_subject, "pixels") == ("pixels",)


def test_subjects_without_such_modules_need_names(subject, make_photos):
    for other in (subject, network(nn.Linear(48, 4))):
        with pytest.raises(InputError, match="name the sites"):
            choose_sites(other)
    table = invariance_coefficient(subject, make_photos(5), ["hue"], sites="out").units
    assert table["unit"].tolist() == ["out:0", "out:1", "out:2"]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("reading", ["channel", "place"])
def test_a_name_is_the_address_of_what_is_read(shape, reading):
    response = torch.rand(6, *shape)
    names = unit_names("site", shape, reading)
    activity = read(response, reading)
    assert activity.shape == (6, len(names)) == (6, count(shape, reading))
    target = parse_target(names, {"site": shape})
    assert torch.allclose(target.read({"site": response}), activity)
    assert [str(unit) for unit in target.units] == names


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("reading", ["channel", "place"])
def test_a_mask_of_units_silences_what_they_read(shape, reading):
    response = torch.rand(6, *shape) + 0.1
    kept = torch.rand(6, count(shape, reading)) > 0.5
    left = torch.where(spread(kept, response, reading), response, 0)
    assert torch.equal(read(left, reading) > 0, kept)
    assert torch.equal(read(left, reading)[kept], read(response, reading)[kept])
