"""The archive: every non-dominated candidate that a run has met, for many runs at once."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from invariscope.search.ranking import dominates

COLUMNS = ("stretch", "squeeze", "activation")


def _equal(costs: Tensor, others: Tensor) -> Tensor:
    return (costs.unsqueeze(2) == others.unsqueeze(1)).all(-1)


def _beats(costs: Tensor, others: Tensor) -> Tensor:
    """Whether a member with the first costs keeps a candidate with the others out."""
    return dominates(costs, others) | _equal(costs, others)


@dataclass(frozen=True)
class Front:
    """One run's non-dominated candidates, from the smallest stretch to the largest.

    Attributes:
        scores: `(members, 3)`: stretch, squeeze, activation.
        codes: `(members, code_dim)`.
        generation: `(members,)`, the generation each was met in, from 1.
        place: `(members,)`, its place in that generation's population.
    """

    scores: Tensor
    codes: Tensor
    generation: Tensor
    place: Tensor


@dataclass(frozen=True)
class Archive:
    """Members of every run, in `capacity` slots a run.

    Of members with equal costs only the first is kept, so a run holds distinct points only.

    Attributes:
        costs: `(runs, capacity, 2)`, minimised.
        scores: `(runs, capacity, 3)`: stretch, squeeze, activation.
        codes: `(runs, capacity, code_dim)`.
        generation, place: `(runs, capacity)`.
        alive: `(runs, capacity)`, whether a slot holds a member.
    """

    costs: Tensor
    scores: Tensor
    codes: Tensor
    generation: Tensor
    place: Tensor
    alive: Tensor

    @classmethod
    def empty(
        cls, runs: int, code_dim: int, *, device: torch.device | str = "cpu", capacity: int = 64
    ) -> "Archive":
        """An archive without members."""
        shape = (runs, capacity)
        return cls(
            costs=torch.full((*shape, 2), torch.inf, device=device),
            scores=torch.full((*shape, 3), torch.nan, device=device),
            codes=torch.zeros((*shape, code_dim), device=device),
            generation=torch.zeros(shape, dtype=torch.int64, device=device),
            place=torch.zeros(shape, dtype=torch.int64, device=device),
            alive=torch.zeros(shape, dtype=torch.bool, device=device),
        )

    def __getitem__(self, rows: Tensor) -> "Archive":
        return Archive(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})

    @staticmethod
    def cat(parts: "list[Archive]") -> "Archive":
        """Archives of different runs as one."""
        capacity = max(part.alive.shape[1] for part in parts)
        padded = [part.grow(capacity) for part in parts]
        names = [f.name for f in fields(Archive)]
        return Archive(**{n: torch.cat([getattr(p, n) for p in padded]) for n in names})

    def grow(self, capacity: int) -> "Archive":
        """The same members with at least so many slots a run."""
        more = capacity - self.alive.shape[1]
        if more <= 0:
            return self
        runs, _, code_dim = self.codes.shape
        extra = Archive.empty(runs, code_dim, device=self.codes.device, capacity=more)
        names = [f.name for f in fields(self)]
        return Archive(**{n: torch.cat([getattr(self, n), getattr(extra, n)], 1) for n in names})

    def add(
        self, costs: Tensor, scores: Tensor, codes: Tensor, generation: Tensor, place: Tensor
    ) -> "Archive":
        """The non-dominated subset of the members and one generation's candidates.

        The result takes over this archive's memory: use this one no more.

        Args:
            costs: `(runs, population, 2)`; a candidate with a NaN cost is never taken.
            scores: `(runs, population, 3)`.
            codes: `(runs, population, code_dim)`.
            generation, place: `(runs, population)`, where each candidate was met.
        """
        there = ~costs.isnan().any(-1)
        # Members do not dominate each other, so only pairs with a new candidate are compared.
        beaten = (_beats(self.costs, costs) & self.alive.unsqueeze(2)).any(1)
        earlier = torch.ones(costs.shape[1], costs.shape[1], device=costs.device).triu(1).bool()
        among = dominates(costs) | (_equal(costs, costs) & earlier)
        beaten |= (among & there.unsqueeze(2)).any(1)
        taken = there & ~beaten
        alive = self.alive & ~(dominates(costs, self.costs) & there.unsqueeze(2)).any(1)
        needed = int((alive.sum(1) + taken.sum(1)).max()) if len(alive) else 0
        grown = replace(self, alive=alive).grow(1 << (needed - 1).bit_length())
        new = {"costs": costs, "scores": scores, "codes": codes}
        return grown.filled(taken, new | {"generation": generation, "place": place})

    def filled(self, taken: Tensor, new: dict[str, Tensor]) -> "Archive":
        """This archive with the taken candidates in free slots, of which there must be enough."""
        run, candidate = taken.nonzero(as_tuple=True)
        if len(run) == 0:
            return self
        nth = (taken.cumsum(1) - 1)[run, candidate]
        free = torch.argsort(self.alive.to(torch.int8), dim=1, stable=True)
        slot = (run, free[run, nth])
        for name, values in new.items():
            own = getattr(self, name)
            own.index_put_(slot, values[run, candidate].to(own))
        self.alive.index_put_(slot, torch.ones_like(run, dtype=torch.bool))
        return self

    def front(self, run: int) -> Front:
        """One run's members on the CPU, sorted by stretch, then generation, then place."""
        rows = self.alive[run].nonzero().squeeze(1)
        scores, generation = self.scores[run, rows].cpu(), self.generation[run, rows].cpu()
        place = self.place[run, rows].cpu()
        keys = zip(scores[:, 0].tolist(), generation.tolist(), place.tolist(), strict=True)
        order = torch.tensor(
            [i for _, i in sorted((key, i) for i, key in enumerate(keys))], dtype=torch.int64
        )
        codes = self.codes[run, rows].cpu()
        return Front(scores[order], codes[order], generation[order], place[order])


def pack_front(prefix: str, front: Front) -> dict[str, Tensor]:
    """A front as tensors whose names begin with `prefix`."""
    return {f"{prefix}.{field.name}": getattr(front, field.name) for field in fields(Front)}


def unpack_front(packed: Mapping[str, Tensor], prefix: str) -> Front:
    """The front that `pack_front` saw."""
    return Front(*(packed[f"{prefix}.{field.name}"] for field in fields(Front)))
