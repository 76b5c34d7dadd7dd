"""Recognition of invariant images by kinds of observers, apart as in the paper (Fig. 4c)."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from invariscope.analysis.grouping import Rows, groups_by, rows_where, rows_with
from invariscope.analysis.intervals import LEVEL, CrossedInterval, crossed_interval

ERRORS = ("units_error", "observers_error")  # of a mean over both (`crossed_interval`)
KEYS = ("source", "kind", "task", "site")
ALL = "all"  # every kind of observer together
# The images whose recognition is compared: `match` of a table.
REACHED, COMPARED_LOSS = "25 of 50 reached", 25.0  # of a run; percent of the reference's activity
SAME_LOSS = f"loses at most {COMPARED_LOSS:g} %"
NEAR = 0.1  # of a pixel distance, by which a member at the "same" distance may miss it
SAME_DISTANCE = f"within {100 * NEAR:g} % of one pixel distance"
STANDARD, ROBUST = "standard", "robust"


def crossed(answers: Rows) -> pd.DataFrame:
    """Average answers over the images of a unit: units as rows, observers as columns."""
    return answers.pivot_table(
        index="unit", columns="observer", values="restricted", aggfunc="mean", sort=False
    )


def kinds_of(answers: Rows) -> Iterator[tuple[str, Rows]]:
    """Give the answers of each kind of observer, and last of all kinds."""
    for key, own in groups_by(answers, ["kind"]):
        if key["kind"]:
            yield key["kind"], own
    yield ALL, answers


def _ends(found: CrossedInterval, name: str = "accuracy") -> dict[str, float]:
    _, low, high, units, observers = found
    ends = {"low": low, "high": high, "units_error": units, "observers_error": observers}
    return {name: found.mean, **ends}


def recognition(answers: Rows) -> pd.DataFrame:
    """Estimate how often images are recognised, by kind of observer.

    Args:
        answers: one row an image and observer, `source`, `observer`, `kind` (the observer's
            role), `own` (whether the observer is the source), `task`, `site`, `unit` and
            `restricted` (whether the answer among the study's classes is right).

    Returns:
        One row a source, kind, task and site, the source itself left out as observer: `units`,
        `observers`, `images` (the answers of one observer), `accuracy` with its 95 % interval
        over units and observers (`low`, `high`, and both errors: `crossed_interval`).
    """
    rows = []
    others = rows_where(answers, ~answers["own"].astype(bool) & (answers["source"] != ""))
    for key, every in groups_by(others, ["source", "task", "site"]):
        for kind, own in kinds_of(every):
            table = crossed(own)
            counts = {"units": len(table), "observers": table.shape[1]}
            counts["images"] = len(own) // max(1, table.shape[1])
            found = _ends(crossed_interval(table.to_numpy()))
            found["low"], found["high"] = max(found["low"], 0.0), min(found["high"], 1.0)
            rows.append({**key, "kind": kind, **counts, **found})
    columns = [*KEYS, "units", "observers", "images", "accuracy", "low", "high", *ERRORS]
    return pd.DataFrame(rows, columns=columns)


def recognition_slopes(answers: Rows, sites: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """Fit a line to each unit's accuracy over the depth of the stretched site.

    Args:
        answers: as in `recognition`; the task `invariance` counts, and units with images at every
            site.
        sites: of each source, from the shallowest to the deepest; the slope is per step along
            them.

    Returns:
        One row a source and kind of observer: `units`, `observers` and `slope` with its 95 %
        interval over units and observers (`low`, `high`, and both errors: `crossed_interval`).
    """
    rows = []
    chosen = ~answers["own"].astype(bool) & (answers["task"] == "invariance")
    for key, every in groups_by(rows_where(answers, chosen), ["source"]):
        along = sites[key["source"]]
        places = np.arange(len(along)) - (len(along) - 1) / 2
        weights = places / (places**2).sum() if len(along) > 1 else places
        for kind, own in kinds_of(every):
            at = [crossed(rows_with(own, site=site)) for site in along]
            first = at[0]
            values = [part.reindex(index=first.index, columns=first.columns) for part in at]
            slope = sum(w * part.to_numpy(float) for w, part in zip(weights, values, strict=True))
            found = np.asarray(slope, float).reshape(first.shape)
            whole = np.isfinite(found).any(1)
            counts = {"units": int(whole.sum()), "observers": first.shape[1]}
            ends = _ends(crossed_interval(found[whole]), "slope")
            rows.append({**key, "kind": kind, **counts, **ends})
    columns = ["source", "kind", "units", "observers", "slope", "low", "high", *ERRORS]
    return pd.DataFrame(rows, columns=columns)


def robust_over_standard(answers: Rows, roles: dict[str, str]) -> pd.DataFrame:
    """Compare the recognition of robust networks' images with that of standard networks' images.

    Paired by unit and by observer: observers that are a source of the study are left out, since
    each would judge one side alone.

    Args:
        answers: as in `recognition`.
        roles: of the sources, by name.

    Returns:
        One row a kind of observer, task and site: `units`, `observers` and `difference` in
        accuracy, robust less standard, with its 95 % interval over units and observers (`low`,
        `high`), and the wider one (`low_all`, `high_all`) of all sites together (Bonferroni).
    """
    sources = set(answers["source"])
    outside = rows_where(answers, ~answers["observer"].isin(sources) & (answers["source"] != ""))
    outside = outside.assign(role=outside["source"].map(roles.get))
    rows = []
    parts = outside[outside["task"] != "adversarial"].groupby(["task", "site"]).ngroups
    level = 1 - (1 - LEVEL) / max(1, parts)
    for key, every in groups_by(outside, ["task", "site"]):
        for kind, own in kinds_of(every):
            robust, standard = (crossed(rows_with(own, role=r)) for r in (ROBUST, STANDARD))
            if not len(robust) or not len(standard):
                continue
            both: Any = (robust - standard).dropna(how="all")
            if not len(both):
                continue
            _, low, high, *_ = crossed_interval(both.to_numpy(), level)
            counts = {"units": len(both), "observers": both.shape[1]}
            found = _ends(crossed_interval(both.to_numpy()), "difference")
            rows.append({**key, "kind": kind, **counts, **found, "low_all": low, "high_all": high})
    columns = ["task", "site", "kind", "units", "observers", "difference"]
    columns += ["low", "high", *ERRORS, "low_all", "high_all"]
    return pd.DataFrame(rows, columns=columns)
