"""Open Ephys binary folders: spikes, TTL edges, digital words and messages of one recording.

`structure.oebin` says which folders there are. Up to version 0.5 `timestamps.npy` counts samples;
from 0.6 on it has seconds, and `sample_numbers.npy` the samples. Read directly: neo leaves spikes
out, and of TTL edges it keeps those that it can pair.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np

from invariscope.errors import InputError, StoreError
from invariscope.plurals import number_of
from invariscope.recordings.arrays import load_npy
from invariscope.recordings.options import RecordingOptions, check_rate
from invariscope.recordings.spikes import EventChannel, SpikeRecording, UnitSpikes

STRUCTURE = "structure.oebin"


def recordings_below(path: Path) -> list[Path]:
    """Find the recordings in a folder of Open Ephys, each with its `structure.oebin`."""
    return sorted(file.parent for file in path.rglob(STRUCTURE))


def read_open_ephys(path: Path, options: RecordingOptions) -> SpikeRecording:
    """Read one recording; times are in seconds on the acquisition's clock.

    Rising edges of a TTL line are events `FOLDER` with the line as code; changes of its digital
    word are `FOLDER:word`, where 0 is no code; texts are `FOLDER`.

    Raises:
        InputError: several recordings and none chosen.
        StoreError: files that are missing, damaged or of different lengths.
    """
    found = recordings_below(path)
    if len(found) > 1 and options.segment is None:
        raise InputError(
            f"{str(path)!r} holds {number_of(len(found), 'recording')}; choose segment from 0 to "
            f"{len(found) - 1}, or give the folder of one"
        )
    if options.segment is not None and options.segment >= len(found):
        raise InputError(
            f"{str(path)!r} holds {number_of(len(found), 'recording')}, none of number "
            f"{options.segment}"
        )
    folder = found[options.segment or 0]
    try:
        about = json.loads((folder / STRUCTURE).read_text(encoding="utf-8"))
        events = [c for info in about.get("events", []) for c in _events(folder, info)]
        units = [u for info in about.get("spikes", []) for u in _units(folder, info)]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, InputError | StoreError):
            raise
        raise StoreError(
            f"{str(folder)!r} cannot be read as an Open Ephys recording "
            f"({' '.join(str(error).split())[:120]}); it may be truncated: put a copy of it back"
        ) from error
    return SpikeRecording(folder.name, tuple(units), tuple(events))


def _load(folder: Path, *names: str) -> Any:
    """Load the first of several files that exists; None without any."""
    for name in names:
        if (folder / f"{name}.npy").is_file():
            return load_npy(folder / f"{name}.npy")
    return None


def _rate(info: dict[str, Any]) -> float:
    name = info.get("folder_name", info.get("folder", "a stream"))
    return check_rate(float(info["sample_rate"]), f"the sampling rate of {name!r}")


def _seconds(folder: Path, info: dict[str, Any], *names: str) -> np.ndarray:
    """Read times in seconds: stored so from version 0.6 on, before as samples."""
    times = _load(folder, *names)
    if times is None:
        raise StoreError(f"{str(folder)!r} has no times ({names[0]}.npy); put a copy of it back")
    if times.dtype.kind == "f":
        return times.astype(np.float64)
    return times.astype(np.float64) / _rate(info)


def _same_length(folder: Path, **arrays: Any) -> None:
    lengths = {name: len(values) for name, values in arrays.items() if values is not None}
    if len(set(lengths.values())) > 1:
        each = ", ".join(f"{n} {name}" for name, n in lengths.items())
        raise StoreError(f"{str(folder)!r} has {each}; expected as many; a file is truncated")


def _events(recording: Path, info: dict[str, Any]) -> list[EventChannel]:
    name = info["folder_name"].rstrip("/")
    folder = recording / "events" / name
    if not folder.is_dir():
        return []
    times = _seconds(folder, info, "timestamps")
    text = _load(folder, "text")
    if text is not None:
        _same_length(folder, times=times, texts=text)
        words = tuple(t.decode() if isinstance(t, bytes) else str(t) for t in text)
        return [EventChannel(name, times, words)]
    states, words = _load(folder, "states", "channel_states"), _load(folder, "full_words")
    if states is None:
        return []
    others = {name: _load(folder, name) for name in ("sample_numbers", "channels")}
    _same_length(folder, times=times, states=states, words=words, **others)
    rising = np.asarray(states) > 0
    lines = tuple(str(int(s)) for s in np.asarray(states)[rising])
    found = [EventChannel(name, times[rising], lines)]
    if words is not None:
        # A row a line that changed: of rows at one time the last one has the whole word.
        last = np.append(np.diff(times) > 0, True)[: len(times)]
        whole = [str(word) if word else "" for word in _words(np.asarray(words)[last])]
        found.append(EventChannel(f"{name}:word", times[last], tuple(whole)))
    return found


def _words(words: np.ndarray) -> list[int]:
    """Digital words as numbers; old versions keep a byte a column, the lowest first."""
    if words.ndim == 1:
        return [int(w) for w in words]
    return [sum(int(b) << (8 * i) for i, b in enumerate(row)) for row in words]


def _units(recording: Path, info: dict[str, Any]) -> list[UnitSpikes]:
    name = info.get("folder_name", info.get("folder", "")).rstrip("/")
    folder = recording / "spikes" / name
    if not folder.is_dir():
        return []
    times = _seconds(folder, info, "timestamps", "spike_times")
    clusters = _load(folder, "clusters", "spike_clusters")
    electrodes = _load(folder, "electrode_indices", "spike_electrode_indices")
    _same_length(folder, times=times, clusters=clusters, electrodes=electrodes)
    clusters = np.zeros(len(times), int) if clusters is None else clusters.astype(int)
    electrodes = np.zeros(len(times), int) if electrodes is None else electrodes.astype(int)
    found = []
    for electrode, cluster in sorted({*zip(electrodes.tolist(), clusters.tolist(), strict=True)}):
        own = (electrodes == electrode) & (clusters == cluster)
        kind = "sorted" if cluster else "unsorted"
        found.append(UnitSpikes(f"{name}.{electrode}#{cluster}", kind, times[own]))
    return found
