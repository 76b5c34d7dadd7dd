"""Changes of an image: light, colour, spectrum, texture and layout, measured and in words."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor

from invariscope import validate
from invariscope.analysis.grouping import Rows, groups_by, invariant, mean_sd, of_units
from invariscope.analysis.intervals import mean_interval, sign_flip_p
from invariscope.errors import InputError
from invariscope.photos.spectrum import frequencies, power, slopes
from invariscope.subjects.appearance_cells import luma, opponent_colours
from invariscope.subjects.pixels import saturation

GRID = 8  # places across the image at which layout is compared
BANDS = (8, 4, 2)  # cycles an image at which bands of texture begin, times the side / 32
TURNS = 4  # orientations of a band
SCALARS = ("luminance", "contrast", "colour", "slope")
DISTANCES = ("texture", "layout")
STATISTICS = (*SCALARS, *DISTANCES)
KEYS = ["subject", "task", "site"]
VALUES = ("change", "apart", "relative")
LIGHTER = 0.08  # of mean luma, in [0, 1]
RATIO = 1.3  # of contrast and colourfulness
SLOPE = 0.5  # of the spectrum's slope; photos have about −2
TEXTURE = 0.8  # RMS difference of log energies in bands
LAYOUT = 0.6  # 1 less the correlation of where contrast lies
SATURATED = 0.25  # share of an image's values at an end of the range
SMALLEST = 16  # pixels a side: below, `describe` says nothing


def colourfulness(images: Tensor) -> Tensor:
    """Hasler and Süsstrunk's measure, `(n,)`: 0 for grey images (doi 10.1117/12.477378)."""
    opponents = opponent_colours(images).flatten(2)
    spread = opponents.std(2, correction=0).square().sum(0).sqrt()
    return spread + 0.3 * opponents.mean(2).square().sum(0).sqrt()


@lru_cache(maxsize=8)
def _bands(side: int, device: torch.device) -> list[Tensor]:
    """Find the places of each band of scale and orientation in a flattened spectrum."""
    down, across = frequencies(side, device)
    frequency = (down.square() + across.square()).sqrt()
    direction = torch.atan2(down, across).remainder(torch.pi)
    unit = side / 32
    places = []
    for start in BANDS:
        band = (frequency >= start * unit / 2) & (frequency < start * unit)
        for turn in range(TURNS):
            centre = turn * torch.pi / TURNS
            away = (direction - centre + torch.pi / 2).remainder(torch.pi) - torch.pi / 2
            inside = band & (away.abs() <= torch.pi / TURNS / 2)
            places.append(inside.flatten().nonzero().squeeze(1))
    return places


def texture(light: Tensor) -> Tensor:
    """Measure the log share of energy in bands of scale and orientation, `(n, 12)`, in any place.

    Shares of the whole, so contrast does not matter; phases are left out, so places do not.
    """
    spectrum = power(light).flatten(1)
    bands = _bands(light.shape[-1], light.device)
    energy = torch.stack([spectrum[:, band].sum(1) for band in bands], 1)
    total = energy.sum(1, keepdim=True).clamp_min(1e-12)
    return (energy / total + 1e-4).log()


def layout(light: Tensor) -> Tensor:
    """Map where contrast lies, `(n, 64)`: SD of luma in a grid of places, mean 0 and norm 1."""
    mean = F.adaptive_avg_pool2d(light[:, None], GRID)
    square = F.adaptive_avg_pool2d(light[:, None].square(), GRID)
    spread = (square - mean.square()).clamp_min(0).sqrt().flatten(1)
    centred = spread - spread.mean(1, keepdim=True)
    return centred / centred.norm(dim=1, keepdim=True).clamp_min(1e-12)


def describe(images: Tensor) -> dict[str, Tensor]:
    """Measure every statistic of square images.

    Args:
        images: `(n, 3, side, side)` in [0, 1].

    Returns:
        `luminance` (mean luma), `contrast` (SD of luma), `colour` (`colourfulness`) and `slope`
        (`slopes`), each `(n,)`; `texture` and `layout`, one row an image.

    Raises:
        InputError: images that are not square, or smaller than 16 pixels.
    """
    side = validate.images(images).shape[-1]
    if images.shape[-2] != side or side < 16:
        raise InputError(
            f"images are {side} × {images.shape[-2]} px; expected squares of 16 px or more"
        )
    light = luma(images.cpu())
    return {
        "luminance": light.mean((1, 2)),
        "contrast": light.flatten(1).std(1, correction=0),
        "colour": colourfulness(images.cpu()),
        "slope": slopes(light),
        "texture": texture(light),
        "layout": layout(light),
    }


def statistic_distance(name: str, one: Tensor, other: Tensor) -> Tensor:
    """Measure how far two rows of a statistic are apart: the difference's size, RMS for texture.

    For `layout`, 1 less the correlation of the two maps: 0 the same, 1 unrelated.
    """
    if name == "layout":
        return 1 - (one * other).sum(-1)
    if name == "texture":
        return (one - other).square().mean(-1).sqrt()
    return (one - other).abs()


def _between_units(name: str, values: Tensor) -> float:
    """Mean distance between references of different units."""
    i, j = torch.triu_indices(len(values), len(values), 1)
    return (
        float(statistic_distance(name, values[i], values[j]).nanmean()) if len(i) else float("nan")
    )


def appearance(table: Rows, images: Tensor, references: Tensor) -> pd.DataFrame:
    """Measure how each image differs from its reference in every statistic.

    Args:
        table: one row an image: `subject`, `task`, `site`, `unit`.
        images: `(n, 3, side, side)` in [0, 1].
        references: the image that each departs from, of the same shape.

    Returns:
        One row an image and statistic: the table's columns, `statistic`, `change` (signed;
        missing for texture and layout), `apart`, and `relative`: `apart` over the mean between
        the references of different units of the subject, so 1 is as different as another unit's.
    """
    found, origin = describe(images), describe(references)
    parts = []
    subjects = table["subject"].to_numpy(str)
    first = table.reset_index(drop=True).drop_duplicates(["subject", "unit"])
    for name in STATISTICS:
        distance = statistic_distance(name, found[name], origin[name]).numpy()
        change = (found[name] - origin[name]).numpy() if name in SCALARS else np.nan
        scale = {
            key["subject"]: _between_units(name, origin[name][own.index.tolist()])
            for key, own in groups_by(first, ["subject"])
        }
        scales = np.array([scale[subject] for subject in subjects])
        relative = distance / np.where(scales > 0, scales, np.nan)
        part = table[["subject", "task", "site", "unit"]].reset_index(drop=True)
        parts.append(part.assign(statistic=name, change=change, apart=distance, relative=relative))
    return pd.concat(parts, ignore_index=True)


def appearance_summary(changes: pd.DataFrame) -> pd.DataFrame:
    """Mean change over units, with effect sizes.

    Args:
        changes: of `appearance`.

    Returns:
        One row a subject, task, site and statistic: `units`, `change`, `apart` and `relative`
        with `_sd` over units' means, and `effect`: Cohen's d of the signed change over units,
        mean over SD (missing for texture and layout, whose change has no sign).
    """
    rows: list[dict[str, Any]] = []
    for key, own in groups_by(changes, [*KEYS, "statistic"]):
        units = of_units(own, VALUES)
        found = mean_sd(units, VALUES)
        spread = found["change_sd"]
        effect = found["change"] / spread if spread > 0 else np.nan
        rows.append({**key, "units": len(units), **found, "effect": effect})
    return pd.DataFrame(rows)


def between_sites(changes: pd.DataFrame, sites: Sequence[str]) -> pd.DataFrame:
    """Compare the changes of a statistic by two stretched sites, paired by unit.

    Args:
        changes: of `appearance`; its task `invariance` counts.
        sites: which, each pair once.

    Returns:
        One row a subject, statistic and pair (`site`, `other`): `units`, `difference` of
        `relative` (site less other) with `_sd` over units and Student's 95 % interval (`low`,
        `high`), `effect`, the mean over the SD (Cohen's d_z), and `p`, the share of turns of
        whole units' signs that are as far from 0.
    """
    rows = []
    for key, group in groups_by(invariant(changes), ["subject", "statistic"]):
        table = group.pivot_table(index="unit", columns="site", values="relative", aggfunc="mean")
        there = [site for site in sites if site in table]
        for i, site in enumerate(there):
            for other in there[i + 1 :]:
                paired = (table[site] - table[other]).dropna()
                spread = float(paired.std(ddof=1))
                mean, low, high = mean_interval(paired)
                rows.append(
                    {
                        **key,
                        "site": site,
                        "other": other,
                        "units": len(paired),
                        "difference": mean,
                        "difference_sd": spread,
                        "low": low,
                        "high": high,
                        "effect": mean / spread if spread > 0 else np.nan,
                        "p": sign_flip_p(paired),
                    }
                )
    return pd.DataFrame(rows)


def _compared(value: float, other: float, more: str, less: str) -> list[str]:
    if value > RATIO * other:
        return [more]
    return [less] if other > RATIO * value else []


def changes(image: Tensor, reference: Tensor) -> list[str]:
    """Say in words how an image differs from a reference, the plainest first.

    Each word follows from one statistic of `analysis.appearance` and a threshold of this module;
    none is said where no statistic passes one. An image is "saturated" where a
    quarter or more of its values are at an end of the range, where they cannot change further, and
    "saturated like the reference" where that is no change.

    Args:
        image, reference: `(3, side, side)` in [0, 1].
    """
    if image.shape[-1] < SMALLEST or image.shape != reference.shape:
        return []
    one, other = describe(image[None]), describe(reference[None])
    sentences: list[str] = []
    light = float(one["luminance"] - other["luminance"])
    if abs(light) > LIGHTER:
        sentences.append("lighter" if light > 0 else "darker")
    for name, more, less in (
        ("contrast", "more contrast", "less contrast"),
        ("colour", "stronger colours", "paler colours"),
    ):
        sentences += _compared(float(one[name]), float(other[name]), more, less)
    slope = float(one["slope"] - other["slope"])
    if abs(slope) > SLOPE:
        sentences.append("sharper" if slope > 0 else "softer")
    if float(statistic_distance("texture", one["texture"], other["texture"])) > TEXTURE:
        sentences.append("another texture")
    if float(statistic_distance("layout", one["layout"], other["layout"])) > LAYOUT:
        sentences.append("shapes in other places")
    ends, before = saturation(torch.stack([image, reference])).tolist()
    if ends >= SATURATED:
        sentences.append("saturated" if before < SATURATED else "saturated like the reference")
    return sentences
