"""Blackrock NEV, Plexon and TDT, through neo."""

import contextlib
import io
import struct
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from invariscope.errors import InputError, StoreError
from invariscope.optional import optional_library
from invariscope.plurals import number_of
from invariscope.recordings.options import RecordingOptions, check_rate
from invariscope.recordings.spikes import EventChannel, SpikeRecording, UnitSpikes

FILES = {".nev": "BlackrockRawIO", ".plx": "PlexonRawIO"}
TDT = "TdtRawIO"
TSQ_ROW = 40  # bytes
# Unit codes of a channel's spikes that are no sorted unit.
UNSORTED, NOISE = 0, {"BlackrockRawIO": 255, TDT: 31}
UNREADABLE = (
    *(OSError, ValueError, KeyError, IndexError, TypeError, AttributeError, AssertionError),
    *(EOFError, ZeroDivisionError, OverflowError, NotImplementedError, UnboundLocalError),
    struct.error,
)


def reader_of(path: Path) -> str | None:
    """Name neo's reader for a file or folder; None for another format."""
    if path.is_dir():
        return TDT if any(path.rglob("*.tsq")) else None
    return FILES.get(path.suffix.lower())


def read_neo(path: Path, options: RecordingOptions) -> SpikeRecording:
    """Read spikes and events of one segment, on the clock that neo gives both.

    Units are named `CHANNEL#UNIT`. Unit 0 of a channel counts as unsorted; 255 (Blackrock) and 31
    (TDT) as noise.

    Raises:
        InputError: neo is not installed; several segments and none chosen.
        StoreError: the file is damaged or truncated.
    """
    kind = reader_of(path)
    assert kind is not None
    _check_whole(path, kind)
    make = getattr(optional_library("neo.rawio", "recordings"), kind)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            quiet = {"progress_bar": False} if kind == "PlexonRawIO" else {}
            reader = make(str(path)) if path.is_dir() else make(filename=str(path), **quiet)
            reader.parse_header()
            block, segment = _segment(reader, path, options)
            events = tuple(_events(reader, block, segment, kind))
            units = tuple(_units(reader, block, segment, kind))
    except UNREADABLE as error:
        if isinstance(error, InputError | StoreError):
            raise
        raise StoreError(
            f"{str(path)!r} cannot be read by neo ({' '.join(str(error).split())[:120]}); it may "
            "be truncated: put a copy of it back"
        ) from error
    return SpikeRecording(path.stem, units, events)


def _check_whole(path: Path, kind: str) -> None:
    """Refuse a file that ends within a packet, as neo would leave the packet out."""
    if kind == TDT:
        for index in path.rglob("*.tsq"):
            if index.stat().st_size % TSQ_ROW:
                raise StoreError(
                    f"{str(path)!r}: {index.name} ends within a row of {TSQ_ROW} bytes; it is "
                    "truncated: put a copy of it back"
                )
    if path.is_dir():
        return
    with path.open("rb") as file:
        head = file.read(140)
    if kind == "PlexonRawIO" and len(head) == 140:
        check_rate(struct.unpack("<i", head[136:140])[0], f"the sampling rate of {str(path)!r}")
    if kind != "BlackrockRawIO":
        return
    if len(head) < 24 or head[:8] not in (b"NEURALEV", b"BREVENTS"):
        raise StoreError(f"{str(path)!r} is no NEV file; its first bytes are {head[:8]!r}")
    start, packet, rate = struct.unpack("<III", head[12:24])
    check_rate(rate, f"the sampling rate of {str(path)!r}")
    size = path.stat().st_size
    if packet == 0 or size < start or (size - start) % packet:
        raise StoreError(
            f"{str(path)!r} ends within a packet of {packet} bytes; it is truncated: put a copy of "
            "it back"
        )


def _segment(reader: Any, path: Path, options: RecordingOptions) -> tuple[int, int]:
    each = [(b, s) for b in range(reader.block_count()) for s in range(reader.segment_count(b))]
    if len(each) > 1 and options.segment is None:
        raise InputError(
            f"{str(path)!r} holds {number_of(len(each), 'segment')}; choose segment from 0 to "
            f"{len(each) - 1}"
        )
    number = options.segment or 0
    if number >= len(each):
        raise InputError(
            f"{str(path)!r} holds {number_of(len(each), 'segment')}, none of number {number}"
        )
    return each[number]


def _events(reader: Any, block: int, segment: int, kind: str) -> list[EventChannel]:
    found = []
    for i, channel in enumerate(reader.header["event_channels"]):
        raw, _, labels = reader.get_event_timestamps(block, segment, i)
        times = reader.rescale_event_timestamp(raw, dtype="float64", event_channel_index=i)
        words = tuple(w.decode() if isinstance(w, bytes) else str(w) for w in labels)
        if kind == TDT:
            words = tuple(map(_strobe, words))
        found.append(EventChannel(str(channel["name"]), np.asarray(times, np.float64), words))
    return found


def _units(reader: Any, block: int, segment: int, kind: str) -> list[UnitSpikes]:
    found = []
    for i, channel in enumerate(reader.header["spike_channels"]):
        raw = reader.get_spike_timestamps(block, segment, i)
        times = np.asarray(reader.rescale_spike_timestamp(raw, dtype="float64"), np.float64)
        words = [str(channel[key]) for key in ("id", "name")]
        name, _, code = next((w for w in words if "#" in w), words[0]).rpartition("#")
        found.append(UnitSpikes(f"{name}#{code}", _kind(code, kind), times))
    return found


def _kind(code: str, kind: str) -> str:
    if not code.isdigit():
        return "sorted"
    if int(code) == NOISE.get(kind, -1):
        return "noise"
    return "unsorted" if int(code) == UNSORTED else "sorted"


def _strobe(label: str) -> str:
    """Decode the value of a TDT epoch event: neo's whole number has a double's bytes."""
    return f"{struct.unpack('<d', struct.pack('<q', int(label)))[0]:g}"
