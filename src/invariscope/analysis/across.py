"""Networks that saw some categories transformed: accuracy, confusion, invariance.

Every function takes tables and gives a table. `answers`: one row a network, tested
transformation and test image, with `network`, `trained`, `count`, `seed`, `tested`, `label`,
`answer` and `seen` (whether the network saw the label's category transformed).
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from invariscope.store.files import make_folder, replace_file

NONE = "none"
GROUPS = ("all", "seen", "unseen")
QUADRANTS = {
    "I": ("unseen", "seen"),
    "II": ("seen", "seen"),
    "III": ("seen", "unseen"),
    "IV": ("unseen", "unseen"),
}
OF_NETWORK = ["network", "trained", "count", "seed"]


def _grouped(answers: pd.DataFrame) -> pd.DataFrame:
    """Double every row: in the group `all`, and in the group of its category."""
    own = answers.assign(group=np.where(answers["seen"], "seen", "unseen"))
    return pd.concat([answers.assign(group="all"), own], ignore_index=True)


def accuracy_table(answers: pd.DataFrame) -> pd.DataFrame:
    """Top-1 accuracy, one row a network, tested transformation and group of categories.

    Returns:
        `network`, `trained`, `count`, `seed`, `tested`, `group` (`all`; `seen`: within-category;
        `unseen`: across-category, absent where all are seen), `images`, `correct`, `accuracy`.
    """
    table = _grouped(answers)
    table["correct"] = table["label"] == table["answer"]
    keys = [*OF_NETWORK, "tested", "group"]
    sums = table.groupby(keys, sort=False)["correct"].agg(images="size", correct="sum")
    sums["accuracy"] = sums["correct"] / sums["images"]
    return sums.reset_index()


def confusion_table(answers: pd.DataFrame, seen_answers: pd.Series) -> pd.DataFrame:
    """Count where transformed images go: seen or unseen categories (Fig. 6's quadrants).

    Args:
        answers: of the networks, under the transformation that each was trained with.
        seen_answers: for each row, whether the answer is a category that was seen transformed.

    Returns:
        `network`, `trained`, `count`, `seed`, `quadrant` (I unseen → seen, II seen → seen,
        III seen → unseen, IV unseen → unseen), `images` of those categories, `share` of them.
    """
    table = answers.assign(
        of=np.where(answers["seen"], "seen", "unseen"),
        to=np.where(seen_answers, "seen", "unseen"),
    )
    rows: list[dict[str, Any]] = []
    groups: Any = table.groupby(OF_NETWORK, sort=False)
    for key, own in groups:
        for quadrant, (of, to) in QUADRANTS.items():
            images = int((own["of"] == of).sum())
            if images:
                went = int(((own["of"] == of) & (own["to"] == to)).sum())
                words = dict(zip(OF_NETWORK, key, strict=True))
                rows.append(
                    {**words, "quadrant": quadrant, "images": images, "share": went / images}
                )
    return pd.DataFrame(rows, columns=[*OF_NETWORK, "quadrant", "images", "share"])


def invariance_means(units: pd.DataFrame) -> pd.DataFrame:
    """Mean I_k over the units of each site, one row a network, transformation, site and group.

    Args:
        units: rows of `Invariance.units` of several networks, with the columns of a network.

    Returns:
        `network`, `trained`, `count`, `seed`, `transformation`, `site`, `group`, `units`
        (measured), `mean`, `specialization` (mean) and `spread` (SD of the specialization).
    """
    keys = [*OF_NETWORK, "transformation", "site", "class"]
    table = units.groupby(keys, sort=False).agg(
        units=("invariance", "count"),
        mean=("invariance", "mean"),
        specialization=("specialization", "mean"),
        spread=("specialization", "std"),
    )
    return table.reset_index().rename(columns={"class": "group"})


def beside(accuracy: pd.DataFrame, means: pd.DataFrame, site: str) -> pd.DataFrame:
    """Invariance at a site beside within- and across-category accuracy (Figs. 5a–c).

    Returns:
        One row a network that saw some categories transformed, under its own transformation:
        `network`, `trained`, `count`, `seed`, `within`, `across` (NaN where all are seen),
        `invariance` (over all images), `invariance_seen`, `invariance_unseen`.
    """
    own: Any = accuracy[(accuracy["tested"] == accuracy["trained"]) & (accuracy["trained"] != NONE)]
    wide = own.pivot_table(index=OF_NETWORK, columns="group", values="accuracy")
    rows: Any = means[(means["site"] == site) & (means["transformation"] == means["trained"])]
    h = rows.pivot_table(index=OF_NETWORK, columns="group", values="mean")
    accuracies = wide.reindex(columns=["seen", "unseen"])
    accuracies.columns = ["within", "across"]
    invariances = h.reindex(columns=list(GROUPS))
    invariances.columns = ["invariance", "invariance_seen", "invariance_unseen"]
    table = accuracies.join(invariances)
    return table.reset_index().sort_values(["trained", "seed", "count"], ignore_index=True)


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

    @property
    def layers_compare(self) -> bool:
        """Whether a unit of every layer is one number: of a convolution one channel at one place.

        A study that an earlier version measured has a channel's mean over places instead.
        """
        return self.measured.get("reading", "place") == "place"

    def save(self, folder: Path) -> Path:
        """Write every table as CSV."""
        place = make_folder(folder)
        for name in ("accuracy", "confusion", "means", "beside", "ablation", "tau", "training"):
            table: pd.DataFrame = getattr(self, name)
            replace_file(place / f"{name}.csv", lambda part, t=table: t.to_csv(part, index=False))
        replace_file(place / "units.parquet", self.units.to_parquet)
        return place
