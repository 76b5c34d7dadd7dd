"""Arrays of responses, `neurons × images` or `neurons × images × repeats`: npy, npz, MATLAB."""

import zlib
from pathlib import Path
from tokenize import TokenError
from typing import Any
from zipfile import BadZipFile

import numpy as np
from scipy import io

from invariscope.errors import InputError, StoreError, unknown
from invariscope.optional import optional_library
from invariscope.recordings.options import QUANTITIES, RecordingOptions
from invariscope.recordings.pictures import image_list
from invariscope.recordings.responses import Dropped, Floats, RecordedResponses

SUFFIXES = (".npy", ".npz", ".mat")
UNREADABLE = (
    *(OSError, ValueError, EOFError, LookupError, TypeError, NotImplementedError),
    *(BadZipFile, zlib.error, io.matlab.MatReadError, SyntaxError, TokenError),
)
EXPECTED = "expected neurons × images, or neurons × images × repeats"


def read_array(path: Path, options: RecordingOptions) -> RecordedResponses:
    """Read responses from an array.

    Trials come in the order of repeats, then images; a repeat that no unit has is left out, and
    so is a unit without any number.

    Raises:
        InputError: another shape, text, or values that are not what `values` says.
        StoreError: the file is damaged.
    """
    array = _numbers(_load(path, options), path)
    neurons, images, repeats = array.shape
    names = image_list(options, images) or tuple(str(i) for i in range(images))
    if len(names) != images:
        raise InputError(
            f"{str(options.images)!r} has {len(names)} images, and {str(path)!r} responses to "
            f"{images}; expected as many"
        )
    _check_values(array, path, options)
    responses = array.transpose(2, 1, 0).reshape(-1, neurons)
    shown = np.tile(np.arange(images), repeats)
    dropped = []
    there = ~np.isnan(responses).all(1)
    if not there.all():
        why = "repeats that hold no number for any unit"
        dropped.append(Dropped("trials", int((~there).sum()), why))
    known = ~np.isnan(responses).all(0)
    if not known.all():
        why = f"no number at all: {_few(np.flatnonzero(~known))}"
        dropped.append(Dropped("units", int((~known).sum()), why))
    never = np.setdiff1d(np.arange(images), shown[there])
    if len(never):
        few = ", ".join([names[i] for i in never[:5]]) + (", …" if len(never) > 5 else "")
        dropped.append(Dropped("images", len(never), f"never shown: {few}"))
    kept = responses[there][:, known]
    return RecordedResponses(
        name=path.stem,
        units=tuple(f"n{i}" for i in np.flatnonzero(known)),
        images=names,
        shown=shown[there],
        onsets=np.full(int(there.sum()), np.nan),
        responses=kept,
        quantity=QUANTITIES[options.values],
        seconds=options.seconds,
        counts=spike_counts(kept, options),
        dropped=tuple(dropped),
    )


def load_npy(path: Path) -> np.ndarray:
    """Load an array of a folder that a recorder or a sorter wrote.

    Raises:
        StoreError: the file is missing, damaged or truncated.
    """
    try:
        return np.load(path, allow_pickle=False)
    except UNREADABLE as error:
        raise StoreError(f"{str(path)!r} is missing or truncated; put a copy of it back") from error


def spike_counts(responses: Floats, options: RecordingOptions) -> Floats | None:
    """Compute spike counts in the response window from an array's values."""
    if options.values == "other":
        return None
    return responses if options.values == "counts" else responses * options.seconds


def _few(numbers: np.ndarray) -> str:
    return ", ".join(map(str, numbers[:5])) + (", …" if len(numbers) > 5 else "")


def _load(path: Path, options: RecordingOptions) -> Any:
    try:
        if path.suffix == ".npy":
            return np.load(path, allow_pickle=False)
        if path.suffix == ".npz":
            with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                found = {name: arrays[name] for name in arrays.files}
        else:
            found = _mat(path)
    except UNREADABLE as error:
        raise StoreError(
            f"{str(path)!r} cannot be read as an array ({_short(error)}); it may be truncated: "
            "put a copy of it back"
        ) from error
    numeric = {k: v for k, v in found.items() if np.asarray(v).dtype.kind in "iufb"}
    arrays = {k: v for k, v in numeric.items() if np.asarray(v).size > 1}
    if options.variable is not None:
        if options.variable not in found:
            raise unknown(f"variable of {str(path)!r}", options.variable, found)
        return found[options.variable]
    if len(arrays) != 1:
        names = ", ".join(map(repr, arrays)) or "none"
        raise InputError(
            f"{str(path)!r} holds {len(arrays)} arrays of numbers ({names}); expected one, or "
            "choose with variable"
        )
    return next(iter(arrays.values()))


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__


def _mat(path: Path) -> dict[str, Any]:
    """Read the variables of a MATLAB file; of version 7.3 (HDF5) with MATLAB's order of axes."""
    with path.open("rb") as file:
        head = file.read(128)
    if b"MATLAB 7.3" not in head:
        return {k: v for k, v in io.loadmat(path).items() if not k.startswith("__")}
    h5py = optional_library("h5py", "recordings")
    with h5py.File(path, "r") as file:
        sets = {k: v for k, v in file.items() if isinstance(v, h5py.Dataset)}
        return {k: np.asarray(v[()]).T for k, v in sets.items()}


def _numbers(array: Any, path: Path) -> Floats:
    """Convert an array to `(neurons, images, repeats)` float64."""
    found = np.asarray(array)
    if found.dtype.kind not in "iuf":
        raise InputError(f"{str(path)!r} holds {found.dtype}; expected numbers, {EXPECTED}")
    if found.ndim == 2:
        found = found[:, :, None]
    if found.ndim != 3 or 0 in found.shape:
        raise InputError(f"{str(path)!r} has shape {np.shape(array)}; {EXPECTED}")
    return found.astype(np.float64)


def _check_values(array: Floats, path: Path, options: RecordingOptions) -> None:
    known = array[~np.isnan(array)]
    if not known.size:
        raise InputError(f"{str(path)!r} holds NaN alone; expected responses")
    if np.isinf(known).any():
        raise InputError(f"{str(path)!r} holds an infinite response; expected numbers, NaN: none")
    if options.values != "other" and known.min() < 0:
        raise InputError(
            f"{str(path)!r} holds negative responses ({known.min():g}), which are no "
            f"{options.values}; say values = other, or put back the baseline that was subtracted"
        )
    rates = known / options.seconds if options.values == "counts" else known
    if options.values != "other" and np.median(rates) > options.fastest:
        raise InputError(
            f"{str(path)!r}: half of the responses are above {np.median(rates):,.0f} spikes/s; "
            f"check values (now {options.values}) and window, or raise fastest"
        )
