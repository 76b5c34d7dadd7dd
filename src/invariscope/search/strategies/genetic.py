"""A genetic algorithm on codes, batched over runs: the alternative of the SnS paper (PAPERS §1).

The best codes of a generation live on unchanged; the others make room for children, whose
components come from several parents and mutate one by one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch import Tensor

from invariscope import seeds, validate
from invariscope.search.strategies.base import State, Strategy
from invariscope.search.strategies.weights import best_first

# Probabilities this close to 0 or 1 would turn into infinite keys.
_TINY = 1e-16


@dataclass(frozen=True)
class GeneticState(State):
    """Candidates of the last generation of each run that had answers.

    Attributes:
        mean: `(runs, n)` float64, where the search starts.
        sigma: `(runs,)` float64, the first step size.
        pool: `(runs, population, n)` float64, best first.
        known: `(runs,)` int64, number of candidates in the pool; 0 before the first answer.
    """

    mean: Tensor
    sigma: Tensor
    pool: Tensor
    known: Tensor


@final
@dataclass(frozen=True)
class Genetic(Strategy):
    """Elites, softmax selection of several parents, and mutation of single components.

    The original draws parents by the softmax of their fitness over the temperature. A strategy
    is told an order only, so a candidate's fitness is here its rank, z-scored over the
    generation (the best positive): a choice that does not depend on the scale of responses.
    A child's parents are drawn without replacement. The first generation is drawn around the
    start by the first step size.

    Attributes:
        mutation_rate: probability that a component mutates, in [0, 1].
        mutation_size: SD of a mutation in units of the first step size; at least 0.
        parents: of a child, at least 1; each component comes from one of them at random.
        elites: how many of the best codes are asked again, at least 0.
        temperature: of the softmax, above 0; the lower, the more often the best are parents.
    """

    name: ClassVar[str] = "genetic"
    mutation_rate: float = 0.3
    mutation_size: float = 0.3
    parents: int = 4
    elites: int = 2
    temperature: float = 1.0

    def __post_init__(self) -> None:
        validate.between("mutation_rate", self.mutation_rate, 0, 1)
        validate.at_least("mutation_size", self.mutation_size, 0)
        validate.at_least("parents", self.parents, 1)
        validate.at_least("elites", self.elites, 0)
        validate.above("temperature", self.temperature, 0)

    def init(
        self, names: Sequence[str], mean: Tensor, sigma: Tensor, population: int
    ) -> GeneticState:
        mean = mean.to(torch.float64)
        runs, n = mean.shape
        return GeneticState(
            names=tuple(names),
            generation=torch.zeros(runs, dtype=torch.int64),
            mean=mean,
            sigma=sigma.to(mean),
            pool=mean.new_zeros(runs, population, n),
            known=torch.zeros(runs, dtype=torch.int64, device=mean.device),
        )

    def _ask(self, state: GeneticState, size: int) -> Tensor:
        runs, n = state.mean.shape
        steps = _normal(state, "ask", (size, n)) * state.sigma.view(-1, 1, 1)
        first = state.mean.unsqueeze(1) + steps
        mutates = _uniform(state, "mutation", (size, n)) < self.mutation_rate
        mutations = torch.where(mutates, self.mutation_size * steps, 0)
        children = self._cross(state, size) + mutations
        ranks = torch.arange(size, device=state.known.device)
        kept = (ranks < self.elites) & (ranks < state.known.unsqueeze(1))
        pool = state.pool[:, :size]
        elites = torch.cat([pool, pool.new_zeros(runs, size - pool.shape[1], n)], 1)
        later = torch.where(kept.unsqueeze(2), elites, children)
        return torch.where((state.known == 0).view(-1, 1, 1), first, later)

    def _cross(self, state: GeneticState, size: int) -> Tensor:
        """Combine parents into children before mutation, `(runs, size, n)`."""
        n, population = state.pool.shape[2], state.pool.shape[1]
        # The largest keys are a draw without replacement by the softmax (Gumbel top-k).
        chance = _uniform(state, "parents", (size, population)).clamp(_TINY, 1 - _TINY)
        keys = self._fitness(state).unsqueeze(1) - torch.log(-torch.log(chance))
        best = keys.topk(min(self.parents, population), dim=2)
        family = torch.where(best.values.isneginf(), best.indices[..., :1], best.indices)
        drawn = _uniform(state, "genes", (size, n)) * family.shape[2]
        lineage = drawn.long().clamp(max=family.shape[2] - 1)
        return state.pool.gather(1, family.gather(2, lineage))

    def _fitness(self, state: GeneticState) -> Tensor:
        """Compute the log weight of each candidate, `(runs, population)`; −∞ for a free slot."""
        ranks = torch.arange(state.pool.shape[1], device=state.known.device, dtype=torch.float64)
        count = state.known.unsqueeze(1)
        # Ranks 0 … k−1 have mean (k−1)/2 and variance (k²−1)/12.
        spread = ((count * count - 1).clamp(min=1) / 12).sqrt()
        fitness = ((count - 1) / 2 - ranks) / spread / self.temperature
        return fitness.masked_fill(ranks >= count, -torch.inf)

    def _tell(
        self, state: GeneticState, codes: Tensor, order: Tensor, observed: Tensor
    ) -> GeneticState:
        room = state.pool.shape[1]
        ranked = best_first(codes.to(state.pool), order)[:, :room]
        pool = torch.zeros_like(state.pool)
        pool[:, : ranked.shape[1]] = ranked
        known = observed.sum(1).clamp(max=room).to(state.known)
        blank = torch.arange(room, device=known.device) >= known.unsqueeze(1)
        return state.advance(observed, pool=pool.masked_fill(blank.unsqueeze(2), 0), known=known)


def _normal(state: GeneticState, purpose: str, shape: tuple[int, ...]) -> Tensor:
    return seeds.normal(state.streams(purpose), shape, device=state.mean.device)


def _uniform(state: GeneticState, purpose: str, shape: tuple[int, ...]) -> Tensor:
    """Draw numbers in [0, 1], `(runs, *shape)`."""
    return torch.special.ndtr(_normal(state, purpose, shape))
