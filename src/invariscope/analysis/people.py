"""People's answers to images, and the agreement of observers (rows 4 and 7, Fig. 4)."""

from typing import Any

import numpy as np
import pandas as pd
import scipy  # its `stats` is slow to import, and loads when first used
from numpy.typing import NDArray

from invariscope import seeds
from invariscope.analysis.grouping import Rows, groups_by, rows_where
from invariscope.analysis.intervals import SHARE, clustered_mean, mean_interval
from invariscope.errors import InputError
from invariscope.plurals import number_of

COLUMNS = (
    *("participant", "session", "trial", "condition", "site", "network", "unit", "image"),
    *("category", "answer", "correct", "rt_ms", "excluded", "simulated"),
)
KEYS = ["network", "condition", "site"]
NAMED = ("network", "site")  # missing for natural images, which no network made
NONE = ""
SPLITS = 200
FEWEST_PEOPLE = 10  # for an interval of a correlation
CLOSE = 1 - 1e-9  # as far as Fisher's z of a correlation is taken
SPREAD = 1e-9  # of accuracies: less is none
DIGITS = 12  # so that rounding breaks no ties


def usable(answers: pd.DataFrame) -> Rows:
    """Select the answers that count: of participants and trials that are not excluded.

    Args:
        answers: one row a trial, with the columns of `COLUMNS`.

    Returns:
        The rows whose `excluded` is false; `network` and `site` are "" where there is none.

    Raises:
        InputError: a column is missing, or no answer is left.
    """
    missing = [name for name in COLUMNS if name not in answers]
    if missing:
        raise InputError(
            f"the answers lack the columns {', '.join(missing)}; expected a survey's export "
            f"with {', '.join(COLUMNS)}"
        )
    own = rows_where(answers, ~answers["excluded"].astype(bool))
    if not len(own):
        raise InputError(
            f"all excluded: {number_of(len(answers), 'answer')}; expected some that count"
        )
    filled = {name: own[name].fillna(NONE).astype(str) for name in NAMED}
    return own.assign(correct=own["correct"].astype(bool), **filled)


def people_accuracy(answers: pd.DataFrame, choices: int | None = None) -> pd.DataFrame:
    """Accuracy of each condition over participants.

    Args:
        answers: a survey's (see `usable`).
        choices: how many categories people chose from; by default those of the images.

    Returns:
        One row a network, condition and site: `participants`, `trials`, `accuracy` (the mean of
        the participants' own), its 95 % interval over participants (`low`, `high`),
        `chance` (1 / choices) and `simulated`, whether any answer was.
    """
    own = usable(answers)
    chance = 1 / (choices or own["category"].nunique())
    rows: list[dict[str, Any]] = []
    for key, group in groups_by(own, KEYS):
        mean, low, high = clustered_mean(
            group["correct"], group["participant"].to_numpy(str), SHARE
        )
        rows.append(
            {
                **key,
                "participants": group["participant"].nunique(),
                "trials": len(group),
                "accuracy": mean,
                "low": low,
                "high": high,
                "chance": chance,
                "simulated": bool(group["simulated"].any()),
            }
        )
    return pd.DataFrame(rows)


def _by_participant(own: Rows) -> Rows:
    """Pivot to accuracies, `(participants, conditions)`; NaN where a participant saw no image."""
    return own.pivot_table(
        index="participant", columns=KEYS, values="correct", aggfunc="mean", sort=False
    )


def _over(means: NDArray[np.float64]) -> NDArray[np.float64]:
    """Average over participants (first axis); NaN only where nobody answered."""
    known = np.isfinite(means)
    counts = known.sum(-2)
    total = np.where(known, means, 0.0).sum(-2)
    return np.divide(total, counts, out=np.full(total.shape, np.nan), where=counts > 0)


def _correlation(how: str, one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Pearson's or Spearman's r; missing with fewer than 3 points or no spread."""
    there = np.isfinite(one) & np.isfinite(other)
    x, y = one[there], other[there]
    if len(x) < 3 or min(np.ptp(x), np.ptp(y)) < SPREAD:
        return float("nan")
    if how == "spearman":
        x, y = scipy.stats.rankdata(x.round(DIGITS)), scipy.stats.rankdata(y.round(DIGITS))
        if min(np.ptp(x), np.ptp(y)) == 0:
            return float("nan")
    return float(np.corrcoef(x, y)[0, 1])


def noise_ceiling(answers: pd.DataFrame, how: str = "pearson") -> float:
    """Estimate the correlation with people that an observer without any noise would reach.

    The mean r over random halves of the people, corrected for halving (Spearman and Brown, 2r /
    (1 + r)), is how well people predict as many others; its root is how well they could be
    predicted. Missing with fewer than 4 participants, 0 where halves do not agree.
    """
    table = _by_participant(usable(answers)).to_numpy(float)
    people = len(table)
    if people < 4:
        return float("nan")
    stream = seeds.numpy_stream("noise_ceiling", people)
    found = []
    for _ in range(SPLITS):
        order = stream.permutation(people)
        halves = (table[order[: people // 2]], table[order[people // 2 :]])
        found.append(_correlation(how, _over(halves[0]), _over(halves[1])))
    known = np.array(found)[np.isfinite(found)]
    if not len(known) or known.mean() <= -1:
        return float("nan")
    return float(max(0.0, 2 * known.mean() / (1 + known.mean())) ** 0.5)


def _jackknife(r: float, without: list[float]) -> tuple[float, float]:
    """Estimate the 95 % interval of a correlation from that without each participant."""
    if len(without) < FEWEST_PEOPLE or not np.isfinite([r, *without]).all():
        return float("nan"), float("nan")
    whole, parts = (np.arctanh(np.clip(x, -CLOSE, CLOSE)) for x in (r, np.array(without)))
    number = len(without)
    _, low, high = np.tanh(mean_interval(number * whole - (number - 1) * parts))
    return float(low), float(high)


def agreement(answers: pd.DataFrame, observers: pd.DataFrame) -> pd.DataFrame:
    """Correlation over conditions between people and each observer (Fig. 4d).

    Args:
        answers: a survey's (see `usable`).
        observers: `observer` and `accuracy` for each `network`, `condition` and `site`.

    Returns:
        One row an observer and kind of correlation (`pearson`, `spearman`): `conditions`
        compared, `r`, its 95 % interval over participants (`low`, `high`: Student's, of the
        jackknife of Fisher's z; missing with fewer than 10 participants, who say too little),
        `ceiling` (`noise_ceiling`) and `simulated`. r is missing with fewer than 3 conditions.
    """
    own = usable(answers)
    table = _by_participant(own)
    values = table.to_numpy(float)
    without = [_over(np.delete(values, k, 0)) for k in range(len(values))]
    ceilings = {how: noise_ceiling(answers, how) for how in ("pearson", "spearman")}
    rows = []
    for key, group in groups_by(observers, ["observer"]):
        theirs = group.set_index(KEYS)["accuracy"].reindex(table.columns).to_numpy(float)
        for how, ceiling in ceilings.items():
            r = _correlation(how, _over(values), theirs)
            low, high = _jackknife(r, [_correlation(how, mean, theirs) for mean in without])
            rows.append(
                {
                    **key,
                    "how": how,
                    "conditions": int(np.isfinite(theirs).sum()),
                    "r": r,
                    "low": low,
                    "high": high,
                    "ceiling": ceiling,
                    "simulated": bool(own["simulated"].any()),
                }
            )
    return pd.DataFrame(rows)
