"""The gradient baseline: its direction in closed form, and goals that it must reach."""

import numpy as np
import pandas as pd
import pytest
import torch

from invariscope.analysis.gradients import GradientGoal, gradient_search, upgrad
from invariscope.errors import InputError
from invariscope.paper.claim import CONTRADICTED, HOLDS, NOTHING, UNDECIDED
from invariscope.paper.figure_claims import GRADIENTS, figure_claims
from invariscope.search.stopping import ActivationShare, StoppingRule
from invariscope.study.analyses.gradients import beside_search
from invariscope.units import parse_target


def test_gradients_that_agree_are_averaged():
    one, other = torch.tensor([[1.0, 0.0]]), torch.tensor([[1.0, 2.0]])
    assert torch.equal(upgrad(one, other), (one + other) / 2)


def test_gradients_that_disagree_are_projected_onto_the_cone():
    one, other = torch.tensor([[1.0, 0.0]]), torch.tensor([[-1.0, 1.0]])
    # The projections of each onto the half-space of the other: (½, ½) and (0, 1).
    assert upgrad(one, other).tolist() == [[0.25, 0.75]]


def test_a_direction_never_makes_either_loss_worse_and_rows_are_apart():
    stream = torch.Generator().manual_seed(0)
    one, other = torch.randn(2, 200, 5, generator=stream)
    joint = upgrad(one, other)
    assert ((joint * one).sum(1) >= -1e-5).all()
    assert ((joint * other).sum(1) >= -1e-5).all()
    assert torch.allclose(upgrad(one[3:4], other[3:4]), joint[3:4])


def test_opposite_gradients_leave_nowhere_to_go():
    one = torch.tensor([[1.0, 2.0]])
    assert upgrad(one, -2 * one).abs().max() < 1e-6
    assert torch.isfinite(upgrad(one, torch.zeros(1, 2))).all()


def goal(subject, **values):
    return GradientGoal(target=parse_target("fc:1", subject.sites()), **values)


def first_activity(subject, image):
    return float(subject.respond(image[None], ["fc"])["fc"][0, 1])


@pytest.mark.parametrize("space", ["pixels", "codes"])
def test_invariance_keeps_activity_and_goes_far(conv_subject, generator, picture, space):
    own = goal(conv_subject)
    words = {"space": space, "generator": generator, "starts": 4}
    early = gradient_search(conv_subject, own, picture, steps=1, **words)
    run = gradient_search(conv_subject, own, picture, steps=100, **words)
    assert run.front["squeeze"].min() < early.front["squeeze"].min() / 3
    assert run.front["stretch"].max() > 2
    assert run.images.min() >= 0
    assert run.images.max() <= 1
    measured = conv_subject.respond(run.images, ["fc"])["fc"][:, 1].double().numpy()
    assert run.front["activation"].to_numpy() == pytest.approx(measured, abs=1e-5)
    away = (conv_subject.see(run.images) - picture).flatten(1).norm(dim=1).double().numpy()
    assert run.front["pixel_distance"].to_numpy() == pytest.approx(away, abs=1e-4)
    assert (run.generations, run.converged) == (100, False)
    assert (run.forward, run.backward) == (400, 2 * 4 * 99)  # no step after the last images
    early_costs, costs = (
        np.stack([-front["stretch"], front["squeeze"]], 1) for front in (early.front, run.front)
    )
    # The first images stay in the archive, or something at least as good on both does.
    assert all((costs <= first).all(1).any() for first in early_costs)


def test_adversarial_silences_nearby_and_stops_as_a_search_does(conv_subject, generator):
    code = torch.zeros(generator.code_dim)
    image = generator.generate(code[None])[0]
    bound = first_activity(conv_subject, image) - 0.05
    own = goal(conv_subject, task="adversarial")
    for space in ("pixels", "codes"):
        run = gradient_search(
            conv_subject,
            own,
            image,
            space=space,
            generator=generator,
            code=code,
            starts=10,
            steps=100,
            stop=ActivationShare(bound, "below", share=0.5, first=3),
        )
        assert run.converged
        assert 3 <= run.generations < 100
        assert run.forward == 10 * run.generations
        assert run.backward == 2 * 10 * (run.generations - 1)
        nearest = run.front[run.front["activation"] < bound].iloc[0]
        assert nearest["pixel_distance"] < 6


def test_a_small_generation_is_seen_with_those_before_as_in_a_search(
    conv_subject, generator, picture
):
    class Noting(StoppingRule):
        def __init__(self):
            self.seen = []

        def met(self, progress):
            self.seen.append(len(progress.activations))
            return progress.generation == 6

        def describe(self):
            return {}

    rule = Noting()
    run = gradient_search(
        conv_subject, goal(conv_subject), picture, generator=generator, starts=10, stop=rule
    )
    assert rule.seen == [10, 20, 30, 40, 50, 50]
    assert run.converged


def test_the_same_seed_gives_the_same_search(conv_subject, generator, picture):
    own = goal(conv_subject, site="conv2")
    words = {"generator": generator, "starts": 2, "steps": 10}
    runs = [gradient_search(conv_subject, own, picture, **words) for _ in range(2)]
    assert runs[0].front.equals(runs[1].front)
    other = gradient_search(conv_subject, own, picture, seed=1, **words)
    assert not runs[0].front.equals(other.front)


def test_mistakes_are_sentences(conv_subject, generator, picture):
    with pytest.raises(InputError, match="did you mean 'codes'"):
        gradient_search(conv_subject, goal(conv_subject), picture, space="code")
    with pytest.raises(InputError, match="needs a generator"):
        gradient_search(conv_subject, goal(conv_subject), picture)
    own = goal(conv_subject, task="adversarial")
    with pytest.raises(InputError, match="give code="):
        gradient_search(conv_subject, own, picture, generator=generator)


def methods(ratio, *, units=6, met=True, task="invariance"):
    """Runs of two networks, the search's distance `ratio` times that by gradients."""
    rows = []
    for subject in ("one", "two"):
        for unit in range(units):
            far = 100 + 5 * unit
            for method, own in (("without gradients", ratio * far), ("gradients on codes", far)):
                about = {"subject": subject, "task": task, "unit": f"fc:{unit}"}
                values = {
                    "pixel_distance": own + unit % 2 * (method == "gradients on codes"),
                    "reduction": 20.0,
                    "forward": 500,
                }
                seen = met or unit or method == "without gradients"
                rows.append({**about, "method": method, **values, "met": bool(seen)})
    return pd.DataFrame(rows)


def verdict(table):
    tables = {"gradients_beside": beside_search(table)}
    (claim,) = (c for c in figure_claims(tables) if c.statement == GRADIENTS)
    return claim.verdict


def test_a_search_as_far_as_gradients_farther_and_far_behind():
    assert verdict(methods(1.0)) == HOLDS
    assert verdict(methods(1.5)) == HOLDS
    assert verdict(methods(0.9)) == UNDECIDED
    assert verdict(methods(0.6)) == CONTRADICTED
    silent = {"task": "adversarial"}
    assert verdict(methods(0.8, **silent)) == HOLDS
    assert verdict(methods(1.4, **silent)) == CONTRADICTED
    assert verdict(methods(1.0, units=1)) == UNDECIDED


def test_units_that_one_method_does_not_bring_there_do_not_count():
    found = beside_search(methods(1.0, met=False))
    assert list(found["units"]) == [6, 6]
    assert list(found["compared"]) == [5, 5]
    assert found["images"].eq(1).all()
    alone = methods(1.0, units=1, met=False)
    assert verdict(alone) == NOTHING
