"""Paths in closed form, and a subject whose activity along them is known."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import torch

from invariscope.analysis.paths import along_paths, path_summary, spherical, straight
from invariscope.errors import InputError
from invariscope.generators import CodeStatistics, Generator
from invariscope.subjects import Subject
from invariscope.units import parse_target


class Write(Generator):
    """Writes a code of two numbers into the first two red pixels, halved and shifted."""

    name, code_dim, image_size = "write", 2, 8
    device = torch.device("cpu")
    code_statistics = CodeStatistics.standard(2)

    def identity(self):
        return {"kind": "write"}

    def _generate(self, codes):
        images = torch.zeros(len(codes), 3, 8, 8)
        images[:, 0, 0, :2] = codes / 4 + 0.5
        return images


@dataclass
class Radius(Subject):
    """`out:0` is the code's distance from 0, `out:1` its first number."""

    classes: tuple = ()
    name: str = "radius"
    image_size: int = 8
    natural: Path | None = None
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    def identity(self):
        return {"kind": "radius"}

    def _sites(self):
        return {"out": (2,)}

    def _respond(self, images, sites):
        codes = (images[:, 0, 0, :2] - 0.5) * 4
        return {"out": torch.stack([codes.norm(dim=1), codes[:, 0]], 1)}


def test_a_segment_and_an_arc():
    one, other = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])
    assert straight(one, other, 3).tolist() == [[1, 0], [0.5, 0.5], [0, 1]]
    arc = spherical(one, other, torch.zeros(2), 5)
    assert arc.norm(dim=1).numpy() == pytest.approx(np.ones(5))
    angles = torch.atan2(arc[:, 1], arc[:, 0])
    assert angles.numpy() == pytest.approx(np.linspace(0, np.pi / 2, 5), abs=1e-6)


def test_the_radius_changes_evenly_and_the_centre_counts():
    centre = torch.tensor([1.0, 1.0])
    arc = spherical(centre + torch.tensor([2.0, 0.0]), centre + torch.tensor([0.0, 4.0]), centre, 3)
    assert (arc - centre).norm(dim=1).numpy() == pytest.approx([2, 3, 4])


def test_where_there_is_no_one_arc_the_segment_is_taken():
    one = torch.tensor([1.0, 0.0])
    for other in (-one, 3 * one, torch.zeros(2)):
        assert torch.equal(spherical(one, other, torch.zeros(2), 3), straight(one, other, 3))


def test_activity_along_paths_of_a_unit_that_reads_the_radius():
    subject = Radius()
    codes = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    target = parse_target("out:0", subject.sites())
    points = along_paths(subject, Write(), target, codes, steps=5)
    middle = points[points["place"] == 0.5].set_index("way")["kept"]
    assert middle["spherical"] == pytest.approx(1, abs=1e-5)
    assert middle["straight"] == pytest.approx(np.sqrt(0.5), abs=1e-5)
    assert middle["pixels"] == pytest.approx(np.sqrt(0.5), abs=1e-5)  # codes are linear in pixels
    assert points[points["place"] == 1]["kept"].to_numpy() == pytest.approx(np.ones(3))
    points["unit"], points["site"] = "out:0", "pixels"
    table = path_summary(points, ["site"]).set_index("way")
    assert table.loc["straight", "least"] == pytest.approx(np.sqrt(0.5), abs=1e-5)
    assert table.loc["straight", "paths"] == 1


def test_every_pair_up_to_the_most_and_negative_ends():
    subject = Radius()
    codes = torch.tensor([[-1.0, 0.0], [-1.0, 1.0], [-1.0, -1.0]])
    target = parse_target("out:1", subject.sites())
    points = along_paths(subject, Write(), target, codes, most=2)
    assert points["pair"].nunique() == 2
    assert points["kept"].isna().all()
    with pytest.raises(InputError, match="got 1"):
        along_paths(subject, Write(), target, codes[:1])
