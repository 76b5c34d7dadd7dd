"""What to expect of a noisy candidate: against the truth it was drawn from, and its closed form."""

import numpy as np
import pytest
import torch

from invariscope import seeds
from invariscope.search import noise
from invariscope.search.objectives import Objective, Objectives
from invariscope.units import parse_target

GENERATIONS, POPULATION = 200, 50


@pytest.fixture(scope="module")
def noisy():
    """Generations whose activity falls with stretch: stretch, truth and what was measured."""
    stretch = seeds.normal([("stretch",)], (GENERATIONS, POPULATION)).abs()[0]
    own, luck = (seeds.normal([(name,)], (GENERATIONS, POPULATION))[0] for name in ("own", "luck"))
    truth = 20 - 3 * stretch + 2 * own
    return stretch, truth, truth + 4 * luck


def expected(measured, stretch, error=4.0):
    errors = torch.full((POPULATION, 1), error)
    return torch.stack(
        [
            noise.shrunk(m.unsqueeze(1), errors, s)[:, 0]
            for m, s in zip(measured, stretch, strict=True)
        ]
    )


def test_the_best_of_a_generation_is_expected_to_bring_what_it_will_bring(noisy):
    stretch, truth, measured = noisy
    shrunk = expected(measured, stretch)
    for told, least, most in ((measured, 5.0, 9.0), (shrunk, -0.5, 0.5)):
        best = told.argmax(1, keepdim=True)
        assert least < float((told.gather(1, best) - truth.gather(1, best)).mean()) < most
    assert float((shrunk - truth).square().mean()) < 0.35 * float(
        (measured - truth).square().mean()
    )


def test_equal_errors_draw_to_the_line_as_the_moments_say(noisy):
    stretch, _, measured = noisy
    for s, m, found in zip(stretch, measured, expected(measured, stretch), strict=True):
        line = np.polynomial.Polynomial.fit(s.numpy(), m.numpy(), 1)(s.numpy())
        apart = m.numpy() - line
        own = max(np.square(apart).sum() / (POPULATION - 2) - 16, 0)
        np.testing.assert_allclose(found, line + own / (own + 16) * apart, rtol=1e-4)


def test_what_was_not_recorded_stays_unknown_and_few_stay_as_they_came():
    activity = torch.tensor([[1.0], [5.0], [2.0], [torch.nan]])
    same = noise.shrunk(activity, torch.ones(4, 1), torch.zeros(4))
    assert torch.equal(same.nan_to_num(-1), activity.nan_to_num(-1))
    more = torch.cat([activity, torch.tensor([[0.0], [9.0]])])
    found = noise.shrunk(more, torch.ones(6, 1), torch.zeros(6))
    assert bool(found[3].isnan())
    assert 5 < float(found[5]) < 9


def test_a_candidate_without_error_is_believed():
    activity = torch.tensor([[1.0], [5.0], [2.0], [8.0], [3.0]])
    error = torch.tensor([[0.0], [3.0], [3.0], [3.0], [3.0]])
    found = noise.shrunk(activity, error, torch.arange(5.0))
    assert float(found[0]) == 1
    assert float(found[3]) < 8


def test_squeeze_follows_the_expected_activity(noisy):
    stretch, _, measured = noisy
    target = parse_target("out:0", {"out": (1,)})
    objective = Objective("invariance", target, target_reference=torch.tensor([20.0]))
    own = Objectives([objective, objective], "cpu")
    responses = {"out": measured[:2].reshape(-1, 1)}
    errors = {"out": torch.full((2 * POPULATION, 1), 4.0)}
    runs = torch.arange(2).repeat_interleave(POPULATION)
    scores = torch.stack([stretch[:2].flatten(), responses["out"][:, 0], responses["out"][:, 0]], 1)
    found = own.shrunk(scores.float(), responses, errors, runs)
    activity = expected(measured[:2], stretch[:2]).flatten()
    torch.testing.assert_close(found[:, 2], activity.float(), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(found[:, 1], (activity - 20).abs().float(), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(found[:, 0], scores[:, 0].float())
