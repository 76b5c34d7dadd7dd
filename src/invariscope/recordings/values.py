"""Checks of responses that a file holds as numbers, and units without any response."""

from dataclasses import replace

import numpy as np

from invariscope.errors import InputError
from invariscope.recordings.options import RecordingOptions
from invariscope.recordings.responses import Dropped, Floats, RecordedResponses, few


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
        InputError: NaN alone, an infinite or negative response, counts of single trials that are
            no whole numbers, or more than `fastest` spikes/s in half of the responses.
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
    if options.values == "counts" and single and (broken := known[known % 1 != 0]).size:
        raise InputError(
            f"{what} holds responses of single trials that are no whole numbers ({broken[0]:g}), "
            "so they are no counts; say values = rates (spikes/s) or other"
        )
    rates = known / options.seconds if options.values == "counts" else known
    if np.median(rates) > options.fastest:
        raise InputError(
            f"{what}: half of the responses are above {np.median(rates):,.0f} spikes/s; "
            f"check values (now {options.values}) and window, or raise fastest"
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
