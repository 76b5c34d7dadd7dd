"""Whether observers fail at the same images (Geirhos et al. 2020, arXiv 2006.16736)."""

from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from invariscope import seeds
from invariscope.analysis.grouping import groups_by
from invariscope.analysis.intervals import LEVEL, ROUNDING
from invariscope.errors import InputError
from invariscope.plurals import number_of

DRAWS = 1000
FEWEST_ANSWERS = 10  # right ones and wrong ones, for an interval of kappa
NETWORK, PEOPLE = "network and person", "two people"


class Consistency(NamedTuple):
    """How far two observers are right and wrong at the same images.

    Attributes:
        trials: images that both answered.
        observed: share at which both are right or both are wrong.
        expected: the share that two independent observers of these accuracies would have.
        kappa: (observed − expected) / (1 − expected); 0 is chance, missing where both are always
            right or both always wrong.
        lowest, highest: the smallest and largest kappa that these two accuracies allow.
    """

    trials: int
    observed: float
    expected: float
    kappa: float
    lowest: float
    highest: float


def error_consistency(one: ArrayLike, other: ArrayLike) -> Consistency:
    """Measure the error consistency of two observers (their eqs. 1 to 3).

    Args:
        one: whether the first was right, `(trials,)`.
        other: likewise, of the same trials.

    Raises:
        InputError: another number of trials, or none.
    """
    first, second = np.asarray(one, bool), np.asarray(other, bool)
    if first.shape != second.shape or first.ndim != 1 or not len(first):
        raise InputError(
            f"answers of shapes {first.shape} and {second.shape}; expected the same trials of both"
        )
    p, q = float(first.mean()), float(second.mean())
    observed, expected = float((first == second).mean()), p * q + (1 - p) * (1 - q)
    ends = (observed, abs(p + q - 1), 1 - abs(p - q))
    if expected >= 1:
        return Consistency(len(first), observed, expected, *(float("nan"),) * 3)
    return Consistency(
        len(first), observed, expected, *((c - expected) / (1 - expected) for c in ends)
    )


def correctness(answers: pd.DataFrame) -> pd.DataFrame:
    """Tabulate right answers, `(images, participants)`, missing for unseen images.

    Raises:
        InputError: a participant answered the same image of a condition twice.
    """
    keys = ["condition", "image"]
    twice = answers.duplicated(["participant", *keys])
    if twice.any():
        row = answers.loc[twice].iloc[0]
        raise InputError(
            f"{number_of(int(twice.sum()), 'answer')} to an image that its participant answered "
            f"before, such as {row['image']!r} of {row['participant']!r}; keep one answer each"
        )
    return answers.assign(right=answers["correct"].astype(float)).pivot_table(
        index=keys, columns="participant", values="right", aggfunc="first", sort=False
    )


def _kappas(table: NDArray[np.float64], pairs: list[tuple[int, int]]) -> NDArray[np.float64]:
    """Kappa of pairs of columns, over the rows that both have; missing where undefined."""
    found = []
    for a, b in pairs:
        both = np.isfinite(table[:, a]) & np.isfinite(table[:, b])
        known = table[both][:, [a, b]] > 0.5
        found.append(error_consistency(*known.T).kappa if len(known) else float("nan"))
    return np.array(found)


def _mean(values: NDArray[np.float64]) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")


def consistency_table(people: pd.DataFrame, network: pd.DataFrame | None = None) -> pd.DataFrame:
    """Error consistency of people with each other and with a network, in each condition.

    Args:
        people: answers (`load_answers`) that count, of people.
        network: a network's answers to the same images, one an image.

    Returns:
        One row a condition and kind of `pair` (`two people`, whose kappa is the noise ceiling, and
        `network and person`): `pairs`, `images`, mean `kappa` over pairs, its 95 % bootstrap
        interval over images for these people (`low`, `high`; missing where pairs have fewer than
        ten right or ten wrong answers on average, or all drawn again are equal), and the mean over
        pairs of what their accuracies allow (`lowest`, `highest`).
    """
    rows: list[dict[str, Any]] = []
    for key, own in groups_by(people, ["condition"]):
        table = correctness(own)
        values, last = table.to_numpy(float), table.shape[1]
        kinds = {PEOPLE: list(combinations(range(last), 2))}
        if network is not None:
            theirs = correctness(network.loc[network["condition"] == key["condition"]])
            column = theirs.iloc[:, 0].reindex(table.index).to_numpy(float)
            values = np.column_stack([values, column])
            kinds[NETWORK] = [(k, last) for k in range(last)]
        rows.extend(
            {**key, "pair": kind, **_row(values, pairs)} for kind, pairs in kinds.items() if pairs
        )
    return pd.DataFrame(rows)


def _row(values: NDArray[np.float64], pairs: list[tuple[int, int]]) -> dict[str, Any]:
    """Summarise the pairs of one kind: kappa, interval and bounds."""
    stream = seeds.numpy_stream("error_consistency", len(values), len(pairs))
    draws = stream.integers(0, len(values), (DRAWS, len(values)))
    again = _drawn_kappas(values, pairs, draws)
    known = again[np.isfinite(again)]
    ends = ((1 - LEVEL) / 2, (1 + LEVEL) / 2)
    low, high = np.quantile(known, ends) if len(known) else (np.nan, np.nan)
    if high - low <= ROUNDING or _rarest(values, pairs) < FEWEST_ANSWERS:
        low = high = np.nan
    bounds = np.array([_bounds(values, pair) for pair in pairs])
    return {
        "pairs": len(pairs),
        "images": len(values),
        "kappa": _mean(_kappas(values, pairs)),
        "low": float(low),
        "high": float(high),
        "lowest": _mean(bounds[:, 0]),
        "highest": _mean(bounds[:, 1]),
    }


def _rarest(values: NDArray[np.float64], pairs: list[tuple[int, int]]) -> float:
    """Count the rarer of right and wrong answers, the fewest of both of a pair; mean over pairs."""
    right, wrong = np.nansum(values == 1, 0), np.nansum(values == 0, 0)
    fewest = np.minimum(right, wrong)
    return float(np.mean([fewest[list(pair)].min() for pair in pairs]))


def _bounds(values: NDArray[np.float64], pair: tuple[int, int]) -> tuple[float, float]:
    both = np.isfinite(values[:, list(pair)]).all(1)
    if not both.any():
        return float("nan"), float("nan")
    found = error_consistency(*(values[both][:, list(pair)] > 0.5).T)
    return found.lowest, found.highest


def _drawn_kappas(
    values: NDArray[np.float64], pairs: list[tuple[int, int]], draws: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Mean kappa over pairs for each draw of images, by weights: `(draws,)`."""
    weights = np.stack([np.bincount(d, minlength=len(values)) for d in draws]).astype(float)
    total, count = np.zeros(len(draws)), np.zeros(len(draws))
    for a, b in pairs:
        x, y = values[:, a], values[:, b]
        both = np.isfinite(x) & np.isfinite(y)
        own = weights[:, both]
        sums = own.sum(1)
        safe = np.where(sums > 0, sums, np.nan)
        p, q = own @ x[both] / safe, own @ y[both] / safe
        observed, expected = own @ (x[both] == y[both]) / safe, p * q + (1 - p) * (1 - q)
        with np.errstate(divide="ignore", invalid="ignore"):
            kappa = (observed - expected) / (1 - expected)
        known = np.isfinite(kappa)
        total[known] += kappa[known]
        count += known
    return np.divide(total, count, out=np.full(len(draws), np.nan), where=count > 0)
