"""What was measured: tables, the settings they came from, and both in a folder."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from invariscope.errors import StoreError
from invariscope.invariance.tables import EVERY
from invariscope.markup import notebook
from invariscope.store.files import make_folder
from invariscope.store.hashes import check_hashed, write_hashed

REPAIR = "measure it again"
SETTINGS = "invariance.json"
TABLES = ("units", "images", "top", "summary")


@dataclass(frozen=True)
class Invariance:
    """Invariance coefficients and what belongs to them.

    Attributes:
        settings: `measured`, what the tables depend on; `labels`, what a person calls it;
            `context`, where it was computed.
        units: one row a site, unit, transformation and class (see `tables.unit_table`).
        images: active units of each image (see `tables.image_table`).
        top: Goodfellow et al.'s rule (see `tables.top_table`).
    """

    settings: dict[str, Any]
    units: pd.DataFrame = field(repr=False)
    images: pd.DataFrame = field(repr=False)
    top: pd.DataFrame = field(repr=False)

    @property
    def summary(self) -> pd.DataFrame:
        """One row a site, transformation and class: the distribution of I_k over its units.

        Returns:
            `site`, `transformation`, `class`, `units`, `measured` (units with a coefficient),
            `mean`, `q25`, `median`, `q75` of I_k, `specialization` (mean), `images_per_unit` and
            `units_per_image` (mean shares, over measured units and over images).
        """
        keys = ["site", "transformation", "class"]
        units = self.units.copy()
        share = (units["active"] / units["images"]).astype("Float64")
        units["share"] = share.where(units["invariance"].notna()).astype(float)
        groups = units.groupby(keys, sort=False)
        table = groups.agg(
            units=("unit", "size"),
            measured=("invariance", "count"),
            mean=("invariance", "mean"),
            q25=("invariance", lambda column: column.quantile(0.25)),
            median=("invariance", "median"),
            q75=("invariance", lambda column: column.quantile(0.75)),
            specialization=("specialization", "mean"),
            images_per_unit=("share", "mean"),
        )
        images = self.images.assign(**{"class": EVERY}).groupby(keys, sort=False)
        table["units_per_image"] = images["share"].mean()
        return table.reset_index()

    def _repr_html_(self) -> str:
        """What a notebook shows: the distribution over units, by site and transformation."""
        summary = self.summary
        every = summary.loc[(summary["class"] == EVERY).to_numpy(bool)]
        return notebook(
            f"invariance coefficients of {self.settings['labels']['subject']}",
            [f"{self.settings['labels']['images']} images, τ = {self.settings['measured']['tau']}"],
            [],
            every.drop(columns="class").to_html(index=False, max_rows=30, border=0),
        )

    def save(self, folder: str | Path) -> Path:
        """Write every table as Parquet, all but `images` as CSV too, and the settings last.

        Raises:
            StoreError: the folder cannot be written.
        """
        place = make_folder(Path(folder))
        for name in TABLES:
            table: pd.DataFrame = getattr(self, name)
            write_hashed(place / f"{name}.parquet", lambda part, t=table: t.to_parquet(part))
            if name != "images":
                write_hashed(
                    place / f"{name}.csv", lambda part, t=table: t.to_csv(part, index=False)
                )
        text = json.dumps(self.settings, indent=2)
        write_hashed(place / SETTINGS, lambda part: part.write_text(text + "\n", encoding="utf-8"))
        return place


def load_invariance(folder: str | Path) -> Invariance:
    """Read what `Invariance.save` wrote.

    Raises:
        StoreError: the folder holds no result, or a damaged one.
    """
    place = Path(folder)
    if not (place / SETTINGS).exists():
        raise StoreError(
            f"{str(place)!r} holds no {SETTINGS}; expected what `invariscope coefficient` wrote"
        )
    read = ("units", "images", "top")
    for name in (SETTINGS, *(f"{n}.parquet" for n in read)):
        check_hashed(place / name, REPAIR)
    try:
        settings = json.loads((place / SETTINGS).read_text(encoding="utf-8"))
        tables = {n: pd.read_parquet(place / f"{n}.parquet") for n in read}
        for part in ("measured", "labels"):
            dict.items(settings[part])
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise StoreError(f"{str(place)!r} is damaged ({error}); {REPAIR}") from error
    return Invariance(settings, **tables)
