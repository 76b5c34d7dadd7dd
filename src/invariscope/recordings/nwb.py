"""NWB 2 files: units, and the images' onsets from index series or tables of intervals.

Read by the layout that all schema versions from 2.0 on share, so that a file whose extensions are
not installed, or of a version that a reader refuses, can be read too.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from invariscope.errors import InputError, StoreError, unknown
from invariscope.optional import optional_library
from invariscope.plurals import number_of
from invariscope.recordings.options import TIME_UNITS, RecordingOptions, check_rate
from invariscope.recordings.responses import few
from invariscope.recordings.spikes import EventChannel, SpikeRecording, UnitSpikes

IMAGE_COLUMNS = (
    *("image", "image_id", "image_name", "image_index"),
    *("stimulus", "stimulus_id", "stimulus_name", "stimulus_index", "frame"),
)
LABEL_COLUMNS = ("quality", "group", "KSLabel")
SERIES_PLACES = ("stimulus/presentation", "acquisition")
KINDS = {
    **dict.fromkeys(("good", "sua", "single", "sorted", "single unit"), "sorted"),
    **dict.fromkeys(("mua", "multi", "multiunit", "multi-unit"), "multiunit"),
    **dict.fromkeys(("noise", "artifact", "bad"), "noise"),
}


def read_nwb(path: Path, options: RecordingOptions) -> SpikeRecording:
    """Read units and events of an NWB file.

    Units without a column of labels count as sorted; a label that is none of good, mua and noise
    as unsorted. Intervals outside a unit's `obs_intervals` were not recorded.

    Raises:
        InputError: NWB 1, no units, or an unknown column.
        StoreError: the file is no HDF5 file, or truncated.
    """
    if options.time_unit not in TIME_UNITS:
        raise InputError(f"times of {str(path)!r} are never in samples; expected s, ms or us")
    try:
        with optional_library("h5py", "recordings").File(path, "r") as file:
            _check_version(file, path)
            scale = TIME_UNITS[options.time_unit]
            return SpikeRecording(
                path.stem, tuple(_units(file, path, options, scale)), _events(file, options, scale)
            )
    except (OSError, RuntimeError, KeyError) as error:
        if isinstance(error, InputError | StoreError):
            raise
        raise StoreError(
            f"{str(path)!r} cannot be read as NWB ({' '.join(str(error).split())[:120]}); it may "
            "be truncated: put a copy of it back"
        ) from error


def _check_version(file: Any, path: Path) -> None:
    version = file.attrs.get("nwb_version")
    if version is None and "nwb_version" in file:
        version = file["nwb_version"][()]
    text = _text(version) if version is not None else "none"
    if not text.removeprefix("NWB-").startswith("2"):
        raise InputError(
            f"{str(path)!r} says NWB version {text}; expected 2, so convert it with its own tools"
        )


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _ragged(table: Any, name: str) -> list[np.ndarray]:
    """Read a column with several values a row."""
    data, ends = np.asarray(table[name][()]), np.asarray(table[f"{name}_index"][()], np.int64)
    if len(ends) and int(ends[-1]) != len(data):
        raise StoreError(
            f"column {name!r} has {number_of(len(data), 'value')} and its index ends at "
            f"{int(ends[-1])}; the file is damaged"
        )
    starts = np.concatenate([[0], ends[:-1]]).astype(np.int64)
    return [data[a:b] for a, b in zip(starts, ends, strict=True)]


def _units(file: Any, path: Path, options: RecordingOptions, scale: float) -> Iterator[UnitSpikes]:
    table = file.get("units")
    if table is None or "spike_times" not in table or "spike_times_index" not in table:
        raise InputError(f"{str(path)!r} has no table of units with spike times")
    trains = _ragged(table, "spike_times")
    names = [_text(v) for v in table["unit_name" if "unit_name" in table else "id"][()]]
    observed: list[Any] = [None] * len(trains)
    if "obs_intervals_index" in table:
        observed = [rows.reshape(-1, 2) * scale for rows in _ragged(table, "obs_intervals")]
    kinds = _kinds(table, options, len(trains))
    for name, kind, train, rows in zip(names, kinds, trains, observed, strict=True):
        yield UnitSpikes(name, kind, np.asarray(train, np.float64) * scale, rows)


def _kinds(table: Any, options: RecordingOptions, units: int) -> list[str]:
    columns = [name for name in LABEL_COLUMNS if name in table]
    if options.label is not None:
        if options.label not in table:
            raise unknown("column of units", options.label, table)
        columns = [options.label]
    if not columns:
        return ["sorted"] * units
    words = [_text(value).strip().lower() for value in table[columns[0]][()]]
    return [KINDS.get(word, "unsorted") for word in words]


def _events(file: Any, options: RecordingOptions, scale: float) -> tuple[EventChannel, ...]:
    """Find the chosen events; else a single index series, else columns that name images."""
    series = {
        name: group
        for place in SERIES_PLACES
        for name, group in (file[place].items() if place in file else ())
        if _text(group.attrs.get("neurodata_type", "")) == "IndexSeries"
    }
    tables = dict(file["intervals"].items()) if "intervals" in file else {}
    if options.event is not None and ":" in options.event:
        table, _, column = options.event.partition(":")
        if table not in tables:
            raise unknown("table of intervals", table, tables)
        if column not in tables[table]:
            raise unknown(f"column of {table}", column, tables[table])
        return (_from_table(tables[table], table, column, options, scale),)
    if options.event is not None and options.event in series:
        series = {options.event: series[options.event]}
    found = [_from_series(file, name, group, options, scale) for name, group in series.items()]
    if len(found) == 1:
        return tuple(found)
    columns = [(t, c) for t in tables for c in IMAGE_COLUMNS if c in tables[t]]
    found += [_from_table(tables[t], t, c, options, scale) for t, c in columns]
    return tuple(found)


def _from_table(
    table: Any, name: str, column: str, options: RecordingOptions, scale: float
) -> EventChannel:
    if options.onset not in table:
        raise unknown(f"column of {name}", options.onset, table)
    times = np.asarray(table[options.onset][()], np.float64) * scale
    values = table[column][()]
    if f"{column}_index" in table or np.ndim(values) != 1:
        raise InputError(f"column {column!r} of {name} has several values a row; choose another")
    return EventChannel(f"{name}:{column}", times, tuple(_text(v) for v in values))


def _from_series(
    file: Any, name: str, series: Any, options: RecordingOptions, scale: float
) -> EventChannel:
    index = np.asarray(series["data"][()]).reshape(-1)
    if "timestamps" in series:
        times = np.asarray(series["timestamps"][()], np.float64)
    else:
        start = series["starting_time"]
        rate = check_rate(float(start.attrs["rate"]), f"the rate of {name!r}")
        times = float(start[()]) + np.arange(len(index)) / rate
    if len(times) != len(index):
        raise StoreError(
            f"series {name!r} has {number_of(len(index), 'image')} and "
            f"{number_of(len(times), 'time')}; the file is damaged"
        )
    labels = _labels(index, _image_order(file, series), name, options)
    return EventChannel(name, times * scale, labels, first_code=0)


def _labels(
    index: np.ndarray, names: list[str] | None, name: str, options: RecordingOptions
) -> tuple[str, ...]:
    """Label each entry of a series with its image, or its number where the file names none.

    NWB counts images from 0. Entries that are no image, such as -1 for a blank (unsigned: a number
    near 2⁶⁴), have no label where `other_codes` is `drop`.
    """
    if index.dtype.kind == "f" and (broken := index[index % 1 != 0]).size:
        raise InputError(f"series {name!r} holds {broken[0]:g}, which numbers no image")
    whole = index.astype(np.int64)
    first = options.first_code or 0
    place, end = whole - first, len(names) if names is not None else np.iinfo(np.int32).max
    other = (place < 0) | (place >= end)
    if names is None:
        other = (whole < 0) | (whole >= end)
    if other.any() and options.other_codes == "refuse":
        last = f" to {first + end - 1}" if names is not None else " and above"
        raise InputError(
            f"{int(other.sum())} entries of series {name!r} number no image "
            f"({few(np.unique(whole[other]))}); expected {first}{last}; say first_code where it "
            "counts otherwise, or let other_codes = drop leave them out"
        )
    labels = map(str, whole) if names is None else (names[i] for i in np.where(other, 0, place))
    return tuple("" if out else label for out, label in zip(other, labels, strict=True))


def _image_order(file: Any, series: Any) -> list[str] | None:
    """Name the images that a series numbers; None where the file does not tell their order."""
    images = series.get("indexed_images")
    if images is None or "order_of_images" not in images:
        return None
    return [file[ref].name.rpartition("/")[2] for ref in images["order_of_images"][()]]
