"""Runs of different precision in lockstep, and when `auto` asks which one it should be."""

from dataclasses import replace

import pytest
import torch

from invariscope.errors import InputError
from invariscope.search.evaluation import MixedPrecisionEvaluation, is_asked
from invariscope.search.search import Search

AGREE = "invariscope.search.evaluation.rank_correlation"


def excitation(world, name="run", **words):
    return world.run(name, **{"task": "excitation", "precision": "auto"} | words)


def in_bf16(news):
    """The generations whose scores are of bf16, by run."""
    found = {}
    for told in news:
        own = found.setdefault(told.run.name, [])
        if told.line["activation"][0] > 50:
            own.append(told.line["generation"])
    return found


def scripted(monkeypatch, taus):
    """What `agreement` will say, in turn."""
    left = iter(taus)
    monkeypatch.setattr(AGREE, lambda exact, fast: next(left))


def test_it_is_asked_at_1_and_then_at_doubling_distances():
    assert [g for g in range(1, 500) if is_asked(g)] == [1, 10, 20, 40, 80, 160, 320]


@pytest.mark.parametrize(
    ("taus", "expected"),
    [
        ([0.96, 0.95, 0.99], [*range(2, 10), *range(11, 20), *range(21, 26)]),
        ([0.94, 0.95, 0.949], range(11, 20)),
        ([0.0, 0.0, 1.0], range(21, 26)),
        ([0.9, 0.9, 0.9], []),
    ],
)
def test_bf16_is_taken_and_left_as_tau_says(shifted, monkeypatch, taus, expected):
    scripted(monkeypatch, taus)
    search = Search(shifted.generator, [excitation(shifted, generations=25)])
    news = [n for told in search.advance(shifted.subject) for n in told]
    assert in_bf16(news)["run"] == list(expected)
    assert news[-1].outcome.bf16_generations == len(expected)


@pytest.mark.parametrize(("precision", "expected"), [("float32", []), ("bf16", list(range(1, 7)))])
def test_a_given_precision_is_never_asked(shifted, monkeypatch, precision, expected):
    scripted(monkeypatch, [])
    search = Search(shifted.generator, [excitation(shifted, precision=precision)])
    assert in_bf16([n for told in search.advance(shifted.subject) for n in told]) == {
        "run": expected
    }


def test_runs_of_every_precision_advance_together_as_alone(conv):
    runs = [
        conv.run(f"{task}-{precision}", task=task, generations=12, precision=precision)
        for task in ("invariance", "adversarial")
        for precision in ("float32", "bf16", "auto")
    ]
    together = conv.outcomes(runs)
    for run in runs:
        alone = conv.outcomes([run])[run.name]
        own = together[run.name]
        assert own.bf16_generations == alone.bf16_generations
        assert torch.equal(own.front.codes, alone.front.codes)
        assert torch.equal(own.front.scores, alone.front.scores)
    assert together["invariance-float32"].bf16_generations == 0
    assert together["invariance-bf16"].bf16_generations == 12


@pytest.mark.parametrize("cut", [1, 9, 10, 13])
def test_a_run_goes_on_in_the_precision_in_which_it_was_left(shifted, monkeypatch, cut):
    def run(search, generations):
        return [n for _ in range(generations) for n in search.step(shifted.subject)]

    taus = [0.9, 1.0, 0.9]
    runs = [excitation(shifted, generations=25), excitation(shifted, "exact", precision="float32")]
    scripted(monkeypatch, taus)
    unbroken = run(Search(shifted.generator, runs[:1]), 25)
    scripted(monkeypatch, taus)
    first = Search(shifted.generator, runs[:1])
    news = run(first, cut)
    later = Search(shifted.generator, runs[:1])
    later.load_state_dict(first.state_dict())
    news += run(later, 25 - cut)
    assert [n.line for n in news] == [n.line for n in unbroken]
    assert news[-1].outcome.bf16_generations == unbroken[-1].outcome.bf16_generations == 9


def test_the_objective_of_the_precision_counts(conv):
    """The same candidates, the reference measured in the path of each: no squeeze of its own."""
    fast = replace(conv.objective(), site_reference=torch.zeros(3 * conv.generator.image_size**2))
    run = conv.run(precision="bf16", in_bf16=fast, generations=1)
    codes = Search(conv.generator, [run]).ask_codes()
    evaluation = MixedPrecisionEvaluation(conv.generator, 50)
    evaluation.begin(run, {})
    scores, of_bf16 = evaluation.scores(conv.subject, codes, [run], [1], torch.device("cpu"))
    assert of_bf16 == [True]
    images = conv.generator.generate(codes[0])
    torch.testing.assert_close(scores[:, 0], images.flatten(1).norm(dim=1), rtol=0.02, atol=0.0)


def test_an_unknown_precision_is_refused(toy):
    with pytest.raises(InputError, match="did you mean 'bf16'"):
        toy.run(precision="bf61")
