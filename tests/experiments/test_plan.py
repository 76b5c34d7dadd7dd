"""From what a user asks to runs."""

import numpy as np
import pytest
import torch

from invariscope import SearchOptions, image_reference
from invariscope.errors import InputError
from invariscope.experiments.mei import plan_mei
from invariscope.experiments.plan import plan, resolve_subset, start_code, stopping
from invariscope.experiments.reference import Reference
from invariscope.experiments.stretch_squeeze import stretch_and_squeeze
from invariscope.generators import CodeStatistics
from invariscope.natural.statistics import UnitStatistics
from invariscope.search.stopping import ActivationShare, FrontReaches, GenerationProgress, Never
from invariscope.search.strategies import STRATEGIES, load_strategy
from invariscope.subjects import HybridSubject

PLAIN = load_strategy("isotropic")


def statistics(at_minimum=0.01):
    return UnitStatistics(100, -2.0, 7.0, 1.0, 1.0, at_minimum, (0.0,) * 9)


def test_defaults_are_the_papers():
    options = SearchOptions()
    assert (options.population, options.budget, options.stop) == (50, 500, True)
    assert SearchOptions(strategy="twin").budget == 40
    rule, milestone = stopping("invariance", statistics(), PLAIN)
    assert (rule.share, rule.first) == (0.9, 5)
    assert (milestone.share, milestone.first) == (0.5, 1)


@pytest.mark.parametrize(
    ("task", "at_minimum", "bound", "side"),
    [
        ("invariance", 0.01, 7.0, "above"),
        ("invariance", 0.5, 7.0, "above"),
        ("adversarial", 0.01, -2.0, "below"),
        ("adversarial", 0.5, -2.0, "at_or_below"),
        ("adversarial", 0.02, -2.0, "at_or_below"),
    ],
)
def test_the_stop_rule_of_each_task(task, at_minimum, bound, side):
    rule, milestone = stopping(task, statistics(at_minimum), PLAIN)
    assert rule == ActivationShare(bound, side)
    assert milestone == ActivationShare(bound, side, share=0.5, first=1)


def test_a_twin_is_judged_by_its_front():
    """Its candidates aim at all levels: 45 of 50 above the maximum would never come."""
    rule, milestone = stopping("invariance", statistics(), load_strategy("twin"))
    assert rule == FrontReaches(7.0, "above", growth=0.02)
    assert milestone == FrontReaches(7.0, "above")


@pytest.mark.parametrize(
    ("beyond", "generation", "stops", "marks"),
    [
        (45, 5, True, True),
        (45, 4, False, True),
        (44, 5, False, True),
        (25, 1, False, True),
        (24, 9, False, False),
    ],
)
def test_45_of_50_stop_from_generation_5_and_25_of_50_are_marked(beyond, generation, stops, marks):
    activations = np.where(np.arange(50) < beyond, 7.5, 7.0)
    rule, milestone = stopping("invariance", statistics(), PLAIN)
    assert rule.met(GenerationProgress(generation, activations)) is stops
    assert milestone.met(GenerationProgress(generation, activations)) is marks


@pytest.mark.parametrize("task", ["excitation", "invariance", "adversarial"])
@pytest.mark.parametrize("strategy", [load_strategy("isotropic"), load_strategy("twin")])
def test_without_natural_statistics_nothing_stops_a_run(task, strategy):
    assert stopping(task, None, strategy) == (Never(), Never())
    assert stopping("excitation", statistics(), strategy) == (Never(), Never())


def test_stop_false_switches_the_rule_off_and_keeps_the_milestone(
    make_subject, generator, reference, natural_table
):
    subject = make_subject(natural=natural_table())
    rules = []
    for stop in (True, False):
        options = SearchOptions(stop=stop)
        (planned,) = plan(
            subject, generator, "out:1", task="invariance", reference=reference, options=options
        )
        rules.append((planned.run.stop, planned.run.milestone))
        assert planned.settings.stop == planned.run.stop.describe()
        assert planned.settings.milestone == planned.run.milestone.describe()
    assert isinstance(rules[0][0], ActivationShare)
    assert rules[1] == (Never(), rules[0][1])


def test_a_hybrid_stops_by_what_its_units_answered_natural_images(
    make_subject, natural_table, generator, reference
):
    unit = make_subject(natural=natural_table())
    hybrid = HybridSubject(unit, make_subject(), prefix="proxy.")
    words = {"task": "invariance", "reference": reference}
    alone = plan(unit, generator, "out:1", **words)[0]
    joined = plan(hybrid, generator, "out:1", site="proxy.features", **words)[0]
    assert isinstance(joined.run.stop, ActivationShare)
    assert joined.run.stop == alone.run.stop


@pytest.mark.parametrize(("known", "how"), [(True, "natural mean"), (False, "zero")])
def test_an_mei_starts_at_the_natural_mean_or_zero(make_generator, known, how):
    start, rule = start_code(make_generator(statistics=known), "excitation", None, 3)
    assert rule == how
    assert torch.equal(start, torch.zeros(6, dtype=torch.float64))


def test_an_adversarial_search_starts_at_the_references_code(generator, reference, picture):
    start, rule = start_code(generator, "adversarial", reference, 3)
    assert rule == "reference"
    assert torch.equal(start, reference.code.double())
    for without in (None, image_reference(picture, 8)):
        with pytest.raises(InputError, match="starts at the reference's code"):
            start_code(generator, "adversarial", without, 3)


def spread(generator, reference, count=3000):
    starts = [start_code(generator, "invariance", reference, seed) for seed in range(count)]
    codes = torch.stack([code for code, _ in starts])
    return codes.mean(), codes.std(), {rule for _, rule in starts}


@pytest.mark.parametrize(
    ("known", "coded", "rule", "sd"),
    [
        (True, True, "near natural mean", 0.1),
        (True, False, "near natural mean", 0.1),
        (False, True, "paper", (0.01 * 2.5) ** 0.5),
        (False, False, "near zero", 0.1),
    ],
)
def test_an_invariance_search_starts_by_the_stated_rule(
    make_generator, picture, known, coded, rule, sd
):
    code = torch.tensor([-1.0, -2.0, -3.0, -4.0, -2.5, -2.5]) if coded else None
    mean, own, rules = spread(make_generator(statistics=known), Reference(picture, code))
    assert rules == {rule}
    assert float(own) == pytest.approx(sd, rel=0.03)
    assert abs(float(mean)) < 4 * sd / 18000**0.5


def test_fault_seed_0_dropped(generator, reference):
    starts = [start_code(generator, "invariance", reference, seed)[0] for seed in (0, 0, 1)]
    assert torch.equal(starts[0], starts[1])
    assert not torch.equal(starts[0], starts[2])
    kind = np.int64
    assert torch.equal(start_code(generator, "invariance", reference, kind(0))[0], starts[0])


@pytest.mark.parametrize(
    ("task", "sigma", "step"),
    [("invariance", None, 1.0), ("invariance", 0.2, 0.2), ("adversarial", 0.3, 0.3)],
)
def test_the_first_step_size(subject, generator, reference, task, sigma, step):
    (planned,) = plan(
        subject,
        generator,
        "out:1",
        task=task,
        reference=reference,
        options=SearchOptions(sigma=sigma),
    )
    assert planned.run.sigma == pytest.approx(step)
    assert planned.settings.start["sigma"] == planned.run.sigma


@pytest.mark.parametrize("statistics", [True, False])
def test_a_silencing_search_first_turns_long_and_short_codes_alike(
    subject, generator, code, statistics, monkeypatch
):
    mean, sd = (torch.full((6,), 5.0), 2.0) if statistics else (torch.zeros(6), 1.0)
    known = CodeStatistics(mean.double(), sd**2 * torch.eye(6, dtype=torch.float64))
    monkeypatch.setattr(generator, "code_statistics", known if statistics else None)
    unit = code / code.square().mean().sqrt()
    names = set()
    for length, step in ((0.1, 0.2 * sd), (sd, 0.2 * sd), (7 * sd, 1.4 * sd)):
        own = mean + length * unit
        # One image, so that the runs' references differ in their codes alone.
        reference = Reference(torch.full((3, 8, 8), 0.5), own, recipe={"kind": "mei", "run": "x"})
        (planned,) = plan(
            subject, generator, "out:1", task="adversarial", reference=reference
        )  # fmt: skip
        assert planned.run.sigma == pytest.approx(step)
        names.add(planned.settings.name)
    assert len(names) == 1  # a study names its runs before it has found the code


def test_a_drawn_subset_is_sorted_distinct_and_the_same_again(subject):
    drawn = resolve_subset(10, "features", subject)
    assert drawn == tuple(sorted(set(drawn)))
    assert len(drawn) == 10
    assert 0 <= drawn[0] <= drawn[-1] < 64
    assert drawn == resolve_subset(10, "features", subject)
    assert drawn != resolve_subset(10, "features", subject, seed=1)
    assert resolve_subset(64, "features", subject) == tuple(range(64))


def test_given_entries_are_sorted_and_none_is_all(subject):
    assert resolve_subset([5, 0, 63], "features", subject) == (0, 5, 63)
    assert resolve_subset(None, "features", subject) is None


@pytest.mark.parametrize(
    ("subset", "says"),
    [
        (65, "which has 64 units"),
        (0, "a sample of 0"),
        ([], "at least one unit"),
        ([1, 1], "each once"),
        ([0, 64], "its units are 0 … 63"),
        ([-1], "its units are 0 … 63"),
    ],
)
def test_a_subset_that_does_not_fit_is_refused(subject, subset, says):
    with pytest.raises(InputError, match=says):
        resolve_subset(subset, "features", subject)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"population": 1}, "population is 1"),
        ({"generations": 0}, "generations is 0"),
        ({"sigma": 0.0}, "sigma is 0.0"),
        ({"sigma": float("nan")}, "sigma is nan"),
        ({"precision": "bf32"}, "choose from 'auto', 'float32', 'bf16'"),
        ({"strategy": "isotropik"}, "did you mean 'isotropic'"),
    ],
)
def test_options_that_cannot_be_used_are_refused(options, says):
    with pytest.raises(InputError, match=says):
        SearchOptions(**options)


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"unit": "out:7"}, "the largest is 2"),
        ({"unit": "oud:1"}, "did you mean 'out'"),
        ({"stretch": "feature"}, "did you mean 'features'"),
        ({"task": "excitation"}, "unknown task 'excitation'"),
        ({"task": "invarience"}, "did you mean 'invariance'"),
        ({"direction": "up"}, "unknown direction 'up'"),
        ({"seeds": ()}, "expected at least one"),
        ({"seeds": (1, 1)}, "each once"),
        ({"reference": None}, "no reference was given"),
    ],
)
def test_a_question_that_does_not_fit_is_refused_and_nothing_written(
    subject, generator, reference, tmp_path, asked, says
):
    asked = {"unit": "out:1", "reference": reference} | asked
    with pytest.raises(InputError, match=says):
        stretch_and_squeeze(subject, generator, asked.pop("unit"), out=tmp_path / "out", **asked)
    assert not (tmp_path / "out").exists()


def test_runs_of_one_plan_differ_in_their_seed_alone(subject, generator, reference):
    planned = plan(
        subject, generator, "out:1", task="invariance", reference=reference, run_seeds=range(3)
    )
    assert len({p.run.name for p in planned}) == 3
    plain = [p.settings.model_dump() | {"seed": 0} for p in planned]
    assert plain[0] == plain[1] == plain[2]
    assert planned[0].labels["unit"] == "bee"


def test_the_name_of_a_run_holds_the_references_content(subject, generator, picture):
    names = set()
    for shift in (0.0, 0.001):
        reference = image_reference((picture * 0.9) + shift, 8)
        (planned,) = plan(subject, generator, "out:1", task="invariance", reference=reference)
        names.add(planned.run.name)
    assert len(names) == 2
    again = image_reference(picture * 0.9, 8)
    (planned,) = plan(subject, generator, "out:1", task="invariance", reference=again)
    assert planned.run.name in names


@pytest.mark.parametrize(
    ("image", "says"),
    [
        (torch.rand(3, 9, 9), r"shape \(3, 9, 9\); expected \(3, 8, 8\)"),
        (torch.rand(1, 8, 8), r"shape \(1, 8, 8\)"),
        (torch.full((3, 8, 8), 128.0), r"values lie in \[128, 128\]"),
        (torch.full((3, 8, 8), torch.nan), "holds NaN"),
        (torch.zeros(3, 8, 8, dtype=torch.uint8), "divide by 255"),
    ],
)
def test_a_reference_image_of_another_size_or_range_is_refused(image, says):
    with pytest.raises(InputError, match=says):
        image_reference(image, 8)


def test_start_codes_use_no_global_randomness(generator, reference):
    torch.manual_seed(0)
    first = start_code(generator, "invariance", reference, 5)[0]
    torch.manual_seed(1)
    assert torch.equal(first, start_code(generator, "invariance", reference, 5)[0])


def planned_with(subject, generator, reference, strategy, **words):
    options = SearchOptions(strategy=strategy, **words)
    (planned,) = plan(
        subject, generator, "out:1", task="invariance", reference=reference, options=options
    )
    return planned.settings


def test_a_strategy_is_settled_for_the_generator_and_the_budget(subject, generator, reference):
    whitened = planned_with(subject, generator, reference, "whitened").strategy
    assert whitened["name"] == "whitened"
    assert len(whitened["covariance"]) == 64
    sphere = planned_with(subject, generator, reference, "sphere", generations=30).strategy
    assert sphere["generations"] == 30
    assert sphere["radius"] == pytest.approx(generator.code_dim**0.5)
    names = {planned_with(subject, generator, reference, name).name for name in STRATEGIES}
    assert len(names) == len(STRATEGIES)


def test_whitened_without_natural_statistics_is_refused(subject, make_generator, reference):
    with pytest.raises(InputError, match="needs the covariance of natural codes"):
        planned_with(subject, make_generator(statistics=False), reference, "whitened")


def test_an_image_references_code_is_part_of_the_runs_name():
    image = torch.full((3, 8, 8), 0.5)
    recipes = [
        image_reference(image, 8, code).recipe
        for code in (None, torch.zeros(4), torch.ones(4), torch.ones(4))
    ]
    assert recipes[2] == recipes[3]
    assert len({str(recipe) for recipe in recipes}) == 3


def test_a_search_for_excitation_fills_no_cells(make_subject, generator):
    with pytest.raises(InputError, match="cells are filled by searches from a reference"):
        plan(
            make_subject(),
            generator,
            "out:0",
            task="excitation",
            options=SearchOptions(strategy="twin:codes?cells=hue"),
        )
    (planned,) = plan_mei(
        make_subject(), generator, "out:0", options=SearchOptions(strategy="twin:codes?cells=hue")
    )
    assert "cells" not in planned.settings.strategy
