"""Claims about a study of networks, and the look-ups that several of them share."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from invariscope.analysis.across import NONE
from invariscope.analysis.network_tables import NetworkTables

HOLDS, FAILS, NOT_TESTABLE = "holds", "does not hold", "not testable"
LOCAL = ("convolutional", "noise")
Interval = tuple[float, float, float]
NOTHING: Interval = (float("nan"), float("nan"), float("nan"))


@dataclass(frozen=True)
class FindingClaim:
    """One claim of a finding.

    Attributes:
        finding: its number, 1 to 9.
        claim: in words.
        outcome: `holds`, `does not hold` or `not testable`.
        number: the figure that decides, in words.
        value, low, high: that figure with its 95 % interval; NaN where there is none.
        needs: where it does not hold or cannot be tested, what it would take.
    """

    finding: int
    claim: str
    outcome: str
    number: str
    value: float = float("nan")
    low: float = float("nan")
    high: float = float("nan")
    needs: str = ""


def family(label: str, families: Mapping[str, str]) -> str:
    """The family of a labelled transformation: `colour`, `convolutional`, `noise`, `geometric`."""
    return families.get(label.partition("(")[0], "own")


def points(interval: Interval) -> str:
    """A share with its interval, in percent."""
    value, low, high = interval
    known = f" (95 %: {100 * low:.1f} to {100 * high:.1f})" if np.isfinite(low) else ""
    return f"{100 * value:.1f}{known}"


def plain(interval: Interval, digits: int = 2) -> str:
    """A number with its interval."""
    value, low, high = interval
    known = f" (95 %: {low:.{digits}f} to {high:.{digits}f})" if np.isfinite(low) else ""
    return f"{value:.{digits}f}{known}"


def decide(  # noqa: PLR0917
    finding: int, claim: str, holds: bool, number: str, interval: Interval, needs: str = ""
) -> FindingClaim:
    """A claim that holds or not; not testable where its number is not known."""
    if not np.isfinite(interval[0]):
        return FindingClaim(
            finding, claim, NOT_TESTABLE, "", needs=needs or "the networks it compares"
        )
    outcome = HOLDS if holds else FAILS
    return FindingClaim(finding, claim, outcome, number, *interval, "" if holds else needs)


class MeasuredStudy:
    """Tables with the look-ups that several findings share.

    Attributes:
        names: labels of the transformations.
        all: how many categories there are.
        partial: counts of seen categories below that, rising.
        seeds: of the networks.
    """

    def __init__(self, tables: NetworkTables, families: Mapping[str, str]) -> None:
        # Any: pandas' types do not tell a column from a table.
        self.tables: Any = tables
        self.families = families
        self.names = tables.transformations
        self.all = tables.categories
        counts = sorted({int(c) for c in tables.beside["count"]})
        self.partial = [c for c in counts if c < self.all]
        self._accuracy: Any = tables.accuracy.set_index(
            ["trained", "count", "seed", "tested", "group"]
        )
        self.seeds = sorted(int(s) for s in self._accuracy.index.unique("seed"))

    def of_family(self, *wanted: str) -> list[str]:
        """Labels of the transformations of these families."""
        return [name for name in self.names if family(name, self.families) in wanted]

    def accuracy(self, trained: str, count: int, seed: int, tested: str, group: str) -> float:
        """One network's accuracy; NaN where there is none."""
        try:
            return float(self._accuracy.loc[(trained, count, seed, tested, group), "accuracy"])
        except KeyError:
            return float("nan")

    def without(self, seed: int, tested: str) -> float:
        """Accuracy under a transformation of the network that saw none."""
        return self.accuracy(NONE, 0, seed, tested, "all")

    def column(self, column: str, names: list[str], count: int) -> list[float]:
        """A column of `beside` for these transformations at a count, a value a seed."""
        table = self.tables.beside
        rows = table[table["trained"].isin(names) & (table["count"] == count)]
        return rows[column].tolist()

    def gains(self, column: str, names: list[str], first: int, last: int) -> list[float]:
        """How much a column of `beside` rises between two counts, a value a network pair."""
        table = self.tables.beside.set_index(["trained", "seed", "count"])[column]
        return [
            float(table.get((name, seed, last), np.nan) - table.get((name, seed, first), np.nan))
            for name in names
            for seed in self.seeds
        ]

    def invariance(self, trained: str, count: int, seed: int, tested: str) -> pd.Series:
        """I_k of every unit of the penultimate site over all images."""
        units = self.tables.units
        rows = units[
            (units["trained"] == trained)
            & (units["count"] == count)
            & (units["seed"] == seed)
            & (units["transformation"] == tested)
            & (units["class"] == "all")
        ]
        return rows["invariance"].dropna()

    def raised(self, name: str) -> list[float]:
        """Rise of mean I_k by training with a transformation on all categories, a value a seed."""
        return [
            float(self.invariance(name, self.all, seed, name).mean())
            - float(self.invariance(NONE, 0, seed, name).mean())
            for seed in self.seeds
        ]


def ratio_of(above: list[float], below: list[float]) -> Interval:
    """Ratio of two means with a bootstrap interval over their values, NaN below two of each."""
    if not above or not below:
        return NOTHING
    if len(above) < 2 or len(below) < 2:
        return float(np.mean(above) / np.mean(below)), float("nan"), float("nan")
    stream = np.random.Generator(np.random.Philox(key=0))
    first, second = np.array(above), np.array(below)
    draws = [
        stream.choice(first, len(first)).mean() / stream.choice(second, len(second)).mean()
        for _ in range(2000)
    ]
    low, high = np.percentile(draws, (2.5, 97.5))
    return float(first.mean() / second.mean()), float(low), float(high)
