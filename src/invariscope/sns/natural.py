"""How units respond to natural images: the scale that stopping rules and percentiles need."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from invariscope.errors import InputError
from invariscope.subjects.base import Subject
from invariscope.units import Target

PERCENTILES = (0.1, 1, 5, 25, 50, 75, 95, 99, 99.9)
SPLITS = ("train", "val")


@dataclass(frozen=True)
class UnitStatistics:
    """One unit's activity over natural images.

    Attributes:
        images: how many images were shown.
        minimum, maximum, mean, sd: of its activity.
        at_minimum: share of images whose activity equals the minimum; of a rectified unit's
            floor this is large.
        percentiles: the activity at each of `PERCENTILES`.
    """

    images: int
    minimum: float
    maximum: float
    mean: float
    sd: float
    at_minimum: float
    percentiles: tuple[float, ...]

    @property
    def has_floor(self) -> bool:
        """Whether several images share the minimum, as under a rectifier."""
        return self.at_minimum * self.images > 1.5


class NaturalStatistics:
    """A table of `UnitStatistics` by unit address and split.

    Args:
        table: columns `unit`, `split`, `images`, `minimum`, `maximum`, `mean`, `sd`,
            `at_minimum` and `p0.1` … `p99.9`.
    """

    def __init__(self, table: pd.DataFrame) -> None:
        self.table = table
        keys = zip(table["unit"], table["split"], strict=True)
        self._row = {key: row for row, key in enumerate(keys)}

    @classmethod
    def load(cls, path: Path) -> "NaturalStatistics":
        """Read the table from a parquet file; one that was read last and is unchanged is kept."""
        state = path.stat()
        return _read(path, state.st_mtime_ns, state.st_size)

    def of(self, target: Target, split: str = "train") -> UnitStatistics | None:
        """The statistics of a single unit, or None where they are not known."""
        if len(target.units) != 1:
            return None
        row = self._row.get((str(target), split))
        if row is None:
            return None
        values = self.table.iloc[row]
        return UnitStatistics(
            images=int(values["images"]),
            percentiles=tuple(float(values[f"p{q:g}"]) for q in PERCENTILES),
            **{
                key: float(values[key])
                for key in ("minimum", "maximum", "mean", "sd", "at_minimum")
            },
        )


@lru_cache(maxsize=4)
def _read(path: Path, *_state: int) -> NaturalStatistics:
    """The table in a file, as long as the file stays as it is."""
    return NaturalStatistics(pd.read_parquet(path))


def unit_activities(subject: Subject, images: Tensor, sites: Iterable[str]) -> dict[str, Tensor]:
    """Every unit's activity for a batch: of a `(channels, h, w)` site the spatial means.

    Args:
        images: `(n, 3, height, width)` in [0, 1].

    Returns:
        For each site `(n, units)` float32 on the CPU, in the order of `unit_names`.
    """
    responses = subject.respond(images, sites)
    return {
        site: (r.float().mean((2, 3)) if r.ndim == 4 else r.float().flatten(1)).cpu()
        for site, r in responses.items()
    }


def unit_names(site: str, shape: tuple[int, ...]) -> list[str]:
    """The addresses of a site's units, in the order of `unit_activities`."""
    counted = shape[:1] if len(shape) == 3 else shape
    return [f"{site}:{','.join(map(str, index))}" for index in np.ndindex(*counted)]


def measure_natural(
    subject: Subject, batches: Iterable[Tensor], sites: Iterable[str], split: str
) -> pd.DataFrame:
    """Show natural images to a subject and describe each unit's activity.

    Args:
        batches: images `(n, 3, height, width)` in [0, 1]; use batches of equal size.
        sites: which sites; every unit (or channel's mean) of them is described.
        split: what the images are, `train` or `val`.

    Returns:
        The table that `NaturalStatistics` takes, in the order of sites and units.

    Raises:
        InputError: no images.
    """
    wanted = list(sites)
    parts: dict[str, list[Tensor]] = {site: [] for site in wanted}
    for batch in batches:
        for site, activity in unit_activities(subject, batch, wanted).items():
            parts[site].append(activity)
    if not any(parts.values()):
        raise InputError("no natural images were given; expected at least one batch")
    shapes = subject.sites()
    tables = [
        describe_activity(
            torch.cat(parts[site]).double().numpy(), unit_names(site, shapes[site]), split
        )
        for site in wanted
    ]
    return pd.concat(tables, ignore_index=True)


def describe_activity(
    activity: NDArray[np.float64], units: Sequence[str], split: str
) -> pd.DataFrame:
    """Describe units' activities, as rows of the table that `NaturalStatistics` takes.

    Args:
        activity: `(images, units)`.
        units: their addresses.
        split: what the images are, `train` or `val`.
    """
    minimum = activity.min(0)
    columns: dict[str, Any] = {
        "unit": units,
        "split": split,
        "images": len(activity),
        "minimum": minimum,
        "maximum": activity.max(0),
        "mean": activity.mean(0),
        "sd": activity.std(0),
        "at_minimum": (activity == minimum).mean(0),
    }
    levels = np.percentile(activity, PERCENTILES, axis=0)
    columns |= {f"p{q:g}": level for q, level in zip(PERCENTILES, levels, strict=True)}
    return pd.DataFrame(columns)
