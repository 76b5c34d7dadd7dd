"""Look-ups in the tables of a study of networks: one value a seed, since a seed is a cluster."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from invariscope.analysis.across import NONE, NetworkTables
from invariscope.analysis.grouping import rows_with
from invariscope.paper.claim import Claim, Evidence, over_clusters

FAILS = 0.5  # of the accuracy above chance: what "fails under" is taken to mean, at most
ROTATION = "rotation"  # how labels of rotations begin
LOCAL = ("convolutional", "noise")
BySeed = pd.Series  # a value a seed, the seed as index; empty where nothing was measured


def base_name(label: str) -> str:
    """Name the kind of a transformation, whatever its strength."""
    return label.partition("(")[0]


def pair_parts(label: str) -> list[str]:
    """List the labels of the transformations of a pair; empty for a single transformation."""
    parts = label.split(" + ")
    return parts if len(parts) > 1 else []


def family(label: str, families: Mapping[str, str]) -> str:
    """Name a transformation's family: `colour`, `convolutional`, `noise` or `geometric`.

    Several at once, and transformations of one's own, are of the family `own`.
    """
    return "own" if pair_parts(label) else families.get(base_name(label), "own")


def by_seed(table: Any, column: str, **where: Any) -> BySeed:
    """Average a column over the rows of each seed.

    Args:
        table: with `seed`.
        column: the numbers, averaged; NaN is left out.
        where: the value, or a list of values, that other columns must have.
    """
    return rows_with(table, **where).groupby("seed")[column].mean()


def mean_of(parts: Sequence[BySeed]) -> BySeed:
    """Average several values of each seed that has every value; without parts there is no seed."""
    if not parts:
        return pd.Series(dtype=float)
    found: Any = pd.concat(parts, axis=1).mean(axis=1, skipna=False).dropna()
    return found


def over_trained(table: Any, column: str, names: Sequence[str], **where: Any) -> BySeed:
    """Average a column over the networks of some transformations, for seeds that have each.

    Args:
        table: with `seed` and `trained`.
        column: the numbers.
        names: of the transformations that networks were trained with.
        where: see `by_seed`.
    """
    return mean_of([by_seed(table, column, trained=name, **where) for name in names])


class MeasuredStudy:
    """Tables of a study with the look-ups that several findings share.

    Attributes:
        names: labels of the transformations.
        single: of these each that is one transformation, not a pair.
        all: how many categories there are.
        partial: counts of seen categories below `all`, rising.
        least, most: the smallest and largest of `partial`; 0 where there is none.
    """

    def __init__(self, tables: NetworkTables, families: Mapping[str, str]) -> None:
        # Any: pandas' types do not tell a column from a table.
        self.tables: Any = tables
        self.families = families
        self.names = tables.transformations
        self.single = [name for name in self.names if not pair_parts(name)]
        self.all = tables.categories
        counts = sorted({int(c) for c in tables.beside["count"]})
        self.partial = [c for c in counts if c < self.all]
        self.least, self.most = (self.partial[0], self.partial[-1]) if self.partial else (0, 0)

    def of_family(self, *wanted: str) -> list[str]:
        """List the transformations of some families."""
        return [name for name in self.names if family(name, self.families) in wanted]

    def tested(self) -> list[str]:
        """List the transformations that networks were tested with."""
        return [t for t in self.tables.accuracy["tested"].unique() if t != NONE]

    def without(self, tested: str) -> BySeed:
        """Accuracy under a transformation of the networks that saw none."""
        return by_seed(self.tables.accuracy, "accuracy", trained=NONE, tested=tested, group="all")

    def gain(self, trained: str, under: str) -> BySeed:
        """Accuracy under a transformation that training on all categories gains."""
        own = by_seed(
            self.tables.accuracy,
            "accuracy",
            trained=trained,
            count=self.all,
            tested=under,
            group="all",
        )
        return own - self.without(under)

    def telling(self) -> list[str]:
        """List the trained transformations that an untrained network mostly fails under.

        They cost more than half of its accuracy above chance, as each of the paper's does but the
        colour ones.
        """
        clean, chance = self.without(NONE).mean(), self.tables.chance
        bound = chance + FAILS * (clean - chance)
        return [t for t in self.names if self.without(t).mean() < bound]

    def beside(self, column: str, names: list[str], count: int) -> BySeed:
        """Average a column of `analysis.across.beside` for some transformations at a count."""
        return over_trained(self.tables.beside, column, names, count=count)

    def rise(self, column: str, names: list[str], first: int, last: int) -> BySeed:
        """Rise of a column of `beside` between two counts, by seed."""
        if first == last:
            return pd.Series(dtype=float)
        return (self.beside(column, names, last) - self.beside(column, names, first)).dropna()

    def invariance(self, trained: str, count: int, tested: str) -> BySeed:
        """Mean I_k of the penultimate site's units over all images."""
        units = self.tables.units[self.tables.units["class"] == "all"]
        return by_seed(units, "invariance", trained=trained, count=count, transformation=tested)

    def raised(self, names: list[str]) -> BySeed:
        """Rise of mean I_k by training with each of some transformations on all categories."""
        return mean_of(
            [self.invariance(t, self.all, t) - self.invariance(NONE, 0, t) for t in names]
        )


def each(
    source: str, statement: str, parts: Mapping[str, BySeed], lacks: str = "", **bounds: float
) -> Claim:
    """Judge a statement that must hold of each of several numbers of every seed.

    Args:
        source: of the statement.
        statement: what is said, with the bound.
        parts: values by seed, by what was measured.
        lacks: what a study without such values would need.
        bounds: `above`, `below`.
    """
    evidence = [over_clusters(k, v, **bounds, parts=len(parts)) for k, v in parts.items()]
    return Claim(source, statement, tuple(evidence), "seeds", lacks)


def finding(
    number: int,
    statement: str,
    name: str,
    values: BySeed,
    *,
    above: float = -math.inf,
    below: float = math.inf,
    more: Sequence[Evidence] = (),
    lacks: str = "",
) -> Claim:
    """Judge a statement about one number of each seed.

    Args:
        number: of the finding, 1 to 9.
        statement: what the paper says, with the bound.
        name: what was measured.
        values: a value a seed.
        above: the statement's lower bound.
        below: the statement's upper bound.
        more: further evidence that the statement needs; nothing without the values.
        lacks: what a study without such values would need.
    """
    own = over_clusters(name, values, above=above, below=below, parts=1 + len(more))
    evidence = (own, *more) if math.isfinite(own.value) else (own,)
    return Claim(f"finding {number}", statement, evidence, "seeds", lacks)
