"""Unit addresses."""

import pytest
import torch

from invariscope.errors import InputError
from invariscope.units import EVERY, Target, Unit, find_site, parse_target, parse_unit

SITES = {
    "pixels": (3, 8, 8),
    "layer3.0.conv1": (16, 5, 6),
    "blocks.5": (10, 12),
    "rig:array": (4,),
    "fc": (10,),
    "cube": (2, 3, 4, 5),
}


@pytest.mark.parametrize(
    ("address", "site", "index"),
    [
        ("fc:3", "fc", (3,)),
        (" fc:0 ", "fc", (0,)),
        ("layer3.0.conv1:12", "layer3.0.conv1", (12,)),
        ("layer3.0.conv1:12,4,5", "layer3.0.conv1", (12, 4, 5)),
        ("layer3.0.conv1:12, center", "layer3.0.conv1", (12, 2, 3)),
        ("layer3.0.conv1:12,centre", "layer3.0.conv1", (12, 2, 3)),
        ("blocks.5:0,11", "blocks.5", (0, 11)),
        ("blocks.5:*,11", "blocks.5", (EVERY, 11)),
        ("rig:array:2", "rig:array", (2,)),
        ("cube:1,2,3,4", "cube", (1, 2, 3, 4)),
    ],
)
def test_an_address_names_its_site_and_index(address, site, index):
    unit = parse_unit(address, SITES)
    assert unit == Unit(site, index)
    assert parse_unit(str(unit), SITES) == unit


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("fc", "names no number; expected fc:unit"),
        ("layer3.0.conv1", "expected layer3.0.conv1:channel or channel,row,column"),
        ("fc:10", "number 1 is 10, the largest is 9"),
        ("layer3.0.conv1:1,2,6", "number 3 is 6, the largest is 5"),
        ("fc:-1", "expected unit"),
        ("fc:1,2", "expected unit"),
        ("fc:x", "expected unit"),
        ("fc:", "expected unit"),
        ("fc:1.0", "expected unit"),
        ("fc:center", "expected unit"),
        ("blocks.5:3", "expected token,channel"),
        ("blocks.5:3,center", "expected token,channel"),
        ("blocks.5:*,12", "number 2 is 12, the largest is 11"),
        ("blocks.5:3,*", "expected token,channel"),
        ("fc:*", "expected unit"),
        ("layer3.0.conv1:1,2", "expected channel or channel,row,column"),
        ("cube:1,2", "expected i0,i1,i2,i3"),
        ("layer3.0.conv:1", "did you mean 'layer3.0.conv1'"),
        ("", "unknown site ''"),
        ("dense:1", "unknown site 'dense'; choose from 'pixels', 'layer3.0.conv1'"),
    ],
)
def test_an_address_that_does_not_fit_is_refused_in_one_sentence(address, says):
    with pytest.raises(InputError) as caught:
        parse_unit(address, SITES)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_channel_is_its_spatial_mean_and_a_place_one_number():
    response = torch.arange(2 * 16 * 5 * 6, dtype=torch.float32).view(2, 16, 5, 6)
    channel = parse_unit("layer3.0.conv1:12", SITES).read(response)
    torch.testing.assert_close(channel, response[:, 12].mean((1, 2)))
    place = parse_unit("layer3.0.conv1:12,4,5", SITES).read(response)
    assert torch.equal(place, response[:, 12, 4, 5])


def test_a_token_is_read_without_averaging():
    response = torch.arange(2 * 10 * 12, dtype=torch.float32).view(2, 10, 12)
    assert torch.equal(parse_unit("blocks.5:3,4", SITES).read(response), response[:, 3, 4])


def test_a_channels_mean_over_tokens():
    response = torch.arange(2.0 * 10 * 12).view(2, 10, 12)
    unit = parse_unit("blocks.5:*,11", SITES)
    assert torch.equal(unit.read(response), response[:, :, 11].mean(1))


def test_a_channels_mean_of_bf16_responses_is_taken_in_float32():
    response = torch.full((1, 16, 16, 16), 1.0).bfloat16()
    response[0, 0, 0, 0] = 2.0
    activity = Unit("layer3.0.conv1", (0,)).read(response)
    assert activity.dtype == torch.float32
    assert float(activity) == 1 + 1 / 256


def test_a_set_of_units_is_read_from_all_its_sites():
    target = parse_target("fc:3+blocks.5:0,1+fc:0", SITES)
    assert target.sites == ("fc", "blocks.5")
    assert str(target) == "fc:3+blocks.5:0,1+fc:0"
    assert target == parse_target(["fc:3", "blocks.5:0,1", "fc:0"], SITES)
    responses = {"fc": torch.rand(2, 10), "blocks.5": torch.rand(2, 10, 12)}
    expected = [responses["fc"][:, 3], responses["blocks.5"][:, 0, 1], responses["fc"][:, 0]]
    assert torch.equal(target.read(responses), torch.stack(expected, 1))


@pytest.mark.parametrize(
    ("addresses", "says"),
    [([], "no unit given"), ("fc:1+fc:1", "named twice"), ("fc:1+", "unknown site ''")],
)
def test_a_set_that_is_empty_or_repeats_is_refused(addresses, says):
    with pytest.raises(InputError, match=says):
        parse_target(addresses, SITES)


def test_a_site_is_found_by_its_name():
    assert find_site("blocks.5", SITES) == "blocks.5"
    assert Target((Unit("fc", (1,)),)).sites == ("fc",)
