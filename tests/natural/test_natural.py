"""How units respond to natural images."""

from dataclasses import asdict

import numpy as np
import pytest
import torch

from invariscope.errors import InputError, StoreError
from invariscope.natural.statistics import (
    PERCENTILES,
    NaturalStatistics,
    measure_natural,
    unit_activities,
    unit_names,
)
from invariscope.subjects import Subject
from invariscope.units import parse_target, parse_unit

LEVELS = torch.arange(1001) / 1000


class Ramp(Subject):
    """`out`: the image's mean, the same rectified at 0.25, and a constant."""

    name, image_size, device = "ramp", 2, torch.device("cpu")

    def identity(self):
        return {"kind": "ramp"}

    def _sites(self):
        return {"maps": (2, 2, 2), "out": (3,)}

    def _respond(self, images, sites):
        mean = images.mean((1, 2, 3))
        out = torch.stack([mean, (mean - 0.25).clamp(min=0), torch.full_like(mean, 3)], 1)
        return {site: {"maps": images[:, :2], "out": out}[site] for site in sites}


@pytest.fixture(scope="module")
def ramp():
    return Ramp()


@pytest.fixture(scope="module")
def statistics(ramp):
    images = LEVELS.view(-1, 1, 1, 1).expand(-1, 3, 2, 2)
    return measure_natural(ramp, images.split(143), ["maps", "out"], "train")


def of(statistics, ramp, address, split="train"):
    return statistics.of(parse_target(address, ramp.sites()), split)


def test_a_uniform_ramp_has_closed_form_statistics(statistics, ramp):
    unit = of(statistics, ramp, "out:0")
    assert unit.images == 1001
    assert unit.minimum == 0
    assert unit.maximum == 1
    assert unit.mean == pytest.approx(0.5, abs=1e-6)
    assert unit.sd == pytest.approx(np.sqrt((1001**2 - 1) / 12) / 1000, abs=1e-6)
    np.testing.assert_allclose(unit.percentiles, np.array(PERCENTILES) / 100, atol=1e-6)
    assert unit.at_minimum == pytest.approx(1 / 1001)


@pytest.mark.parametrize(
    ("address", "floor", "share"),
    [("out:0", False, 1 / 1001), ("out:1", True, 251 / 1001), ("out:2", True, 1.0)],
)
def test_a_floor_is_where_several_images_share_the_minimum(statistics, ramp, address, floor, share):
    unit = of(statistics, ramp, address)
    assert unit.has_floor is floor
    assert unit.at_minimum == pytest.approx(share)


def test_a_channel_is_described_by_its_spatial_mean(statistics, ramp):
    channel, whole = (asdict(of(statistics, ramp, a)) for a in ("maps:1", "out:0"))
    for key, value in channel.items():
        assert value == pytest.approx(whole[key], rel=1e-6), key
    assert of(statistics, ramp, "maps:1,0,0") is None


@pytest.mark.parametrize(("address", "split"), [("out:0", "val"), ("out:0+out:1", "train")])
def test_what_was_not_measured_is_not_known(statistics, ramp, address, split):
    assert of(statistics, ramp, address, split) is None


@pytest.mark.parametrize("site", ["pixels", "maps", "out"])
def test_unit_names_are_addresses_in_the_order_of_activities(ramp, site):
    images = torch.rand(4, 3, 2, 2)
    shape = ramp.sites()[site]
    activities = unit_activities(ramp, images, [site])[site]
    names = unit_names(site, shape)
    assert activities.shape == (4, len(names))
    response = ramp.respond(images, [site])[site]
    for column, name in zip(activities.T, names, strict=True):
        torch.testing.assert_close(column, parse_unit(name, ramp.sites()).read(response))


def test_token_sites_name_every_token_and_channel():
    assert unit_names("blocks.5", (2, 3))[:4] == [
        f"blocks.5:{i}" for i in ("0,0", "0,1", "0,2", "1,0")
    ]


def test_the_table_survives_a_file(statistics, ramp, tmp_path):
    statistics.save(tmp_path / "natural.parquet")
    again = NaturalStatistics.load(tmp_path / "natural.parquet", ramp)
    assert of(again, ramp, "out:1") == of(statistics, ramp, "out:1")


def test_a_table_of_another_network_is_refused(statistics, subject, tmp_path):
    path = tmp_path / "natural.parquet"
    statistics.save(path)
    with pytest.raises(InputError, match=r"another subject than toy \(these differ: kind\)"):
        NaturalStatistics.load(path, subject)


@pytest.mark.parametrize("content", [None, b"no parquet"])
def test_a_missing_or_damaged_table_is_refused(ramp, tmp_path, content):
    path = tmp_path / "natural.parquet"
    if content:
        path.write_bytes(content)
    with pytest.raises(StoreError, match="cannot be read as natural statistics"):
        NaturalStatistics.load(path, ramp)


def test_a_table_that_names_no_network_is_refused(statistics, ramp, tmp_path):
    path = tmp_path / "natural.parquet"
    statistics.table.to_parquet(path)
    with pytest.raises(StoreError, match="does not say which network it is of"):
        NaturalStatistics.load(path, ramp)


def test_no_images_are_refused(ramp):
    with pytest.raises(InputError, match="no natural images"):
        measure_natural(ramp, [], ["out"], "train")
