"""Checks of responses that a file holds as numbers, and units without any response."""

import math
from dataclasses import replace

import numpy as np

from invariscope.errors import InputError
from invariscope.recordings.options import RecordingOptions
from invariscope.recordings.responses import Dropped, Floats, RecordedResponses, few

ROUNDED = 0.02  # spikes by which rates that were rounded may miss whole ones
TELLING = 20  # responses with spikes from which on a common divisor is no chance
UNLIKELY = -math.log(1e-6)  # spikes whose absence has a chance below one in a million
BY_CHANCE = 1e-3


def spike_counts(responses: Floats, options: RecordingOptions) -> Floats | None:
    """Compute spike counts in the response window from a file's values."""
    if options.values == "other":
        return None
    return responses if options.values == "counts" else responses * options.seconds


def check_values(values: Floats, what: str, options: RecordingOptions, *, single: bool) -> None:
    """Check that numbers can be the quantity that `values` says.

    Args:
        values: of any shape; NaN where nothing was recorded.
        what: the file in words.
        single: each is the response of one trial, so that counts are whole numbers.

    Raises:
        InputError: NaN alone, an infinite or negative response, responses of single trials that
            are not counted in whole spikes of the response window, or more than `fastest` spikes/s
            in half of the responses.
    """
    known = values[~np.isnan(values)]
    if not known.size:
        raise InputError(f"{what} holds NaN alone; expected responses")
    if np.isinf(known).any():
        raise InputError(f"{what} holds an infinite response; expected numbers, NaN: none")
    if options.values == "other":
        return
    if known.min() < 0:
        raise InputError(
            f"{what} holds negative responses ({known.min():g}), which are no "
            f"{options.values}; say values = other, or put back the baseline that was subtracted "
            "(a missing repeat is NaN)"
        )
    rates = known / options.seconds if options.values == "counts" else known
    if np.median(rates) > options.fastest:
        raise InputError(
            f"{what}: half of the responses are above {np.median(rates):,.0f} spikes/s; "
            f"check values (now {options.values}) and window, or raise fastest"
        )
    if single:
        _check_spikes(known, what, options)


def _check_spikes(known: Floats, what: str, options: RecordingOptions) -> None:
    """Check responses of single trials for whole spikes of the response window.

    Raises:
        InputError: they are of another window, or no counts or rates at all.
    """
    if options.values == "counts":
        if (broken := known[known % 1 != 0]).size:
            raise InputError(
                f"{what} holds responses of single trials that are no whole numbers "
                f"({broken[0]:g}), so they are no counts; say values = rates (spikes/s) or other"
            )
        if (step := _common_step(known)) > 1:
            raise InputError(
                f"{what} holds responses of single trials that are all multiples of {step}, so "
                f"they are rather spikes/s, counted in {1000 / step:g} ms; say values = rates and "
                "that window, or values = other"
            )
        return
    spikes, window = known * options.seconds, f"the window of {1000 * options.seconds:g} ms"
    if (broken := known[np.abs(spikes - np.rint(spikes)) > ROUNDED]).size:
        raise InputError(
            f"{what} holds rates of single trials that are no whole numbers of spikes in {window} "
            f"({broken[0]:g} spikes/s); say the window in which they were counted, or values = "
            "other"
        )
    if (step := _common_step(np.rint(spikes))) > 1:
        raise InputError(
            f"{what} holds rates of single trials in steps of {step / options.seconds:g} spikes/s, "
            f"which one spike in {window} does not bring; say the window of "
            f"{1000 * options.seconds / step:g} ms in which they were counted, or values = other"
        )


def _common_step(spikes: Floats) -> int:
    """Find the greatest whole number that divides all responses; 1 of too few to tell."""
    above = spikes[spikes > 0].astype(np.int64)
    return int(np.gcd.reduce(above)) if len(above) >= TELLING else 1


def check_filled(array: Floats, what: str) -> None:
    """Check that missing repeats were not filled with 0, as MATLAB does where an array grows.

    Last repeats in which every neuron is silent, where an image's other repeats bring so many
    spikes that this has a probability below one in a million. Silence at any other place, or at
    too few images to tell the last repeats from any, is taken as it is.

    Args:
        array: `(neurons, images, repeats)` counts of spikes; NaN where nothing was recorded.
        what: the file in words.

    Raises:
        InputError: they rather were.
    """
    there = ~np.isnan(array).all(0)
    spikes = np.where(there, np.nansum(array, 0), np.nan)
    filled, chance = [], 1.0
    for image, row in enumerate(spikes):
        known = row[~np.isnan(row)]
        silent = np.flatnonzero(known == 0)
        if not len(silent) or not known.any() or known[known > 0].mean() < UNLIKELY:
            continue
        if silent[0] < len(known) - len(silent):
            return
        filled.append(image)
        chance /= math.comb(len(known), len(silent))
    if chance < BY_CHANCE:
        raise InputError(
            f"{what} holds 0 for every neuron in the last repeats of {len(filled)} images "
            f"({few(filled)}, from 0), whose other repeats bring spikes; write NaN for repeats "
            "that are missing"
        )


def without_silent_units(recorded: RecordedResponses) -> RecordedResponses:
    """Leave out and count the units without any number, and the units without a spike.

    Raises:
        InputError: no unit is left.
    """
    known = ~np.isnan(recorded.responses)
    empty = ~known.any(0)
    silent = np.zeros_like(empty)
    if recorded.counts is not None:
        silent = ~empty & (np.where(known, recorded.counts, 0) == 0).all(0)
    dropped = []
    for without, why in ((empty, "no number at all"), (silent, "without a spike")):
        names = [recorded.units[i] for i in np.flatnonzero(without)]
        if names:
            dropped.append(Dropped("unit", len(names), f"{why}: {few(names)}"))
    kept = ~(empty | silent)
    if not kept.any():
        raise InputError(f"no unit of {recorded.name} has a spike; expected at least one")
    return replace(
        recorded,
        units=tuple(np.array(recorded.units, object)[kept]),
        responses=recorded.responses[:, kept],
        counts=None if recorded.counts is None else recorded.counts[:, kept],
        dropped=(*recorded.dropped, *dropped),
    )
