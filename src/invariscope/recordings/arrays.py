"""Arrays of responses, `neurons × images` or `neurons × images × repeats`: npy, npz, MATLAB."""

import zlib
from pathlib import Path
from tokenize import TokenError
from typing import Any
from zipfile import BadZipFile

import numpy as np
from scipy import io, sparse

from invariscope.errors import InputError, StoreError, unknown
from invariscope.optional import optional_library
from invariscope.plurals import number_of
from invariscope.recordings.options import AXES, QUANTITIES, RecordingOptions
from invariscope.recordings.pictures import image_list
from invariscope.recordings.responses import Dropped, Floats, RecordedResponses, few
from invariscope.recordings.values import (
    check_filled,
    check_values,
    spike_counts,
    without_silent_units,
)

SUFFIXES = (".npy", ".npz", ".mat")
UNREADABLE = (
    *(OSError, ValueError, EOFError, LookupError, TypeError, NotImplementedError),
    *(BadZipFile, zlib.error, io.matlab.MatReadError, SyntaxError, TokenError),
)
EXPECTED = "expected neurons × images, or neurons × images × repeats; say another order with axes"
# Of MATLAB 7.3: kinds of data sets that are no numbers, though HDF5 keeps numbers in them.
NO_NUMBERS = ("char", "cell", "function_handle", "string")


def read_array(path: Path, options: RecordingOptions) -> RecordedResponses:
    """Read responses from an array.

    Trials come in the order of repeats, then images; a repeat that no unit has is left out, and
    so is a unit without any number or without a spike.

    Raises:
        InputError: another shape, text, or values that are not what `values` says.
        StoreError: the file is damaged.
    """
    array = _numbers(_load(path, options), path, options)
    neurons, images, repeats = array.shape
    names = image_list(options, images) or tuple(str(i) for i in range(images))
    if len(names) != images:
        raise InputError(
            f"{str(options.images)!r} has {number_of(len(names), 'image')}, and {str(path)!r} "
            f"responses to {images} (its axes count {number_of(neurons, 'neuron')}, "
            f"{number_of(images, 'image')}, {number_of(repeats, 'repeat')}); expected as many, or "
            "the right axes"
        )
    check_values(array, repr(str(path)), options, single=repeats > 1)
    if repeats > 1 and (counts := spike_counts(array, options)) is not None:
        check_filled(counts, repr(str(path)))
    responses = array.transpose(2, 1, 0).reshape(-1, neurons)
    shown = np.tile(np.arange(images), repeats)
    dropped = []
    there = ~np.isnan(responses).all(1)
    if not there.all():
        why = "repeats that hold no number for any unit"
        dropped.append(Dropped("trial", int((~there).sum()), why))
    never = np.setdiff1d(np.arange(images), shown[there])
    if len(never):
        why = f"never shown: {few(names[i] for i in never)}"
        dropped.append(Dropped("image", len(never), why))
    found = RecordedResponses(
        name=path.stem,
        units=tuple(f"n{i}" for i in range(neurons)),
        images=names,
        shown=shown[there],
        onsets=np.full(int(there.sum()), np.nan),
        responses=responses[there],
        quantity=QUANTITIES[options.values],
        seconds=options.seconds,
        counts=spike_counts(responses[there], options),
        dropped=tuple(dropped),
    )
    return without_silent_units(found)


def load_npy(path: Path) -> np.ndarray:
    """Load an array of a folder that a recorder or a sorter wrote.

    Raises:
        StoreError: the file is missing, damaged or truncated.
    """
    try:
        return np.load(path, allow_pickle=False)
    except UNREADABLE as error:
        raise StoreError(f"{str(path)!r} is missing or truncated; put a copy of it back") from error


def _load(path: Path, options: RecordingOptions) -> Any:
    kind = path.suffix.lower()
    try:
        if kind == ".npy":
            return np.load(path, allow_pickle=False)
        if kind == ".npz":
            with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                found = {name: arrays[name] for name in arrays.files}
        else:
            found = _mat(path)
    except UNREADABLE as error:
        if "Object arrays" in str(error):
            raise InputError(
                f"{str(path)!r} holds Python objects, such as lists of unequal lengths; expected "
                "an array of numbers, with NaN for missing repeats"
            ) from error
        raise StoreError(
            f"{str(path)!r} cannot be read as an array ({_short(error)}); it may be truncated: "
            "put a copy of it back"
        ) from error
    return _chosen(found, path, options)


def _chosen(found: dict[str, Any], path: Path, options: RecordingOptions) -> Any:
    """Choose the variable that holds the responses."""
    if options.variable is not None:
        if options.variable not in found:
            raise unknown(f"variable of {str(path)!r}", options.variable, found)
        return found[options.variable]
    numeric = {k: v for k, v in found.items() if np.asarray(v).dtype.kind in "iufb"}
    arrays = {k: v for k, v in numeric.items() if np.asarray(v).size > 1} or numeric
    if len(arrays) != 1:
        names = ", ".join(map(repr, arrays)) or "none"
        others = ", ".join(repr(name) for name in found if name not in numeric)
        also = f"; it also holds {others}, which are cells, structs or text" if others else ""
        raise InputError(
            f"{str(path)!r} holds {number_of(len(arrays), 'array')} of numbers ({names}){also}; "
            "expected one, or choose with variable"
        )
    return next(iter(arrays.values()))


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__


def _mat(path: Path) -> dict[str, Any]:
    """Read the variables of a MATLAB file; of version 7.3 (HDF5) with MATLAB's order of axes."""
    with path.open("rb") as file:
        head = file.read(128)
    if b"MATLAB 7.3" not in head:
        found = {k: v for k, v in io.loadmat(path).items() if not k.startswith("__")}
        return {k: v.toarray() if sparse.issparse(v) else v for k, v in found.items()}
    h5py = optional_library("h5py", "recordings")
    with h5py.File(path, "r") as file:
        return {k: _hdf5_variable(v, h5py) for k, v in file.items() if not k.startswith("#")}


def _hdf5_variable(value: Any, h5py: Any) -> np.ndarray:
    """Read a variable of MATLAB 7.3; cells, structs and text become an array of objects."""
    words = value.attrs.get("MATLAB_class", b"")
    kind = words.decode() if isinstance(words, bytes) else str(words)
    if not isinstance(value, h5py.Dataset) or kind in NO_NUMBERS:
        return np.array(kind or "struct", object)
    if value.attrs.get("MATLAB_empty", 0):
        return np.zeros(tuple(int(n) for n in value[()].reshape(-1)))
    return np.asarray(value[()]).T


def _numbers(array: Any, path: Path, options: RecordingOptions) -> Floats:
    """Convert an array to `(neurons, images, repeats)` float64."""
    found = np.asarray(array)
    if found.dtype.kind not in "iuf":
        held = "cells or structs" if found.dtype.kind in "OV" else str(found.dtype)
        raise InputError(f"{str(path)!r} holds {held}; expected numbers in one array, {EXPECTED}")
    if path.suffix.lower() == ".mat" and options.axes is not None:
        found = _with_lost_axes(found, len(options.axes))
    axes = options.axes or {2: AXES[:2], 3: AXES}.get(found.ndim, ())
    if len(axes) != found.ndim or 0 in found.shape:
        asked = f", and axes names {len(axes)}" if options.axes else ""
        raise InputError(f"{str(path)!r} has shape {np.shape(array)}{asked}; {EXPECTED}")
    missing = [axis for axis in AXES if axis not in axes]
    whole = found.reshape(*found.shape, *(1 for _ in missing))
    return whole.transpose([(*axes, *missing).index(a) for a in AXES]).astype(np.float64)


def _with_lost_axes(array: np.ndarray, axes: int) -> np.ndarray:
    """Restore axes of length 1: MATLAB drops trailing axes, and keeps two of a vector."""
    if axes == 1 and array.ndim == 2 and 1 in array.shape:
        return array.reshape(-1)
    return array.reshape(*array.shape, *[1] * max(0, axes - array.ndim))
