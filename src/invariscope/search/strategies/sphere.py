"""Search on a sphere around the origin of the code space, batched over runs.

Sphere-CMA of Wang & Ponce 2022 (arXiv 2204.06765): codes of one norm, mutations in the
tangent space, and an angular step that shrinks by a schedule. Its exploration covariance stays
the identity, as theirs does.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, final

import torch
from torch import Tensor

from invariscope import seeds, validate
from invariscope.generators.base import CodeStatistics
from invariscope.search.reductions import weighted_sum
from invariscope.search.strategies.base import State, Strategy
from invariscope.search.strategies.weights import best_first, observed_weights

# The schedule of the paper's benchmark: 3,000 images, 40 a generation.
PUBLISHED_GENERATIONS = 75


@dataclass(frozen=True)
class SphereState(State):
    """Where each run stands on its sphere.

    Attributes:
        mean: `(runs, n)` float64, of norm `radius`.
        radius: `(runs,)` float64.
        budget: `(runs,)` int64, generations over which the angle shrinks.
    """

    mean: Tensor
    radius: Tensor
    budget: Tensor


@final
@dataclass(frozen=True)
class Sphere(Strategy):
    """Weighted recombination and tangent-space mutation on a sphere.

    The start gives a direction only: its norm is not kept, and where it is 0 the direction is
    drawn at random. The first step size counts only where the radius is not known.

    Attributes:
        radius: norm of every code; by default the root mean square norm of natural codes, or
            √n times the first step size where their statistics are not known.
        first_angle: typical angle between the mean and a candidate in the first generation, in
            degrees, in (0, 180].
        last_angle: that of the last generation, in degrees, in (0, 180]; in between it
            changes by the same factor each generation.
        move: how far the mean goes towards the candidates' weighted mean, as a share of the
            angle between them; at least 0. Above 1 it goes beyond.
        generations: over which the angle changes, after which it stays; by default the run's
            most generations.
    """

    name: ClassVar[str] = "sphere"
    radius: float | None = None
    first_angle: float = 50.0
    last_angle: float = 7.33
    move: float = 1.5
    generations: int | None = None

    def __post_init__(self) -> None:
        for name in ("first_angle", "last_angle"):
            validate.above(name, getattr(self, name), 0)
            validate.between(name, getattr(self, name), 0, 180)
        validate.at_least("move", self.move, 0)
        if self.radius is not None:
            validate.above("radius", self.radius, 0)
        if self.generations is not None:
            validate.at_least("generations", self.generations, 1)

    def with_statistics(self, statistics: CodeStatistics | None) -> "Sphere":
        if self.radius is not None or statistics is None:
            return self
        square = statistics.mean.square().sum() + statistics.covariance.trace()
        return replace(self, radius=math.sqrt(float(square)))

    def with_budget(self, generations: int) -> "Sphere":
        return self if self.generations is not None else replace(self, generations=generations)

    def init(
        self, names: Sequence[str], mean: Tensor, sigma: Tensor, population: int
    ) -> SphereState:
        mean = mean.to(torch.float64)
        n = mean.shape[1]
        radius = sigma.to(mean) * math.sqrt(n)
        if self.radius is not None:
            radius = torch.full_like(radius, self.radius)
        drawn = seeds.normal([(name, "direction") for name in names], (n,), device=mean.device)
        known = torch.linalg.vector_norm(mean, dim=1, keepdim=True) > 0
        budget = torch.full((len(names),), self.generations or PUBLISHED_GENERATIONS)
        return SphereState(
            names=tuple(names),
            generation=torch.zeros(len(names), dtype=torch.int64),
            mean=radius.unsqueeze(1) * _unit(torch.where(known, mean, drawn)),
            radius=radius,
            budget=budget.to(mean.device),
        )

    def _ask(self, state: SphereState, size: int) -> Tensor:
        n = state.mean.shape[1]
        centre = _unit(state.mean).unsqueeze(1)
        z = seeds.normal(state.streams("ask"), (size, n), device=state.mean.device)
        tangent = z - (z * centre).sum(2, keepdim=True) * centre
        angles = self._angles(state).to(state.mean).view(-1, 1, 1)
        tangent = angles / math.sqrt(n) * tangent
        # The exponential map: a tangent vector's length is the angle it leads to.
        angle = torch.linalg.vector_norm(tangent, dim=2, keepdim=True)
        away = tangent * (torch.sin(angle) / angle.clamp(min=1e-300))
        return state.radius.view(-1, 1, 1) * _unit(torch.cos(angle) * centre + away)

    def _angles(self, state: SphereState) -> Tensor:
        """Compute the typical angle of this generation, `(runs,)` in radians."""
        ratio = self.last_angle / self.first_angle
        counts = zip(state.generation.tolist(), state.budget.tolist(), strict=True)
        shares = [min(done / max(budget - 1, 1), 1.0) for done, budget in counts]
        degrees = [self.first_angle * math.pow(ratio, share) for share in shares]
        return torch.tensor(degrees, dtype=torch.float64) * (math.pi / 180)

    def _tell(
        self, state: SphereState, codes: Tensor, order: Tensor, observed: Tensor
    ) -> SphereState:
        best = best_first(_unit(codes.to(state.mean)), order)
        aim = _unit(weighted_sum(observed_weights(observed), best))
        centre = _unit(state.mean)
        tangent = aim - (aim * centre).sum(1, keepdim=True) * centre
        chord = torch.linalg.vector_norm(aim - centre, dim=1, keepdim=True)
        between = 2 * torch.asin((chord / 2).clamp(max=1))
        angle = (self.move * between).clamp(max=math.pi)
        moved = torch.cos(angle) * centre + torch.sin(angle) * _unit(tangent)
        return state.advance(observed, mean=state.radius.unsqueeze(1) * _unit(moved))


def _unit(vectors: Tensor) -> Tensor:
    """Divide vectors by their norms along the last axis; a vector of norm 0 stays."""
    return vectors / torch.linalg.vector_norm(vectors, dim=-1, keepdim=True).clamp(min=1e-300)
