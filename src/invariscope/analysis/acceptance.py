"""Acceptance of a network's images by other networks (after row 14).

Every image is shown to every network, and the unit that stands for the image's class answers. Its
activity is put on a scale between two answers of the same unit: 0 is its mean for random images of
the generator (chance), 1 its mean for the images that were departed from.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.stats import false_discovery_control

from invariscope.analysis.grouping import Rows, groups_by, mean_sd, of_units, rows_where
from invariscope.analysis.intervals import (
    LEVEL,
    Interval,
    crossed_interval,
    mean_interval,
    ratio_interval,
    sign_flip_p,
)

KEYS = ["source", "observer", "own", "task", "site"]
FALSE = 0.05  # of the cells that are called accepted
OVER_CHANCE, OWN_OVER_OTHERS = "others over chance", "own over others"
SAME_ROLE = "same role over other role"
CONTRASTS = (OVER_CHANCE, OWN_OVER_OTHERS, SAME_ROLE)


def rank_p(values: ArrayLike, chance: ArrayLike) -> NDArray[np.float64]:
    """Compute how rarely random images are answered at least as strongly, `(n,)` in (0, 1].

    An answer that is no number has none.

    Args:
        values: activities, `(n,)`.
        chance: the same unit's activities for random images, `(random images,)`.

    Example:
        >>> from invariscope.analysis.acceptance import rank_p
        >>> rank_p([5.0, 0.0], [1.0, 2.0, 3.0]).tolist()
        [0.25, 1.0]
    """
    drawn, asked = np.sort(np.asarray(chance, float)), np.asarray(values, float)
    below = np.searchsorted(drawn, asked, side="left")
    return np.where(np.isnan(asked), np.nan, (1 + len(drawn) - below) / (1 + len(drawn)))


def false_discoveries(p: ArrayLike) -> NDArray[np.float64]:
    """Adjust p values for their number (Benjamini and Hochberg 1995), `(n,)`; NaN stays NaN."""
    values = np.asarray(p, float)
    known = np.isfinite(values)
    adjusted = np.full(values.shape, np.nan)
    if known.any():
        adjusted[known] = false_discovery_control(values[known])
    return adjusted


def split_half(answers: NDArray[np.float64]) -> float:
    """Estimate the reliability of answers that are averaged over repeats: a noise ceiling.

    Args:
        answers: `(images, repeats)`.

    Returns:
        The correlation over images of the means of two halves of the repeats, corrected for
        halving (Spearman and Brown); 1 for one repeat, of a network without noise.
    """
    repeats = answers.shape[1]
    if repeats < 2:
        return 1.0
    halves = answers[:, : repeats // 2].mean(1), answers[:, repeats // 2 :].mean(1)
    r = float(np.corrcoef(*halves)[0, 1])
    return 2 * r / (1 + r)


def accepted_images(answers: Rows) -> pd.DataFrame:
    """Test every image against the random images of the generator.

    Args:
        answers: one row an image and observer: `source`, `observer`, `own` (whether the observer
            is the source), `task`, `site`, `unit`, `activation` of the unit of that class, its
            `reference` (for the image that was departed from), `chance` (its mean for random
            images), `others` (for the images of the source's other units; missing with one
            unit), `maximum` (natural, missing where not known), `p` (`rank_p`), `reliability`.

    Returns:
        The rows with `q`, of all images and of observers other than the source, and `accepted`,
        whether it is at most 0.05 (for the source itself by its own `p`).
    """
    own = answers["own"].to_numpy(bool)
    p = answers["p"].to_numpy(float)
    q = false_discoveries(np.where(own, np.nan, p))
    return answers.assign(q=q, accepted=np.where(own, p, q) <= FALSE)


def acceptance(images: Rows) -> pd.DataFrame:
    """Average the acceptance of a network's images by each network, over units.

    Args:
        images: of `accepted_images`.

    Returns:
        One row a source, observer, task and site: `units`, `images`, `acceptance` with Fieller's
        95 % interval over units (`low`, `high`), missing where the observer does not tell the
        images that were departed from from random ones; `others`, the same for the images of the
        source's other units; `p` by turning units' signs, and `q` over the whole matrix but
        sources' answers to their own images; `accepted`, the share of images told from random
        ones; `reliability`; the means over units, with `_sd`, of `kept` and `chance` (percent of
        the mean activity for references; missing where that is not positive) and of
        `over_maximum`; and `above_maximum`, the share of images beyond the natural maximum.
    """
    maximum = images["maximum"].to_numpy(float)
    active = images["activation"].to_numpy(float)
    over = active / np.where(maximum > 0, maximum, np.nan)
    above = np.where(np.isfinite(maximum), active > maximum, np.nan)
    scored = images.assign(over_maximum=over, above_maximum=above)
    table = pd.DataFrame([{**key, **_cell(own)} for key, own in groups_by(scored, KEYS)])
    q = false_discoveries(table["p"].mask(table["own"].astype(bool)))
    place = list(table.columns).index("p") + 1
    table.insert(place, "q", q)
    return table


def _cell(own: Rows) -> dict[str, Any]:
    """Average one network's answers to the images of one task and site."""
    values = ["activation", "reference", "chance", "others", "over_maximum", "above_maximum"]
    units = of_units(own, values)
    whole = units["reference"].mean()
    scale = 100 / whole if whole > 0 else np.nan
    units["kept"], units["chance_kept"] = units["activation"] * scale, units["chance"] * scale
    span = units["reference"] - units["chance"]
    more, apart = units["activation"] - units["chance"], units["others"] - units["chance"]
    found, low, high = ratio_interval(more, span)
    other, *_ = ratio_interval(apart, span)
    told = mean_interval(span)[1] > 0  # else the ratios could be anything
    means = mean_sd(units, ["kept", "chance_kept", "over_maximum", "above_maximum"])
    names = {name: name.replace("chance_kept", "chance") for name in means}
    return {
        "units": len(units),
        "images": len(own),
        "acceptance": found if told else np.nan,
        "low": low,
        "high": high,
        "others": other if told else np.nan,
        "p": sign_flip_p(more),
        "accepted": float(own["accepted"].mean()),
        "reliability": float(own["reliability"].iloc[0]),
        **{names[name]: value for name, value in means.items()},
    }


def scaled_units(images: Rows) -> pd.DataFrame:
    """Put each unit's answers on the scale of its observer: units as rows, observers as columns.

    The scale is the observer's mean over units, since the share of a single unit whose reference
    hardly excites it would drown the others. Observers that do not tell the references from random
    images are left out.

    Args:
        images: rows of `accepted_images` of one source, task and site.
    """
    columns = {}
    for key, own in groups_by(images, ["observer"]):
        units = of_units(own, ["activation", "reference", "chance"])
        mean, low, _ = mean_interval(units["reference"] - units["chance"])
        if low > 0:
            columns[key["observer"]] = (units["activation"] - units["chance"]) / mean
    return pd.DataFrame(columns)


def acceptance_contrasts(images: Rows, roles: dict[str, str]) -> pd.DataFrame:
    """Compare the acceptance of images between chance, their own network, and roles of networks.

    Args:
        images: of `accepted_images`.
        roles: of networks, by name; one without a role has no part in the comparison of roles.

    Returns:
        One row a source, task, site and comparison (`contrast`): `others over chance`, the mean
        acceptance by other networks; `own over others`, the source's own less each other's;
        `same role over other role`, that by other networks of the source's role less that by
        networks of other roles. `units`, `observers`, `difference` with its 95 % interval (`low`,
        `high`) over units and observers (roles: over units, for these networks), and the wider one
        (`low_all`, `high_all`) of all rows of that task and comparison (Bonferroni).
    """
    parts = [
        {**key, **part}
        for key, own in groups_by(images, ["source", "task", "site"])
        for part in _contrasts(own, key["source"], roles)
    ]
    number = Counter((part["task"], part["contrast"]) for part in parts)
    rows = []
    for part in parts:
        values = part.pop("values")
        middle, low, high = _estimate(values, LEVEL)
        level = 1 - (1 - LEVEL) / number[part["task"], part["contrast"]]
        _, low_all, high_all = _estimate(values, level)
        ends = {"low": low, "high": high, "low_all": low_all, "high_all": high_all}
        rows.append({**part, "difference": middle, **ends})
    columns = ["source", "task", "site", "contrast", "units", "observers", "difference"]
    columns += ["low", "high", "low_all", "high_all"]
    return pd.DataFrame(rows, columns=columns)


def _estimate(values: NDArray[np.float64], level: float) -> Interval:
    """Estimate a mean: over units crossed with observers, or over units where one value stands."""
    if values.shape[1] == 1:
        return mean_interval(values[:, 0], level)
    return crossed_interval(values, level)[:3]


def _contrasts(own: Rows, source: str, roles: dict[str, str]) -> Iterator[dict[str, Any]]:
    """Give the values of each comparison, `(units, observers)`, for one source, task and site."""
    wide = scaled_units(own)
    itself = list(dict.fromkeys(rows_where(own, own["own"].astype(bool))["observer"]))
    others = wide.drop(columns=itself, errors="ignore")
    counts = {"units": len(wide), "observers": others.shape[1]}
    if not others.shape[1]:
        return
    yield {"contrast": OVER_CHANCE, **counts, "values": others.to_numpy(float)}
    for name in itself[:1]:
        if name in wide:
            more = wide[[name]].to_numpy(float) - others.to_numpy(float)
            yield {"contrast": OWN_OVER_OTHERS, **counts, "values": more}
    role = roles.get(source)
    alike = [name for name in others if roles.get(str(name)) == role]
    unlike = [name for name in others if roles.get(str(name)) not in (role, None)]
    if role and alike and unlike:
        more = others[alike].mean(axis=1) - others[unlike].mean(axis=1)
        yield {"contrast": SAME_ROLE, **counts, "values": more.to_numpy(float)[:, None]}


def matrix(table: Rows) -> pd.DataFrame:
    """Arrange the acceptance by condition and observer, neighbours alike.

    Args:
        table: of `acceptance`.

    Returns:
        Rows named `source: task site`, columns named by observer, each ordered by hierarchical
        clustering (average linkage of Euclidean distances, leaves turned so that neighbours are
        near); observers without an acceptance come last.
    """
    named = table.assign(condition=condition_names(table))
    wide = named.pivot_table(
        index="condition", columns="observer", values="acceptance", sort=False, dropna=False
    )
    return wide.iloc[similar_order(wide.to_numpy()), similar_order(wide.to_numpy().T)]


def condition_names(table: Rows) -> list[str]:
    """Name the condition of each row: the source, the task, and the site if not `pixels` alone."""
    parts = zip(table["source"], table["task"], table["site"].fillna(""), strict=True)
    return [f"{source}: {task} {site}".strip() for source, task, site in parts]


def similar_order(values: ArrayLike) -> list[int]:
    """Order the rows of a matrix, similar rows side by side, rows of NaN last.

    Args:
        values: `(rows, columns)`; other missing values count as their column's mean.

    Example:
        >>> from invariscope.analysis.acceptance import similar_order
        >>> similar_order([[0.0], [9.0], [1.0], [8.0]])
        [0, 2, 3, 1]
    """
    table = pd.DataFrame(np.asarray(values, float))
    known = table.notna().any(axis=1).to_numpy()
    first, last = np.flatnonzero(known), np.flatnonzero(~known)
    filled = table.loc[known].fillna(table.mean()).dropna(axis=1).to_numpy()
    if len(first) > 2:
        tree = linkage(filled, method="average", optimal_ordering=True)
        first = first[leaves_list(tree)]
        # A tree has no direction: the row that came first stays in the first half.
        if list(first).index(min(first)) >= len(first) / 2:
            first = first[::-1]
    return [*first.tolist(), *last.tolist()]
