"""Teach a twin by the images of the search for its reference."""

import numpy as np
import torch

from invariscope.experiments.reference import Reference
from invariscope.rig.presenter import Presenter
from invariscope.search.run import TaughtImages


def images_of_reference(
    presenter: Presenter, reference: Reference, target: int
) -> TaughtImages | None:
    """Read the images that the search for a reference showed, and the unit's answers.

    Repeats of one search stay independent of each other: none is taught by another.

    Args:
        target: number of the unit.

    Returns:
        Candidates and held-back repeats, in the order in which they were shown, each with its
        standard error; None for a reference that no search of the session found.
    """
    found, noise = str(reference.recipe.get("run", ""))[:12], presenter.noise
    told = {
        key: measured
        for key, measured in presenter.ledger.measured.items()
        if found and key.startswith(f"{found}/")
    }
    if not told or noise is None:
        return None
    means, counts = (
        np.concatenate([np.array(measured[name], np.float64) for measured in told.values()])
        for name in ("means", "counts")
    )
    activity, errors = (
        torch.from_numpy(every[:, target])
        for every in (means, noise.errors(means, counts.astype(np.int64)))
    )
    codes = torch.cat([presenter.codes(key).double() for key in told])
    known = ~activity.isnan()
    return TaughtImages(codes[known], activity[known], errors[known])
