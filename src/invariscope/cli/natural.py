"""`invariscope natural MODEL FOLDER`: how a network's units respond to natural images."""

import time
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn

from invariscope.cli.numbers import Count, Natural
from invariscope.cli.options import Model, NetworkOptions, OutFolder, default_out
from invariscope.cli.terminal import StartNote, output, progress_bar
from invariscope.natural.folder_pass import NATURAL, measure_folder
from invariscope.natural.statistics import NaturalStatistics
from invariscope.photos import PhotoRule, open_folder
from invariscope.photos.walk import named
from invariscope.plurals import number_of
from invariscope.subjects.kinds import unit_kinds

SHOWN = 10  # lines about photos


def natural(
    model: Model,
    folder: Annotated[Path, Parameter(help="Photos: <class>/<photo>.jpg, or side by side.")],
    /,
    *,
    sites: Annotated[
        list[str] | None,
        Parameter(
            help="Sites, with all their units, and single units elsewhere; by default the readout.",
            consume_multiple=True,
        ),
    ] = None,
    split: Annotated[
        Literal["train", "val"],
        Parameter(help="What the photos are to the network: only train ends searches."),
    ] = "train",
    resize: Annotated[
        Count | None, Parameter(help="The shorter side before the centre crop; else the network's.")
    ] = None,
    batch: Annotated[Count, Parameter(help="Photos that pass at once.")] = 64,
    top: Annotated[Natural, Parameter(help="Strongest photos to name for each unit.")] = 9,
    out: OutFolder = None,
    source: NetworkOptions | None = None,
) -> None:
    """Measure each unit's activity over photos: the scale of stopping rules and percentiles."""
    subject = (source or NetworkOptions()).subject(model)
    photos = open_folder(folder)
    place = out or default_out(model, folder.name, "natural")
    rule = PhotoRule(resize, subject.photo.interpolation) if resize else subject.photo
    console = output()
    start = StartNote(place)
    bar = progress_bar(
        TextColumn("photos"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    began = time.monotonic()
    with bar:
        task = bar.add_task("photos", total=len(photos), rate="")

        def watch(seen: int, _all: int, now: int) -> None:
            start()
            rate = f"{now / (time.monotonic() - began):.0f} photos/s"
            bar.update(task, completed=seen, rate=rate)

        found = measure_folder(
            subject,
            photos,
            place,
            sites=sites,
            split=split,
            photo=rule,
            batch=batch,
            top=top,
            watch=watch,
        )
        bar.update(task, completed=len(photos))
    for line in photos.report.lines()[:SHOWN]:
        console.print(f"photos: {line}")
    for kind, units in _kinds(found).items():
        told = f"{len(units)} {'unit is' if len(units) == 1 else 'units are'} {kind}"
        console.print(f"{told} ({named(units)})", markup=False)
    table = place / NATURAL
    console.print(
        f"{number_of(len(found.table), 'unit')} of {number_of(found.about['photos'], 'photo')}: "
        f"{table}\nsearches take them with --natural {table}"
    )


def _kinds(found: NaturalStatistics) -> dict[str, list[str]]:
    """List the units with answers that need a word, by their kind."""
    columns = (found.table[name].to_numpy() for name in ("minimum", "maximum", "p1"))
    units: dict[str, list[str]] = {}
    for unit, kind in zip(found.table["unit"], unit_kinds(*columns), strict=True):
        if kind:
            units.setdefault(str(kind), []).append(str(unit))
    return units
