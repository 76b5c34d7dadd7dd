"""Chunks from memory, and runs that go on when memory runs out."""

import tomllib

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from invariscope import SearchOptions, image_reference, load_result, stretch_and_squeeze
from invariscope.errors import SubjectError
from invariscope.experiments.chunk import LARGEST, SHARE, choose_chunk, halved, images_that_fit
from invariscope.subjects.base import Subject
from invariscope.testing.toys import ToyGenerator, ToySubject


@given(
    taken=st.floats(1, 1e9),
    free=st.floats(1, 2e11),
    population=st.integers(2, 600),
    runs=st.integers(1, 500),
)
def test_a_chunk_is_whole_populations_that_fit(taken, free, population, runs):
    chunk = images_that_fit(taken, free, population, runs)
    assert chunk >= 32
    if chunk > max(32, population):
        together = chunk // population
        assert chunk % population == 0
        assert together <= runs
        assert together & (together - 1) == 0
        assert chunk <= LARGEST
        assert chunk * taken <= SHARE * free


def test_half_the_memory_is_taken_and_no_more_images_than_there_are():
    assert images_that_fit(1.0, 1600.0, 50, 64) == 400
    assert images_that_fit(1.0, 1599.0, 50, 64) == 200
    assert images_that_fit(1.0, 1e12, 50, 5) == 200
    assert images_that_fit(1.0, 1e12, 20, 1) == 32
    assert images_that_fit(1e9, 1.0, 600, 9) == 600


def test_chunks_are_halved_down_to_32():
    assert [halved(n) for n in (400, 50, 33, 32)] == [200, 32, 32, None]


def test_on_the_cpu_a_chunk_is_the_population(toy):
    subject, generator = toy
    assert choose_chunk(subject, generator, ["linear"], 50, 64) == 50
    assert choose_chunk(subject, generator, ["linear"], 10, 64) == 32


@pytest.fixture
def toy():
    weights = torch.linspace(-1, 1, 96).reshape(2, 3, 4, 4)
    return ToySubject(weights), ToyGenerator(4)


class Cramped(Subject):
    """A toy on a device whose memory holds `most` images, from some call on."""

    def __init__(self, inner, most, calls):
        self.inner, self.most, self.calls = inner, most, calls
        self.name, self.image_size, self.device = inner.name, inner.image_size, inner.device

    def identity(self):
        return self.inner.identity()

    def _sites(self):
        return self.inner._sites()

    def _respond(self, images, sites):
        self.calls -= 1
        if self.calls < 0 and len(images) > self.most:
            raise torch.OutOfMemoryError(f"{len(images)} images")
        return self.inner._respond(images, sites)


def search(subject, generator, out):
    image = torch.full((3, 4, 4), 0.6)
    return stretch_and_squeeze(
        subject,
        generator,
        "linear:0",
        reference=image_reference(image, 4),
        seeds=range(3),
        options=SearchOptions(population=128, generations=12, stop=False, precision="float32"),
        out=out,
    )


@pytest.mark.parametrize("calls", [0, 8, 20])
def test_runs_go_on_with_half_the_chunk_when_memory_runs_out(toy, tmp_path, calls):
    subject, generator = toy
    whole = search(subject, generator, tmp_path / "whole")
    cut = search(Cramped(subject, 40, calls), generator, tmp_path / "cut")
    # The toy answers alike in every chunk shape, so nothing may be lost or counted twice.
    assert cut.front.equals(whole.front)
    for record in load_result(tmp_path / "cut").runs:
        document = tomllib.loads((record.path / "run.toml").read_text())
        last = [document["context"], *document.get("context_changes", [])][-1]
        assert last["chunk"] == 32
        journal = (record.path / "journal.jsonl").read_text().splitlines()
        assert len(journal) == 12


def test_too_little_memory_for_32_images_is_said(toy, tmp_path):
    subject, generator = toy
    with pytest.raises(SubjectError, match="32 images at once"):
        search(Cramped(subject, 31, 0), generator, tmp_path / "out")
