"""A recording as a folder: tables, variability, the answers of `recorded:`."""

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import torch
from PIL import Image
from pyarrow import parquet

from invariscope.errors import InputError
from invariscope.natural.statistics import NaturalStatistics
from invariscope.photos import read_image
from invariscope.plurals import number_of
from invariscope.recordings.natural import natural_table
from invariscope.recordings.options import RecordingOptions
from invariscope.recordings.pictures import image_files
from invariscope.recordings.responses import RecordedResponses
from invariscope.recordings.variability import (
    RECORDING,
    VARIABILITY,
    measured_variability,
    save_variability,
    unit_table,
)
from invariscope.store.files import make_folder, replace_file
from invariscope.subjects.rig.pixels import image_names
from invariscope.subjects.rig.recorded import ABOUT, RECORDED
from invariscope.subjects.rig.subject import RigSubject

TRIALS, UNITS, NATURAL = "trials.parquet", "units.csv", "natural.parquet"
CHUNK = 64


def write_recording(
    recorded: RecordedResponses,
    folder: Path,
    options: RecordingOptions,
    *,
    image_size: int | None = None,
) -> list[str]:
    """Write a recording's tables, and its answers where the images are files.

    `trials.parquet` has a row a presentation, `units.csv` a row a unit, `variability.json` what a
    simulated brain is calibrated from. With images also `responses.parquet`, so that
    `recorded:FOLDER` is a subject, and `natural.parquet`, its natural statistics.

    Args:
        folder: new, empty, or written by this before.
        options: with which it was read.
        image_size: pixels to which the images are brought; by default their own.

    Returns:
        Sentences on what could not be written.

    Raises:
        InputError: the folder holds something else; names that collide; images of several sizes.
        StoreError: it cannot be written.
    """
    if folder.exists() and any(folder.iterdir()) and not (folder / RECORDING).is_file():
        raise InputError(f"{str(folder)!r} holds something else; choose another --out")
    trials = recorded.trials()
    if not trials.columns.is_unique:
        raise InputError(f"{recorded.name} has a unit named image or onset, or one twice; rename")
    make_folder(folder)
    _write_text(folder / RECORDING, json.dumps(_about(recorded, options), indent=1) + "\n")
    _write_table(trials, folder / TRIALS)
    table = unit_table(recorded).to_csv(index=False)
    _write_text(folder / UNITS, table)
    notes = []
    try:
        about = {"recording": recorded.name, "invariscope": version("invariscope")}
        save_variability(folder / VARIABILITY, measured_variability(recorded), about)
    except InputError as error:
        (folder / VARIABILITY).unlink(missing_ok=True)
        notes.append(f"no {VARIABILITY}: {error}")
    files = image_files(options)
    if files is None or not set(recorded.images) <= files.keys():
        for name in (RECORDED, NATURAL):
            (folder / name).unlink(missing_ok=True)
        notes.append(f"no {RECORDED}: the images are no files; give images, a folder of photos")
        return notes
    _write_answers(recorded, folder, files, options, image_size)
    return notes


def _about(recorded: RecordedResponses, options: RecordingOptions) -> dict[str, Any]:
    read = json.loads(json.dumps(asdict(options), default=str))
    return {
        "recording": recorded.name,
        "quantity": recorded.quantity,
        "units": list(recorded.units),
        "images": len(recorded.images),
        "trials": len(recorded.shown),
        "dropped": [asdict(one) for one in recorded.dropped],
        "options": read,
        "invariscope": version("invariscope"),
    }


def _write_text(path: Path, text: str) -> None:
    replace_file(path, lambda part: part.write_text(text, encoding="utf-8"))


def _write_table(table: pd.DataFrame, path: Path, about: Mapping[bytes, str] | None = None) -> None:
    stored = pa.Table.from_pandas(table, preserve_index=False)
    if about:
        stored = stored.replace_schema_metadata(dict(about))
    replace_file(path, lambda part: parquet.write_table(stored, part, compression="zstd"))


def _side(files: Mapping[str, Path], image_size: int | None) -> int:
    if image_size is not None:
        return image_size
    sizes = set()
    for file in files.values():
        with Image.open(file) as image:
            sizes.add(image.size)
    if len(sizes) > 1 or len(set(next(iter(sizes)))) > 1:
        each = ", ".join(f"{w} × {h}" for w, h in sorted(sizes)[:3])
        raise InputError(f"images are of sizes {each}; expected one square size, or --image-size")
    return next(iter(sizes))[0]


def _write_answers(
    recorded: RecordedResponses,
    folder: Path,
    files: Mapping[str, Path],
    options: RecordingOptions,
    image_size: int | None,
) -> None:
    """Write the answers of `recorded:FOLDER`, images named by their pixels."""
    side = _side(files, image_size)
    names: list[str] = []
    for first in range(0, len(recorded.images), CHUNK):
        chosen = [files[name] for name in recorded.images[first : first + CHUNK]]
        names += image_names(torch.stack([read_image(file, side) for file in chosen]))
    unique = {name: i for i, name in enumerate(dict.fromkeys(names))}
    rows = np.array([unique[name] for name in names], np.int64)  # equal images share their trials
    answers = replace(recorded, images=tuple(unique), shown=rows[recorded.shown])
    table = answers.table()
    if not table.columns.is_unique:
        raise InputError(f"{recorded.name} has units whose names collide in {RECORDED}; rename one")
    practice = {
        "quantity": recorded.quantity,
        "window": list(options.window),
        "baseline": list(options.baseline) if options.baseline else None,
    }
    about = {"name": recorded.name, "units": list(recorded.units), "image_size": side}
    text = json.dumps({**about, "practice": practice})
    _write_table(table, folder / RECORDED, {ABOUT: text})
    subject = RigSubject(recorded.name, recorded.units, side, practice=practice)
    shown = {"shown": f"{number_of(len(unique), 'image')} of {recorded.name}"}
    rows_of_units = natural_table(recorded.units, answers.means, answers.variances, answers.repeats)
    NaturalStatistics(rows_of_units, subject.natural_identity(), shown).save(folder / NATURAL)
