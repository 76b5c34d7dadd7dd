"""From spike times and events to responses: images of events, spikes in windows."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from invariscope.errors import InputError, unknown
from invariscope.plurals import number_of
from invariscope.recordings.options import RecordingOptions
from invariscope.recordings.pictures import (
    FIRST_CODE,
    image_codes,
    numbered,
    plain_code,
    read_rows,
)
from invariscope.recordings.responses import Dropped, Floats, Ints, RecordedResponses, few

NANOSECONDS = 1e9
SILENCE = math.log(1e-6)  # a silence less likely than this is no silence: recording had ended
LONGEST_PAUSE = 100.0  # seconds between images, beyond which times are rather in ms
SHORTEST_PAUSE = 0.004  # seconds, in which no screen shows one image after another
SAME = 1e-6  # seconds, within which two events of an image are one
LATEST = 9e9  # seconds that fit into whole nanoseconds
TELLING = 20  # spikes from which on their rate tells how long a silence may be
# So many intervals of which none is shorter than so many seconds: the times are rather in ms. In ms
# a single neuron's are above 1, and those of several on one channel above a sample, 1/30.
FAR_APART = ((100, 0.5), (2000, 0.03))


@dataclass(frozen=True)
class EventChannel:
    """Events of one kind.

    Attributes:
        name: as a person names it in `event`.
        times: `(events,)` in seconds.
        labels: code or text of each.
        first_code: of the first image, where the options do not say it.
    """

    name: str
    times: Floats = field(repr=False)
    labels: tuple[str, ...] = field(repr=False)
    first_code: int = FIRST_CODE


@dataclass(frozen=True)
class UnitSpikes:
    """Spikes of one unit.

    Attributes:
        kind: `sorted`, `multiunit`, `unsorted` or `noise`.
        times: in seconds.
        observed: `(intervals, 2)` begin and end in s of what was recorded of it; None: not told.
    """

    name: str
    kind: str
    times: Floats = field(repr=False)
    observed: Floats | None = field(default=None, repr=False)


@dataclass(frozen=True)
class SpikeRecording:
    """Spikes and events of a recording, on a common clock.

    Attributes:
        name: of the recording.
        events: by channel; empty where the file holds none.
    """

    name: str
    units: tuple[UnitSpikes, ...]
    events: tuple[EventChannel, ...]


def window_responses(recording: SpikeRecording, options: RecordingOptions) -> RecordedResponses:
    """Count spikes after each image.

    Raises:
        InputError: no events, unknown codes, no unit left, or times of doubtful unit.
    """
    dropped: list[Dropped] = []
    events = choose_events(recording, options)
    events = replace(events, times=events.times + options.events_offset)
    events = _without_missing(events, dropped)
    onsets, shown, names = _images_of(events, options, dropped)
    units = _chosen_units(recording, options, dropped)
    _doubt_times(recording.name, onsets, units, options)
    _check_overlap(recording.name, onsets, units)
    counts, responses = _count(units, onsets, options)
    counts, responses, kept = _recorded(units, onsets, (counts, responses), options, dropped)
    never = np.setdiff1d(np.arange(len(names)), shown[kept])
    if len(never):
        dropped.append(Dropped("image", len(never), f"never shown: {few(names[i] for i in never)}"))
    return RecordedResponses(
        name=recording.name,
        units=tuple(unit.name for unit in units),
        images=tuple(names),
        shown=shown[kept],
        onsets=onsets[kept],
        responses=responses,
        quantity="spikes/s",
        seconds=options.seconds,
        counts=counts,
        dropped=tuple(dropped),
    )


def choose_events(recording: SpikeRecording, options: RecordingOptions) -> EventChannel:
    """Choose the channel of events that carries the images.

    Raises:
        InputError: none, several and none chosen, or an unknown one.
    """
    known = {channel.name: channel for channel in recording.events if len(channel.times)}
    if not known:
        raise InputError(
            f"{recording.name} holds no events; give the images' onsets as events: a CSV with "
            "columns time and code, or a recording that holds them"
        )
    if options.event is not None:
        if options.event not in known:
            raise unknown(f"event channel of {recording.name}", options.event, known)
        return known[options.event]
    if len(known) > 1:
        each = ", ".join(f"{name!r} ({len(c.times)})" for name, c in known.items())
        raise InputError(f"{recording.name} holds several channels of events: {each}; choose event")
    return next(iter(known.values()))


def _without_missing(events: EventChannel, dropped: list[Dropped]) -> EventChannel:
    """Sort events by their time and leave out events without."""
    known = np.abs(events.times) < LATEST
    if not known.any():
        raise InputError(f"events {events.name!r} have no times; expected seconds")
    if not known.all():
        dropped.append(Dropped("trial", int((~known).sum()), "the event's time is missing"))
    order = np.flatnonzero(known)
    order = order[np.argsort(events.times[order], kind="stable")]
    labels = tuple(events.labels[i] for i in order)
    return replace(events, times=events.times[order], labels=labels)


def _in_turn(events: EventChannel, options: RecordingOptions) -> EventChannel:
    """Label events in turn by a table's rows."""
    if options.order is None:
        return events
    rows = read_rows(options.order, ("image",))
    if len(rows) != len(events.times):
        raise InputError(
            f"{str(options.order)!r} has {number_of(len(rows), 'row')}, and there are "
            f"{number_of(len(events.times), 'event')} in {events.name!r}; expected one row an event"
        )
    return EventChannel(events.name, events.times, tuple(row["image"] for row in rows))


def _images_of(
    events: EventChannel, options: RecordingOptions, dropped: list[Dropped]
) -> tuple[Floats, Ints, list[str]]:
    """Onset and image of each trial, and the images' names in order."""
    events = _in_turn(events, options)
    labels = [plain_code(label) for label in events.labels]
    if unnamed := sum(not label for label in labels):
        dropped.append(Dropped("event", unnamed, "no code"))
    codes = image_codes(options, events.first_code)
    if codes is None:
        names = sorted(set(labels) - {""}, key=numbered)
        known = {label: label for label in names}
    else:
        names = list(dict.fromkeys(codes.values()))
        known = codes | {name: name for name in names if name not in codes}
    other = Counter(label for label in labels if label and label not in known)
    if other and options.other_codes == "refuse":
        raise InputError(
            f"codes of {number_of(sum(other.values()), 'event')} of {events.name!r} are no "
            f"image ({few(sorted(other, key=numbered))}); expected {few(known)}; mend images and "
            "first_code, or let other_codes = drop leave them out"
        )
    if other:
        why = f"codes that are no image: {few(sorted(other, key=numbered))}"
        dropped.append(Dropped("event", sum(other.values()), why))
    kept = [i for i, label in enumerate(labels) if label in known]
    if not kept:
        raise InputError(
            f"no event of {events.name!r} names an image; expected {few(known) or 'codes'}, or the "
            "image of each event in turn as order"
        )
    row = {name: i for i, name in enumerate(names)}
    shown = np.array([row[known[labels[i]]] for i in kept], np.int64)
    onsets, shown = _once(events.name, events.times[kept], shown, dropped)
    return onsets, shown, names


def _once(name: str, onsets: Floats, shown: Ints, dropped: list[Dropped]) -> tuple[Floats, Ints]:
    """Leave out events that a file holds twice, as their trial would count as two."""
    again = np.concatenate([[False], np.diff(onsets) < SAME])
    other = again & np.concatenate([[False], np.diff(shown) != 0])
    if other.any():
        raise InputError(
            f"events {name!r} name two images at once, {int(other.sum())} times, first at "
            f"{onsets[other][0]:.6g} s; expected one image at a time; where lines make up a word, "
            "choose the event channel of words"
        )
    if again.any():
        dropped.append(Dropped("event", int(again.sum()), "the same event again"))
    return onsets[~again], shown[~again]


def _chosen_units(
    recording: SpikeRecording, options: RecordingOptions, dropped: list[Dropped]
) -> list[UnitSpikes]:
    """Choose the units of the kinds that count, with spikes."""
    for kind in dict.fromkeys(unit.kind for unit in recording.units):
        names = [unit.name for unit in recording.units if unit.kind == kind]
        if kind not in options.kinds:
            dropped.append(Dropped("unit", len(names), f"{kind}: {few(names)}"))
    of_kind = [unit for unit in recording.units if unit.kind in options.kinds]
    silent = [unit.name for unit in of_kind if not len(unit.times)]
    if silent:
        dropped.append(Dropped("unit", len(silent), f"without a spike: {few(silent)}"))
    kept = [unit for unit in of_kind if len(unit.times)]
    if not kept:
        kinds = Counter(unit.kind for unit in recording.units)
        each = ", ".join(f"{number} {kind}" for kind, number in kinds.items()) or "none"
        raise InputError(
            f"no unit of {recording.name} is left (units: {each}; without a spike: {len(silent)}); "
            f"kinds is {', '.join(options.kinds)}"
        )
    names = Counter(unit.name for unit in kept)
    if twice := [name for name, number in names.items() if number > 1]:
        raise InputError(f"{recording.name} has two units named {twice[0]!r}; expected one of each")
    for unit in kept:
        if not (np.abs(unit.times) < LATEST).all():
            raise InputError(
                f"unit {unit.name!r} of {recording.name} has a spike time that is NaN or infinite; "
                "expected seconds"
            )
    return [replace(unit, times=np.sort(unit.times)) for unit in kept]


def _doubt_times(
    name: str, onsets: Floats, units: Sequence[UnitSpikes], options: RecordingOptions
) -> None:
    """Refuse times that are rather in another unit."""
    for unit in units:
        span = float(unit.times[-1] - unit.times[0])
        rate = (len(unit.times) - 1) / span if span > 0 else 0.0
        if rate > options.fastest:
            raise InputError(
                f"unit {unit.name!r} of {name} fires {rate:,.0f} spikes/s on average, above "
                f"{options.fastest:,.0f}; its times are rather in another unit; check time_unit "
                "and sampling_rate, or raise fastest"
            )
        if len(unit.times) > TELLING and np.median(np.diff(unit.times)) <= 0:
            raise InputError(
                f"unit {unit.name!r} of {name} has its spikes twice; expected each once"
            )
    gaps = np.concatenate([np.diff(unit.times) for unit in units])
    if any(len(gaps) >= number and gaps.min() > shortest for number, shortest in FAR_APART):
        raise InputError(
            f"no two spikes of a unit of {name} are nearer than {gaps.min():,.3g} s; the times are "
            "rather in ms or samples; check time_unit and sampling_rate"
        )
    pause = float(np.median(np.diff(onsets))) if len(onsets) > 1 else 0.0
    if pause > LONGEST_PAUSE:
        raise InputError(
            f"images of {name} come {pause:,.0f} s apart (median); their times are rather in ms; "
            "check time_unit"
        )
    if 0 < pause < SHORTEST_PAUSE:
        raise InputError(
            f"images of {name} come {1000 * pause:.3g} ms apart (median), faster than a screen "
            "shows them; their times are rather in another unit than said; check time_unit"
        )


def _check_overlap(name: str, onsets: Floats, units: Sequence[UnitSpikes]) -> None:
    """Refuse events and spikes that are on two clocks."""
    first = min(float(unit.times[0]) for unit in units)
    last = max(float(unit.times[-1]) for unit in units)
    if last < onsets.min() or first > onsets.max() + 1:
        raise InputError(
            f"{name}: events run from {onsets.min():.6g} to {onsets.max():.6g} s and spikes from "
            f"{first:.6g} to {last:.6g} s, so none can be a response; check time_unit, "
            "sampling_rate and events_offset"
        )


def _count(
    units: Sequence[UnitSpikes], onsets: Floats, options: RecordingOptions
) -> tuple[Floats, Floats]:
    """Count spikes in the response window, and rates less the baseline's, `(trials, units)`."""
    counts = np.stack([_within(u.times, onsets, options.window) for u in units], 1)
    rates = counts / options.seconds
    if options.baseline:
        first, last = options.baseline
        quiet = np.stack([_within(u.times, onsets, options.baseline) for u in units], 1)
        rates = rates - quiet * 1000 / (last - first)
    return counts, rates


def _within(times: Floats, onsets: Floats, window: tuple[float, float]) -> Floats:
    """Count spikes with first ≤ t < last after each onset, compared in whole nanoseconds."""
    spikes, begin = _whole(times), _whole(onsets)
    edges = [begin + round(edge * NANOSECONDS / 1000) for edge in window]
    first, last = (np.searchsorted(spikes, edge, side="left") for edge in edges)
    return (last - first).astype(np.float64)


def _whole(seconds: Floats) -> NDArray[np.int64]:
    return np.rint(seconds * NANOSECONDS).astype(np.int64)


def _recorded(
    units: Sequence[UnitSpikes],
    onsets: Floats,
    found: tuple[Floats, Floats],
    options: RecordingOptions,
    dropped: list[Dropped],
) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Put NaN where a unit was not recorded, and leave out trials without any unit."""
    windows = [options.window, *([options.baseline] if options.baseline else [])]
    begin = onsets + min(w[0] for w in windows) / 1000
    end = onsets + max(w[1] for w in windows) / 1000
    there = np.stack([_observed(unit, begin, end) for unit in units], 1)
    if not there.all():
        some = int((~there).any(1).sum())
        why = "windows outside what was recorded of a unit; its responses there are NaN"
        dropped.append(
            Dropped("response", int((~there).sum()), f"{why} ({number_of(some, 'trial')})")
        )
    ends = _ends(units)
    inside = (begin >= ends[0]) & (end <= ends[1])
    if not inside.all():
        why = "before the first or after the last spike of all units, too long a silence by chance"
        dropped.append(Dropped("trial", int((~inside).sum()), why))
    kept = inside & there.any(1)
    counts, responses = (np.where(there, values, np.nan)[kept] for values in found)
    if not kept.any():
        raise InputError("no trial lies within what was recorded; check events_offset")
    return counts, responses, kept


def _observed(unit: UnitSpikes, begin: Floats, end: Floats) -> NDArray[np.bool_]:
    if unit.observed is None:
        return np.ones(len(begin), bool)
    first, last = unit.observed.T
    slack = 1 / NANOSECONDS
    return ((begin[:, None] >= first - slack) & (end[:, None] <= last + slack)).any(1)


def _ends(units: Sequence[UnitSpikes]) -> tuple[float, float]:
    """Bound the recording's begin and end: beyond, all units are silent longer than by chance.

    Together the units fire so often that a silence longer than `limit` has a probability below one
    in a million; whatever lies farther than that from any spike was not recorded. Few spikes tell
    nothing.
    """
    times = np.concatenate([unit.times for unit in units])
    first, last = float(times.min()), float(times.max())
    if last <= first or len(times) < TELLING:
        return -math.inf, math.inf
    limit = -SILENCE * (last - first) / len(times)
    return first - limit, last + limit
