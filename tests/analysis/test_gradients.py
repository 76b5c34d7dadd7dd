"""The gradient baseline: its direction in closed form, and goals that it must reach."""

import pytest
import torch

from invariscope.analysis.gradients import GradientGoal, gradient_search, upgrad
from invariscope.errors import InputError
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
    early, _ = gradient_search(
        conv_subject, own, picture, space=space, generator=generator, budget=4, steps=1
    )
    table, images = gradient_search(
        conv_subject, own, picture, space=space, generator=generator, budget=400, steps=100
    )
    assert len(table) == len(images) == 4
    assert table["squeeze"].mean() < early["squeeze"].mean() / 3
    assert table["stretch"].min() > 2
    assert images.min() >= 0
    assert images.max() <= 1
    measured = conv_subject.respond(images, ["fc"])["fc"][:, 1].double().numpy()
    assert table["activation"].to_numpy() == pytest.approx(measured, abs=1e-5)
    assert (table["steps"] == 100).all()
    assert table["forward"].sum() == 400
    assert table["backward"].sum() == 800


def test_adversarial_silences_nearby_and_stops_at_the_bound(conv_subject, generator):
    code = torch.zeros(generator.code_dim)
    image = generator.generate(code[None])[0]
    bound = first_activity(conv_subject, image) - 0.05
    own = goal(conv_subject, task="adversarial", bound=bound)
    for space in ("pixels", "codes"):
        table, _ = gradient_search(
            conv_subject,
            own,
            image,
            space=space,
            generator=generator,
            code=code,
            budget=200,
            steps=100,
        )
        assert table["met"].any()  # a start can end where no step makes neither loss worse
        assert ((table["activation"] < bound) == table["met"]).all()
        assert ((table["steps"] < 100) == table["met"]).all()
        assert table["pixel_distance"].max() < 6


def test_the_same_seed_gives_the_same_search(conv_subject, generator, picture):
    own = goal(conv_subject, site="conv2")
    runs = [
        gradient_search(conv_subject, own, picture, generator=generator, budget=20, steps=10)[0]
        for _ in range(2)
    ]
    assert runs[0].equals(runs[1])
    other, _ = gradient_search(
        conv_subject, own, picture, generator=generator, budget=20, steps=10, seed=1
    )
    assert not runs[0].equals(other)


def test_mistakes_are_sentences(conv_subject, generator, picture):
    with pytest.raises(InputError, match="did you mean 'codes'"):
        gradient_search(conv_subject, goal(conv_subject), picture, space="code")
    with pytest.raises(InputError, match="needs a generator"):
        gradient_search(conv_subject, goal(conv_subject), picture)
    own = goal(conv_subject, task="adversarial")
    with pytest.raises(InputError, match="give code="):
        gradient_search(conv_subject, own, picture, generator=generator)
