"""A captured pass gives the plain pass's answers, or is not used."""

import pytest
import torch

import invariscope as iv
from invariscope.errors import InputError
from invariscope.experiments.evaluator import Evaluator
from invariscope.experiments.plan import plan
from invariscope.experiments.reference import image_reference
from invariscope.search import evaluation
from invariscope.search.captured import CapturedPasses, capture_graph
from invariscope.search.precision import bulk
from invariscope.search.search import Search

SITES = ("layer3.0.conv1", "fc")
CPU = torch.device("cpu")


class StandIn:
    """Captures as a GPU does: the work runs once, and a replay writes into the same tensors."""

    def __init__(self):
        self.captures = self.replays = 0

    def __call__(self, work, device):
        self.captures += 1
        found = work()

        def replay():
            self.replays += 1
            for site, response in work().items():
                found[site].copy_(response)

        return replay, found


def stale(work, device):
    """A graph that holds what it should read anew."""
    return (lambda: None), work()


def waiting(work, device):
    work()
    raise RuntimeError("operation not permitted when stream is capturing")


def refused_inside(work, device):
    raise InputError("embedded:standard fails on images of 96 × 96 px")


@pytest.fixture(scope="module")
def generator():
    return iv.load_generator("embedded")


@pytest.fixture(scope="module")
def subject():
    return iv.load_subject("embedded:standard")


def some_codes(generator, seed, images=8):
    return torch.randn(images, generator.code_dim, generator=torch.manual_seed(seed)).double()


def check_equal(passes, generator, subject, codes, sites=SITES):
    """The passes' answers are the plain ones, to the bit."""
    expected = subject.respond(generator.generate(codes), sites)
    found = passes.respond(codes, sites)
    assert list(found) == list(expected)
    assert all(torch.equal(found[site], expected[site]) for site in sites)


def test_each_precision_and_set_of_sites_is_captured_once_and_answers_alike(generator, subject):
    stand_in = StandIn()
    passes = CapturedPasses(generator, subject, stand_in)
    with subject.folding():
        for seed in range(3):
            check_equal(passes, generator, subject, some_codes(generator, seed))
            with bulk(CPU, "bf16"):
                check_equal(passes, generator, subject, some_codes(generator, seed))
        assert (stand_in.captures, stand_in.replays) == (2, 8)
        check_equal(passes, generator, subject, some_codes(generator, 3), ("fc",))
        assert stand_in.captures == 3


def test_a_batch_of_another_size_passes_plainly(generator, subject):
    stand_in = StandIn()
    passes = CapturedPasses(generator, subject, stand_in)
    with subject.folding():
        check_equal(passes, generator, subject, some_codes(generator, 0))
        check_equal(passes, generator, subject, some_codes(generator, 1, images=5))
    assert stand_in.replays == 2


@pytest.mark.parametrize(
    ("capture", "why"),
    [
        (None, []),
        (stale, ["a replay gives other answers"]),
        (waiting, ["operation not permitted when stream is capturing"]),
        (refused_inside, ["embedded:standard fails on images of 96 × 96 px"]),
    ],
)
def test_what_cannot_be_captured_passes_plainly(generator, subject, capture, why):
    passes = CapturedPasses(generator, subject, capture)
    with subject.folding():
        for seed in range(2):
            check_equal(passes, generator, subject, some_codes(generator, seed))
    assert not passes.replays
    assert passes.refusals == why


def test_nothing_is_captured_while_the_network_may_change(generator, subject):
    """Outside `folding` weights may change, in `edited` answers do; folds are made anew."""
    stand_in = StandIn()
    passes = CapturedPasses(generator, subject, stand_in)
    codes = some_codes(generator, 0)
    check_equal(passes, generator, subject, codes)
    assert stand_in.captures == 0
    with subject.folding():
        check_equal(passes, generator, subject, codes)
        with subject.edited("layer2", torch.zeros_like):
            check_equal(passes, generator, subject, codes)
        assert stand_in.captures == 1
    check_equal(passes, generator, subject, codes)
    with subject.folding():
        check_equal(passes, generator, subject, codes)
    assert stand_in.captures == 2


def test_a_compiled_network_may_be_captured_at_any_time(subject):
    assert subject.fixed is None
    subject.compiled = True
    try:
        assert subject.fixed is subject
    finally:
        subject.compiled = False


def five_generations(generator, subject, precision="float32"):
    """The fronts of three runs after five generations."""
    options = iv.SearchOptions(precision=precision, population=10, stop=False)
    evaluator = Evaluator(subject, generator, options, 32)
    code = torch.zeros(generator.code_dim, device=generator.device)
    image = generator.generate(code.unsqueeze(0))[0]
    planned = plan(
        subject,
        generator,
        "fc:3",
        task="invariance",
        reference=image_reference(image, generator.image_size, code),
        site=SITES[0],
        run_seeds=range(3),
        options=options,
    )
    with subject.folding():
        runs = [evaluator.run(evaluator.settled(p)) for p in planned]
        search = Search(generator, runs, population=10, chunk=32)
        for _ in range(5):
            search.step(subject)
        return [outcome.front for outcome in search.interrupted()]


def check_same_fronts(some, others):
    for one, other in zip(some, others, strict=True):
        assert torch.equal(one.codes, other.codes)
        assert torch.equal(one.scores, other.scores)


def with_capture(monkeypatch, capture):
    """Searches capture by `capture`."""
    monkeypatch.setattr(
        evaluation, "CapturedPasses", lambda g, s, _own: CapturedPasses(g, s, capture)
    )


@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_a_search_finds_the_same_front_with_captured_passes(
    generator, subject, monkeypatch, precision
):
    plain = five_generations(generator, subject, precision)
    stand_in = StandIn()
    with_capture(monkeypatch, stand_in)
    check_same_fronts(plain, five_generations(generator, subject, precision))
    assert stand_in.captures == 1
    assert stand_in.replays == 5 * 3 + 1


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
def test_a_gpu_replays_the_plain_pass_to_the_bit(monkeypatch):
    generator = iv.load_generator("embedded", "cuda")
    subject = iv.load_subject("embedded:standard", device="cuda")
    passes = CapturedPasses(generator, subject, capture_graph)
    with subject.folding():
        for seed in range(2):
            codes = some_codes(generator, seed).cuda()
            check_equal(passes, generator, subject, codes)
    assert passes.replays, passes.refusals
    captured = five_generations(generator, subject)
    with_capture(monkeypatch, None)
    check_same_fronts(captured, five_generations(generator, subject))
