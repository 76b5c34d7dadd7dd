"""A reference from which many runs depart is shown once, and gives what it gives by itself."""

from unittest.mock import patch

import pytest
import torch

from invariscope import SearchOptions, image_reference
from invariscope.experiments.evaluator import KEPT, Evaluator
from invariscope.experiments.plan import plan
from invariscope.experiments.reference import depart_from
from invariscope.testing.toys import ToyGenerator, ToySubject


@pytest.fixture
def toys():
    weights = torch.randn(1, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    return ToySubject(weights), ToyGenerator()


def planned_runs(subject, generator, references, seeds=3):
    return [
        planned
        for reference in references
        for planned in plan(
            subject,
            generator,
            "linear:0",
            task="invariance",
            reference=reference,
            site="pixels",
            run_seeds=range(seeds),
            options=SearchOptions(population=8, generations=2),
        )
    ]


def a_reference(generator, shade):
    size = generator.image_size
    return image_reference(torch.full((3, size, size), shade), size)


def counting(subject):
    return patch.object(type(subject), "respond", autospec=True, side_effect=type(subject).respond)


def test_runs_of_one_reference_show_it_once(toys):
    subject, generator = toys
    runs = planned_runs(subject, generator, [a_reference(generator, 0.3)])
    evaluator = Evaluator(subject, generator, SearchOptions(), 32)
    with counting(subject) as shown:
        found = [evaluator.objective(run, "float32") for run in runs * 2]
    assert shown.call_count == 1
    for run, objective in zip(runs * 2, found, strict=True):
        alone = depart_from(run.run.objective, subject, run.reference.image, 32)
        assert torch.equal(objective.site_reference, alone.site_reference)
        assert torch.equal(objective.target_reference, alone.target_reference)


def test_other_references_and_precisions_are_shown_themselves(toys):
    subject, generator = toys
    shades = [a_reference(generator, 0.05 * k) for k in range(KEPT + 2)]
    runs = planned_runs(subject, generator, shades, seeds=1)
    evaluator = Evaluator(subject, generator, SearchOptions(), 32)
    with counting(subject) as shown:
        for run in runs:
            objective = evaluator.objective(run, "float32")
            alone = depart_from(run.run.objective, subject, run.reference.image, 32)
            assert torch.equal(objective.site_reference, alone.site_reference)
        before = shown.call_count
        evaluator.objective(runs[-1], "bf16")
        evaluator.objective(runs[0], "float32")  # the first is no longer kept
    assert shown.call_count == before + 2
