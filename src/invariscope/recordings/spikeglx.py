"""SpikeGLX folders: rising edges of digital lines, on the clock of each stream's own file.

Time 0 is the first sample of the file, as it is for a sorting of it. Read directly: neo knows
lines of nidq streams alone, and of these the first eight.
"""

from pathlib import Path

import numpy as np

from invariscope.errors import StoreError
from invariscope.plurals import number_of
from invariscope.recordings.options import check_rate
from invariscope.recordings.spikes import EventChannel, SpikeRecording

# Of the counts that a key gives: which are 16-bit words of digital lines.
KINDS = {"snsMnMaXaDw": (3,), "snsApLfSy": (2,), "snsXaDwSy": (1, 2)}
RATES = ("niSampRate", "imSampRate", "obSampRate")
LINES = 16
CHUNK = 2**22  # samples that are looked at together


def meta_files(path: Path) -> list[Path]:
    """Find the streams' descriptions; of a probe's two bands the band at the higher rate."""
    return sorted(f for f in path.rglob("*.meta") if not f.name.endswith(".lf.meta"))


def read_spikeglx(path: Path) -> SpikeRecording:
    """Read the rising edges of all lines that change: channels `STREAM:WORD.LINE`.

    Raises:
        InputError: a sampling rate of 0.
        StoreError: files that are missing, damaged or truncated.
    """
    events = [channel for meta in meta_files(path) for channel in _lines(meta)]
    return SpikeRecording(path.name, (), tuple(events))


def _about(meta: Path) -> dict[str, str]:
    lines = meta.read_text(encoding="utf-8", errors="replace").splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)


def _lines(meta: Path) -> list[EventChannel]:
    about, data = _about(meta), meta.with_suffix(".bin")
    key = next((key for key in KINDS if key in about), None)
    rate = next((about[key] for key in RATES if key in about), None)
    try:
        if key is None or rate is None:
            raise StoreError(f"{str(meta)!r} names no channels or no sampling rate")
        counts = [int(n) for n in about[key].split(",")]
        channels, size = int(about["nSavedChans"]), data.stat().st_size
        told = int(about.get("fileSizeBytes", size))
    except (OSError, ValueError, KeyError) as error:
        if isinstance(error, StoreError):
            raise
        raise StoreError(
            f"{str(meta)!r} is damaged, or its {data.name} is missing ({error})"
        ) from error
    if size != told or size % (2 * channels) or sum(counts) != channels:
        raise StoreError(
            f"{str(data)!r} has {size} bytes; expected {told}, in samples of "
            f"{number_of(channels, 'channel')}; it is truncated: put a copy of it back"
        )
    hertz = check_rate(float(rate), f"the sampling rate of {meta.name!r}")
    if size == 0:
        return []
    samples = np.memmap(data, np.int16, "r").reshape(-1, channels)
    stream = meta.stem.rpartition("_t")[2].partition(".")[2] or meta.stem
    words = [c for kind in KINDS[key] for c in range(sum(counts[:kind]), sum(counts[: kind + 1]))]
    return [
        EventChannel(f"{stream}:{number}.{line}", times / hertz, (str(line),) * len(times))
        for number, word in enumerate(words)
        for line, times in enumerate(_rising(samples[:, word]))
        if len(times)
    ]


def _rising(word: np.ndarray) -> list[np.ndarray]:
    """Find the samples of each rising edge, by line of a digital word."""
    found: list[list[np.ndarray]] = [[] for _ in range(LINES)]
    for first in range(0, len(word), CHUNK):
        part = np.asarray(word[max(first - 1, 0) : first + CHUNK]).astype(np.uint16)
        up = part[1:] & ~part[:-1]
        where = np.flatnonzero(up)
        for line in range(LINES):
            own = where[(up[where] >> line) & 1 == 1]
            found[line].append(own + max(first - 1, 0) + 1)
    return [np.concatenate(parts) for parts in found]
