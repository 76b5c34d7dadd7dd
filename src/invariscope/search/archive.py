"""The archive: every non-dominated candidate of a run so far, for many runs at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from invariscope.devices import upload
from invariscope.search.ranking import dominates

COLUMNS = ("stretch", "squeeze", "activation")


def _equal(costs: Tensor, others: Tensor) -> Tensor:
    return (costs.unsqueeze(2) == others.unsqueeze(1)).all(-1)


def _beats(costs: Tensor, others: Tensor) -> Tensor:
    """Tell if a member with the first costs keeps a candidate with the others out."""
    return dominates(costs, others) | _equal(costs, others)


@dataclass(frozen=True)
class Front:
    """The non-dominated candidates of a run, from the smallest stretch to the largest.

    Attributes:
        scores: `(members, 3)`: stretch, squeeze, activation.
        codes: `(members, code_dim)`.
        generation: `(members,)`, the generation of each member, from 1.
        candidate: `(members,)`, the member's number in that generation's population.
    """

    scores: Tensor
    codes: Tensor
    generation: Tensor
    candidate: Tensor


@dataclass(frozen=True)
class Archive:
    """Members of every run: tables in `capacity` slots a run, codes in one store for all runs.

    Of members with equal costs only the first is kept, so a run holds distinct points only. The
    store is as large as all members together were at most. All but the codes is on the CPU.

    Attributes:
        costs: `(runs, capacity, 2)`, minimised.
        scores: `(runs, capacity, 3)`: stretch, squeeze, activation.
        code: `(runs, capacity)`: the row of `codes` that is a member's.
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
        """Make an archive without members, with codes on the device."""
        numbers = torch.zeros(runs, capacity, dtype=torch.int64)
        return cls(
            costs=torch.full((runs, capacity, 2), torch.inf),
            scores=torch.full((runs, capacity, 3), torch.nan),
            code=numbers,
            generation=numbers.clone(),
            candidate=numbers.clone(),
            alive=numbers.bool(),
            codes=torch.zeros((0, code_dim), device=device),
        )

    @classmethod
    def of(cls, front: Front, costs: Tensor, device: torch.device | str = "cpu") -> "Archive":
        """Make the archive of one run from members with costs `(members, 2)`; all are kept."""
        columns = {
            "costs": costs.cpu(),
            "scores": front.scores.cpu(),
            "generation": front.generation.cpu(),
            "candidate": front.candidate.cpu(),
        }
        count = len(costs)
        empty = cls.empty(1, front.codes.shape[1], device=device)
        grown = empty.grow(1 << max(count - 1, 0).bit_length())
        whole = {name: column.unsqueeze(0) for name, column in columns.items()}
        codes = front.codes[None].to(device)
        return grown._filled(torch.ones(1, count).bool(), whole, codes)  # noqa: SLF001  (this class)

    @classmethod
    def non_dominated(
        cls, front: Front, costs: Tensor, device: torch.device | str = "cpu"
    ) -> "Archive":
        """Make the archive of one run from candidates with costs `(candidates, 2)`."""
        columns = costs, front.scores, front.codes.to(device), front.generation, front.candidate
        empty = cls.empty(1, front.codes.shape[1], device=device)
        return empty.add(*(column.unsqueeze(0) for column in columns))

    def _tables(self) -> dict[str, Tensor]:
        """Collect everything but the codes, by name."""
        return {name: table for name, table in vars(self).items() if name != "codes"}

    def __getitem__(self, rows: list[int]) -> "Archive":
        """Select runs, with the codes of their members alone."""
        part = replace(self, **{name: table[rows] for name, table in self._tables().items()})
        used = part.code[part.alive]
        part.code[part.alive] = torch.arange(len(used))
        return replace(part, codes=self.codes[upload(used, self.codes.device)])

    @staticmethod
    def cat(parts: "Sequence[Archive]") -> "Archive":
        """Join the archives of different runs."""
        capacity = max(part.alive.shape[1] for part in parts)
        before, joined = 0, []
        for part in parts:
            joined.append(replace(part, code=part.code + before).grow(capacity))
            before += len(part.codes)
        names = vars(joined[0])
        return Archive(**{name: torch.cat([vars(part)[name] for part in joined]) for name in names})

    def grow(self, capacity: int) -> "Archive":
        """Give each run at least so many slots."""
        more = capacity - self.alive.shape[1]
        if more <= 0:
            return self
        extra = vars(Archive.empty(len(self.alive), 0, capacity=more))
        tables = {n: torch.cat([table, extra[n]], 1) for n, table in self._tables().items()}
        return replace(self, **tables)

    def add(
        self, costs: Tensor, scores: Tensor, codes: Tensor, generation: Tensor, candidate: Tensor
    ) -> "Archive":
        """Keep the non-dominated subset of the members and one generation's candidates.

        The result takes over this archive's memory: use this one no more.

        Args:
            costs: `(runs, population, 2)`; a candidate with a NaN cost is never taken.
            scores: `(runs, population, 3)`.
            codes: `(runs, population, code_dim)`, on the device of the archive's codes.
            generation, candidate: `(runs, population)`, where each candidate was met.
        """
        costs, scores = costs.cpu(), scores.cpu()
        known = ~costs.isnan().any(-1)
        # Members do not dominate each other, so only pairs with a new candidate are compared.
        beaten = (_beats(self.costs, costs) & self.alive.unsqueeze(2)).any(1)
        earlier = torch.ones(costs.shape[1], costs.shape[1]).triu(1).bool()
        among = dominates(costs) | (_equal(costs, costs) & earlier)
        taken = known & ~beaten & ~(among & known.unsqueeze(2)).any(1)
        alive = self.alive & ~(dominates(costs, self.costs) & known.unsqueeze(2)).any(1)
        needed = int((alive.sum(1) + taken.sum(1)).max()) if len(alive) else 0
        grown = replace(self, alive=alive).grow(1 << (needed - 1).bit_length())
        columns = {
            "costs": costs,
            "scores": scores,
            "generation": generation.cpu(),
            "candidate": candidate.cpu(),
        }
        return grown._filled(taken, columns, codes)  # noqa: SLF001  (of this class)

    def _filled(self, taken: Tensor, columns: dict[str, Tensor], codes: Tensor) -> "Archive":
        """Put the taken candidates `(runs, population)` into free slots; there must be enough."""
        run, candidate = taken.nonzero(as_tuple=True)
        if len(run) == 0:
            return self
        nth = (taken.cumsum(1) - 1)[run, candidate]
        free = torch.argsort(self.alive.to(torch.int8), dim=1, stable=True)
        slot = (run, free[run, nth])
        rows, store = self._free_rows(len(run))
        for name, values in columns.items():
            vars(self)[name][slot] = values[run, candidate].to(vars(self)[name])
        self.code[slot] = rows
        self.alive[slot] = True
        own = codes[upload(run, codes.device), upload(candidate, codes.device)]
        store[upload(rows, store.device)] = own.to(store)
        return replace(self, codes=store)

    def _free_rows(self, count: int) -> tuple[Tensor, Tensor]:
        """Find rows of codes that no member has; give the codes a quarter more rows if needed."""
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
        """Collect the members of a run on the CPU, by stretch, generation and candidate."""
        rows = self.alive[run].nonzero().squeeze(1)
        keys = (self.candidate, self.generation, self.scores[..., 0])
        for key in keys:  # stable sorts, the last key first
            rows = rows[torch.argsort(key[run, rows], stable=True)]
        codes = self.codes[upload(self.code[run, rows], self.codes.device)].cpu()
        return Front(
            self.scores[run, rows], codes, self.generation[run, rows], self.candidate[run, rows]
        )


def pack_front(prefix: str, front: Front) -> dict[str, Tensor]:
    """Name the tensors of a front, beginning with `prefix`."""
    return {f"{prefix}.{key}": value for key, value in vars(front).items()}


def unpack_front(packed: Mapping[str, Tensor], prefix: str) -> Front:
    """Restore the front that `pack_front` took apart."""
    return Front(*(packed[f"{prefix}.{field.name}"] for field in fields(Front)))
