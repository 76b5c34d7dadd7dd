"""Statements of the two papers, and the one rule of their verdicts.

A statement puts a number above a bound, below a bound, or between two bounds. The number comes
with a 95 % interval over clusters that are independent of each other: units, observers, or seeds
(networks that share a seed are one cluster). An interval between the bounds holds; an interval
wholly beyond a bound contradicts; an interval with a bound inside decides nothing, and neither does
a number without an interval. Clusters that are all equal give none: they say nothing of how far
others may lie. Where a statement is about several numbers and one of them cannot be compared, the
statement stays undecided.
"""

import math
from dataclasses import asdict, dataclass
from typing import Any

import scipy  # its `stats` is slow to import, and loads when first used

from invariscope.analysis.intervals import LEVEL, Interval, mean_interval

HOLDS, CONTRADICTED = "holds", "contradicted"
UNDECIDED, NOTHING = "undecided", "nothing to compare"


@dataclass(frozen=True)
class Evidence:
    """A measured number with its interval, and the bounds that a statement puts on the number.

    Attributes:
        name: what was measured, with its unit.
        value: the number; NaN where there is nothing to compare.
        low: the interval's lower end; NaN with fewer than two clusters.
        high: the interval's upper end; NaN with fewer than two clusters.
        above: the statement's lower bound.
        below: the statement's upper bound.
        lacks: why the number cannot decide, whatever its interval; empty where it can.
    """

    name: str
    value: float
    low: float
    high: float
    above: float = -math.inf
    below: float = math.inf
    lacks: str = ""

    @property
    def known(self) -> bool:
        """Whether there is an interval."""
        return math.isfinite(self.low) and math.isfinite(self.high)

    @property
    def verdict(self) -> str:
        """Compare the interval with the bounds."""
        if not math.isfinite(self.value):
            return NOTHING
        if self.lacks:
            return UNDECIDED
        if self.above < self.low and self.high < self.below:
            return HOLDS
        return CONTRADICTED if self.high < self.above or self.low > self.below else UNDECIDED

    @property
    def words(self) -> str:
        """Say the number, its interval and the bounds."""
        interval = f"[{self.low:.3g}, {self.high:.3g}]" if self.known else "(no interval)"
        bounds = [f"> {self.above:.3g}"] * math.isfinite(self.above)
        bounds += [f"< {self.below:.3g}"] * math.isfinite(self.below)
        return f"{self.name} {self.value:.3g} {interval}, stated {' and '.join(bounds)}"


def over_clusters(
    name: str, values: Any, *, above: float = -math.inf, below: float = math.inf, parts: int = 1
) -> Evidence:
    """Measure a number by its mean over clusters.

    Args:
        name: what is measured.
        values: one a cluster, `(clusters,)`; NaN where a cluster has none.
        above: the statement's lower bound.
        below: the statement's upper bound.
        parts: how many numbers the statement is about: each interval is wider by as much
            (Bonferroni), so that all of them together are wrong in 5 % at most.
    """
    return Evidence(name, *mean_interval(values, shared_level(parts)), above, below)


def shared_level(parts: int) -> float:
    """Give the level of each of several intervals that are wrong in 5 % together (Bonferroni)."""
    return 1 - (1 - LEVEL) / max(parts, 1)


def widened(found: Interval, parts: int, freedom: float) -> Interval:
    """Widen a 95 % interval by Student's t to the level that several numbers share.

    Args:
        found: the number and its interval's ends, of which one may be cut off at what the number
            can be.
        parts: how many numbers the statement is about (`shared_level`).
        freedom: the interval's degrees of freedom.

    Example:
        >>> from invariscope.paper.claim import widened
        >>> [round(end, 2) for end in widened((1.0, 0.0, 2.0), 2, 10)]
        [1.0, -0.18, 2.18]
    """
    value, low, high = found
    own, shared = (scipy.stats.t.ppf((1 + x) / 2, freedom) for x in (LEVEL, shared_level(parts)))
    half = float(shared / own) * max(value - low, high - value)
    return value, value - half, value + half


@dataclass(frozen=True)
class Claim:
    """One statement of a paper, with measured numbers and the verdict that follows.

    Attributes:
        source: the paper's figure, row of the supplement, or finding.
        statement: what the paper says.
        evidence: the numbers that decide; each must hold.
        clusters: what the intervals are over, in the plural.
        lacks: where there is no evidence, what a verdict would need.
        analysis: the analysis whose tables were read; empty for a study of networks.
    """

    source: str
    statement: str
    evidence: tuple[Evidence, ...] = ()
    clusters: str = "units"
    lacks: str = ""
    analysis: str = ""

    @property
    def verdict(self) -> str:
        """Join the verdicts of the evidence: one contradiction contradicts, all must hold."""
        found = {part.verdict for part in self.evidence}
        if CONTRADICTED in found:
            return CONTRADICTED
        if found in ({HOLDS}, {NOTHING}):
            return found.pop()
        return UNDECIDED if found else NOTHING

    @property
    def reason(self) -> str:
        """The need of a claim that is undecided, or has nothing to compare."""
        if self.verdict == NOTHING:
            return self.lacks or f"needs {self.clusters} on both sides of the comparison"
        if self.verdict != UNDECIDED:
            return ""
        open_parts = [part for part in self.evidence if part.verdict != HOLDS]
        if any(part.verdict == NOTHING for part in open_parts):
            return f"needs {self.clusters} on both sides of every comparison"
        if lacking := next((part.lacks for part in open_parts if part.lacks), ""):
            return lacking
        if all(part.known for part in open_parts):
            return f"needs more {self.clusters}: an interval holds its bound"
        return f"needs an interval over {self.clusters}"

    @property
    def outcome(self) -> str:
        """The verdict, with the reason if any."""
        return f"{self.verdict}: {self.reason}" if self.reason else self.verdict

    @property
    def found(self) -> str:
        """Say every number that there is, with its interval and bounds."""
        return "; ".join(part.words for part in self.evidence if math.isfinite(part.value))

    def record(self) -> dict[str, Any]:
        """Give the claim as plain values, for a file; numbers that are not finite are None."""
        parts = [
            {k: v if isinstance(v, str) or math.isfinite(v) else None for k, v in asdict(p).items()}
            for p in self.evidence
        ]
        return {
            "source": self.source,
            "analysis": self.analysis,
            "statement": self.statement,
            "verdict": self.verdict,
            "reason": self.reason,
            "clusters": self.clusters,
            "evidence": parts,
        }


def read_claim(record: dict[str, Any]) -> Claim:
    """Read a record of `Claim.record`; the verdict is decided again from the numbers.

    Raises:
        KeyError: a value is missing.
    """
    blank = {"above": -math.inf, "below": math.inf}
    parts = []
    for part in record["evidence"]:
        value, low, high, above, below = (
            blank.get(key, math.nan) if part[key] is None else float(part[key])
            for key in ("value", "low", "high", "above", "below")
        )
        lacks = part.get("lacks", "")  # records of before have none
        parts.append(Evidence(part["name"], value, low, high, above, below, lacks))
    return Claim(
        source=record["source"],
        statement=record["statement"],
        evidence=tuple(parts),
        clusters=record["clusters"],
        lacks=record["reason"] if record["verdict"] == NOTHING else "",
        analysis=record["analysis"],
    )
