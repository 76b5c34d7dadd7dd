"""A run's images have places of their own: what it finds is the same alone and among others.

The subjects here answer by an image's place among those that pass at once, as a matrix product
does in its last digits on some processors, only more, so that it shows on every processor.
"""

from dataclasses import replace

import pytest
import torch
from torch import nn

from invariscope import seeds
from invariscope.search.measure import generate_chunks, score_chunks
from invariscope.search.objectives import Objectives
from invariscope.search.search import Search
from invariscope.search.strategies import STRATEGIES
from invariscope.subjects import NetworkSubject
from invariscope.subjects.base import Subject


class ByPlace(Subject):
    """The inner subject's answers, raised by an image's place in its batch."""

    def __init__(self, inner):
        self.inner = inner
        self.name, self.image_size, self.device = "by place", inner.image_size, inner.device

    def identity(self):
        return {}

    def _sites(self):
        return self.inner._sites()

    def _respond(self, images, sites):
        answers = self.inner._respond(images, sites)
        places = torch.arange(len(images)) / 100
        return {s: a + places.view(-1, *[1] * (a.ndim - 1)) for s, a in answers.items()}


class NarrowTransformer(nn.Module):
    """Two blocks on 16 patches, 30 wide: no dimension fills a vector register."""

    def __init__(self):
        super().__init__()
        self.patches = nn.Conv2d(3, 30, 4, stride=4)
        layer = {"nhead": 3, "dim_feedforward": 45, "dropout": 0.0, "batch_first": True}
        self.blocks = nn.ModuleList(
            nn.TransformerEncoderLayer(30, activation="gelu", **layer) for _ in range(2)
        )
        self.head = nn.Linear(30, 5)

    def forward(self, images):
        tokens = self.patches(images).flatten(2).transpose(1, 2)
        for block in self.blocks:
            tokens = block(tokens)
        return self.head(tokens.mean(1))


@pytest.fixture(scope="module")
def narrow(conv):
    with seeds.torch_global("narrow"):
        model = NarrowTransformer().eval()
    subject = NetworkSubject(model, image_size=16, name="narrow")
    return replace(conv, subject=subject, unit="head:3", other_unit="head:1", site="blocks.0")


@pytest.fixture(scope="module")
def by_place(conv):
    return replace(conv, subject=ByPlace(conv.subject))


def four(world, chunk=32):
    return [
        world.run("a", chunk=chunk),
        world.run("b", chunk=chunk, site=world.site, generations=3),
        world.run("c", chunk=chunk, task="adversarial", tie_break="random", unit=world.other_unit),
        world.run("d", chunk=chunk, task="excitation", tie_break="random"),
    ]


def journals(world, runs, **words):
    """Each run's journal and the codes of its front, by name."""
    search = Search(world.generator, runs, **words)
    lines, fronts = {run.name: [] for run in runs}, {}
    for news in search.advance(world.subject):
        for told in news:
            lines[told.run.name].append(told.line)
            if told.outcome:
                fronts[told.run.name] = told.outcome.front.codes
    return lines, fronts


def told_from_outside(world, runs, **words):
    """As `journals`, by `ask` and `tell`."""
    search = Search(world.generator, runs, **words)
    lines = {run.name: [] for run in runs}
    while not search.done:
        images = search.ask().unflatten(0, (len(search.active), -1))
        answers = [world.subject.respond(own, search.sites) for own in images]
        given = {site: torch.cat([a[site] for a in answers]) for site in search.sites}
        for told in search.tell(given):
            lines[told.run.name].append(told.line)
    return lines


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("population", [5, 13, 40])
def test_journals_alone_equal_those_among_others_where_places_count(by_place, strategy, population):
    words = {"strategy": strategy, "population": population, "chunk": 32}
    lines, fronts = journals(by_place, four(by_place), **words)
    for run in four(by_place):
        alone, front = journals(by_place, [run], **words)
        assert alone[run.name] == lines[run.name]
        assert torch.equal(front[run.name], fronts[run.name])


def test_journals_of_a_narrow_transformer_alone_equal_those_among_others(narrow):
    lines, fronts = journals(narrow, four(narrow), population=13)
    for run in four(narrow):
        alone, front = journals(narrow, [run], population=13)
        assert alone[run.name] == lines[run.name]
        assert torch.equal(front[run.name], fronts[run.name])


def test_told_from_outside_a_run_alone_equals_itself_among_others(narrow):
    together = told_from_outside(narrow, four(narrow), population=13)
    for run in four(narrow):
        assert told_from_outside(narrow, [run], population=13)[run.name] == together[run.name]


@pytest.mark.parametrize("chunk", [32, 40])
def test_images_are_made_where_they_are_scored(conv, monkeypatch, chunk):
    made = []
    inner = conv.generator._generate
    monkeypatch.setattr(
        conv.generator, "_generate", lambda c: (made.append(c.clone()), inner(c))[1]
    )
    codes = torch.randn(3 * 35, conv.generator.code_dim, generator=torch.Generator().manual_seed(5))
    runs = torch.arange(3).repeat_interleave(35)
    objectives = Objectives([conv.objective() for _ in range(3)], "cpu")
    made.clear()
    images = generate_chunks(conv.generator, codes, runs, chunk)
    shown = [*made]
    made.clear()
    score_chunks(conv.generator, conv.subject, codes, objectives, runs, chunk=chunk)
    assert [len(part) for part in shown] == [chunk] * (6 if chunk == 32 else 3)
    assert all(torch.equal(a, b) for a, b in zip(shown, made, strict=True))
    assert len(images) == len(codes)


@pytest.mark.parametrize("chunk", [32, 40])
def test_codes_at_a_shifted_offset_have_the_same_scores(narrow, chunk):
    codes = torch.randn(
        35, narrow.generator.code_dim, generator=torch.Generator().manual_seed(6)
    ).double()
    objectives = Objectives([narrow.objective()], "cpu")
    runs = torch.zeros(35, dtype=torch.int64)

    def scores(given):
        return score_chunks(narrow.generator, narrow.subject, given, objectives, runs, chunk=chunk)

    expected = scores(codes)
    for offset in (1, 2, 3, 5, 7):
        assert torch.equal(scores(shifted(codes, offset)), expected)


def shifted(values, offset):
    """The same values, so many numbers behind where torch would begin."""
    room = torch.zeros(values.numel() + offset, dtype=values.dtype)
    room[offset:] = values.flatten()
    return room[offset:].view(values.shape)


@pytest.mark.parametrize("offset", [1, 3, 6])
def test_responses_at_a_shifted_offset_have_the_same_scores(narrow, offset):
    images = torch.rand(13, 3, 16, 16, generator=torch.Generator().manual_seed(7))
    objectives = Objectives([narrow.objective(site=narrow.site)], "cpu")
    responses = narrow.subject.respond(images, objectives.sites)
    runs = torch.zeros(13, dtype=torch.int64)
    moved = {site: shifted(answer.contiguous(), offset) for site, answer in responses.items()}
    plain = {site: answer.contiguous() for site, answer in responses.items()}
    assert torch.equal(objectives.score(plain, runs), objectives.score(moved, runs))
