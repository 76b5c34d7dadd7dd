"""A cell of the table of strategies and repeats, on toys."""

import json
from dataclasses import replace

import pytest
import torch

from bench.frugality import FrugalityBench
from bench.rig import Cell, RigBench
from invariscope import seeds
from invariscope.natural.statistics import measure_natural


@pytest.fixture
def bench(make_subject, generator, tmp_path):
    subject = make_subject()
    images = torch.rand(64, 3, 8, 8, generator=seeds.torch_stream("natural"))
    path = tmp_path / "natural.parquet"
    measure_natural(subject, images.split(32), ["out"], "train").save(path)
    subject.natural = path
    made = RigBench(subject, generator, tmp_path / "table")
    made.plain = FrugalityBench(subject, generator, tmp_path / "plain", mei_generations=20)
    return made


def test_a_cell_is_measured_once_and_scored_without_noise(bench):
    cell = Cell("isotropic", 1, 0, "out:1", 0, 800)
    said = []
    found = bench.run(cell, said.append)
    assert 0 < found["share"] < 1.5
    assert found["share"] == pytest.approx(found["hypervolume"] / found["without_noise"])
    assert found["false"] <= found["hold"] <= found["members"] <= 20
    assert found["shown"] <= 800 * 1.1
    assert bench.run(cell, said.append) == found
    assert said == [cell.key]
    assert json.loads((bench.out / f"{cell.key}.json").read_text()) == found


def test_cells_have_names_of_their_own():
    cell = Cell("isotropic", 1, 0, "fc:5", 0, 5000)
    others = [replace(cell, repeats=2), replace(cell, max_repeats=4), replace(cell, seed=1)]
    assert len({c.key for c in (cell, *others)}) == 4
