"""Result files of a study of networks → its tables."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from invariscope.analysis.across import (
    NONE,
    NetworkTables,
    accuracy_table,
    beside,
    confusion_table,
    invariance_means,
)
from invariscope.categories.evaluate import ABLATION, ANSWERS, INVARIANCE, TAU, read_measured
from invariscope.categories.folder import read_outcome
from invariscope.categories.study import read_plan
from invariscope.errors import StoreError
from invariscope.invariance.result import load_invariance


def _about(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "network": row["name"][:12],
        "trained": row["transformation"],
        "count": row["count"],
        "seed": row["seed"],
    }


def _answers(place: Path, row: dict[str, Any], classes: list[str]) -> pd.DataFrame:
    table = read_measured(place / ANSWERS)
    saw = np.array([name in row["seen"] for name in classes])
    table = table.assign(**_about(row), seen=saw[table["label"].to_numpy()])
    return table.assign(seen_answer=saw[table["answer"].to_numpy()])


def read_tables(study: Path) -> NetworkTables:
    """Read the tables of a study from the files of its networks.

    Networks that are not trained or measured yet are left out.

    Args:
        study: its folder.

    Raises:
        StoreError: no study there, or nothing measured yet.
    """
    plan = read_plan(study)
    parts: dict[str, list[pd.DataFrame]] = {
        name: [] for name in ("answers", "units", "means", "images", "ablation", "tau", "training")
    }
    measured: dict[str, Any] = {}
    sites: tuple[str, ...] = ()
    for row in plan["networks"]:
        place, about = study / "networks" / row["folder"], _about(row)
        if not (place / ANSWERS).exists() or not (place / INVARIANCE / "invariance.json").exists():
            continue
        parts["answers"].append(_answers(place, row, plan["categories"]))
        result = load_invariance(place / INVARIANCE)
        if measured and measured["reading"] != result.settings["measured"]["reading"]:
            raise StoreError(
                f"{str(place / INVARIANCE)!r} and others of the study were measured with other "
                "units: an earlier version took a channel's mean over places; move the folder "
                f"{INVARIANCE!r} of every network of the study away, and `categories evaluate` "
                "measures each place"
            )
        measured = result.settings["measured"]
        units: Any = result.units.assign(**about)
        sites = tuple(dict.fromkeys(units["site"]))
        parts["means"].append(invariance_means(units))
        parts["units"].append(units[units["site"] == sites[-1]])
        parts["images"].append(result.images.assign(**about))
        for name, file in (("ablation", ABLATION), ("tau", TAU)):
            if (place / file).exists():
                parts[name].append(read_measured(place / file).assign(**about))
        outcome = read_outcome(place)
        seconds = sum(e["seconds"] / e["together"] for e in outcome["history"])
        last = {**outcome["history"][-1], "seconds": seconds}
        parts["training"].append(pd.DataFrame([{**about, **last}]))
    if not parts["answers"]:
        raise StoreError(f"nothing is measured in {str(study)!r} yet; see `categories evaluate`")
    whole = {k: pd.concat(v, ignore_index=True) if v else pd.DataFrame() for k, v in parts.items()}
    return _tables(plan, measured, whole, sites)


def _tables(
    plan: dict[str, Any],
    measured: dict[str, Any],
    whole: dict[str, pd.DataFrame],
    sites: tuple[str, ...],
) -> NetworkTables:
    answers: Any = whole["answers"]
    images: Any = whole["images"]
    accuracy, means = accuracy_table(answers), whole["means"]
    own = answers[(answers["tested"] == answers["trained"]) & (answers["trained"] != NONE)]
    return NetworkTables(
        plan=plan,
        measured=measured,
        accuracy=accuracy,
        confusion=confusion_table(own, own["seen_answer"]),
        means=means,
        beside=beside(accuracy, means, sites[-1]),
        units=whole["units"],
        images=images[images["site"] == sites[-1]].reset_index(drop=True),
        ablation=whole["ablation"],
        tau=whole["tau"],
        training=whole["training"],
        site=sites[-1],
        sites=sites,
    )
