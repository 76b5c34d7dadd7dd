"""Other networks' answers to the question of an image's class (Figs. 4c and 4e)."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from invariscope import validate
from invariscope.analysis.grouping import groups_by, invariant, rows_where
from invariscope.analysis.intervals import SHARE, clustered_mean
from invariscope.analysis.respond import features
from invariscope.invariance.classes import Classifier, classifier
from invariscope.subjects.base import Subject

KEYS = ["source", "observer", "own", "task", "site"]
SCORES = ("top1", "topk", "restricted")
TOP = 5


def classify(
    observer: Subject,
    images: Tensor,
    labels: Sequence[str],
    classes: Sequence[str],
    *,
    top: int = TOP,
    names: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """Ask an observer for the class of images, and score the answers.

    Args:
        images: `(n, 3, height, width)` in [0, 1].
        labels: each image's class.
        classes: those of the study: the restricted answer is one of them.
        top: answers that may hold the class for `topk`; fewer where the observer has fewer
            than twice as many classes, half of them.
        names: what each class is called by the observer (`invariance.classes.class_names`).

    Returns:
        One row an image: `answer` (the class named first, by the observer's own name), `rank`
        of the true class (from 1), `top1`, `topk`, `k`, and among the study's classes
        `restricted_answer` and `restricted`. With equal activity the earlier unit comes first.

    Raises:
        InputError: a class that the observer cannot name.
    """
    validate.at_least("top", top, 1)
    known = classifier(observer, list(classes), names=names)
    k = max(1, min(top, known.units // 2))
    logits = features(observer, images, known.site)
    order = logits.argsort(dim=1, descending=True, stable=True)
    wanted = known.targets[[list(classes).index(label) for label in labels]]
    rank = (order == wanted[:, None]).float().argmax(1) + 1
    among = logits[:, known.targets].argmax(1)
    first = order[:, 0].tolist()
    own = observer.classes or tuple(map(str, range(known.units)))
    return pd.DataFrame(
        {
            "class": list(labels),
            "answer": [own[unit] for unit in first],
            "rank": rank.numpy(),
            "top1": (rank == 1).numpy(),
            "topk": (rank <= k).numpy(),
            "k": k,
            "restricted_answer": [classes[i] for i in among.tolist()],
            "restricted": (known.targets[among] == wanted).numpy(),
        }
    )


def observer_accuracy(answers: pd.DataFrame) -> pd.DataFrame:
    """Accuracy of each observer for each condition.

    Args:
        answers: rows of `classify` with `source` (whose unit the image is of), `observer`,
            `own` (whether the observer is the source), `task`, `site`, `unit` and `classes`
            (how many the study has).

    Returns:
        One row a source, observer, task and site: `images`, `units`, `chance` among the study's
        classes, and the mean over units of `top1`, `topk` and `restricted`, the latter with a 95 %
        interval over units (`low`, `high`).
    """
    rows: list[dict[str, Any]] = []
    for key, own in groups_by(answers, KEYS):
        row: dict[str, Any] = dict(key)
        units = own["unit"].to_numpy(str)
        row |= {"images": len(own), "units": len(np.unique(units)), "k": int(own["k"].iloc[0])}
        row["chance"] = 1 / int(own["classes"].iloc[0])
        for score in SCORES:
            row[score], row["low"], row["high"] = clustered_mean(own[score], units, SHARE)
        rows.append(row)
    return pd.DataFrame(rows)


def over_observers(accuracy: pd.DataFrame) -> pd.DataFrame:
    """Average over observers other than the source itself, by source (Fig. 4e).

    Args:
        accuracy: of `observer_accuracy`.

    Returns:
        One row a source, task and site: `observers` and the mean `top1`, `topk`, `restricted`.
    """
    others = rows_where(accuracy, ~accuracy["own"].astype(bool))
    groups = others.groupby(["source", "task", "site"], sort=False, as_index=False)
    return groups.agg(
        observers=("observer", "size"),
        **{score: (score, "mean") for score in SCORES},
    )


def trend(accuracy: pd.DataFrame, sites: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """Fit a line to accuracy over the depth of the stretched site.

    Args:
        accuracy: of `observer_accuracy`.
        sites: of each source, from the shallowest to the deepest; the slope is per step.

    Returns:
        One row a source and observer with at least two of the sites: `slope` of the least
        squares line, `first` and `last` accuracy.
    """
    rows = []
    for key, group in groups_by(invariant(accuracy), ["source", "observer", "own"]):
        value = dict(zip(group["site"], group["restricted"], strict=True))
        there = [
            (place, value[site]) for place, site in enumerate(sites[key["source"]]) if site in value
        ]
        if len(there) < 2:
            continue
        x, y = np.array(there, float).T
        rows.append(
            {
                **key,
                "slope": float(np.polyfit(x, y, 1)[0]),
                "first": y[0],
                "last": y[-1],
            }
        )
    return pd.DataFrame(rows, columns=["source", "observer", "own", "slope", "first", "last"])


def same_network(observer: Subject, source: Subject) -> bool:
    """Tell whether an observer is the source itself."""
    return observer.identity() == source.identity()


def matching_activity(
    logits: Tensor, match: Classifier, labels: Sequence[str], classes: Sequence[str]
) -> Tensor:
    """Read the activity of the unit that stands for each image's class, `(n,)`.

    Args:
        logits: the observer's readout, `(n, units)` (`respond.features`).
        match: the readout's units by class (`invariance.classes.classifier`).
        labels: each image's class.
        classes: in the order of `match.targets`.
    """
    wanted = match.targets[[list(classes).index(label) for label in labels]]
    return logits[torch.arange(len(logits)), wanted]
