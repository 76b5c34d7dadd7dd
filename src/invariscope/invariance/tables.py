"""What was added up, as tables: a coefficient for every unit, or the reason why it has none."""

from collections.abc import Iterator, Sequence
from itertools import product

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from invariscope.invariance.extremes import Extremes
from invariscope.invariance.first_pass import FirstPass
from invariscope.invariance.passes import MeasurementSetup
from invariscope.invariance.reading import unit_names
from invariscope.invariance.tally import ActiveSums
from invariscope.subjects.kinds import SILENT, WITHOUT_ANSWER, unit_kinds

EVERY = "all"
ONE_IMAGE = "one image: its own activity is the maximum, so every unit would count as active"
NO_IMAGE = "no image of this class"
INACTIVE = "no image activates it above the threshold"
TOO_FEW = "fewer than one image in this share"
NEVER_FIRES = "fires for no image"

Array = NDArray[np.float64]


def _array(tensor: Tensor) -> Array:
    return tensor.double().cpu().numpy()


def _faults(setup: MeasurementSetup, extremes: Extremes, place: int) -> NDArray[np.object_]:
    """Why a unit has no scale at all, `(units,)`; empty where it has one."""
    units = sum(setup.units.values())
    if place in setup.failed:
        return np.full(units, setup.failed[place], object)
    if extremes.images < 2:
        return np.full(units, ONE_IMAGE, object)
    low, high = map(_array, extremes.range(place))
    kinds = unit_kinds(low, high)
    # Without a reading of its negative activity, a unit that is never positive is silent here.
    silent = _array(extremes.maximum(place, setup.negatives)) == 0
    kinds = np.where(silent, SILENT, kinds)
    return np.where(np.isin(kinds, WITHOUT_ANSWER), kinds, "").astype(object)


def _mean(total: Array, number: Array, known: NDArray[np.bool_]) -> Array:
    return np.divide(total, number, out=np.full(total.shape, np.nan), where=known)


def unit_table(
    setup: MeasurementSetup, extremes: Extremes, tally: ActiveSums, classes: Sequence[str]
) -> pd.DataFrame:
    """One row a site, unit, transformation and class.

    Args:
        classes: names of the tally's groups; empty where classes do not matter.

    Returns:
        `site`, `unit`, `transformation`, `class` (`all` for every image), `images` shown,
        `active` of them (A_k), `invariance` (I_k), `specialization`, `maximum` and `minimum` of
        its activity over images as they are and transformed, and `reason`: why a coefficient is
        missing, else empty.
    """
    parts = []
    for place in range(len(setup.labels)):
        faults = _faults(setup, extremes, place)
        known = place not in setup.failed
        low, high = map(_array, extremes.range(place)) if known else (None, None)
        for group, images, active, h, specialization in _groups(setup, tally, place, classes):
            there = (faults == "") & (active > 0)
            empty = NO_IMAGE if images == 0 else INACTIVE
            columns = {
                **_units(setup),
                "transformation": setup.labels[place],
                "class": group,
                "images": images,
                "active": pd.array(active if known else [pd.NA] * len(active), "Int64"),
                "invariance": _mean(h, active, there),
                "specialization": _mean(specialization, active, there),
                "maximum": np.nan if high is None else high,
                "minimum": np.nan if low is None else low,
                "reason": np.where(faults != "", faults, np.where(there, "", empty)),
            }
            parts.append(pd.DataFrame(columns))
    return _by_site(setup, parts)


def _units(setup: MeasurementSetup) -> dict[str, list[str]]:
    """The columns `site` and `unit` of all units."""
    shapes = setup.subject.sites()
    return {
        "site": [site for site, units in setup.units.items() for _ in range(units)],
        "unit": [u for site in setup.sites for u in unit_names(site, shapes[site], setup.reading)],
    }


def _by_site(setup: MeasurementSetup, parts: list[pd.DataFrame]) -> pd.DataFrame:
    """Tables below each other, ordered by site first."""
    own = np.repeat(np.arange(len(setup.sites)), list(setup.units.values()))
    order = np.argsort(np.tile(own, len(parts)), kind="stable")
    return pd.concat(parts, ignore_index=True).iloc[order].reset_index(drop=True)


def _groups(
    setup: MeasurementSetup, tally: ActiveSums, place: int, classes: Sequence[str]
) -> Iterator[tuple[str, int, Array, Array, Array]]:
    """(class, images, active, h, specialization) for all images, then for each class."""
    images = _array(tally.images)
    nothing = torch.zeros(len(images), sum(setup.units.values()))
    active, h, specialization = (
        _array(sums.get(place, nothing))
        for sums in (tally.active, tally.invariance, tally.specialization)
    )
    yield EVERY, int(images.sum()), active.sum(0), h.sum(0), specialization.sum(0)
    for row, name in enumerate(classes):
        yield name, int(images[row]), active[row], h[row], specialization[row]


def image_table(setup: MeasurementSetup, tally: ActiveSums) -> pd.DataFrame:
    """How many neurons an image activates (Fig. 3a), one row a site, transformation and image.

    Returns:
        `site`, `transformation`, `image`, `active` units, and their `share` of the units that are
        neither silent nor constant; no rows for a transformation that failed.
    """
    shown = tally.shown.numpy()
    names = np.array(setup.images.names, object)[shown]
    parts = []
    for depth, site in enumerate(setup.sites):
        for place, active in tally.units_active.items():
            if place in setup.failed:
                continue
            number = active[:, depth].numpy()[shown]
            counted = int(tally.counted[place][setup.places[site]].sum())
            columns = {
                "site": site,
                "transformation": setup.labels[place],
                "image": names,
                "active": number,
                "share": number / counted if counted else np.nan,
            }
            parts.append(pd.DataFrame(columns))
    columns = ["site", "transformation", "image", "active", "share"]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


def top_table(setup: MeasurementSetup, first: FirstPass, tally: ActiveSums) -> pd.DataFrame:
    """Goodfellow et al.'s rule, one row a site, unit, transformation and share of images.

    Returns:
        `site`, `unit`, `transformation`, `percent` (k), `threshold` in units of activity, `fired`
        (untransformed images above it), `kept` (the share of them that stay above it when
        transformed), and `reason`: why `kept` is missing, else empty.
    """
    parts = []
    fired = _array(tally.fired)
    for place, (row, percent) in product(range(len(setup.labels)), enumerate(first.percents)):
        faults = _faults(setup, first.extremes, place)
        level = _array(first.levels[row])
        kept = _array(tally.kept.get(place, torch.zeros_like(first.levels))[row])
        there = (faults == "") & (fired[row] > 0)
        other = np.where(np.isnan(level), TOO_FEW, NEVER_FIRES)
        part = {
            **_units(setup),
            "transformation": setup.labels[place],
            "percent": percent,
            "threshold": level,
            "fired": fired[row].astype(int),
            "kept": _mean(kept, fired[row], there),
            "reason": np.where(faults != "", faults, np.where(there, "", other)),
        }
        parts.append(pd.DataFrame(part))
    columns = ["site", "unit", "transformation", "percent", "threshold", "fired", "kept", "reason"]
    return _by_site(setup, parts) if parts else pd.DataFrame(columns=columns)
