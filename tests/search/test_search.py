"""The lockstep loop: what a run finds depends on the run alone, and nothing of it is lost."""

from dataclasses import fields, replace

import numpy as np
import pytest
import torch

from invariscope.errors import InputError, SubjectError
from invariscope.search.search import Search
from invariscope.search.stopping import ActivationShare, Generations
from invariscope.search.strategies import STRATEGIES
from invariscope.subjects.base import Subject
from invariscope.testing.toys import ToyGenerator

POPULATION = 12


def eight(world):
    """Runs of every kind: tasks, sites, subsets, orders, lengths, stops and milestones."""
    return [
        world.run("a"),
        world.run("b", site=world.site, generations=3),
        world.run("c", task="adversarial", tie_break="random", sigma=0.3),
        world.run("d", task="excitation", tie_break="random", stop=Generations(2)),
        world.run("e", subset=(0, 3, 5), unit=world.other_unit),
        world.run("f", unit=f"{world.unit}+{world.other_unit}", milestone=Generations(2)),
        world.run("g", tie_break="crowding", generations=4),
        world.run("h", task="adversarial", direction="down", site=world.site, tie_break="crowding"),
    ]


def same_front(one, other):
    return all(torch.equal(getattr(one, f.name), getattr(other, f.name)) for f in fields(one))


def same(one, other):
    """Whether two outcomes are equal bit for bit."""
    plain = [(o.run.name, o.status, o.generations, o.images) for o in (one, other)]
    stones = [o.milestone for o in (one, other)]
    if stones[0] is None or stones[1] is None:
        alike = stones[0] is stones[1]
    else:
        alike = stones[0].generation == stones[1].generation
        alike = alike and same_front(stones[0].front, stones[1].front)
    return plain[0] == plain[1] and alike and same_front(one.front, other.front)


@pytest.fixture(params=list(STRATEGIES))
def strategy(request):
    return request.param


@pytest.fixture(scope="module")
def together(world):
    return {name: world.outcomes(eight(world), strategy=name) for name in STRATEGIES}


def test_a_run_alone_equals_itself_among_seven_others_bit_for_bit(world, strategy, together):
    for own in eight(world):
        alone = world.outcomes([own], strategy=strategy)
        assert same(alone[own.name], together[strategy][own.name])


@pytest.mark.parametrize("slots", [1, 3, 7])
def test_waiting_runs_get_places_and_find_the_same(world, strategy, together, slots):
    search = Search(
        world.generator, eight(world), strategy=strategy, population=POPULATION, slots=slots
    )
    found, widths = {}, []
    while not search.done:
        widths.append(len(search.active))
        found |= {n.run.name: n.outcome for n in search.step(world.subject) if n.outcome}
    assert max(widths) == slots
    assert widths[0] == slots
    assert set(found) == set("abcdefgh")
    assert all(same(found[name], together[strategy][name]) for name in found)


def test_fault_meaning_by_list_position(world, together):
    backwards = world.outcomes(eight(world)[::-1], strategy="isotropic")
    assert all(same(backwards[name], together["isotropic"][name]) for name in "abcdefgh")


@pytest.mark.parametrize("population", [5, 32, 40])
def test_ask_and_tell_equal_step(world, population):
    def own():
        return Search(world.generator, [world.run("a")], population=population)

    stepped, told = own(), own()
    for _ in range(3):
        images = told.ask()
        assert images.shape == (population, 3, *[world.generator.image_size] * 2)
        padded = torch.cat([images, images[:1].expand(told.chunk - population, -1, -1, -1)])
        answers = world.subject.respond(padded, told.sites)
        (one,) = told.tell({site: answer[:population] for site, answer in answers.items()})
        (other,) = stepped.step(world.subject)
        assert one.line == other.line
    assert same(told.interrupted()[0], stepped.interrupted()[0])


@pytest.mark.parametrize("population", [2, 32, 40])
def test_every_image_is_made_in_a_chunk_of_the_same_shape(toy, monkeypatch, population):
    made = []
    inner = toy.generator._generate
    search = Search(toy.generator, eight(toy)[:3], population=population)
    monkeypatch.setattr(toy.generator, "_generate", lambda c: (made.append(len(c)), inner(c))[1])
    assert len(search.ask()) == 3 * population
    search.step(toy.subject)
    assert set(made) == {search.chunk}


def test_several_runs_are_asked_run_by_run(toy):
    search = Search(toy.generator, eight(toy), population=POPULATION)
    images, codes = search.ask(), search.ask_codes()
    assert codes.shape == (8, POPULATION, toy.generator.code_dim)
    assert torch.equal(images, toy.generator.generate(codes.flatten(0, 1)))
    news = search.tell(toy.subject.respond(images, search.sites))
    assert [n.run.name for n in news] == list("abcdefgh")


def test_fault_images_changed_on_every_read(world, strategy):
    search = Search(world.generator, eight(world), strategy=strategy, population=POPULATION)
    search.step(world.subject)
    assert torch.equal(search.ask(), search.ask())
    assert torch.equal(search.ask_codes(), search.ask_codes())


def test_tell_refuses_what_does_not_answer_the_images(toy):
    search = Search(toy.generator, [toy.run()], population=POPULATION)
    answers = toy.subject.respond(search.ask(), search.sites)
    assert set(search.sites) == {"pixels", "linear"}
    with pytest.raises(InputError, match="expected 12 responses at site 'linear'; got none"):
        search.tell({"pixels": answers["pixels"]})
    with pytest.raises(InputError, match="expected 12 responses at site 'pixels'; got 11"):
        search.tell(answers | {"pixels": answers["pixels"][1:]})
    assert search.tell(answers)[0].line["generation"] == 1


def test_the_same_answers_cannot_be_told_twice(toy):
    search = Search(toy.generator, [toy.run()], population=POPULATION)
    answers = toy.subject.respond(search.ask(), search.sites)
    search.tell(answers)
    with pytest.raises(InputError, match="call ask first"):
        search.tell(answers)


class Faulty(Subject):
    """A toy whose answers to some images are missing, or that fails altogether."""

    def __init__(self, subject, missing, *, incomplete=False):
        self.inner, self.missing, self.incomplete = subject, missing, incomplete
        self.name, self.image_size, self.device = "faulty", subject.image_size, subject.device
        self.shown = 0

    def identity(self):
        return {}

    def _sites(self):
        return self.inner._sites()

    def _respond(self, images, sites):
        answers = self.inner._respond(images, sites)
        for answer in answers.values():
            answer[self.missing(torch.arange(len(images)), self.shown)] = torch.nan
        self.shown += 1
        return answers


def test_nan_from_a_complete_subject_is_refused(toy):
    search = Search(toy.generator, [toy.run()], population=32)
    subject = Faulty(toy.subject, lambda i, _: i == 5)
    with pytest.raises(SubjectError, match="faulty answered NaN for 1 of 32 images"):
        search.step(subject)
    assert search.interrupted()[0].generations == 0


@pytest.mark.parametrize("strategy", list(STRATEGIES))
def test_nan_from_an_incomplete_subject_counts_as_not_told(toy, strategy):
    subject = Faulty(toy.subject, lambda i, _: i % 4 == 1, incomplete=True)
    search = Search(toy.generator, [toy.run(generations=5)], strategy=strategy, population=32)
    news = [told[0] for told in search.advance(subject)]
    assert [n.line["told"] for n in news] == [24] * 5
    front = news[-1].outcome.front
    assert bool(front.scores.isfinite().all())
    assert not (front.candidate % 4 == 1).any()
    assert set(front.generation.tolist()) <= set(range(1, 6))


@pytest.mark.parametrize("strategy", list(STRATEGIES))
def test_a_generation_without_answers_is_survived(toy, strategy):
    subject = Faulty(toy.subject, lambda i, call: (i >= 0) & (call == 1), incomplete=True)
    search = Search(toy.generator, [toy.run(generations=3)], strategy=strategy, population=32)
    news = [told[0] for told in search.advance(subject)]
    assert [n.line["told"] for n in news] == [32, 0, 32]
    assert news[1].line["activation"] == [None, None, None]
    assert news[1].line["first_front"] == 0
    assert news[1].line["archive"] == news[0].line["archive"]
    assert set(news[2].outcome.front.generation.tolist()) <= {1, 3}


def test_fault_failures_became_nan(toy):
    def fail(_i, _call):
        raise ZeroDivisionError

    search = Search(toy.generator, [toy.run()], population=POPULATION)
    with pytest.raises(ZeroDivisionError):
        search.step(Faulty(toy.subject, fail, incomplete=True))


@pytest.mark.parametrize("asked", [False, True], ids=["between", "asked"])
@pytest.mark.parametrize("after", [1, 3])
def test_a_restored_search_goes_on_bit_for_bit(world, strategy, together, after, asked):
    first = Search(world.generator, eight(world), strategy=strategy, population=POPULATION)
    for _ in range(after):
        first.step(world.subject)
    if asked:
        first.ask_codes()
    packed = {r.name: first.snapshot(r.name) for r in first.active}
    assert all(v.device.type == "cpu" for p in packed.values() for v in p.values())
    assert ("milestone" in packed["f"]) is (after >= 2)
    left = [own for own in eight(world) if own.name in packed]
    found = world.outcomes(left, strategy=strategy, restored=packed)
    assert len(found) == (8 if after == 1 else 6)
    assert all(same(found[name], together[strategy][name]) for name in found)


def test_the_milestone_is_the_front_when_its_rule_first_held(toy):
    search = Search(toy.generator, [toy.run(milestone=Generations(2))], population=POPULATION)
    fronts = [search.interrupted()[0].front for _ in search.advance(toy.subject) if search.active]
    outcome = toy.outcomes([toy.run(milestone=Generations(2))])["run"]
    assert outcome.milestone.generation == 2
    assert same_front(outcome.milestone.front, fronts[1])


def test_fault_scores_were_recorded_twice_a_generation(toy):
    search = Search(toy.generator, eight(toy), population=POPULATION)
    lines = {}
    last = {}
    for told in search.advance(toy.subject):
        for news in told:
            lines.setdefault(news.run.name, []).append(news.line)
            last[news.run.name] = news.outcome
    for name, outcome in last.items():
        generations = list(range(1, outcome.generations + 1))
        assert [line["generation"] for line in lines[name]] == generations
        assert [line["images"] for line in lines[name]] == [g * POPULATION for g in generations]
        front = outcome.front
        met = list(zip(front.generation.tolist(), front.candidate.tolist(), strict=True))
        assert len(set(met)) == len(met)
        assert lines[name][-1]["archive"] == len(met)


def test_a_line_sums_up_the_generations_scores(toy):
    search = Search(
        toy.generator, [toy.run(stop=ActivationShare(0.0, "above"))], population=POPULATION
    )
    codes = search.ask_codes()[0]
    (news,) = search.step(toy.subject)
    images = toy.generator.generate(codes).double().flatten(1).numpy()
    stretch = np.linalg.norm(images - 0.5, axis=1)
    activation = images @ toy.subject.weights[0].double().flatten().numpy()
    three = [np.min, np.median, np.max]
    assert news.line["stretch"] == pytest.approx([f(stretch) for f in three], rel=1e-5)
    assert news.line["activation"] == pytest.approx([f(activation) for f in three], rel=1e-4)
    assert news.line["reached"] == (activation > 0).sum()
    assert news.line["told"] == POPULATION


def test_fault_convergence_was_counted_two_ways(toy):
    # A run is `stopped` exactly when the journal says that enough candidates were beyond the
    # bound, from generation 5; nothing else says so. Enough: 54 of the last 60.
    level = float(toy.objective().target_reference)
    easy = toy.run(
        "easy", task="excitation", stop=ActivationShare(level + 1, "above"), generations=40
    )
    hard = replace(easy, name="hard", stop=ActivationShare(1e9, "above"), generations=8)
    search = Search(toy.generator, [easy, hard], population=POPULATION)
    news = [n for told in search.advance(toy.subject) for n in told]
    for own, status in ((easy, "stopped"), (hard, "finished")):
        mine = [n for n in news if n.run.name == own.name]
        met = [n.line["reached"] >= 54 and n.line["generation"] >= 5 for n in mine]
        assert met == [False] * (len(mine) - 1) + [status == "stopped"]
        assert [n.outcome.status for n in mine if n.outcome] == [status]


@pytest.mark.parametrize(("bound", "status"), [(50.0, "finished"), (0.0, "stopped")])
def test_a_stop_in_bf16_is_confirmed_in_float32(shifted, bound, status):
    stop = ActivationShare(bound, "above")
    own = shifted.run(task="excitation", stop=stop, generations=7, precision="bf16")
    outcome = shifted.outcomes([own])["run"]
    assert outcome.status == status
    assert outcome.generations == (5 if status == "stopped" else 7)
    assert outcome.bf16_generations == outcome.generations


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"runs": []}, "different names"),
        ({"runs": ["a", "a"]}, "different names"),
        ({"population": 1}, "population is 1"),
        ({"slots": 0}, "slots is 0"),
        ({"strategy": "cmma"}, "did you mean 'cma'"),
        ({"generator": ToyGenerator(2)}, r"toy2 takes \(12,\)"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_search_that_makes_no_sense_is_refused(toy, words, message):
    words = {"runs": ["a"], "generator": toy.generator} | words
    runs = [toy.run(name) for name in words.pop("runs")]
    with pytest.raises(InputError, match=message):
        Search(words.pop("generator"), runs, **words)


def test_an_ended_search_has_nothing_to_ask(toy):
    search = Search(toy.generator, [toy.run(generations=1)], population=POPULATION)
    assert not search.done
    search.step(toy.subject)
    assert search.done
    assert search.interrupted() == []
    with pytest.raises(InputError, match="nothing to ask"):
        search.ask()
