"""Folders of Kilosort and phy: spike samples, clusters, and a person's labels.

Read as phy writes them, not through SpikeInterface, whose readers drop clusters without a label
and let the sorter's label stand above a person's (docs/other_software.md).
"""

import ast
import csv
from pathlib import Path

import numpy as np

from invariscope.errors import InputError, StoreError
from invariscope.plurals import number_of
from invariscope.recordings.arrays import load_npy
from invariscope.recordings.options import RecordingOptions, check_rate
from invariscope.recordings.spikes import SpikeRecording, UnitSpikes

TIMES = "spike_times.npy"
CLUSTERS = ("spike_clusters.npy", "spike_templates.npy")
# A person's labels stand above the sorter's.
LABELS = (
    ("cluster_info.tsv", "group"),
    ("cluster_group.tsv", "group"),
    ("cluster_group.csv", "group"),
    ("cluster_KSLabel.tsv", "KSLabel"),
    ("cluster_group.tsv", "KSLabel"),  # Kilosort's own, before phy was opened
)
KINDS = {"good": "sorted", "mua": "multiunit", "noise": "noise", "unsorted": "unsorted"}


def is_sorted_folder(path: Path) -> bool:
    """Recognise a folder of Kilosort or phy."""
    return (path / TIMES).is_file()


def read_sorted_folder(path: Path, options: RecordingOptions) -> SpikeRecording:
    """Read spike times and labels; times count from the first sample of the sorted file.

    Raises:
        InputError: no sampling rate, or 0.
        StoreError: files that are missing, damaged or of different lengths.
    """
    times = _array(path / TIMES)
    there = [path / name for name in CLUSTERS if (path / name).is_file()]
    if not there:
        raise StoreError(f"{str(path)!r} has no {CLUSTERS[0]}; put a copy of it back")
    clusters = _array(there[0])
    if len(times) != len(clusters):
        raise StoreError(
            f"{str(path)!r} has {number_of(len(times), 'spike time')} and "
            f"{number_of(len(clusters), 'cluster')}; expected as many; a file is truncated"
        )
    rate = _sampling_rate(path, options)
    labels = _labels(path)
    units = tuple(
        UnitSpikes(str(c), labels.get(int(c), "unsorted"), times[clusters == c] / rate)
        for c in sorted({*np.unique(clusters).tolist(), *labels})
    )
    return SpikeRecording(path.name or "sorting", units, ())


def _array(path: Path) -> np.ndarray:
    found = load_npy(path)
    return found.reshape(-1).astype(np.float64 if found.dtype.kind == "f" else np.int64)


def _sampling_rate(path: Path, options: RecordingOptions) -> float:
    """Find the sampling rate in `params.py`, as text that is never run."""
    if options.sampling_rate is not None:
        return options.sampling_rate
    file = path / "params.py"
    try:
        tree = ast.parse(file.read_text(encoding="utf-8"))
    except (OSError, SyntaxError, ValueError) as error:
        raise InputError(f"{str(file)!r} cannot be read; give sampling_rate, in Hz") from error
    for node in tree.body:
        named = isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
        if named and node.targets[0].id == "sample_rate":  # type: ignore[attr-defined]
            return check_rate(_number(node, file), f"sample_rate of {str(file)!r}")
    raise InputError(f"{str(file)!r} has no sample_rate; give sampling_rate, in Hz")


def _number(node: ast.AST, file: Path) -> float:
    try:
        return float(ast.literal_eval(node.value))  # type: ignore[attr-defined]
    except (ValueError, TypeError, OverflowError) as error:
        raise InputError(
            f"{str(file)!r} has no plain number as sample_rate; give sampling_rate, in Hz"
        ) from error


def _labels(path: Path) -> dict[int, str]:
    """Read the kind of each labelled cluster; the first of several files decides."""
    found: dict[int, str] = {}
    for name, column in LABELS:
        file = path / name
        if not file.is_file():
            continue
        with file.open(newline="", encoding="utf-8-sig", errors="replace") as text:
            reader = csv.DictReader(text, delimiter="," if file.suffix == ".csv" else "\t")
            for row in reader:
                label = (row.get(column) or "").strip().lower()
                cluster = (row.get("cluster_id") or row.get("id") or "").strip()
                if label in KINDS and cluster.isdigit():
                    found.setdefault(int(cluster), KINDS[label])
    return found
