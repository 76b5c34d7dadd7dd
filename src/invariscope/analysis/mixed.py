"""A logistic mixed model of people's answers, with contrasts between conditions (row 7)."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import scipy  # its `stats` is slow to import, and loads when first used
from numpy.typing import NDArray

from invariscope import seeds
from invariscope.analysis.grouping import Rows
from invariscope.analysis.intervals import LEVEL
from invariscope.analysis.people import usable
from invariscope.errors import InputError, unknown
from invariscope.optional import optional_library
from invariscope.plurals import number_of

Numbers = NDArray[np.float64]
PRIOR_SD = 10  # of a fixed effect, in log odds: hardly any


def condition_names(answers: Rows) -> pd.Series:
    """Name each condition: network, condition and site, as far as there are any."""
    own = answers[["network", "condition", "site"]].astype(str)
    names = [" ".join(dict.fromkeys(word for word in row if word)) for row in own.to_numpy()]
    return pd.Series(names, index=answers.index, dtype=object)


def planned(names: list[str]) -> dict[str, dict[str, float]]:
    """Contrast each condition with the next, in their order."""
    return {f"{one} − {other}": {one: 1.0, other: -1.0} for one, other in pairwise(names)}


def mixed_model(
    answers: pd.DataFrame, contrasts: Mapping[str, Mapping[str, float]] | None = None
) -> pd.DataFrame:
    """Log odds of a right answer: `correct ~ condition + (1 | category) + (1 | participant)`.

    The SDs of the random effects come from statsmodels' `BinomialBayesMixedGLM` (variational,
    normal priors of SD 1 on their logarithms and of SD 10 on the conditions' log odds). Given
    these, conditions and random effects are at their joint mode, with its curvature (Laplace): the
    variational covariance alone would leave out what random effects add to a condition.

    As in the paper, images and each person's own effect of a condition are no random effects: z,
    p and intervals hold for these images and these people, and are too small for others where
    images of a condition differ or people differ in what a condition does to them.

    Args:
        answers: a survey's (see `people.usable`).
        contrasts: weights of conditions (`condition_names`) by a contrast's name; by default
            each condition against the next.

    Returns:
        One row a condition (`kind` is `condition`), contrast (`contrast`) and random effect
        (`spread`, its SD in log odds): `name`, `estimate`, `se`, `low`, `high` (95 %), `z`, `p`
        (two-sided; missing for spreads) and `simulated`.

    Raises:
        InputError: a contrast of an unknown condition, one condition only, or answers that are
            all right or all wrong.
    """
    own = usable(answers)
    own = own.assign(named=condition_names(own))
    names = list(dict.fromkeys(own["named"]))
    if len(names) < 2 or own["correct"].nunique() < 2:
        raise InputError(
            "the model needs answers to 2 conditions or more, right and wrong ones; got "
            f"{number_of(len(names), 'condition')} and {int(own['correct'].sum())} of {len(own)} "
            "right"
        )
    fixed = np.stack([(own["named"] == name).to_numpy(float) for name in names], 1)
    random, which, groups = _random_effects(own)
    right = own["correct"].to_numpy(float)
    logs, spreads = _spreads(right, fixed, random, which)
    precision = np.concatenate(
        [np.full(len(names), 1 / PRIOR_SD**2), np.exp(-2 * logs)[which] if len(which) else []]
    )
    mean, covariance = _mode(right, np.concatenate([fixed, random], 1), precision)
    size = len(names)
    mean, covariance = mean[:size], covariance[:size, :size]
    weights = {name: {name: 1.0} for name in names}
    rows = _rows("condition", weights, names, mean, covariance)
    rows += _rows("contrast", contrasts or planned(names), names, mean, covariance)
    for group, middle, spread in zip(groups, logs, spreads, strict=True):
        half = scipy.stats.norm.ppf((1 + LEVEL) / 2) * spread
        low, value, high = np.exp([middle - half, middle, middle + half])
        own_row = {"kind": "spread", "name": group, "estimate": value, "se": value * spread}
        rows.append({**own_row, "low": low, "high": high, "z": np.nan, "p": np.nan})
    return pd.DataFrame(rows).assign(simulated=bool(own["simulated"].any()))


def _random_effects(own: Rows) -> tuple[Numbers, NDArray[np.intp], list[str]]:
    """Make a column for each level of a grouping with two or more, and number the groupings."""
    columns, which, groups = [], [], []
    for group in ("category", "participant"):
        words = own[group].astype(str)
        levels = sorted(words.unique())
        if len(levels) > 1:
            columns += [(words == level).to_numpy(float) for level in levels]
            which += [len(groups)] * len(levels)
            groups.append(group)
    matrix = np.stack(columns, 1) if columns else np.empty((len(own), 0))
    return matrix, np.array(which, np.intp), groups


def _spreads(
    right: Numbers, fixed: Numbers, random: Numbers, which: NDArray[np.intp]
) -> tuple[Numbers, Numbers]:
    """Fit means and SDs of the logarithms of the random effects' SDs."""
    if not len(which):
        return np.empty(0), np.empty(0)
    models = optional_library("statsmodels.genmod.bayes_mixed_glm", "analysis")
    model = models.BinomialBayesMixedGLM(right, fixed, random, which, vcp_p=1, fe_p=PRIOR_SD)
    size = fixed.shape[1] + random.shape[1] + int(which.max()) + 1
    start = seeds.numpy_stream("mixed_model", size).normal(size=size)
    fitted = model.fit_vb(mean=start, sd=np.full(size, 0.5))
    return np.asarray(fitted.vcp_mean, float), np.asarray(fitted.vcp_sd, float)


def _mode(right: Numbers, columns: Numbers, precision: Numbers) -> tuple[Numbers, Numbers]:
    """Find the posterior's mode and covariance under normal priors of mean 0 (Newton's steps)."""
    mean, curvature = np.zeros(columns.shape[1]), np.diag(precision)
    for _ in range(100):
        chance = scipy.special.expit(columns @ mean)
        curvature = (columns.T * (chance * (1 - chance))) @ columns + np.diag(precision)
        step = np.linalg.solve(curvature, columns.T @ (right - chance) - precision * mean)
        mean = mean + step
        if np.abs(step).max() < 1e-8:
            break
    return mean, np.linalg.inv(curvature).astype(np.float64)


def _rows(
    kind: str,
    weights: Mapping[str, Mapping[str, float]],
    names: list[str],
    mean: Numbers,
    covariance: Numbers,
) -> list[dict[str, Any]]:
    """Estimate weighted sums of conditions."""
    rows = []
    for name, own in weights.items():
        for condition in own:
            if condition not in names:
                raise unknown("condition", condition, names)
        vector = np.array([own.get(condition, 0.0) for condition in names])
        estimate, se = float(vector @ mean), float(np.sqrt(vector @ covariance @ vector))
        half = float(scipy.stats.norm.ppf((1 + LEVEL) / 2)) * se
        z = estimate / se
        rows.append(
            {
                "kind": kind,
                "name": name,
                "estimate": estimate,
                "se": se,
                "low": estimate - half,
                "high": estimate + half,
                "z": z,
                "p": float(2 * scipy.stats.norm.sf(abs(z))),
            }
        )
    return rows
