"""Measured tables with their settings, and both in a folder."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from invariscope.errors import StoreError
from invariscope.invariance.accumulate import EVERY
from invariscope.markup import notebook
from invariscope.plurals import number_of
from invariscope.store.files import make_folder
from invariscope.store.hashes import check_hashed, write_hashed
from invariscope.subjects.trust import changed_answer

REPAIR = "measure it again"
SETTINGS = "invariance.json"
TABLES = ("units", "images", "top", "summary")
OPTIONAL = {"ablation": "ablation", "tau": "tau_tried"}  # by the name of the file


@dataclass(frozen=True)
class Invariance:
    """Invariance coefficients, with settings and further tables.

    Attributes:
        settings: `measured`, what the tables depend on; `labels`, what a person calls it;
            `context`, where it was computed.
        units: one row a site, unit, transformation and class (see `accumulate.unit_table`).
        images: active units of each image (see `accumulate.image_table`).
        top: Goodfellow et al.'s rule (see `accumulate.top_table`).
        ablation: accuracies without some units (see `ablation.ablation_accuracy`), or None.
        tau_tried: the search for τ (see `ablation.TauChoice`), or None.

    Example:
        >>> import torch
        >>> import invariscope as iv
        >>> subject = iv.FunctionSubject(lambda x: x.mean((2, 3)), name="mean colour", image_size=8)
        >>> images = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))
        >>> found = iv.invariance_coefficient(subject, images, "inversion", sites="output", top=())
        >>> found.summary[["transformation", "measured", "mean"]].round(2).to_dict("records")
        [{'transformation': 'inversion', 'measured': 3, 'mean': 0.96}]
    """

    settings: dict[str, Any]
    units: pd.DataFrame = field(repr=False)
    images: pd.DataFrame = field(repr=False)
    top: pd.DataFrame = field(repr=False)
    ablation: pd.DataFrame | None = field(default=None, repr=False)
    tau_tried: pd.DataFrame | None = field(default=None, repr=False)

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

    def __repr__(self) -> str:
        """Name the subject and count units, transformations and images in one line."""
        labels = self.settings["labels"]
        units = self.units[["site", "unit"]].drop_duplicates()
        return (
            f"Invariance({labels['subject']}: {number_of(len(units), 'unit')} at "
            f"{number_of(len(set(units['site'])), 'site')}, "
            f"{number_of(len(labels['transformations']), 'transformation')}, "
            f"{number_of(labels['images'], 'image')})"
        )

    def _repr_html_(self) -> str:
        """Show the distribution over units in a notebook, by site and transformation."""
        summary = self.summary
        every = summary.loc[(summary["class"] == EVERY).to_numpy(bool)]
        images = number_of(self.settings["labels"]["images"], "image")
        return notebook(
            f"invariance coefficients of {self.settings['labels']['subject']}",
            [f"{images}, τ = {self.settings['measured']['tau']}"],
            [],
            every.drop(columns="class").to_html(index=False, max_rows=30, border=0),
        )

    def save(self, folder: str | Path) -> Path:
        """Write every table as Parquet, all but `images` as CSV too, and the settings last.

        Raises:
            StoreError: the folder cannot be written.
        """
        place = make_folder(Path(folder))
        tables = {name: getattr(self, name) for name in TABLES}
        tables |= {name: getattr(self, own) for name, own in OPTIONAL.items()}
        for name, table in tables.items():
            if table is None:
                continue
            write_hashed(place / f"{name}.parquet", lambda part, t=table: t.to_parquet(part))
            if name != "images":
                write_hashed(
                    place / f"{name}.csv", lambda part, t=table: t.to_csv(part, index=False)
                )
        text = json.dumps(self.settings, indent=2)
        write_hashed(place / SETTINGS, lambda part: part.write_text(text + "\n", encoding="utf-8"))
        return place


def load_invariance(folder: str | Path) -> Invariance:
    """Read a result that `Invariance.save` wrote.

    Raises:
        StoreError: the folder holds no result, or a damaged one.

    Example:
        >>> import torch
        >>> import invariscope as iv
        >>> subject = iv.FunctionSubject(lambda x: x.mean((2, 3)), name="mean colour", image_size=8)
        >>> images = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))
        >>> found = iv.invariance_coefficient(subject, images, "inversion", sites="output", top=())
        >>> folder = found.save("coefficients")
        >>> iv.load_invariance(folder).units["unit"].tolist()
        ['output:0', 'output:1', 'output:2']
    """
    place = Path(folder)
    if not (place / SETTINGS).exists():
        raise StoreError(
            f"{str(place)!r} holds no {SETTINGS}; expected what `invariscope coefficient` wrote"
        )
    read = ("units", "images", "top")
    optional = {n: own for n, own in OPTIONAL.items() if (place / f"{n}.parquet").exists()}
    for name in (SETTINGS, *(f"{n}.parquet" for n in (*read, *optional))):
        check_hashed(place / name, REPAIR)
    try:
        settings = json.loads((place / SETTINGS).read_text(encoding="utf-8"))
        tables = {n: pd.read_parquet(place / f"{n}.parquet") for n in read}
        tables |= {own: pd.read_parquet(place / f"{n}.parquet") for n, own in optional.items()}
        for part in ("measured", "labels"):
            dict.items(settings[part])
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise StoreError(f"{str(place)!r} is damaged ({error}); {REPAIR}") from error
    return Invariance(settings, **tables)


def check_same(
    path: Path,
    kind: str,
    settings: tuple[Mapping[str, Any], Mapping[str, Any]],
    answers: tuple[Mapping[str, Any], Mapping[str, Any]],
) -> None:
    """Hold a kept measurement to the settings asked for.

    Args:
        path: of the kept one.
        kind: what a person calls it: `result`, `calibration`.
        settings: what the figures depend on, kept and asked for.
        answers: what the subject answers to the probe images, kept and now.

    Raises:
        StoreError: settings or answers differ.
    """
    there, asked = settings
    differing = [k for k in dict.fromkeys([*asked, *there]) if asked.get(k) != there.get(k)]
    if differing:
        raise StoreError(
            f"{str(path)!r} holds a {kind} with another {', another '.join(differing)}; "
            "choose another folder (--out)"
        )
    if site := changed_answer(dict(answers[0]), dict(answers[1])):
        raise StoreError(
            f"the subject answers otherwise at site {site!r} than when the {kind} in "
            f"{str(path)!r} was measured; choose another folder (--out)"
        )
