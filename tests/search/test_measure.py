"""Codes to scores in chunks of one fixed shape."""

from dataclasses import replace

import pytest
import torch

from invariscope.search.measure import chunks_of, measure, pad, score_chunks
from invariscope.search.objectives import Objectives
from invariscope.subjects.base import Subject


class Watched(Subject):
    """Another subject that notes how many images it was shown at once."""

    def __init__(self, inner):
        self.inner, self.shown = inner, []
        self.name, self.image_size, self.device = "watched", inner.image_size, inner.device

    def identity(self):
        return {}

    def _sites(self):
        return self.inner._sites()

    def _respond(self, images, sites):
        self.shown.append(len(images))
        return self.inner._respond(images, sites)


@pytest.mark.parametrize(("rows", "size", "expected"), [(1, 3, 3), (3, 3, 3), (4, 3, 4)])
def test_padding_copies_the_first_row(rows, size, expected):
    values = torch.arange(rows * 2.0).view(rows, 2) + 1
    padded = pad(values, size)
    assert padded.shape == (expected, 2)
    assert torch.equal(padded[:rows], values)
    assert bool((padded[rows:] == values[0]).all())


@pytest.mark.parametrize(("count", "chunks"), [(1, 1), (32, 1), (33, 2), (70, 3)])
def test_every_chunk_has_the_same_shape(conv, count, chunks):
    watched = Watched(conv.subject)
    codes = torch.randn(count, conv.generator.code_dim, generator=torch.Generator().manual_seed(1))
    scores = measure(conv.generator, watched, codes, conv.objective(), chunk=32)
    assert watched.shown == [32] * chunks
    assert scores.shape == (count, 3)


@pytest.mark.parametrize("first", [0, 5, 31, 40])
def test_a_codes_scores_do_not_depend_on_its_neighbours(conv, first):
    codes = torch.randn(64, conv.generator.code_dim, generator=torch.Generator().manual_seed(2))
    together = measure(conv.generator, conv.subject, codes, conv.objective(), chunk=32)
    alone = measure(conv.generator, conv.subject, codes[first:][:3], conv.objective(), chunk=32)
    assert torch.equal(together[first:][:3], alone)


def test_each_code_is_scored_under_its_own_run(toy):
    objectives = [toy.objective(), toy.objective(task="excitation", unit="energy:1")]
    codes = torch.randn(6, 48, generator=torch.Generator().manual_seed(3))
    runs = torch.tensor([0, 1, 1, 0, 1, 0])
    own = Objectives(objectives, "cpu")
    scores = score_chunks(toy.generator, toy.subject, codes, own, runs, chunk=4)
    for run, objective in enumerate(objectives):
        rows = runs == run
        alone = measure(toy.generator, toy.subject, codes[rows], objective, chunk=4)
        assert torch.equal(scores[rows], alone)


def test_objectives_are_float32_where_the_bulk_is_bf16(conv):
    codes = torch.randn(8, conv.generator.code_dim, generator=torch.Generator().manual_seed(4))
    exact, fast = (
        measure(conv.generator, conv.subject, codes, conv.objective(), chunk=32, precision=p)
        for p in ("float32", "bf16")
    )
    assert fast.dtype == torch.float32
    assert not torch.equal(exact, fast)
    # bf16 has 8 bits; activities that were rounded to it at the end would all survive a cast.
    assert not torch.equal(fast[:, 2], fast[:, 2].bfloat16().float())
    assert exact[:, 2].numpy() == pytest.approx(fast[:, 2].numpy(), abs=0.05)


def test_a_missing_reference_is_refused(toy):
    bare = replace(toy.objective(), target_reference=None)
    with pytest.raises(ValueError, match="needs the reference's responses"):
        measure(toy.generator, toy.subject, torch.zeros(1, 48), bare, chunk=4)


@pytest.mark.parametrize(
    ("device", "expected"),
    [("cpu", [(0, 13), (13, 26), (26, 39)]), ("cuda", [(0, 32), (32, 39)])],
)
def test_runs_share_a_chunk_on_an_accelerator_only(device, expected):
    runs = torch.arange(3).repeat_interleave(13)
    found = [(rows.start, rows.stop) for rows in chunks_of(runs, 32, torch.device(device))]
    assert found == expected


def test_a_run_longer_than_a_chunk_has_several_of_its_own():
    runs = torch.arange(2).repeat_interleave(70)
    found = [(rows.start, rows.stop) for rows in chunks_of(runs, 32, torch.device("cpu"))]
    assert found == [(0, 32), (32, 64), (64, 70), (70, 102), (102, 134), (134, 140)]
