"""The runs of one unit from one reference, described for a page."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from invariscope import plot
from invariscope.analysis.appearance import changes
from invariscope.experiments.front_choice import meets_bound
from invariscope.experiments.pictures import read_png
from invariscope.experiments.result import Result, kind_of
from invariscope.plot.axes import figure_of, new_axes
from invariscope.report.activity_bars import add_activity_bars
from invariscope.report.album import Album, picture_path
from invariscope.report.goals import goal_sentences
from invariscope.report.kind_grid import kind_grid
from invariscope.report.page import csv, svg
from invariscope.report.strongest_photos import PhotoPass
from invariscope.store.record import RunRecord
from invariscope.subjects.kinds import kind_note, times_maximum
from invariscope.subjects.pixels import farthest_seen, share_of_possible

SIZE = (4.2, 3.0)


@dataclass(frozen=True)
class ReferenceGroup:
    """Searches of one unit from one reference.

    Attributes:
        number: its place on the page, from 1.
        runs: the searches, by task, depth of the site and seed.
        affine: copies of the reference, where they were measured.
    """

    number: int
    runs: list[RunRecord]
    affine: pd.DataFrame | None = None

    @property
    def first(self) -> RunRecord:
        return self.runs[0]

    @property
    def result(self) -> Result:
        return Result(self.runs)

    @cached_property
    def table(self) -> pd.DataFrame:
        """The result's table, made once for all parts of the page."""
        return self.result.table()


def reference_id(record: RunRecord) -> str:
    """Identify a reference: by an MEI's run, or by an image's content."""
    recipe = record.settings.reference or {}
    return str(recipe.get("run") or recipe.get("sha256") or "")


def _order(record: RunRecord) -> tuple[Any, ...]:
    s = record.settings
    depth = record.labels.get("site_depth", 0)
    return (s.task != "invariance", depth, str(s.site), s.subset or (), s.seed)


def grouped(
    records: Sequence[RunRecord], affine: pd.DataFrame | None = None
) -> list[ReferenceGroup]:
    """Group searches by subject, unit and reference, in their order.

    Args:
        records: MEI searches among them are left out.
        affine: of one unit, or of many with `subject`, `unit` and `reference_run`.
    """
    found: dict[tuple[str, str, str], list[RunRecord]] = {}
    for record in records:
        if record.settings.task != "excitation":
            key = (str(record.labels["subject"]), record.settings.unit, reference_id(record))
            found.setdefault(key, []).append(record)
    return [
        ReferenceGroup(number, sorted(runs, key=_order), _affine(affine, key))
        for number, (key, runs) in enumerate(found.items(), 1)
    ]


def _affine(table: pd.DataFrame | None, key: tuple[str, str, str]) -> pd.DataFrame | None:
    """Select the rows that belong to a group; None without any."""
    if table is None or "unit" not in table:
        return table
    rows: Any = table[(table["subject"] == key[0]) & (table["unit"] == key[1])]
    if len(set(rows["reference_run"])) > 1:  # folders of runs end in 12 digits of their names
        rows = rows[rows["reference_run"].astype(str).str.endswith(key[2][:12])]
    return rows if len(rows) else None


def _changed(record: RunRecord, row: int) -> list[str]:
    """Say in words the changes of a picture; the 8-bit pictures are enough."""
    picture, reference = picture_path(record, row), record.path / "images" / "reference.png"
    if not (picture.exists() and reference.exists()):
        return []
    return changes(read_png(picture), read_png(reference))


def _shared(described: list[list[str]]) -> list[str]:
    """Find the words that more than half of the pictures share."""
    counts = Counter(word for words in described for word in words)
    return [word for word, count in counts.items() if 2 * count > len(described)]


def _median(values: list[float]) -> float:
    known = [value for value in values if np.isfinite(value)]
    return float(np.median(known)) if known else float("nan")


def _cell(record: RunRecord, row: dict[str, Any], number: int, possible: float) -> dict[str, Any]:
    s = record.settings
    meets = bool(meets_bound(record.front, s.milestone)[row["member"]])
    return {
        "id": number,
        "record": record,
        "member": row["member"],
        "task": s.task,
        "site": s.site,
        "kept": 100 - row["reduction"],
        "reduction": row["reduction"],
        "loss": row["loss"],
        "distance": row["pixel_distance"],
        "share": 100 * share_of_possible(row["pixel_distance"], possible),
        "stretch": row["stretch"],
        "activation": row["activation"],
        "seed": s.seed,
        "status": row["status"],
        "generations": row["generations"],
        "meets": meets,
        "silences": s.task == "adversarial" and (meets or row["reduction"] >= 100),
        "known": "bound" in s.milestone,
        "changed": _changed(record, row["member"]),
    }


def _rows(cells: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Group cells by task, site and subset, with their medians and shared words."""
    rows: dict[tuple[Any, ...], dict[str, Any]] = {}
    for cell in cells:
        subset = cell["record"].settings.subset
        blank = {"task": cell["task"], "site": cell["site"], "subset": subset, "cells": []}
        rows.setdefault((cell["task"], cell["site"], subset), blank)["cells"].append(cell)
    for row in rows.values():
        own = row["cells"]
        row["changed"] = _shared([cell["changed"] for cell in own])
        for name in ("kept", "reduction", "loss", "share", "distance"):
            row[name] = _median([cell[name] for cell in own])
        row["meet"] = sum(cell["meets"] for cell in own)
        row["silence"] = sum(cell["silences"] for cell in own)
        row["best"] = _best(own)
    return list(rows.values())


def _best(cells: list[dict[str, Any]]) -> dict[str, Any]:
    """Choose the image that shows a row best.

    Of images that are beyond the bound the farthest, and of silencing ones the nearest; where no
    image silences the unit, the one that weakens it most.
    """
    if cells[0]["task"] == "invariance":
        return max(cells, key=lambda cell: (cell["meets"], cell["distance"]))
    silencing = [cell for cell in cells if cell["silences"]]
    if silencing:
        return min(silencing, key=lambda cell: cell["distance"])
    return min(cells, key=lambda cell: cell["activation"])


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Choose a unit's rows at pixels, where distances of all units compare; else the first."""
    found: dict[str, Any] = {}
    for task, name in (("invariance", "far"), ("adversarial", "near")):
        own = [row for row in rows if row["task"] == task]
        at_pixels = [row for row in own if row["site"] == "pixels"]
        found[name] = next(iter(at_pixels or own), None)
    return found


def describe(
    group: ReferenceGroup, number: int, album: Album, photos: PhotoPass | None = None
) -> dict[str, Any]:
    """Everything that the page says of a group but its plots.

    Args:
        group: the searches.
        number: of the page's first search in it.
        album: gives the pictures.
        photos: names the unit's strongest photos.
    """
    table = group.table
    reference = group.result.reference
    first = group.first
    possible = farthest_seen(
        reference.image, first.labels, first.settings.subject, first.settings.generator
    )
    cells = [
        _cell(record, row, number + place, possible)
        for place, (record, row) in enumerate(
            zip(group.runs, table.to_dict("records"), strict=True)
        )
    ]
    for cell in cells:
        cell["image"] = album.image(cell["record"], cell["member"])
        cell["kinds"] = kind_grid(cell["record"], album)
    rows = _rows(cells)
    natural = next((r.settings.natural for r in group.runs if r.settings.natural), None)
    add_activity_bars(cells, reference.activity, natural)
    recipe = reference.recipe
    return {
        "number": group.number,
        "subject": group.first.labels["subject"],
        "unit": group.first.settings.unit,
        "label": group.first.labels.get("unit"),
        "of_mei": recipe.get("kind") == "mei",
        "reference": album.reference(group.first),
        "activity": reference.activity,
        "natural": natural,
        "times_maximum": times_maximum(reference.activity, natural),
        "kind": kind_of(group.first),
        "note": kind_note(group.first.settings.unit, kind_of(group.first)),
        "photos": photos.of(first) if photos else [],
        "beyond": sum(cell["distance"] > 0 and cell["share"] != cell["share"] for cell in cells)
        if np.isfinite(possible)
        else 0,
        "rows": rows,
        "cells": cells,
        "table": table.to_dict("records"),
        "summary": summary(rows),
        "goals": goal_sentences(rows),
        "affine": None if group.affine is None else group.affine.to_dict("records"),
        "affine_csv": None if group.affine is None else csv(group.affine),
    }


def distance_axes(group: ReferenceGroup) -> Any:
    """Draw loss of activity against pixel distance."""
    return plot.distance_activation(group.table, group.affine)


def front_axes(group: ReferenceGroup) -> list[tuple[str, Any]]:
    """Draw fronts by task and site, since stretches of different sites cannot be compared."""
    by_site: dict[tuple[str, str], list[RunRecord]] = {}
    for record in group.runs:
        key = (record.settings.task, str(record.settings.site))
        by_site.setdefault(key, []).append(record)
    return [
        (f"{task} at {site}", plot.front(Result(runs), new_axes(None, SIZE)))
        for (task, site), runs in by_site.items()
    ]


def plots(group: ReferenceGroup) -> dict[str, Any]:
    """Draw a group's plots as pictures."""
    return {
        "distance": svg(figure_of(distance_axes(group))),
        "fronts": [(title, svg(figure_of(ax))) for title, ax in front_axes(group)],
    }
