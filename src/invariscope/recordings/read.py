"""One way in: a recording of any format becomes responses to images."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from invariscope.errors import InputError, unknown
from invariscope.recordings import (
    arrays,
    neo_files,
    nwb,
    open_ephys,
    open_ephys_legacy,
    sorted_folder,
    spikeglx,
    tables,
)
from invariscope.recordings.clocks import pair_clocks
from invariscope.recordings.options import (
    RESPONSE_CHOICES,
    SPIKE_CHOICES,
    RecordingOptions,
)
from invariscope.recordings.pictures import plain_code
from invariscope.recordings.responses import Floats, RecordedResponses
from invariscope.recordings.spikes import EventChannel, SpikeRecording, choose_events
from invariscope.recordings.spikes import window_responses as count_windows

FORMATS = (
    ".nwb, .nev, .plx, .npy, .npz, .mat, .csv, or a folder of Open Ephys, SpikeGLX, TDT, Kilosort "
    "or phy"
)
# Formats that only their makers' programs read.
CONVERT = {
    ".pl2": "save it as .plx or NWB, as Plexon's library for .pl2 is for Windows alone",
    ".mwk": "write its events as a CSV with MWorks' tools",
    ".mwk2": "write its events as a CSV with MWorks' tools",
    ".bhv2": "write its events as a CSV with NIMH MonkeyLogic's mlread",
}
# How a folder of each kind is recognised and read; the first that is recognised counts.
FOLDERS: tuple[
    tuple[Callable[[Path], object], Callable[[Path, RecordingOptions], SpikeRecording]], ...
] = (
    (sorted_folder.is_sorted_folder, sorted_folder.read_sorted_folder),
    (open_ephys.recordings_below, open_ephys.read_open_ephys),
    (open_ephys_legacy.is_legacy_folder, open_ephys_legacy.read_legacy),
    (spikeglx.meta_files, lambda file, _: spikeglx.read_spikeglx(file)),
)


def read_recording(path: str | Path, options: RecordingOptions | None = None) -> RecordedResponses:
    """Read a recording of neurons as responses to images.

    Args:
        path: an NWB file; a Blackrock `.nev` or Plexon file; a folder of Open Ephys,
            SpikeGLX, TDT, Kilosort or phy; an array `neurons × images × repeats` (`.npy`, `.npz`,
            `.mat`); a CSV of spike times or of responses.
        options: window, baseline, which event carries the image, which units count.

    Returns:
        Responses by trial; `dropped` says what was left out, and why.

    Raises:
        InputError: another format, unknown codes, times of doubtful unit, no unit left.
        StoreError: a file that is missing, damaged or truncated.

    Example:
        >>> import numpy as np
        >>> import invariscope as iv
        >>> np.save("responses.npy", [[[3, 5], [0, 2]]])  # 1 neuron, 2 images, 2 repeats
        >>> recorded = iv.read_recording("responses.npy")
        >>> recorded.means.tolist()
        [[4.0], [1.0]]
    """
    options = options or RecordingOptions()
    file = Path(path)
    if not file.exists():
        raise InputError(f"there is no recording {str(path)!r}")
    if file.suffix.lower() in arrays.SUFFIXES and file.is_file():
        options.check_unused(SPIKE_CHOICES, f"{str(path)!r} is an array of responses")
        return arrays.read_array(file, options)
    found = _spikes(file, options)
    if isinstance(found, RecordedResponses):
        options.check_unused(SPIKE_CHOICES, f"{str(path)!r} is a table of responses")
        return found
    options.check_unused(RESPONSE_CHOICES, f"{str(path)!r} holds spike times")
    if options.events is not None:
        events = _events(options.events, options)
        if options.sync is not None:
            clocks = pair_clocks(_pulses(options, 1), _pulses(options, 0))
            events = replace(events, times=clocks.to_spikes(events.times))
        found = replace(found, events=(events,))
        options = replace(options, event=None)
    return count_windows(found, options)


def _spikes(file: Path, options: RecordingOptions) -> SpikeRecording | RecordedResponses:
    if file.is_file() and file.suffix.lower() == ".csv":
        return tables.read_csv(file, options)
    if file.is_file() and file.suffix.lower() == ".nwb":
        return nwb.read_nwb(file, options)
    for recognised, read in FOLDERS if file.is_dir() else ():
        if recognised(file):
            return read(file, options)
    if neo_files.reader_of(file):
        return neo_files.read_neo(file, options)
    advice = CONVERT.get(file.suffix.lower(), f"expected {FORMATS}")
    raise InputError(f"{str(file)!r} is no recording that is known; {advice}")


def _events(file: Path, options: RecordingOptions) -> EventChannel:
    """Read the events of a file beside the spikes'."""
    if not file.exists():
        raise InputError(f"there is no file of events {str(file)!r}")
    if file.suffix.lower() == ".csv":
        return tables.read_event_table(file, options)
    found = _spikes(file, options)
    assert isinstance(found, SpikeRecording)
    return choose_events(found, options)


def _pulses(options: RecordingOptions, number: int) -> Floats:
    """Read the times of the pulses in the first or second file of `sync`."""
    assert options.sync is not None
    channel = options.sync_channels[number] if options.sync_channels else None
    name, _, code = (channel or "").partition("=")
    chosen = replace(options, event=name or None, order=None)
    file = options.sync[number]
    if file.suffix.lower() == ".csv":
        return tables.read_times(file, options)
    found = _events(file, chosen)
    labels = np.array([plain_code(label) for label in found.labels], object)
    kept = labels == code if code else (labels != "") | (labels == "").all()
    if not kept.any():
        raise unknown(f"code of {found.name!r} in {str(file)!r}", code, sorted({*found.labels}))
    return found.times[kept]
