"""One way in: a recording of any format becomes responses to images."""

from dataclasses import replace
from pathlib import Path

from invariscope.errors import InputError
from invariscope.recordings import (
    arrays,
    neo_files,
    nwb,
    open_ephys,
    sorted_folder,
    spikeglx,
    tables,
)
from invariscope.recordings.options import RecordingOptions
from invariscope.recordings.responses import RecordedResponses
from invariscope.recordings.spikes import EventChannel, SpikeRecording, choose_events
from invariscope.recordings.spikes import window_responses as count_windows

FORMATS = (
    ".nwb, .nev, .plx, .pl2, .npy, .npz, .mat, .csv, or a folder of Open Ephys, SpikeGLX, TDT, "
    "Kilosort or phy"
)


def read_recording(path: str | Path, options: RecordingOptions | None = None) -> RecordedResponses:
    """Read a recording of neurons as responses to images.

    Args:
        path: an NWB file; a Blackrock `.nev` or Plexon file; a folder of Open Ephys (binary),
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
        return arrays.read_array(file, options)
    found = _spikes(file, options)
    if isinstance(found, RecordedResponses):
        return found
    if options.events is not None:
        found = replace(found, events=(_events(options.events, options),))
        options = replace(options, event=None)
    return count_windows(found, options)


def _spikes(file: Path, options: RecordingOptions) -> SpikeRecording | RecordedResponses:
    if file.is_file() and file.suffix.lower() == ".csv":
        return tables.read_csv(file, options)
    if file.is_file() and file.suffix.lower() == ".nwb":
        return nwb.read_nwb(file, options)
    if file.is_dir() and sorted_folder.is_sorted_folder(file):
        return sorted_folder.read_sorted_folder(file, options)
    if file.is_dir() and open_ephys.recordings_below(file):
        return open_ephys.read_open_ephys(file, options)
    if file.is_dir() and spikeglx.meta_files(file):
        return spikeglx.read_spikeglx(file)
    if neo_files.reader_of(file):
        return neo_files.read_neo(file, options)
    raise InputError(f"{str(file)!r} is no recording that is known; expected {FORMATS}")


def _events(file: Path, options: RecordingOptions) -> EventChannel:
    """Read the events of a file beside the spikes'."""
    if not file.exists():
        raise InputError(f"there is no file of events {str(file)!r}")
    if file.suffix.lower() == ".csv":
        return tables.read_event_table(file, options)
    found = _spikes(file, options)
    assert isinstance(found, SpikeRecording)
    return choose_events(found, options)
