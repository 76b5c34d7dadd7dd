"""Tables beside natural statistics: activity by class, and each unit's strongest photos."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from invariscope.photos import PhotoFolder


def by_class(
    names: list[str],
    activity: NDArray[np.float32],
    folder: PhotoFolder,
    photos: NDArray[np.int64],
) -> pd.DataFrame:
    """Describe each unit's activity over the photos of each class.

    Args:
        names: of the units.
        activity: `(units, photos)`.
        photos: their numbers in the folder, rising; so they are sorted by class.
    """
    labels = folder.labels[photos]
    there, starts = np.unique(labels, return_index=True)
    counts = np.diff([*starts, len(labels)])
    values = activity.astype(np.float64)
    mean = np.add.reduceat(values, starts, axis=1) / counts
    values -= np.repeat(mean, counts, axis=1)
    sd = np.sqrt(np.add.reduceat(values**2, starts, axis=1) / counts)
    table = {
        "unit": np.repeat(names, len(there)),
        "class": np.tile([folder.classes[i] for i in there], len(names)),
        "images": np.tile(counts, len(names)),
        "minimum": np.minimum.reduceat(activity, starts, axis=1).ravel(),
        "maximum": np.maximum.reduceat(activity, starts, axis=1).ravel(),
        "mean": mean.ravel(),
        "sd": sd.ravel(),
    }
    return pd.DataFrame(table)


def strongest(
    names: list[str],
    activity: NDArray[np.float32],
    folder: PhotoFolder,
    photos: NDArray[np.int64],
    top: int,
) -> pd.DataFrame:
    """List each unit's strongest photos, the strongest first; of equals the earlier."""
    kept = min(top, activity.shape[1])
    bound = -np.partition(-activity, kept - 1, axis=1)[:, kept - 1]
    chosen = []
    for row, least in zip(activity, bound, strict=True):
        beyond = np.flatnonzero(row >= least)
        chosen.append(beyond[np.argsort(-row[beyond], kind="stable")][:kept])
    order = np.array(chosen).reshape(len(names), kept)
    return pd.DataFrame(
        {
            "unit": np.repeat(names, kept),
            "rank": np.tile(np.arange(1, kept + 1), len(names)),
            "photo": [folder.names[i] for i in photos[order].ravel()],
            "activity": np.take_along_axis(activity, order, 1).ravel(),
        }
    )
