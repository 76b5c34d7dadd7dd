"""What a generation costs a GPU, counted on CPU tensors that say they are there."""

from contextlib import nullcontext
from dataclasses import replace

import pytest
import torch
from accelerator import CPU, DEVICE, Accelerator, There, patched

from bench.cases import CASES, TrivialGenerator, TrivialSubject
from bench.sweep import _runs
from invariscope.search.search import Search

# Calls of networks, whose weights stay on the CPU here.
WEIGHTED = {"conv2d", "conv_transpose2d", "batch_norm", "linear", "sub", "div", "add"}


@pytest.fixture
def gpu():
    with patched(), Accelerator() as counted:
        yield counted


def counted_generation(gpu, search, subject, before=1):
    for _ in range(before):
        search.step(subject)
    gpu.launches, gpu.waits = 0, []
    search.step(subject)
    return gpu.launches, gpu.waits


def test_a_generation_of_64_runs_takes_at_most_400_operations_and_one_wait(gpu):
    """All operations of the loop, in networks that cost one: eight chunks of 400 images."""
    counts = {}
    for runs in (2, 64):
        generator, subject = TrivialGenerator(16, DEVICE), TrivialSubject(DEVICE)
        search = Search(generator, _runs(runs, generator, subject), chunk=400)
        counts[runs], waits = counted_generation(gpu, search, subject)
        assert waits == ["cpu out"]  # the scores
    assert counts[64] <= 400
    assert counts[64] - counts[2] <= 4 * 62


def test_a_generation_that_compares_precisions_waits_no_more(gpu, monkeypatch):
    """The tenth, in which `auto` asks; scores in both precisions come in one copy."""
    monkeypatch.setattr("invariscope.search.measure.bulk", lambda *_: nullcontext())
    generator, subject = TrivialGenerator(16, DEVICE), TrivialSubject(DEVICE)
    runs = _runs(8, generator, subject)
    runs = [replace(r, precision="auto", in_bf16=r.objective, generations=12) for r in runs]
    search = Search(generator, runs, population=10, chunk=40)
    _, waits = counted_generation(gpu, search, subject, before=9)
    assert waits == ["cpu out"]


def test_the_shipped_networks_make_nothing_wait(gpu):
    case = CASES["embedded"](CPU)
    case.subject.sites()
    gpu.free_beside = WEIGHTED
    codes = torch.zeros(4, case.generator.code_dim, device=DEVICE)
    case.generator.device = case.subject.device = DEVICE
    images = case.generator.generate(codes)
    found = case.subject.respond(images, (case.site, case.readout))
    assert isinstance(found[case.readout], There)
    assert gpu.waits == []


@pytest.mark.parametrize(
    ("call", "waits"),
    [
        (lambda there, here: there.sum().item(), ["item"]),
        (lambda there, here: there.tolist(), ["tolist"]),
        (lambda there, here: bool((there > 0).any()), ["__bool__"]),
        (lambda there, here: there.cpu(), ["cpu out"]),
        (lambda there, here: there.to("cpu"), ["to out"]),
        (lambda there, here: here.to(DEVICE), ["to in"]),
        (lambda there, here: here.to(there), ["to in"]),
        (lambda there, here: torch.tensor([1.0], device=DEVICE), ["tensor in"]),
        (lambda there, here: there[there > 0], ["mask"]),
        (lambda there, here: there[[0, 1]], ["index in"]),
        (lambda there, here: there[here.long()], ["index in"]),
        (lambda there, here: there.nonzero(), ["nonzero"]),
        (lambda there, here: here.to(DEVICE, non_blocking=True), []),
        (lambda there, here: there.double().sum() + 1, []),
        (lambda there, here: torch.zeros(3, device=DEVICE), []),
        (lambda there, here: there[1:], []),
    ],
)
def test_the_stand_in_counts_what_makes_the_processor_wait(gpu, call, waits):
    there = torch.arange(3.0, device=DEVICE)
    here = torch.ones(2)
    gpu.waits = []
    call(there, here)
    assert gpu.waits == waits


def test_the_stand_in_gives_the_right_numbers_and_refuses_a_mixture(gpu):
    there, here = torch.arange(3.0, device=DEVICE), torch.arange(3.0)
    assert there.device == DEVICE
    assert (there * 2 + 1).cpu().tolist() == (here * 2 + 1).tolist()
    assert torch.stack([there, there]).sum(1).tolist() == [3, 3]
    with pytest.raises(RuntimeError, match="a tensor of the CPU"):
        _ = there + here
