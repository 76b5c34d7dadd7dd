"""CSV: spike times by unit and events beside, or responses with a row a trial."""

import math
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from invariscope.errors import InputError
from invariscope.plurals import number_of
from invariscope.recordings.options import KINDS, QUANTITIES, RecordingOptions
from invariscope.recordings.pictures import image_codes, numbered, plain_code, read_rows
from invariscope.recordings.responses import Dropped, Floats, RecordedResponses, few
from invariscope.recordings.spikes import EventChannel, SpikeRecording, UnitSpikes
from invariscope.recordings.values import check_values, spike_counts, without_silent_units
from invariscope.validate import one_of

FIXED = ("image", "onset", "trial", "repeat")
SPIKES = ("unit", "time")
# Columns that rather describe a row than hold a unit's responses.
NO_UNITS = {
    *FIXED,
    *("unit", "neuron", "cell", "cluster", "channel", "electrode", "code", "stimulus", "time"),
    *("index", "repetition", "presentation", "block", "session", "date"),
}


def read_csv(path: Path, options: RecordingOptions) -> SpikeRecording | RecordedResponses:
    """Read a CSV with columns `unit` and `time`, or `image` and a column a unit.

    Raises:
        InputError: other columns, words that are no numbers, or a file that is cut short.
    """
    rows = read_rows(path, ())
    header = list(rows[0])
    if set(SPIKES) <= set(header):
        return SpikeRecording(path.stem, _trains(rows, path, options), ())
    if "image" in header:
        return _responses(rows, path, options)
    raise InputError(
        f"{str(path)!r} has columns {few(header)}; expected, with commas between them, unit and "
        "time (a row a spike), or image and a column a unit (a row a trial)"
    )


def read_event_table(path: Path, options: RecordingOptions) -> EventChannel:
    """Read a CSV with columns `time` and `code`: onsets on the spikes' clock.

    Raises:
        InputError: other columns, or words that are no numbers.
    """
    rows = read_rows(path, ("time",))
    if "code" not in rows[0] and options.order is None:
        raise InputError(
            f"{str(path)!r} has no column 'code'; expected time and code, or the images in order"
        )
    labels = tuple(row.get("code", "") for row in rows)
    return EventChannel(path.stem, _times(rows, path, options), labels)


def read_times(path: Path, options: RecordingOptions) -> Floats:
    """Read the column `time` of a CSV in seconds, `(lines,)`.

    Raises:
        InputError: no such column, or words that are no numbers.
    """
    return _times(read_rows(path, ("time",)), path, options)


def _times(rows: list[dict[str, str]], path: Path, options: RecordingOptions) -> Floats:
    scale = options.time_scale(repr(str(path)))
    times = [number(row["time"], path, line, "time") for line, row in enumerate(rows, 2)]
    return np.array(times, np.float64) * scale


def number(word: str, path: Path, line: int, column: str) -> float:
    """Read a number from a cell; NaN from an empty cell.

    Raises:
        InputError: it is none, or infinite.
    """
    try:
        found = float(word) if word.strip() else math.nan
    except ValueError:
        found = math.inf
    if math.isinf(found):
        raise InputError(
            f"line {line} of {str(path)!r} has {word[:30]!r} as {column}; expected a number"
        )
    return found


def _trains(
    rows: list[dict[str, str]], path: Path, options: RecordingOptions
) -> tuple[UnitSpikes, ...]:
    scale = options.time_scale(repr(str(path)))
    times: dict[str, list[float]] = {}
    kinds: dict[str, str] = {}
    for line, row in enumerate(rows, 2):
        unit = row["unit"].strip()
        train = times.setdefault(unit, [])
        kind = (row.get("kind") or "sorted").strip()
        if kinds.setdefault(unit, one_of("kind of unit", kind, KINDS)) != kind:
            raise InputError(f"line {line} of {str(path)!r} gives unit {unit!r} another kind")
        if row["time"].strip():  # a unit without spikes may be named in a row without a time
            train.append(number(row["time"], path, line, "time") * scale)
    return tuple(UnitSpikes(u, kinds[u], np.array(t, np.float64)) for u, t in times.items())


def _unit_columns(header: Iterable[str], path: Path) -> list[str]:
    """List the columns that hold units.

    Raises:
        InputError: there is none, or one that rather says which unit, repeat or block a row is of.
    """
    units = [name for name in header if name not in FIXED]
    if not units:
        raise InputError(f"{str(path)!r} has no column of a unit beside {few(header)}")
    if doubtful := [name for name in units if name.casefold() in NO_UNITS]:
        raise InputError(
            f"column {doubtful[0]!r} of {str(path)!r} is no unit by its name; expected a row a "
            f"trial, with {', '.join(FIXED)} and a column a unit; rename it, or leave it out"
        )
    return units


def _responses(
    rows: list[dict[str, str]], path: Path, options: RecordingOptions
) -> RecordedResponses:
    units = _unit_columns(rows[0], path)
    values = np.array(
        [[number(row[u], path, i, u) for u in units] for i, row in enumerate(rows, 2)], np.float64
    )
    labels = [plain_code(row["image"]) for row in rows]
    if blank := sum(not label for label in labels):
        raise InputError(
            f"{str(path)!r} has {number_of(blank, 'line')} without an image; expected one in each"
        )
    check_values(values, repr(str(path)), options, single=len(set(labels)) < len(labels))
    codes = image_codes(options)
    names = sorted(set(labels), key=numbered) if codes is None else [*dict.fromkeys(codes.values())]
    known = {name: name for name in names} | (codes or {})
    if other := sorted(set(labels) - set(known), key=numbered):
        raise InputError(f"{str(path)!r} has images that are not in images: {few(other)}")
    row_of = {name: i for i, name in enumerate(names)}
    shown = np.array([row_of[known[label]] for label in labels], np.int64)
    onsets = [number(row.get("onset", ""), path, i, "onset") for i, row in enumerate(rows, 2)]
    never = [name for i, name in enumerate(names) if i not in set(shown)]
    dropped = [Dropped("image", len(never), f"never shown: {few(never)}")] if never else []
    found = RecordedResponses(
        name=path.stem,
        units=tuple(units),
        images=tuple(names),
        shown=shown,
        onsets=np.array(onsets),
        responses=values,
        quantity=QUANTITIES[options.values],
        seconds=options.seconds,
        counts=spike_counts(values, options),
        dropped=tuple(dropped),
    )
    return without_silent_units(found)
