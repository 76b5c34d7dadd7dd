"""How many dimensions a unit's invariant images spread over (row 11)."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from invariscope import seeds
from invariscope.errors import InputError
from invariscope.plurals import number_of

ENOUGH = 100  # independent runs of a unit and site
SIZES = (25, 50, 75, 100)
DRAWS = 20
KNOWN = (2, 5, 10, 20, 40)  # dimensions that the estimators are tried on
KEPT = 0.9  # of the ratios: the largest are those that a flat neighbourhood fits least


def squared_distances(products: ArrayLike) -> NDArray[np.float64]:
    """Squared distances of all pairs from their inner products, `(n, n)`."""
    gram = np.asarray(products, float)
    own = np.diag(gram)
    return np.maximum(own[:, None] + own[None] - 2 * gram, 0.0)


def participation_ratio(products: ArrayLike) -> float:
    """(Σλ)² / Σλ² of the covariance's eigenvalues: the number of directions that share variance.

    Args:
        products: inner products of the points, `(n, n)`.

    Returns:
        The dimension, at most n − 1; missing with one point, or where all are equal.
    """
    gram = np.asarray(products, float)
    centred = gram - gram.mean(0) - gram.mean(1)[:, None] + gram.mean()
    spread = float(np.trace(centred))
    if spread <= 1e-12 * float(np.trace(gram)):  # nothing but rounding
        return float("nan")
    return spread**2 / float((centred**2).sum())  # over the sum of squared eigenvalues


def two_nearest(products: ArrayLike) -> float:
    """Intrinsic dimension from the ratio of the two nearest neighbours' distances.

    Facco et al. (2017, doi 10.1038/s41598-017-11873-y): μ = r₂ / r₁ has the distribution
    F(μ) = 1 − μ^−d, so d is the slope through 0 of −log(1 − F) on log μ.

    Args:
        products: inner products of the points, `(n, n)`; of equal points one counts.

    Returns:
        The dimension; missing with fewer than 5 different points.
    """
    distances = squared_distances(products)
    np.fill_diagonal(distances, np.inf)
    scale = distances[np.isfinite(distances)].max(initial=0.0)
    same = np.triu(distances <= 1e-12 * scale, 1).any(0)  # equal to an earlier one
    distances = distances[np.ix_(~same, ~same)]
    points = len(distances)
    if points < 5:
        return float("nan")
    nearest = np.partition(distances, 1, axis=1)[:, :2]
    ratios = np.sort(np.log(nearest[:, 1] / nearest[:, 0]) / 2)
    shares = np.arange(1, points + 1) / points
    fitted = int(points * KEPT)
    x, y = ratios[:fitted], -np.log1p(-shares[:fitted])
    square = float(x @ x)
    return float(x @ y) / square if square > 0 else float("nan")


ESTIMATORS = {"participation ratio": participation_ratio, "two nearest": two_nearest}


def dimension(
    products: ArrayLike, groups: Sequence[tuple[Any, ...]], *, sizes: Sequence[int] = SIZES
) -> pd.DataFrame:
    """Estimate the dimension of each group of points, against how many points are taken.

    One point a run: members of one run's front are not independent points.

    Args:
        products: inner products of all points, `(n, n)` (`separability.gram`).
        groups: for each point its subject, unit and site.
        sizes: of the subsamples, `DRAWS` each without repetition; those larger than the group are
            left out, and all its points come last.

    Returns:
        One row a group, estimator and size: `subject`, `unit`, `site`, `estimator`, `points`,
        `draws`, `dimension` (mean), `sd` over draws, `last` (all points) and `enough` (at least
        100 points in all).

    Raises:
        InputError: groups of another length than the points.
    """
    gram = np.asarray(products, float)
    if gram.shape != (len(groups), len(groups)):
        raise InputError(
            f"{number_of(len(groups), 'group')} for inner products of shape {gram.shape}"
        )
    rows: list[dict[str, Any]] = []
    for group in dict.fromkeys(groups):
        own = np.array([k for k, other in enumerate(groups) if other == group])
        stream = seeds.numpy_stream("dimension", *map(str, group), len(own))
        for size in [*(s for s in sizes if s < len(own)), len(own)]:
            draws = DRAWS if size < len(own) else 1
            chosen = [own[stream.permutation(len(own))[:size]] for _ in range(draws)]
            for name, estimator in ESTIMATORS.items():
                found = [estimator(gram[np.ix_(some, some)]) for some in chosen]
                rows.append(
                    {
                        **dict(zip(("subject", "unit", "site"), group, strict=True)),
                        "estimator": name,
                        "points": size,
                        "draws": draws,
                        "dimension": float(np.mean(found)),
                        "sd": float(np.std(found)),
                        "last": size == len(own),
                        "enough": len(own) >= ENOUGH,
                    }
                )
    return pd.DataFrame(rows)


def known_dimensions(points: int = ENOUGH, dimensions: Sequence[int] = KNOWN) -> pd.DataFrame:
    """Try the estimators of dimension on points with a known dimension.

    Args:
        points: how many points a draw has, as many as a group has runs.
        dimensions: the known ones.

    Returns:
        One row an estimator, shape (`normal`, a cloud with one variance in every direction;
        `cube`, uniform points) and known dimension: `estimator`, `shape`, `known`, `points`,
        `draws`, `dimension` (mean of the estimates), `sd` over draws and `share` (of the known
        dimension).

    Example:
        >>> table = known_dimensions(100, [2])
        >>> table["share"].between(0.7, 1.3).all()
        np.True_
    """
    rows: list[dict[str, Any]] = []
    for shape in ("normal", "cube"):
        for known in dimensions:
            stream = seeds.numpy_stream("dimension", "known", shape, known, points)
            draw = stream.normal if shape == "normal" else stream.uniform
            clouds = [draw(size=(points, known)) for _ in range(DRAWS)]
            for name, estimator in ESTIMATORS.items():
                found = [estimator(cloud @ cloud.T) for cloud in clouds]
                about = {"estimator": name, "shape": shape, "known": known, "points": points}
                mean, sd = float(np.mean(found)), float(np.std(found))
                values = {"draws": DRAWS, "dimension": mean, "sd": sd, "share": mean / known}
                rows.append({**about, **values})
    return pd.DataFrame(rows).sort_values("estimator", kind="stable", ignore_index=True)
