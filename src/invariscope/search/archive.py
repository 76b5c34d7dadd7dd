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
        candidate: `(members,)`, its place in that generation's population.
    """

    scores: Tensor
    codes: Tensor
    generation: Tensor
    candidate: Tensor


@dataclass(frozen=True)
class Archive:
    """Members of every run: small tables in `capacity` slots a run, codes in one store for all.

    Of members with equal costs only the first is kept, so a run holds distinct points only. Codes
    take the memory of the members that there are, not of the largest run's for every run. All but
    the codes is on the CPU.

    Attributes:
        costs: `(runs, capacity, 2)`, minimised.
        scores: `(runs, capacity, 3)`: stretch, squeeze, activation.
        code: `(runs, capacity)`: which row of `codes` is a member's.
        generation, candidate: `(runs, capacity)`.
        alive: `(runs, capacity)`, whether a slot holds a member.
        codes: `(rows, code_dim)`; rows of no member are free.
    """

    costs: Tensor
    scores: Tensor
    code: Tensor
    generation: Tensor
    candidate: Tensor
    alive: Tensor
    codes: Tensor

    @classmethod
    def empty(
        cls, runs: int, code_dim: int, *, device: torch.device | str = "cpu", capacity: int = 64
    ) -> "Archive":
        """An archive without members, its codes on the device."""
        shape = (runs, capacity)
        return cls(
            costs=torch.full((*shape, 2), torch.inf),
            scores=torch.full((*shape, 3), torch.nan),
            code=torch.zeros(shape, dtype=torch.int64),
            generation=torch.zeros(shape, dtype=torch.int64),
            candidate=torch.zeros(shape, dtype=torch.int64),
            alive=torch.zeros(shape, dtype=torch.bool),
            codes=torch.zeros((0, code_dim), device=device),
        )

    def _tables(self) -> dict[str, Tensor]:
        """Everything but the codes, by name."""
        names = [f.name for f in fields(self) if f.name != "codes"]
        return {name: getattr(self, name) for name in names}

    def __getitem__(self, rows: Tensor) -> "Archive":
        kept = Archive(**{n: t[rows] for n, t in self._tables().items()}, codes=self.codes)
        used = kept.code[kept.alive]
        code = torch.zeros_like(kept.code)
        code[kept.alive] = torch.arange(len(used))
        return replace(kept, code=code, codes=self.codes[used.to(self.codes.device)])

    @staticmethod
    def cat(parts: "list[Archive]") -> "Archive":
        """Archives of different runs as one."""
        capacity = max(part.alive.shape[1] for part in parts)
        before, padded = 0, []
        for part in parts:
            padded.append(replace(part.grow(capacity), code=part.grow(capacity).code + before))
            before += len(part.codes)
        tables = [part._tables() for part in padded]  # noqa: SLF001  (of this class)
        joined = {name: torch.cat([own[name] for own in tables]) for name in tables[0]}
        return Archive(**joined, codes=torch.cat([part.codes for part in parts]))

    def grow(self, capacity: int) -> "Archive":
        """The same members with at least so many slots a run."""
        more = capacity - self.alive.shape[1]
        if more <= 0:
            return self
        extra = Archive.empty(len(self.alive), 0, capacity=more)._tables()  # noqa: SLF001
        own = self._tables()
        return Archive(**{n: torch.cat([own[n], extra[n]], 1) for n in own}, codes=self.codes)

    def add(
        self, costs: Tensor, scores: Tensor, codes: Tensor, generation: Tensor, candidate: Tensor
    ) -> "Archive":
        """The non-dominated subset of the members and one generation's candidates.

        The result takes over this archive's memory: use this one no more.

        Args:
            costs: `(runs, population, 2)`; a candidate with a NaN cost is never taken.
            scores: `(runs, population, 3)`.
            codes: `(runs, population, code_dim)`, on the device of the archive's codes.
            generation, candidate: `(runs, population)`, where each candidate was met.
        """
        costs, scores = costs.cpu(), scores.cpu()
        there = ~costs.isnan().any(-1)
        # Members do not dominate each other, so only pairs with a new candidate are compared.
        beaten = (_beats(self.costs, costs) & self.alive.unsqueeze(2)).any(1)
        earlier = torch.ones(costs.shape[1], costs.shape[1]).triu(1).bool()
        among = dominates(costs) | (_equal(costs, costs) & earlier)
        beaten |= (among & there.unsqueeze(2)).any(1)
        taken = there & ~beaten
        alive = self.alive & ~(dominates(costs, self.costs) & there.unsqueeze(2)).any(1)
        needed = int((alive.sum(1) + taken.sum(1)).max()) if len(alive) else 0
        grown = replace(self, alive=alive).grow(1 << (needed - 1).bit_length())
        new = {"costs": costs, "scores": scores}
        new |= {"generation": generation.cpu(), "candidate": candidate.cpu()}
        return grown.filled(taken, new, codes)

    def filled(self, taken: Tensor, new: dict[str, Tensor], codes: Tensor) -> "Archive":
        """This archive with the taken candidates in free slots, of which there must be enough.

        Args:
            taken: `(runs, population)` bool.
            new: what the tables keep of each candidate.
            codes: `(runs, population, code_dim)`.
        """
        run, candidate = taken.nonzero(as_tuple=True)
        if len(run) == 0:
            return self
        nth = (taken.cumsum(1) - 1)[run, candidate]
        free = torch.argsort(self.alive.to(torch.int8), dim=1, stable=True)
        slot = (run, free[run, nth])
        rows, store = self._free_rows(len(run))
        for name, values in new.items():
            own = getattr(self, name)
            own.index_put_(slot, values[run, candidate].to(own))
        self.code.index_put_(slot, rows)
        self.alive.index_put_(slot, torch.ones_like(run, dtype=torch.bool))
        which = (run * codes.shape[1] + candidate).to(codes.device)
        store.index_copy_(0, rows.to(store.device), codes.flatten(0, 1)[which].to(store))
        return replace(self, codes=store)

    def _free_rows(self, count: int) -> tuple[Tensor, Tensor]:
        """Rows of codes that no member has, and the codes with a quarter more rows if need be."""
        unused = torch.ones(len(self.codes), dtype=torch.bool)
        unused[self.code[self.alive]] = False
        rows = unused.nonzero().squeeze(1)
        store = self.codes
        if len(rows) < count:
            more = max(count - len(rows), len(store) // 4)
            rows = torch.cat([rows, torch.arange(len(store), len(store) + more)])
            store = torch.cat([store, store.new_zeros(more, store.shape[1])])
        return rows[:count], store

    def front(self, run: int) -> Front:
        """One run's members on the CPU, sorted by stretch, then generation, then place."""
        rows = self.alive[run].nonzero().squeeze(1)
        scores, generation = self.scores[run, rows], self.generation[run, rows]
        candidate, code = self.candidate[run, rows], self.code[run, rows]
        keys = zip(scores[:, 0].tolist(), generation.tolist(), candidate.tolist(), strict=True)
        order = torch.tensor(
            [i for _, i in sorted((key, i) for i, key in enumerate(keys))], dtype=torch.int64
        )
        codes = self.codes[code[order].to(self.codes.device)].cpu()
        return Front(scores[order], codes, generation[order], candidate[order])


def pack_front(prefix: str, front: Front) -> dict[str, Tensor]:
    """A front as tensors whose names begin with `prefix`."""
    return {f"{prefix}.{field.name}": getattr(front, field.name) for field in fields(Front)}


def unpack_front(packed: Mapping[str, Tensor], prefix: str) -> Front:
    """The front that `pack_front` saw."""
    return Front(*(_stored(packed, prefix, field.name) for field in fields(Front)))


def _stored(packed: Mapping[str, Tensor], prefix: str, name: str) -> Tensor:
    # Checkpoints of version 0.1 say `place`.
    old = f"{prefix}.place"
    return packed[old] if name == "candidate" and old in packed else packed[f"{prefix}.{name}"]
