"""A classifier that tells the stretched site from an image (row 3, Fig. 3c)."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from invariscope import seeds
from invariscope.analysis.intervals import SHARE, clustered_mean
from invariscope.errors import InputError
from invariscope.optional import optional_library
from invariscope.plurals import number_of

COMPONENTS = (2, 10, 25, 50, 100)
FOLDS = 5
SHUFFLES = 10
ALL = "all"


def gram(images: ArrayLike) -> NDArray[np.float64]:
    """Inner products of all pairs of images, `(n, n)`: all that components need of the pixels.

    Args:
        images: `(n, …)`; the mean image is taken off first, so that no digits are lost.
    """
    flat = np.asarray(images, np.float32).reshape(len(np.asarray(images)), -1)
    centred = (flat - flat.mean(0)).astype(np.float64, copy=False)
    return centred @ centred.T


def _sklearn(module: str) -> Any:
    """Import a module of scikit-learn."""
    return optional_library(f"sklearn.{module}", "analysis", "scikit-learn")


def _splits(
    labels: NDArray[Any], units: NDArray[Any], scheme: str, folds: int
) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    selection = _sklearn("model_selection")
    if scheme == "grouped":
        return list(selection.GroupKFold(folds).split(labels, labels, units))
    return list(
        selection.StratifiedKFold(folds, shuffle=True, random_state=0).split(labels, labels)
    )


def _predict(
    products: NDArray[np.float64],
    labels: NDArray[Any],
    train: NDArray[np.intp],
    test: NDArray[np.intp],
    components: Sequence[int],
) -> dict[int, NDArray[Any]]:
    """Predict the classes of a fold's images, for each number of components."""
    decomposition, svm = _sklearn("decomposition"), _sklearn("svm")
    most = min(max(components), len(train) - 1)
    # With inner products as its kernel, KernelPCA is PCA, fitted on the training images alone.
    fitted = decomposition.KernelPCA(most, kernel="precomputed", eigen_solver="dense")
    own = fitted.fit_transform(products[np.ix_(train, train)])
    other = fitted.transform(products[np.ix_(test, train)])
    return {
        k: svm.SVC(kernel="rbf", C=1.0, gamma="scale")
        .fit(own[:, :k], labels[train])
        .predict(other[:, :k])
        for k in components
    }


def _answers(
    products: NDArray[np.float64],
    labels: NDArray[Any],
    splits: Sequence[tuple[NDArray[np.intp], NDArray[np.intp]]],
    components: Sequence[int],
) -> dict[int, NDArray[Any]]:
    """Predict each image's class by the classifier that did not see the image."""
    answers = {k: np.empty_like(labels) for k in components}
    for train, test in splits:
        for k, found in _predict(products, labels, train, test, components).items():
            answers[k][test] = found
    return answers


def separability(
    products: ArrayLike,
    sites: Sequence[str],
    units: Sequence[str],
    *,
    components: Sequence[int] = COMPONENTS,
    folds: int = FOLDS,
    shuffles: int = SHUFFLES,
) -> pd.DataFrame:
    """Accuracy of an RBF support vector classifier (C 1, gamma `scale`) on principal components.

    Components are fitted inside each fold, at most as many as it has training images less one.
    `stratified` folds keep the classes' shares; `grouped` ones keep each unit's images together,
    so that the classifier cannot know a unit's images by their likeness. In the control the
    classes are shuffled within each unit, so that it keeps what a unit alone tells of them.

    Args:
        products: `gram` of the images, `(n, n)`.
        sites: each image's class, the site that was stretched.
        units: each image's unit.

    Returns:
        One row a scheme, number of components and class (`all` and each site): `used`
        (components of the smallest fold), `images`, `units`, `accuracy`, `low` and `high` (a 95 %
        interval over the means of units), `chance` (the largest class's
        share of all images: 1 / classes where they are equal), `shuffled` (the control's mean
        accuracy) and `shuffled_high` (its largest).

    Raises:
        InputError: one class only, or fewer units or images of a class than folds.
    """
    kernel, labels, groups = np.asarray(products, float), np.asarray(sites), np.asarray(units)
    names, counts = np.unique(labels, return_counts=True)
    if len(names) < 2:
        raise InputError(f"separability needs images of 2 sites or more; got {len(names)}")
    if counts.min() < folds or len(np.unique(groups)) < folds:
        raise InputError(
            f"for {number_of(folds, 'fold')}, expected as many units and as many images of each "
            f"site; got {number_of(len(np.unique(groups)), 'unit')} and "
            f"{number_of(counts.min(), 'image')} of {names[counts.argmin()]}"
        )
    rows: list[dict[str, Any]] = []
    for scheme in ("grouped", "stratified"):
        splits = _splits(labels, groups, scheme, folds)
        least = min(len(train) for train, _ in splits) - 1
        found = _answers(kernel, labels, splits, components)
        control: dict[int, list[NDArray[np.bool_]]] = {k: [] for k in components}
        for shuffle in range(shuffles):
            mixed = _shuffled(labels, groups, shuffle)
            own = _splits(mixed, groups, scheme, folds)
            for k, answers in _answers(kernel, mixed, own, components).items():
                control[k].append(answers == mixed)
        for k in components:
            for name in (ALL, *names.tolist()):
                there = np.ones(len(labels), bool) if name == ALL else labels == name
                right = (found[k] == labels)[there]
                _, low, high = clustered_mean(right, groups[there], SHARE)
                by_chance = [float(mixed.mean()) for mixed in control[k]] or [np.nan]
                rows.append(
                    {
                        "scheme": scheme,
                        "components": k,
                        "used": min(k, least),
                        "class": name,
                        "images": int(there.sum()),
                        "units": len(np.unique(groups[there])),
                        "accuracy": float(right.mean()),
                        "low": low,
                        "high": high,
                        "chance": float(counts.max() / len(labels)),
                        "shuffled": float(np.mean(by_chance)),
                        "shuffled_high": float(np.max(by_chance)),
                    }
                )
    return pd.DataFrame(rows)


def _shuffled(labels: NDArray[Any], groups: NDArray[Any], shuffle: int) -> NDArray[Any]:
    stream = seeds.numpy_stream("separability", "shuffle", shuffle)
    mixed = labels.copy()
    for name in np.unique(groups):
        own = np.flatnonzero(groups == name)
        mixed[own] = stream.permutation(labels[own])
    return mixed
