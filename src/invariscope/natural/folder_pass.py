"""A pass over a folder of photos: activities are kept on disk, then described.

The activities themselves are kept while the pass runs (4 bytes a unit and photo), in segments
that are whole or absent. So every figure is exact, memory does not grow with the photos, and a
pass that was killed goes on from its last segment with the same result.
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from invariscope import validate
from invariscope.errors import StoreError
from invariscope.natural.segments import Segments
from invariscope.natural.statistics import (
    ANSWERS,
    NaturalStatistics,
    describe,
    site_activities,
    unit_names,
)
from invariscope.photos import PhotoFolder, batches
from invariscope.photos.transform import PhotoRule
from invariscope.plurals import number_of
from invariscope.progress import ProgressLine
from invariscope.store.files import make_folder, replace_file
from invariscope.store.hashes import write_hashed
from invariscope.subjects.base import Subject
from invariscope.subjects.trust import answers, changed_answer, check_repeatable
from invariscope.units import Unit, find_site, parse_unit

SPLITS = ("train", "val")

NATURAL, CLASSES, TOP = "natural.parquet", "classes.parquet", "top.parquet"
SETTINGS, REPORT, SEGMENTS = "settings.json", "report.json", "segments"
SPARE = 1.1  # times the activities' size that the disk must have free


@dataclass(frozen=True)
class _UnitColumn:
    """Units that are read together: all of a site, or a single unit."""

    site: str
    names: list[str]
    unit: Unit | None = None

    def read(self, responses: dict[str, Tensor]) -> Tensor:
        response = responses[self.site]
        return self.unit.read(response)[:, None] if self.unit else site_activities(response)


Watcher = Callable[[int, int, int], None]


def columns(subject: Subject, addresses: Sequence[str] | None) -> list[_UnitColumn]:
    """Find the units to read: of sites all units (of channels the spatial mean), or single units.

    Args:
        addresses: sites and unit addresses; by default the readout, the deepest site.

    Raises:
        InputError: an unknown site or unit.
    """
    sites, found = subject.sites(), []
    for address in dict.fromkeys(addresses or [list(sites)[-1]]):
        if ":" in address:
            unit = parse_unit(address, sites)
            found.append(_UnitColumn(unit.site, [str(unit)], unit))
        else:
            find_site(address, sites)
            found.append(_UnitColumn(address, unit_names(address, sites[address])))
    return found


def measure_folder(
    subject: Subject,
    folder: PhotoFolder,
    out: Path,
    *,
    sites: Sequence[str] | None = None,
    split: str = "train",
    photo: PhotoRule | None = None,
    batch: int = 64,
    top: int = 9,
    watch: Watcher | None = None,
    progress: bool | None = None,
) -> NaturalStatistics:
    """Measure units' responses to a folder of photos, in one pass that can be resumed.

    Writes to `out`: `natural.parquet`, the table that searches take; `classes.parquet`, each
    unit's activity over the photos of each class, where there are classes; `top.parquet`, each
    unit's strongest photos; and `report.json`, the photos that were left out or converted.

    Natural statistics are the scale of the paper's stopping rule (PAPERS §1, "Stop").

    Args:
        subject: responds to the photos.
        folder: from `open_folder`.
        out: the folder to write.
        sites: sites, and addresses of single units elsewhere; by default the readout.
        split: the photos' part in the network's training, `train` or `val`; stopping rules take
            `train`.
        photo: how photos are cropped; by default as the subject has it.
        batch: photos that pass at once.
        top: strongest photos to name for each unit.
        watch: called with photos seen, photos in all, and photos seen in this call.
        progress: whether a line shows them; by default in terminals and notebooks.

    Returns:
        The table: minimum, maximum, mean, SD and percentiles of each unit's activity.

    Raises:
        InputError: unknown sites, or `out` holds a pass with other settings.
        StoreError: `out` cannot be written, or the disk is too small.
        SubjectError: the subject answered NaN or infinity.

    Example:
        >>> from pathlib import Path
        >>> from PIL import Image
        >>> import invariscope as iv
        >>> Path("photos").mkdir()
        >>> for colour in ("red", "green", "blue"):
        ...     Image.new("RGB", (96, 96), colour).save(f"photos/{colour}.png")
        >>> subject = iv.load_subject("embedded:standard")
        >>> found = iv.measure_folder(subject, iv.open_folder("photos"), Path("natural"))
        >>> found.table["images"].unique().tolist()
        [3]
    """
    validate.one_of("split", split, SPLITS)
    read = columns(subject, sites)
    names = [name for column in read for name in column.names]
    photo = photo or subject.photo
    settings = {
        "subject": hashlib.sha256(
            json.dumps(subject.identity(), sort_keys=True).encode()
        ).hexdigest(),
        "photos": folder.content,
        "units": hashlib.sha256("\n".join(names).encode()).hexdigest(),
        "split": split,
        "photo": photo.settings(),
        "batch": batch,
        "top": top,
    }
    tapped = list(dict.fromkeys(column.site for column in read))
    check_repeatable(subject, tapped)
    now = answers(subject, tapped)
    if _has_begun(out, settings, now) and (out / NATURAL).exists():
        shutil.rmtree(out / SEGMENTS, ignore_errors=True)  # killed between table and removal
        return NaturalStatistics.load(out / NATURAL, subject)
    _check_disk(out, len(folder), len(names))
    segments = Segments(make_folder(out / SEGMENTS), names, folder)
    first = segments.end
    stream = batches(
        folder,
        side=subject.image_size,
        rule=photo,
        batch=batch,
        start=first,
        device=subject.device,
    )
    with ProgressLine(progress, watched=watch is not None) as line:
        for part in stream:
            responses = subject.respond(part.images, tapped)
            activity = torch.cat([column.read(responses) for column in read], 1)
            segments.add(activity.cpu().numpy(), part.indices)
            position = int(part.indices[-1]) + 1
            line(f"natural statistics · {position} of {number_of(len(folder), 'photo')}")
            if watch:
                watch(position, len(folder), position - first)
    segments.finish()
    statistics = _describe(segments, folder, split, subject, out, top, now)
    shutil.rmtree(out / SEGMENTS)
    return statistics


def _has_begun(out: Path, settings: dict[str, Any], now: dict[str, Any]) -> bool:
    """Tell if a pass with these settings began in `out`; else write its settings there.

    Args:
        now: the subject's answers to the probe images.
    """
    path = out / SETTINGS
    if not path.exists():
        make_folder(out)
        text = json.dumps({**settings, ANSWERS: now}, indent=1)
        replace_file(path, lambda part: part.write_text(text))
        return False
    try:
        stored = dict(json.loads(path.read_bytes()))
        before = stored.pop(ANSWERS, {})
    except (ValueError, TypeError, RecursionError) as error:
        raise StoreError(f"{str(path)!r} is damaged; choose another --out") from error
    differ = sorted(k for k in stored | settings if stored.get(k) != settings.get(k))
    if differ:
        raise StoreError(
            f"{str(out)!r} holds natural statistics with other settings (these differ: "
            f"{', '.join(differ)}); choose another --out"
        )
    if site := changed_answer(before, now):
        raise StoreError(
            f"the subject answers otherwise at site {site!r} than when the natural statistics in "
            f"{str(out)!r} were begun; choose another --out"
        )
    return True


def _check_disk(out: Path, photos: int, units: int) -> None:
    needed = int(SPARE * 4 * photos * units)
    free = shutil.disk_usage(out).free + sum(f.stat().st_size for f in (out / SEGMENTS).glob("*"))
    if needed > free:
        raise StoreError(
            f"{number_of(units, 'unit')} of {number_of(photos, 'photo')} take {needed / 1e9:.1f} "
            f"GB in {str(out)!r} while they are measured, and {free / 1e9:.1f} GB are free; name "
            "fewer sites, or choose another --out"
        )


def _describe(  # noqa: PLR0917
    segments: Segments,
    folder: PhotoFolder,
    split: str,
    subject: Subject,
    out: Path,
    top: int,
    now: dict[str, Any],
) -> NaturalStatistics:
    """Write the tables; `natural.parquet` last, so that its presence means all are there."""
    photos = np.concatenate([segments.photos(file) for file in segments.files])
    whole, classes, tops = [], [], []
    for units, activity in segments.blocks():
        names = segments.names[units]
        if folder.classes:
            classes.append(by_class(names, activity, folder, photos))
        tops.append(strongest(names, activity, folder, photos, top))
        whole.append(pd.DataFrame({"unit": names, "split": split} | describe(activity)))
    report = {
        "folder": str(folder.path),
        "photos": len(photos),
        "left_out": len(folder.report.unreadable),
        "notes": folder.report.lines(),
        "unreadable": list(folder.report.unreadable.values()),
    }
    write_hashed(out / REPORT, lambda part: part.write_text(json.dumps(report, indent=1)))
    for file, parts in ((CLASSES, classes), (TOP, tops)):
        if not parts:
            continue
        table = pd.concat(parts, ignore_index=True)
        write_hashed(out / file, lambda part, table=table: table.to_parquet(part, index=False))
    about = {"subject": subject.name, "photos": len(photos), "content": folder.content}
    about[ANSWERS] = now
    table = pd.concat(whole, ignore_index=True)
    statistics = NaturalStatistics(table, subject.natural_identity(), about)
    statistics.save(out / NATURAL)
    return statistics


def by_class(
    names: list[str],
    activity: NDArray[np.float32],
    folder: PhotoFolder,
    photos: NDArray[np.int64],
) -> pd.DataFrame:
    """Describe each unit's activity over the photos of each class.

    Args:
        names: of the units.
        activity: `(units, photos)`.
        photos: their numbers in the folder, rising; so they are sorted by class.
    """
    labels = folder.labels[photos]
    classes, starts = np.unique(labels, return_index=True)
    counts = np.diff([*starts, len(labels)])
    values = activity.astype(np.float64)
    mean = np.add.reduceat(values, starts, axis=1) / counts
    values -= np.repeat(mean, counts, axis=1)
    sd = np.sqrt(np.add.reduceat(values**2, starts, axis=1) / counts)
    table = {
        "unit": np.repeat(names, len(classes)),
        "class": np.tile([folder.classes[i] for i in classes], len(names)),
        "images": np.tile(counts, len(names)),
        "minimum": np.minimum.reduceat(activity, starts, axis=1).ravel(),
        "maximum": np.maximum.reduceat(activity, starts, axis=1).ravel(),
        "mean": mean.ravel(),
        "sd": sd.ravel(),
    }
    return pd.DataFrame(table)


def strongest(
    names: list[str],
    activity: NDArray[np.float32],
    folder: PhotoFolder,
    photos: NDArray[np.int64],
    top: int,
) -> pd.DataFrame:
    """List each unit's strongest photos, the strongest first; of equals the earlier."""
    kept = min(top, activity.shape[1])
    bound = -np.partition(-activity, kept - 1, axis=1)[:, kept - 1]
    chosen = []
    for row, least in zip(activity, bound, strict=True):
        beyond = np.flatnonzero(row >= least)
        chosen.append(beyond[np.argsort(-row[beyond], kind="stable")][:kept])
    order = np.array(chosen).reshape(len(names), kept)
    return pd.DataFrame(
        {
            "unit": np.repeat(names, kept),
            "rank": np.tile(np.arange(1, kept + 1), len(names)),
            "photo": [folder.names[i] for i in photos[order].ravel()],
            "activity": np.take_along_axis(activity, order, 1).ravel(),
        }
    )
