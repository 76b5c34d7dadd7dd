"""Two systems' clocks, brought together by pulses that both recorded."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from invariscope.errors import InputError
from invariscope.plurals import number_of
from invariscope.recordings.responses import Floats

JITTER = 0.0005  # seconds by which an interval may differ: samples, and rise times of a line
DRIFT = 2e-4  # of an interval; crystals differ by less than half of that
FEWEST = 2
WRONG_UNIT = 1.5  # ratio of the clocks beyond which one of them counts in another unit
SHARE = 0.5  # of the pulses that a pairing must hold
BEYOND = 1.0  # lengths of the stretch with pulses, to which the line is drawn on outside


@dataclass(frozen=True)
class PairedClocks:
    """The same pulses on the events' and on the spikes' clock.

    Attributes:
        events, spikes: `(pulses,)` seconds, both rising, of the same pulses.
    """

    events: Floats = field(repr=False)
    spikes: Floats = field(repr=False)

    @property
    def rate(self) -> float:
        """Seconds of the spikes' clock in a second of the events', by least squares."""
        events = self.events - self.events.mean()
        return float(events @ (self.spikes - self.spikes.mean()) / (events @ events))

    def to_spikes(self, times: Floats) -> Floats:
        """Convert times on the events' clock to the spikes'.

        Between two pulses a straight line, since drift changes with temperature; before the first
        and after the last one the line of all pulses.

        Args:
            times: seconds; NaN stays NaN.

        Raises:
            InputError: a time farther outside the pulses than these are long.
        """
        first, last = self.events[0], self.events[-1]
        outside = np.maximum(first - times, times - last)
        if np.nanmax(outside, initial=0.0) > BEYOND * (last - first):
            raise InputError(
                f"events lie up to {np.nanmax(outside):,.6g} s outside the pulses of sync, which "
                f"cover {last - first:,.6g} s; expected pulses all along the recording"
            )
        found = np.interp(times, self.events, self.spikes)
        found = np.where(times < first, self.spikes[0] + (times - first) * self.rate, found)
        return np.where(times > last, self.spikes[-1] + (times - last) * self.rate, found)


def pair_clocks(events: Floats, spikes: Floats) -> PairedClocks:
    """Pair the pulses on two clocks by the intervals between pulses.

    As many pulses on both are taken in turn. Where one system began later or stopped earlier, the
    pulses are moved against each other until all intervals agree; regular pulses agree everywhere,
    so they are refused then.

    Args:
        events, spikes: seconds of the rising edges on each clock, in any order.

    Raises:
        InputError: fewer than two pulses, intervals that do not agree, or several pairings.
    """
    one, two = (np.sort(times[~np.isnan(times)]) for times in (events, spikes))
    if min(len(one), len(two)) < FEWEST:
        raise InputError(
            f"sync has {number_of(len(two), 'pulse')} on the spikes' clock and {len(one)} on the "
            "events'; expected at least 2 of each"
        )
    if len(one) == len(two):
        if not _agree(one, two).all():
            raise _disagreement(one, two)
        return PairedClocks(one, two)
    fewest = max(FEWEST + 1, round(SHARE * min(len(one), len(two))))
    found = [
        pair
        for lag in range(fewest - len(two), len(one) - fewest + 1)
        if _agree(*(pair := _overlap(one, two, lag))).all()
    ]
    if len(found) == 1:
        return PairedClocks(*found[0])
    ways = f"{len(found)} ways" if found else "no way"
    raise InputError(
        f"sync has {number_of(len(two), 'pulse')} on the spikes' clock and {len(one)} on the "
        f"events', with {ways} to pair them by their intervals; give the same pulses of both, or "
        "pulses of irregular intervals"
    )


def _overlap(one: Floats, two: Floats, lag: int) -> tuple[Floats, Floats]:
    """Cut to the pulses that are common where `one[i + lag]` is `two[i]`."""
    first = max(lag, 0), max(-lag, 0)
    length = min(len(one) - first[0], len(two) - first[1])
    return one[first[0] : first[0] + length], two[first[1] : first[1] + length]


def _agree(one: Floats, two: Floats) -> NDArray[np.bool_]:
    a, b = np.diff(one), np.diff(two)
    return (a > 0) & (b > 0) & (np.abs(a - b) <= JITTER + DRIFT * np.maximum(a, b))


def _disagreement(one: Floats, two: Floats) -> InputError:
    ratio = (two[-1] - two[0]) / max(one[-1] - one[0], 1e-12)
    if not 1 / WRONG_UNIT < ratio < WRONG_UNIT:
        return InputError(
            f"the pulses of sync cover {two[-1] - two[0]:,.6g} s on the spikes' clock and "
            f"{one[-1] - one[0]:,.6g} s on the events'; one is rather in another unit; check "
            "time_unit and sampling_rate"
        )
    wrong = int(np.flatnonzero(~_agree(one, two))[0])
    return InputError(
        f"pulses {wrong + 1} and {wrong + 2} of sync are {np.diff(two)[wrong]:.6g} s apart on the "
        f"spikes' clock and {np.diff(one)[wrong]:.6g} s on the events', so a pulse is missing in "
        "one, or the two are of different lines; give the same pulses of both"
    )
