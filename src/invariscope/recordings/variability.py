"""How much of a response is signal: variances, reliability, Fano factor, noise correlation.

All from repeats of the same images. With r a response, i its image, n_i the image's trials:
noise variance is the mean over images of the variance within an image; signal variance is the
variance of the images' means less what noise puts there, so both are unbiased. All of these are
over images with at least two trials.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from invariscope.errors import InputError, StoreError
from invariscope.recordings.noise import (
    Floats,
    difference_p,
    mean_over_images,
    reliability,
    repeat_variances,
    shrink_means,
)
from invariscope.recordings.responses import RecordedResponses, image_moments
from invariscope.store.files import replace_file

RECORDING, VARIABILITY = "recording.json", "variability.json"
LEVEL = 0.05  # of the test whether a unit has signal


def unit_table(recorded: RecordedResponses) -> pd.DataFrame:
    """Measure each unit's range, variances, reliability and Fano factor, in a row a unit.

    Returns:
        Columns `unit`, `images`, `trials`, `smallest`, `mean`, `largest` (image means),
        `signal_variance`, `noise_variance`, `signal_to_noise` (one over the other, of one trial),
        `reliability` (of one trial: signal over signal and noise), `reliability_mean` (of an
        image's mean: signal over the variance of these means) and `fano`. NaN where there are no
        repeats, or no spike counts.
    """
    moments = image_moments(recorded.responses, recorded.shown, len(recorded.images))
    means, _, repeats = moments
    signal, noise, _ = repeat_variances(*moments)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio, single = signal / noise, signal / (signal + noise)
    return pd.DataFrame(
        {
            "unit": list(recorded.units),
            "images": (repeats > 0).sum(0),
            "trials": repeats.sum(0),
            "smallest": _over_images(np.fmin, means),
            "mean": mean_over_images(means),
            "largest": _over_images(np.fmax, means),
            "signal_variance": signal,
            "noise_variance": noise,
            "signal_to_noise": ratio,
            "reliability": single,
            "reliability_mean": reliability(*moments),
            "fano": _fano(recorded),
        }
    )


def _over_images(choose: np.ufunc, means: Floats) -> Floats:
    return choose.reduce(means, axis=0)


def _fano(recorded: RecordedResponses) -> Floats:
    """Fano factor `(units,)`: variance of spike counts within images over their mean."""
    if recorded.counts is None:
        return np.full(len(recorded.units), np.nan)
    means, variances, repeats = image_moments(recorded.counts, recorded.shown, len(recorded.images))
    known = repeats > 1
    top = mean_over_images(np.where(known, variances, np.nan))
    with np.errstate(divide="ignore", invalid="ignore"):
        return top / mean_over_images(np.where(known, means, np.nan))


def noise_correlations(recorded: RecordedResponses) -> Floats:
    """Correlation `(units, units)` of responses around their images' means.

    Residuals of all images are pooled, so images with two trials count without bias; only trials
    in which both units were recorded count, around the mean of these. NaN where a unit varies in
    none of them; the diagonal is 1.
    """
    values, shown, images = recorded.responses, recorded.shown, len(recorded.images)
    units = values.shape[1]
    whole = bool((np.isnan(values).all(1) | ~np.isnan(values).any(1)).all())
    if whole:  # every unit in the same trials: one matrix product
        kept = ~np.isnan(values).all(1)
        apart = _residuals(values[kept], shown[kept], images)
        products = apart.T @ apart
        scale = np.sqrt(np.diag(products))
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(np.eye(units, dtype=bool), 1.0, products / np.outer(scale, scale))
    found = np.eye(units)
    for i in range(units):
        for j in range(i):
            both = ~np.isnan(values[:, [i, j]]).any(1)
            a, b = _residuals(values[both][:, [i, j]], shown[both], images).T
            scale = np.sqrt((a @ a) * (b @ b))
            found[i, j] = found[j, i] = a @ b / scale if scale > 0 else np.nan
    return found


def mean_correlation(recorded: RecordedResponses, units: Sequence[int] | None = None) -> float:
    """Mean noise correlation over pairs of units; NaN where there is no pair.

    Args:
        recorded: the recording.
        units: numbers of the units that count; by default all.
    """
    chosen = np.arange(len(recorded.units)) if units is None else np.asarray(units)
    pairs = noise_correlations(recorded)[np.ix_(chosen, chosen)]
    pairs = pairs[np.triu_indices(len(chosen), 1)]
    pairs = pairs[~np.isnan(pairs)]
    return float(pairs.mean()) if len(pairs) else math.nan


def _residuals(values: Floats, shown: np.ndarray, images: int) -> Floats:
    return values - image_moments(values, shown, images)[0][shown]


@dataclass(frozen=True)
class MeasuredVariability:
    """Variability of typical units of a recording: medians over the units with signal.

    Attributes:
        units: how many count: those that tell images apart (`difference_p` below 5 %).
        best: response to the image that drives a unit most, in spikes/s, drawn to the mean by its
            share of noise: the largest mean of few trials was lucky too (see `shrink_means`).
        weakest: response below which a twentieth of the images stay, in spikes/s, drawn likewise.
        fano: variance of spike counts over their mean.
        correlation: mean noise correlation of two of the units; NaN for one unit.
        signal_to_noise: signal variance over noise variance of one trial.
        reliability: of one trial.
    """

    units: int
    best: float
    weakest: float
    fano: float
    correlation: float
    signal_to_noise: float
    reliability: float


def measured_variability(recorded: RecordedResponses) -> MeasuredVariability:
    """Describe how typical units of a recording vary.

    Raises:
        InputError: no repeats, no spike counts, or no unit with signal.
    """
    if recorded.counts is None:
        raise InputError(
            f"{recorded.name} holds no spike counts, so its noise is not known; give values = "
            "counts or rates, with the window in which spikes were counted"
        )
    table = unit_table(recorded)
    columns = {name: table[name].to_numpy(np.float64) for name in table.columns if name != "unit"}
    if np.isnan(columns["noise_variance"]).all():
        raise InputError(
            f"{recorded.name} has one trial of each image; noise is known from repeats alone"
        )
    moments = image_moments(recorded.responses, recorded.shown, len(recorded.images))
    apart = (difference_p(*moments) < LEVEL) & (columns["signal_variance"] > 0)
    chosen = np.flatnonzero(apart & (columns["fano"] > 0))
    if not len(chosen):
        raise InputError(f"no unit of {recorded.name} tells images apart beyond its noise")
    scale = 1.0 if recorded.quantity == "spikes/s" else 1 / recorded.seconds
    middle = {name: float(np.median(values[chosen])) for name, values in columns.items()}
    drawn = shrink_means(*moments)[:, chosen] * scale
    return MeasuredVariability(
        units=len(chosen),
        best=float(np.median(np.nanmax(drawn, 0))),
        weakest=max(float(np.median(np.nanpercentile(drawn, 5, 0))), 0.0),
        fano=middle["fano"],
        correlation=mean_correlation(recorded, chosen.tolist()),
        signal_to_noise=middle["signal_to_noise"],
        reliability=middle["reliability"],
    )


def save_variability(path: Path, found: MeasuredVariability, about: Mapping[str, object]) -> None:
    """Write a recording's variability as JSON, for a simulated brain.

    Args:
        about: where it is from, for people.

    Raises:
        StoreError: it cannot be written.
    """
    numbers = {k: None if v != v else v for k, v in asdict(found).items()}  # noqa: PLR0124  (NaN)
    text = json.dumps({"variability": numbers, "about": dict(about)}, indent=1) + "\n"
    replace_file(path, lambda part: part.write_text(text))


def load_variability(path: Path) -> MeasuredVariability:
    """Read a recording's variability from its file.

    Args:
        path: the file, or the folder that `invariscope recording` wrote.

    Raises:
        StoreError: it is missing or damaged.
    """
    file = path / VARIABILITY if path.is_dir() else path
    if not file.exists() and (path / RECORDING).is_file():
        raise StoreError(
            f"{str(path)!r} is a recording without {VARIABILITY}, as it has no repeats, no counts, "
            "or no unit with signal; `invariscope recording` says which"
        )
    try:
        numbers: dict[str, Any] = dict(json.loads(file.read_text())["variability"])
        known: dict[str, Any] = {k: math.nan if v is None else v for k, v in numbers.items()}
        found = MeasuredVariability(**known)
        _check(found)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(
            f"{str(file)!r} cannot be read as a recording's variability; write it with "
            "`invariscope recording FILE --out FOLDER`"
        ) from error
    return found


def _check(found: MeasuredVariability) -> None:
    """Make sure that numbers belong together.

    Raises:
        ValueError: they do not, or one is no number.
    """
    units, *rates = (float(value) for value in asdict(found).values())
    if not (units >= 1 and found.best > found.weakest >= 0 and found.fano > 0):
        raise ValueError("its numbers do not belong together")
    if any(math.isinf(rate) for rate in rates):
        raise ValueError("a number is infinite")
