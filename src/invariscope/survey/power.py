"""How many participants a difference between two conditions needs."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from invariscope import seeds
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


def power_table(answers: pd.DataFrame, participants: Sequence[int] = SIZES) -> pd.DataFrame:
    """Power for each pair of conditions.

    Returns:
        One row a pair: `one`, `other`, `difference` of accuracy (one − other), power for each n
        in columns `n=…`, and `simulated`.

    Raises:
        InputError: one condition only, or fewer than 2 participants.
    """
    table = by_participant(answers)
    if table.shape[1] < 2:
        raise InputError("power compares conditions; the answers are of one only")
    rows = []
    for one, other in combinations(table.columns, 2):
        differences = (table[one] - table[other]).to_numpy(float)
        found = power(differences, participants)
        rows.append(
            {
                "one": one,
                "other": other,
                "difference": float(np.nanmean(differences)),
                **{f"n={n}": p for n, p in zip(participants, found, strict=True)},
                "simulated": bool(answers["simulated"].any()),
            }
        )
    return pd.DataFrame(rows)
