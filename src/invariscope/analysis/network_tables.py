"""Everything that a study of networks measured, as tables."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from invariscope.store.files import make_folder, replace_file


@dataclass(frozen=True)
class NetworkTables:
    """Everything that a study measured, as tables.

    Attributes:
        plan: what `plan.json` holds.
        measured: the settings of one measure of invariance: τ and what else was used.
        accuracy, confusion, means, beside: see `analysis.across`.
        units: I_k and specialization of every unit at the penultimate site, with the network.
        images: share of units that each image activates at that site.
        ablation, tau: see `invariance.ablation`, with the network.
        training: the last epoch of each network.
        site: the penultimate site.
        sites: all sites, shallow to deep.
    """

    plan: dict[str, Any]
    measured: dict[str, Any]
    accuracy: pd.DataFrame = field(repr=False)
    confusion: pd.DataFrame = field(repr=False)
    means: pd.DataFrame = field(repr=False)
    beside: pd.DataFrame = field(repr=False)
    units: pd.DataFrame = field(repr=False)
    images: pd.DataFrame = field(repr=False)
    ablation: pd.DataFrame = field(repr=False)
    tau: pd.DataFrame = field(repr=False)
    training: pd.DataFrame = field(repr=False)
    site: str
    sites: tuple[str, ...]

    @property
    def categories(self) -> int:
        return len(self.plan["categories"])

    @property
    def chance(self) -> float:
        return 1 / self.categories

    @property
    def transformations(self) -> list[str]:
        """The transformations with a measured network, in the plan's order."""
        there = set(self.accuracy["trained"])
        return [t for t in self.plan["transformations"] if t in there]

    def save(self, folder: Path) -> Path:
        """Write every table as CSV."""
        place = make_folder(folder)
        for name in ("accuracy", "confusion", "means", "beside", "ablation", "tau", "training"):
            table: pd.DataFrame = getattr(self, name)
            replace_file(place / f"{name}.csv", lambda part, t=table: t.to_csv(part, index=False))
        replace_file(place / "units.parquet", self.units.to_parquet)
        return place
