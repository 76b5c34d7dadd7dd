"""How many participants a difference between two conditions needs."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import optimize, stats

from invariscope import seeds
from invariscope.analysis.intervals import ROUNDING
from invariscope.errors import InputError
from invariscope.plurals import number_of

CELL = ["condition", "site", "network"]
DRAWS = 2000
SIZES = (10, 20, 40, 80, 160)
ALPHA, TARGET_POWER = 0.05, 0.8


def cell_name(condition: str, site: str | None, network: str | None) -> str:
    """Name a condition for tables and plots."""
    return " ".join(word for word in (condition, site, network) if isinstance(word, str) and word)


def by_participant(answers: pd.DataFrame) -> pd.DataFrame:
    """Average each participant's accuracy in each condition, `(participants, conditions)`.

    Args:
        answers: from `load_answers`; those that are excluded do not count.

    Raises:
        InputError: none that counts.
    """
    own = answers.loc[~answers["excluded"].to_numpy(bool)]
    if not len(own):
        raise InputError(
            f"all excluded: {number_of(len(answers), 'answer')}; expected some that count"
        )
    names = [cell_name(*row) for row in own[CELL].itertuples(index=False)]
    return (
        own.assign(cell=names)
        .pivot_table(index="participant", columns="cell", values="correct", aggfunc="mean")
        .reindex(columns=list(dict.fromkeys(names)))
    )


def power(
    differences: NDArray[np.float64],
    participants: Sequence[int] = SIZES,
    *,
    alpha: float = ALPHA,
    draws: int = DRAWS,
    seed: int = 0,
) -> NDArray[np.float64]:
    """Estimate the share of surveys with a difference by a paired t-test.

    Surveys of n participants are drawn from the given ones, with replacement.

    Args:
        differences: of each participant's accuracy in two conditions, `(participants,)`.
        participants: n, each at least 2.
        alpha: of the two-sided test.
        draws: surveys of each n.

    Returns:
        `(len(participants),)` in [0, 1].

    Raises:
        InputError: fewer than two participants.
    """
    known = differences[np.isfinite(differences)]
    if len(known) < 2 or min(participants) < 2:
        raise InputError("power needs at least 2 participants")
    found = []
    for n in participants:
        stream = seeds.numpy_stream("survey", "power", seed, n)
        drawn = known[stream.integers(0, len(known), (draws, n))]
        mean, error = drawn.mean(1), drawn.std(1, ddof=1) / np.sqrt(n)
        bound = stats.t.ppf(1 - alpha / 2, n - 1)
        found.append(float((np.abs(mean) > bound * error).mean()))
    return np.array(found)


def power_interval(
    differences: NDArray[np.float64],
    participants: Sequence[int] = SIZES,
    *,
    alpha: float = ALPHA,
) -> NDArray[np.float64]:
    """Estimate the 95 % interval of the power, as far as the given people are a sample.

    A few people's difference may be chance: the interval of the true difference over its SD
    (noncentral t) has the power of a paired t-test at either end.

    Args:
        differences: of each participant's accuracy in two conditions, `(participants,)`.
        participants: n, each at least 2.
        alpha: of the two-sided test.

    Returns:
        `(len(participants), 2)`, the ends; NaN where all differences are equal.
    """
    known = differences[np.isfinite(differences)]
    number, sd = len(known), known.std(ddof=1) if len(known) > 1 else 0.0
    if not sd > ROUNDING:
        return np.full((len(participants), 2), np.nan)
    seen = abs(float(known.mean() / sd)) * number**0.5
    ends = [_noncentrality(seen, number - 1, tail) / number**0.5 for tail in (0.975, 0.025)]
    least = 0.0 if ends[0] <= 0 <= ends[1] else min(map(abs, ends))
    return np.array(
        [
            [_power_of(effect, n, alpha) for effect in (least, max(map(abs, ends)))]
            for n in participants
        ]
    )


def _noncentrality(seen: float, freedom: int, tail: float) -> float:
    """Find the noncentrality of a t distribution that has so much below the value seen."""
    far = 10 + 2 * seen

    def apart(value: float) -> float:
        return float(stats.nct.cdf(seen, freedom, value)) - tail

    return float(optimize.root_scalar(apart, bracket=(seen - far, seen + far)).root)


def _power_of(effect: float, number: int, alpha: float) -> float:
    """Compute the power of a two-sided paired t-test for a difference over its SD."""
    bound, shift = stats.t.ppf(1 - alpha / 2, number - 1), effect * number**0.5
    return float(stats.nct.sf(bound, number - 1, shift) + stats.nct.cdf(-bound, number - 1, shift))


def power_table(answers: pd.DataFrame, participants: Sequence[int] = SIZES) -> pd.DataFrame:
    """Power for each pair of conditions.

    Returns:
        One row a pair: `one`, `other`, `difference` of accuracy (one − other), power for each n
        in columns `n=…`, were the difference as it was found, the ends of its interval in
        `low n=…` and `high n=…` (`power_interval`), and `simulated`.

    Raises:
        InputError: one condition only, or fewer than 2 participants.
    """
    table = by_participant(answers)
    if table.shape[1] < 2:
        raise InputError("power compares conditions; the answers are of one only")
    rows = []
    for one, other in combinations(table.columns, 2):
        differences = (table[one] - table[other]).to_numpy(float)
        found, ends = power(differences, participants), power_interval(differences, participants)
        rows.append(
            {
                "one": one,
                "other": other,
                "difference": float(np.nanmean(differences)),
                **{f"n={n}": p for n, p in zip(participants, found, strict=True)},
                **{f"low n={n}": low for n, low in zip(participants, ends[:, 0], strict=True)},
                **{f"high n={n}": high for n, high in zip(participants, ends[:, 1], strict=True)},
                "simulated": bool(answers["simulated"].any()),
            }
        )
    return pd.DataFrame(rows)
