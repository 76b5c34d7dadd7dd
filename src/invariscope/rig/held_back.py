"""A front measured again on repeats that had no part in the search, and the members that hold."""

import math
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch
from scipy import stats

from invariscope.recordings.noise import Floats
from invariscope.search.archive import Archive, Front
from invariscope.search.objectives import Objective, Objectives


def spread_members(front: Front, most: int) -> Front:
    """Choose at most so many members, evenly spread along the front, with both ends."""
    count = len(front.scores)
    rows = np.unique(np.linspace(0, count - 1, min(most, count)).round().astype(int))
    index = torch.from_numpy(rows)
    return Front(
        *(v[index] for v in (front.scores, front.codes, front.generation, front.candidate))
    )


@dataclass(frozen=True)
class HeldBackClaim:
    """The claims that each member of a front is tested for.

    Attributes:
        side: `above` or `below`.
        bound: a response.
        error: the bound's own standard error.
        level: of false discoveries.
        repeats: of the reference, from which the error was estimated; infinite where it is known.
        sought: the bound that the search had, by which a member claims something at all; None
            where it is the same.
    """

    side: str
    bound: float
    error: float
    level: float
    repeats: float = math.inf
    sought: float | None = None

    @classmethod
    def of(
        cls,
        task: str,
        reference: float,
        error: float,
        share: float,
        level: float,
        *,
        repeats: float = math.inf,
    ) -> "HeldBackClaim":
        """To keep more than a share of the reference's response, or to lose as much."""
        side = "above" if task == "invariance" else "below"
        return cls(side, share * reference, share * error, level, repeats)

    def freedom(self, own: Floats, counts: Floats) -> Floats:
        """Compute the degrees of freedom of a member against the bound.

        Welch (1947) and Satterthwaite (1946): both errors are estimated, each from its repeats.

        Args:
            own: `(members,)` squared standard errors of the members' means.
            counts: `(members,)` of their repeats.
        """
        least = np.maximum(counts - 1.0, 1.0)
        parts = own**2 / least + self.error**4 / max(self.repeats - 1, 1)
        return np.divide((own + self.error**2) ** 2, parts, out=least, where=parts > 0)

    def test(
        self, selected: Floats, means: Floats, variances: Floats, counts: Floats
    ) -> pd.DataFrame:
        """Test each member's held-back repeats against the bound, one-sided t tests.

        Args:
            selected: what the search took each member's response to be. Members that did not
                seem to keep to the bound even then claim nothing and are not tested, so that
                they do not take power from the others.

        Returns:
            Columns `p`, `q` (Benjamini and Hochberg 1995, over the tested members) and `holds`
            (q ≤ level); p and q are NaN without a claim. p is 1 with fewer than two repeats, of the
            member or of the reference, and where nothing varied: no error is known then.
        """
        sign = 1 if self.side == "above" else -1
        whole = self.repeats > 1 and bool(np.isfinite([self.bound, self.error]).all())
        known = (counts > 1) & ~np.isnan(means) & ~np.isnan(variances) & whole
        p = np.ones(len(means))
        own = np.where(known, variances / np.maximum(counts, 1), 0.0)
        known &= own + self.error**2 > 0
        t = sign * (means[known] - self.bound) / np.sqrt(own[known] + self.error**2)
        p[known] = stats.t.sf(t, self.freedom(own[known], counts[known]))
        claimed = sign * (selected - (self.bound if self.sought is None else self.sought)) >= 0
        p = np.where(claimed, p, np.nan)
        q = p.copy()
        if claimed.any():
            q[claimed] = stats.false_discovery_control(p[claimed])
        return pd.DataFrame({"p": p, "q": q, "holds": q <= self.level})


def held_back(front: Front, scores: torch.Tensor, objective: Objective) -> torch.Tensor:
    """Tell the members that are still non-dominated by their held-back scores, `(members,)` bool.

    Args:
        scores: `(members, 3)` from held-back repeats alone.
    """
    costs = Objectives([objective], "cpu").costs(scores.unsqueeze(0))
    candidate = torch.arange(len(scores))
    members = replace(front, scores=scores, candidate=candidate)
    return torch.isin(candidate, Archive.non_dominated(members, costs[0]).front(0).candidate)
