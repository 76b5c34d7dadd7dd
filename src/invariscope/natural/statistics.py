"""Units' activity over natural images: the scale of stopping rules and percentiles."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
import pyarrow as pa
import torch
from numpy.typing import NDArray
from pyarrow import ArrowInvalid, parquet
from torch import Tensor

from invariscope.errors import InputError, StoreError
from invariscope.plurals import number_of
from invariscope.store.hashes import check_hashed, write_hashed
from invariscope.subjects.base import Subject
from invariscope.subjects.trust import answers, changed_answer
from invariscope.units import Target, channels_first, channels_last

PERCENTILES = (0.1, 1, 5, 25, 50, 75, 95, 99, 99.9)
SPLITS = ("train", "val")
METADATA = b"invariscope"
ANSWERS = "answers"


@dataclass(frozen=True)
class UnitStatistics:
    """A unit's activity over natural images.

    Attributes:
        images: number of images shown.
        minimum, maximum, mean, sd: of the activity.
        at_minimum: share of images whose activity equals the minimum, large for the floor of a
            rectified unit.
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
    """A table of `UnitStatistics` by unit address and split, of a subject.

    Args:
        table: columns `unit`, `split`, `images`, `minimum`, `maximum`, `mean`, `sd`,
            `at_minimum` and `p0.1` … `p99.9`.
        identity: of the subject that answered.
        about: notes about the photos, for people.
    """

    def __init__(
        self, table: pd.DataFrame, identity: dict[str, Any], about: dict[str, Any] | None = None
    ) -> None:
        self.table, self.identity, self.about = table, identity, about or {}
        keys = zip(table["unit"], table["split"], strict=True)
        self._row = {key: row for row, key in enumerate(keys)}

    def __repr__(self) -> str:
        """Count the units and images in one line."""
        images = int(self.table["images"].to_numpy().max()) if len(self.table) else 0
        units = len(self.table["unit"].unique())
        return f"NaturalStatistics({number_of(units, 'unit')}, {number_of(images, 'image')})"

    @classmethod
    def load(cls, path: Path, subject: Subject) -> Self:
        """Read the table of a subject from a parquet file.

        Raises:
            StoreError: the file is missing, damaged or no such table.
            InputError: the table is of another subject.
        """
        check_hashed(path, "measure it again with `invariscope natural`")
        try:
            state = path.stat()
            stored = _stored(path, state.st_mtime_ns, state.st_size)
        except (OSError, ArrowInvalid) as error:
            raise StoreError(
                f"{str(path)!r} cannot be read as natural statistics; measure them again with "
                "`invariscope natural`"
            ) from error
        metadata = (stored.schema.metadata or {}).get(METADATA)
        if metadata is None:
            raise StoreError(
                f"{str(path)!r} does not say which network it is of; measure natural statistics "
                "with `invariscope natural`"
            )
        try:
            about = dict(json.loads(metadata))
            identity = dict(about.pop("identity"))
            table = stored.to_pandas()
            table[["minimum", "maximum", "mean", "sd"]].to_numpy(float)
            statistics = cls(table, identity, about)
        except (ValueError, KeyError, TypeError) as error:
            raise StoreError(
                f"{str(path)!r} is damaged; measure it again with `invariscope natural`"
            ) from error
        own = _plain(subject.natural_identity())
        # The architecture's text may change with torch's version; the weights' names do not.
        # A published table, whose identity is empty, does not say which weights it is of.
        compared = sorted((identity.keys() | own.keys()) - {"architecture"}) if identity else []
        differ = [k for k in compared if identity.get(k) != own.get(k)]
        if differ:
            raise InputError(
                f"the natural statistics in {str(path)!r} are of another subject than "
                f"{subject.name} (these differ: {', '.join(differ)}); measure them again with "
                "`invariscope natural`"
            )
        if site := _answered_otherwise(about.get(ANSWERS, {}), subject, (path, state.st_mtime_ns)):
            raise InputError(
                f"{subject.name} answers otherwise at site {site!r} than when the natural "
                f"statistics in {str(path)!r} were measured; measure them again with "
                "`invariscope natural`"
            )
        return statistics

    def save(self, path: Path) -> None:
        """Write the table as parquet, with the subject's identity in its metadata.

        Raises:
            StoreError: the file cannot be written.
        """
        table = pa.Table.from_pandas(self.table, preserve_index=False)
        metadata = json.dumps({"identity": _plain(self.identity), **self.about}, sort_keys=True)
        table = table.replace_schema_metadata({**table.schema.metadata, METADATA: metadata})
        write_hashed(path, lambda part: parquet.write_table(table, part, compression="zstd"))

    def of(self, target: Target, split: str = "train") -> UnitStatistics | None:
        """Look up the statistics of a single unit; None where unknown."""
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


def _answered_otherwise(
    before: dict[str, Any], subject: Subject, table: tuple[Path, int]
) -> str | None:
    """Find a site where a subject answers otherwise than its table says; each table once."""
    if table in subject.compared or not before:
        return None
    site = changed_answer(before, answers(subject, before))
    if site is None:
        subject.compared |= {table}
    return site


@lru_cache(maxsize=4)
def _stored(path: Path, *_state: int) -> pa.Table:
    """Read the table in a file, once for each state of the file."""
    return parquet.read_table(path)


def site_activities(response: Tensor) -> Tensor:
    """Reduce a site's response to units' activity: with height and width the spatial means.

    Returns:
        `(n, units)` float32, in the order of `unit_names`.
    """
    if response.ndim != 4:
        return response.float().flatten(1)
    return channels_first(response).float().mean((2, 3))


def unit_activities(subject: Subject, images: Tensor, sites: Iterable[str]) -> dict[str, Tensor]:
    """Measure every unit's activity for a batch, site by site, on the CPU.

    Args:
        images: `(n, 3, height, width)` in [0, 1].
    """
    responses = subject.respond(images, sites)
    return {site: site_activities(r).cpu() for site, r in responses.items()}


def unit_names(site: str, shape: tuple[int, ...]) -> list[str]:
    """List the addresses of a site's units, in the order of `site_activities`."""
    counted = shape if len(shape) != 3 else shape[-1:] if channels_last(shape) else shape[:1]
    return [f"{site}:{','.join(map(str, index))}" for index in np.ndindex(*counted)]


def describe(activity: NDArray[np.floating[Any]]) -> dict[str, NDArray[Any] | int]:
    """Compute the columns of natural statistics, but for the units' names and the split.

    Args:
        activity: `(units, images)`.
    """
    values = activity.astype(np.float64)
    minimum = values.min(1)
    columns: dict[str, NDArray[Any] | int] = {
        "images": values.shape[1],
        "minimum": minimum,
        "maximum": values.max(1),
        "mean": values.mean(1),
        "sd": values.std(1),
        "at_minimum": (values == minimum[:, None]).mean(1),
    }
    levels = np.percentile(values, PERCENTILES, axis=1, overwrite_input=True)
    return columns | {f"p{q:g}": level for q, level in zip(PERCENTILES, levels, strict=True)}


def measure_natural(
    subject: Subject, batches: Iterable[Tensor], sites: Iterable[str], split: str
) -> NaturalStatistics:
    """Show natural images to a subject and describe each unit's activity, all in memory.

    Args:
        batches: images `(n, 3, height, width)` in [0, 1]; use batches of equal size.
        sites: the sites; every unit (or channel's mean) there is described.
        split: the images' part in the training, `train` or `val`.

    Returns:
        The statistics in the order of sites and units.

    Raises:
        InputError: no images.
    """
    parts: dict[str, list[Tensor]] = {site: [] for site in sites}
    for batch in batches:
        for site, activity in unit_activities(subject, batch, parts).items():
            parts[site].append(activity)
    if not any(parts.values()):
        raise InputError("no natural images were given; expected at least one batch")
    shapes, tables = subject.sites(), []
    for site, activities in parts.items():
        names = {"unit": unit_names(site, shapes[site]), "split": split}
        tables.append(pd.DataFrame(names | describe(torch.cat(activities).T.numpy())))
    return NaturalStatistics(pd.concat(tables, ignore_index=True), subject.natural_identity())


def _plain(identity: dict[str, Any]) -> dict[str, Any]:
    """Pass an identity through JSON."""
    return json.loads(json.dumps(identity))
