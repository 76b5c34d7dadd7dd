"""The sphere strategy against its equations, one number at a time, and in its flat limit."""

import math

import pytest
import torch

from invariscope import seeds
from invariscope.errors import InputError
from invariscope.generators import CodeStatistics
from invariscope.search.strategies import Isotropic, Sphere
from invariscope.search.strategies.weights import log_weights


def value(code):
    return sum((i + 1) * (x - 1) ** 2 for i, x in enumerate(code))


def unit(vector):
    norm = math.hypot(*vector)
    return [x / norm for x in vector]


def dot(one, other):
    return sum(a * b for a, b in zip(one, other, strict=True))


def tangent_of(vector, centre):
    along = dot(vector, centre)
    return [v - along * c for v, c in zip(vector, centre, strict=True)]


def slow_run(name, start, radius, size, generations, *, first=50.0, last=7.33, move=1.5):
    """Wang & Ponce 2022 in plain Python; returns the mean and the last codes."""
    n = len(start)
    centre = unit(start)
    for generation in range(generations):
        degrees = first * (last / first) ** (generation / (generations - 1))
        mu = math.radians(degrees) / math.sqrt(n)
        z = seeds.numpy_stream(name, generation, "ask").standard_normal((size, n)).tolist()
        codes = []
        for row in z:
            v = [mu * x for x in tangent_of(row, centre)]
            angle = math.hypot(*v)
            parts = zip(centre, v, strict=True)
            codes.append(
                [radius * (math.cos(angle) * c + math.sin(angle) * t / angle) for c, t in parts]
            )
        best = sorted(range(size), key=lambda k: value(codes[k]))
        weights = log_weights(size).tolist()
        total = [sum(w * codes[k][i] for w, k in zip(weights, best, strict=True)) for i in range(n)]
        aim = unit(total)
        angle = math.acos(min(1.0, dot(aim, centre)))
        # Spherical interpolation beyond its end.
        parts = [math.sin((1 - move) * angle), math.sin(move * angle)]
        pairs = zip(centre, aim, strict=True)
        centre = unit([parts[0] * c + parts[1] * a for c, a in pairs])
    return [radius * c for c in centre], codes


def fast_run(strategy, name, start, size, generations, sigma=1.0):
    strategy = strategy.with_budget(generations)
    mean = torch.tensor([start], dtype=torch.float64)
    state = strategy.init([name], mean, torch.tensor([sigma], dtype=torch.float64), size)
    for _ in range(generations):
        codes = strategy.ask(state, size)
        values = torch.tensor([[value(c) for c in codes[0].tolist()]], dtype=torch.float64)
        observed = torch.ones(1, size, dtype=torch.bool)
        state = strategy.tell(state, codes, values.argsort(dim=1, stable=True), observed)
    return state, codes


@pytest.mark.parametrize(("n", "size"), [(40, 8), (40, 50), (7, 3)])
def test_it_equals_the_papers_equations_one_number_at_a_time(n, size):
    start = [0.1 * i - 2.03 for i in range(n)]
    mean, codes = slow_run("twin", start, 5.0, size, 8)
    state, asked = fast_run(Sphere(radius=5.0), "twin", start, size, 8)
    assert state.mean[0].tolist() == pytest.approx(mean, rel=1e-8, abs=1e-9)
    assert torch.allclose(asked[0], torch.tensor(codes, dtype=torch.float64), rtol=1e-8)


def test_golden():
    golden = [1.3663539100478599, 1.0578549000822106, 1.006985602116029]
    state, _ = fast_run(Sphere(radius=2.0), "golden", [1.0, -2.0, 3.0], 6, 10)
    assert state.mean[0].tolist() == pytest.approx(golden, rel=1e-9)


def test_every_code_lies_on_the_sphere():
    strategy = Sphere(radius=3.0).with_budget(20)
    state = strategy.init(["a", "b"], torch.ones(2, 30), torch.ones(2), 10)
    for _ in range(20):
        codes = strategy.ask(state, 10)
        assert codes.norm(dim=2).numpy() == pytest.approx(3.0, rel=1e-13)
        order = codes[..., 0].argsort(dim=1)
        state = strategy.tell(state, codes, order, torch.ones(2, 10, dtype=torch.bool))
        assert state.mean.norm(dim=1).numpy() == pytest.approx(3.0, rel=1e-13)


@pytest.mark.parametrize(("observed", "degrees"), [(0, 50.0), (4, 30.0), (8, 18.0), (9, 18.0)])
def test_the_typical_angle_shrinks_by_one_factor_and_then_stays(observed, degrees):
    strategy = Sphere(first_angle=50.0, last_angle=18.0).with_budget(9)
    state = strategy.init(["a"], torch.ones(1, 3000), torch.ones(1), 6)
    order = torch.arange(6).unsqueeze(0)
    for _ in range(observed):
        codes = strategy.ask(state, 6)
        state = strategy.tell(state, codes, order, torch.zeros(1, 6, dtype=torch.bool))
    codes = strategy.ask(state, 200)[0]
    cosine = codes @ state.mean[0] / (codes.norm(dim=1) * state.mean.norm())
    assert float(torch.rad2deg(torch.acos(cosine)).mean()) == pytest.approx(degrees, rel=0.01)


def test_the_radius_is_what_was_given_or_the_natural_codes_or_the_first_steps():
    n = 16
    mean, sigma = torch.ones(2, n), torch.tensor([1.0, 0.5])
    plain = Sphere()
    assert plain.init("ab", mean, sigma, 4).radius.tolist() == [4.0, 2.0]
    natural = CodeStatistics(torch.full((n,), 0.5).double(), 2 * torch.eye(n).double())
    assert plain.with_statistics(None) is plain
    fitted = plain.with_statistics(natural)
    assert fitted.init("ab", mean, sigma, 4).radius.tolist() == pytest.approx([6.0, 6.0])
    given = Sphere(radius=7.0).with_statistics(natural)
    assert given.init("ab", mean, sigma, 4).radius.tolist() == [7.0, 7.0]


def test_runs_of_different_length_keep_their_own_schedule():
    strategy, n = Sphere(), 20
    states = [
        strategy.with_budget(budget).init([name], torch.ones(1, n), torch.ones(1), 6)
        for name, budget in (("a", 5), ("b", 50))
    ]
    joined = type(states[0]).cat(states)
    order = torch.arange(6).expand(2, 6)
    observed = torch.ones(2, 6, dtype=torch.bool)
    for _ in range(4):
        joined = strategy.tell(joined, strategy.ask(joined, 6), order, observed)
        states = [strategy.tell(s, strategy.ask(s, 6), order[:1], observed[:1]) for s in states]
    assert torch.equal(strategy.ask(joined, 6), torch.cat([strategy.ask(s, 6) for s in states]))


def test_a_start_without_a_direction_gets_one_by_the_runs_name():
    strategy = Sphere(radius=2.0)
    state = strategy.init(["a", "b", "a"], torch.zeros(3, 9), torch.ones(3), 4)
    assert state.mean.norm(dim=1).tolist() == pytest.approx([2.0] * 3)
    assert torch.equal(state.mean[0], state.mean[2])
    assert not torch.equal(state.mean[0], state.mean[1])
    codes = torch.zeros(3, 4, 9, dtype=torch.float64)
    observed = torch.ones(3, 4, dtype=torch.bool)
    after = strategy.tell(state, codes, torch.arange(4).expand(3, 4), observed)
    assert bool(after.mean.isfinite().all())


def test_without_a_move_the_mean_stays():
    strategy = Sphere(move=0.0)
    state = strategy.init(["a"], torch.linspace(-1, 1, 5)[None], torch.ones(1), 8)
    codes = strategy.ask(state, 8)
    after = strategy.tell(state, codes, torch.arange(8)[None], torch.ones(1, 8, dtype=torch.bool))
    assert torch.allclose(after.mean, state.mean, rtol=1e-14)


def test_on_a_huge_sphere_it_is_flat_and_equals_isotropic():
    # The radial part of a step is lost, and the mean moves as that of `isotropic` in the plane.
    n, size, radius, sigma = 50, 10, 1e6, 0.3
    angle = math.degrees(sigma * math.sqrt(n) / radius)
    start = torch.zeros(1, n, dtype=torch.float64)
    start[0, 0] = radius
    curved = Sphere(radius=radius, first_angle=angle, last_angle=angle, move=1.0)
    flat = Isotropic()
    states = [s.init(["a"], start, torch.tensor([sigma]).double(), size) for s in (curved, flat)]
    asked = [s.ask(state, size) for s, state in zip((curved, flat), states, strict=True)]
    assert torch.allclose(asked[0][..., 1:], asked[1][..., 1:], atol=1e-6)
    assert torch.allclose(asked[0][..., 0], start[0, 0], atol=1e-4)
    order, observed = torch.arange(size)[None], torch.ones(1, size, dtype=torch.bool)
    codes = asked[1]
    moved = [
        s.tell(state, codes, order, observed)
        for s, state in zip((curved, flat), states, strict=True)
    ]
    assert torch.allclose(moved[0].mean[:, 1:], moved[1].mean[:, 1:], atol=1e-5)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"radius": 0.0}, "radius is 0.0; expected a number above 0"),
        ({"first_angle": 0}, "first_angle is 0; expected a number above 0"),
        ({"last_angle": 181}, "last_angle is 181; expected a number from 0 to 180"),
        ({"move": -1}, "move is -1; expected at least 0"),
        ({"generations": 0}, "generations is 0; expected at least 1"),
    ],
)
def test_parameters_that_make_no_sense_are_refused(words, message):
    with pytest.raises(InputError, match=message):
        Sphere(**words)
