"""Do the matching units of other networks accept a unit's invariant images (row 14)."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from invariscope.analysis.grouping import groups_by, mean_sd, of_units
from invariscope.invariance.classes import Classifier

KEYS = ["source", "observer", "own", "task", "site"]
VALUES = ("kept", "over_maximum", "above_maximum")


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


def transfer(answers: pd.DataFrame) -> pd.DataFrame:
    """Measure the share of the reference's activity that matching units keep.

    Args:
        answers: one row an image: `source`, `observer`, `own`, `task`, `site`, `unit`,
            `activation` of the matching unit, `reference` (its activity for the image that was
            departed from) and `maximum` (of its natural activity; missing where not known).

    Returns:
        One row a source, observer, task and site: `units`, `images`, and the mean and `_sd` over
        units of `kept` (percent of the references' mean activity; missing where that is not
        positive) and of `over_maximum`; `above_maximum`, the share of images beyond the natural
        maximum. Single units' shares are not averaged: one whose reference hardly excites it
        would drown the others.
    """
    maximum = answers["maximum"].to_numpy(float)
    activation = answers["activation"].to_numpy(float)
    scored = answers.assign(
        over_maximum=activation / np.where(maximum > 0, maximum, np.nan),
        above_maximum=np.where(np.isfinite(maximum), activation > maximum, np.nan),
    )
    rows = []
    for key, group in groups_by(scored, KEYS):
        units = of_units(group, ["activation", "reference", *VALUES[1:]])
        whole = units["reference"].mean()
        units["kept"] = units["activation"] * (100 / whole if whole > 0 else np.nan)
        counts = {"units": len(units), "images": len(group)}
        rows.append({**key, **counts, **mean_sd(units, VALUES)})
    return pd.DataFrame(rows)
