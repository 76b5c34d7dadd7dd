"""Folders of Open Ephys before its binary format ("Open Ephys format", default to version 0.4).

A `.spikes` file an electrode and one `.events` file, each with a text header of 1,024 bytes and
records behind it. Read directly: neo 0.14 finds no spikes in such a folder, and keeps no rising
edge apart from its falling one (docs/recordings.md).
"""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from invariscope.errors import InputError, StoreError
from invariscope.plurals import number_of
from invariscope.recordings.options import RecordingOptions, check_rate
from invariscope.recordings.spikes import EventChannel, SpikeRecording, UnitSpikes

HEADER = 1024  # bytes
TTL = 3  # type of an event
SEGMENT = re.compile(r"(?P<stem>.+?)(?:_(?P<number>[0-9]+))?")
RATE = re.compile(r"header\.sampleRate\s*=\s*([^;\s]+)")
EVENT = np.dtype(
    [
        *(("timestamp", "<i8"), ("sample_pos", "<i2"), ("event_type", "u1"), ("processor", "u1")),
        *(("event_id", "u1"), ("channel", "u1"), ("recording", "<u2")),
    ]
)
# Of a spike, before its samples; `channels` and `samples` tell how long the record is.
SPIKE = [
    *(("event_type", "u1"), ("timestamp", "<i8"), ("software_timestamp", "<i8")),
    *(("source", "<u2"), ("channels", "<u2"), ("samples", "<u2"), ("sorted", "<u2")),
    *(("electrode", "<u2"), ("channel", "<u2"), ("color", "u1", 3), ("projection", "<f4", 2)),
    ("sampling_rate", "<u2"),
]
LINES = 8


def is_legacy_folder(path: Path) -> bool:
    """Recognise a folder with files of spikes or events."""
    return bool(_files(path, ".spikes") or _files(path, ".events"))


def read_legacy(path: Path, options: RecordingOptions) -> SpikeRecording:
    """Read spikes and the TTL edges of one segment; times are seconds on acquisition's clock.

    Rising edges are events `PROCESSOR` with the line, from 0, as code; the word of a processor's
    first eight lines is `PROCESSOR:word`, where 0 is no code. Unit 0 of an electrode is unsorted.

    Raises:
        InputError: several segments and none chosen, or a sampling rate of 0.
        StoreError: files that are damaged or truncated.
    """
    segments = sorted({_segment(f) for kind in (".spikes", ".events") for f in _files(path, kind)})
    if len(segments) > 1 and options.segment is None:
        raise InputError(
            f"{str(path)!r} holds {number_of(len(segments), 'segment')}; choose segment from 0 to "
            f"{len(segments) - 1}"
        )
    if (options.segment or 0) >= len(segments):
        raise InputError(
            f"{str(path)!r} holds {number_of(len(segments), 'segment')}, none of {options.segment}"
        )
    number = segments[options.segment or 0]
    spikes, events = (
        [f for f in _files(path, kind) if _segment(f) == number] for kind in (".spikes", ".events")
    )
    units = tuple(unit for file in spikes for unit in _units(file))
    return SpikeRecording(path.name, units, tuple(c for file in events for c in _events(file)))


def _files(path: Path, suffix: str) -> list[Path]:
    return sorted(f for f in path.rglob(f"*{suffix}") if _name(f) != "messages")


def _segment(file: Path) -> int:
    """Read the number of a file's segment: the first has no number in its name, the next has 2."""
    found = SEGMENT.fullmatch(file.stem)
    return int(found["number"]) if found and found["number"] else 1


def _name(file: Path) -> str:
    found = SEGMENT.fullmatch(file.stem)
    return found["stem"] if found else file.stem


def _open(file: Path) -> tuple[float, bytes]:
    """Read a file's sampling rate and its records."""
    content = file.read_bytes()
    head = content[:HEADER].decode("latin-1")
    found = RATE.search(head)
    try:
        rate = float(found[1]) if found and len(content) >= HEADER else None
    except ValueError:
        rate = None
    if rate is None:
        raise StoreError(
            f"{str(file)!r} has no header of {HEADER} bytes with a sampling rate; it may be "
            "truncated: put a copy of it back"
        )
    return check_rate(rate, f"the sampling rate of {file.name!r}"), content[HEADER:]


def _records(file: Path, content: bytes, kind: np.dtype) -> np.ndarray:
    if len(content) % kind.itemsize:
        raise StoreError(
            f"{str(file)!r} ends within a record of {kind.itemsize} bytes; it is truncated: put a "
            "copy of it back"
        )
    return np.frombuffer(content, kind)


def _units(file: Path) -> Iterator[UnitSpikes]:
    rate, content = _open(file)
    if not content:
        return
    start = np.dtype(SPIKE)
    first = np.frombuffer(content[: start.itemsize].ljust(start.itemsize, b"\0"), start)[0]
    wide, long = int(first["channels"]), int(first["samples"])
    rest = [
        *(("waveform", "<u2", (wide, long)), ("gains", "<f4", wide), ("thresholds", "<u2", wide)),
        ("recording", "<u2"),
    ]
    found = _records(file, content, np.dtype(SPIKE + rest))
    if (found["channels"] != wide).any() or (found["samples"] != long).any():
        raise StoreError(
            f"{str(file)!r} has spikes of several lengths; it is damaged: put a copy of it back"
        )
    for number in np.unique(found["sorted"]).tolist():
        times = found["timestamp"][found["sorted"] == number] / rate
        yield UnitSpikes(f"{_name(file)}#{number}", "sorted" if number else "unsorted", times)


def _events(file: Path) -> Iterator[EventChannel]:
    rate, content = _open(file)
    found = _records(file, content, EVENT)
    found = found[found["event_type"] == TTL]
    for processor in np.unique(found["processor"]).tolist():
        own = found[found["processor"] == processor]
        times, up = own["timestamp"] / rate, own["event_id"] > 0
        lines = tuple(str(int(line)) for line in own["channel"][up])
        yield EventChannel(str(processor), times[up], lines)
        yield _words(f"{processor}:word", times, own)


def _words(name: str, times: np.ndarray, edges: np.ndarray) -> EventChannel:
    """Follow the word of the lines: of edges at the same time the last has the whole word."""
    word, words = 0, []
    for line, up in zip(edges["channel"].tolist(), (edges["event_id"] > 0).tolist(), strict=True):
        if line < LINES:
            word = word | 1 << line if up else word & ~(1 << line)
        words.append(word)
    last = np.append(np.diff(times) > 0, True)[: len(times)]
    labels = tuple(str(words[i]) if words[i] else "" for i in np.flatnonzero(last))
    return EventChannel(name, times[last], labels)
