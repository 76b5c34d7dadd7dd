"""One self-contained HTML page about the runs of one unit; every number comes from the store."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from invariscope import plot
from invariscope.analysis.card import (
    EXPLAINS,
    FILE,
    IGNORES,
    SENSITIVE,
    Profile,
    load_profile,
)
from invariscope.analysis.possible import farthest_possible
from invariscope.errors import StoreError
from invariscope.plot.style import figure_of, new_axes
from invariscope.report.page import fill, picture, svg
from invariscope.sns.choice import beyond
from invariscope.sns.result import Result, load_result
from invariscope.store.files import replace_file
from invariscope.store.record import RunRecord

AFFINE = "affine.parquet"
PAPER_GENERATIONS = 500


def _cell(record: RunRecord, row: dict[str, Any]) -> dict[str, Any]:
    settings = record.settings
    meets = bool(beyond(record.front, settings.milestone)[row["member"]])
    return {
        "image": picture(record.path / "images" / f"member-{row['member']}.png"),
        "kept": 100 - row["reduction"],
        "reduction": row["reduction"],
        "distance": row["pixel_distance"],
        "stretch": row["stretch"],
        "activation": row["activation"],
        "seed": settings.seed,
        "status": row["status"],
        "generations": row["generations"],
        "meets": meets,
        "known": "bound" in settings.milestone,
    }


def _galleries(result: Result, table: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """For each task its rows: a site and one cell a seed."""
    galleries: dict[str, list[dict[str, Any]]] = {"invariance": [], "adversarial": []}
    places: dict[tuple[str, str], dict[str, Any]] = {}
    for record, row in zip(result.runs, table, strict=True):
        settings = record.settings
        key = (settings.task, str(settings.site))
        if key not in places:
            places[key] = {"site": key[1], "subset": settings.subset, "cells": []}
            galleries[settings.task].append(places[key])
        places[key]["cells"].append(_cell(record, row))
    return galleries


def _ordered(records: list[RunRecord]) -> list[RunRecord]:
    """Runs by task, then by how deep their site lies (the journal's order of sites), then seed."""
    return sorted(
        records,
        key=lambda r: (
            r.settings.task != "invariance",
            r.labels.get("site_depth", 0),
            str(r.settings.site),
            r.settings.seed,
        ),
    )


def _check_one_unit(records: list[RunRecord]) -> None:
    units = sorted({(r.labels["subject"], r.settings.unit) for r in records})
    if len(units) > 1:
        raise StoreError(
            f"the folder holds runs of {len(units)} units, {units}; report one at a time"
        )


def _median(rows: list[dict[str, Any]], column: str) -> float:
    return float(np.median([row[column] for row in rows]))


def _summary(table: list[dict[str, Any]], possible: float) -> dict[str, Any]:
    """The figures of the first lines: typical invariant and silencing images at pixels."""
    at_pixels = [row for row in table if row["site"] == "pixels"]
    invariant = [row for row in at_pixels if row["task"] == "invariance"]
    silent = [row for row in at_pixels if row["task"] == "adversarial"]
    figures: dict[str, Any] = {"possible": possible}
    if invariant:
        figures["far"] = _median(invariant, "pixel_distance")
        figures["far_share"] = figures["far"] / possible * 100
        figures["far_kept"] = 100 - _median(invariant, "reduction")
    if silent:
        figures["near"] = _median(silent, "pixel_distance")
        figures["near_reduction"] = _median(silent, "reduction")
    return figures


def render(result: Result, command: str = "") -> str:
    """The page as text.

    Args:
        result: runs of one unit from one reference; an `affine.parquet` beside their folders is
            shown too.
        command: what a person typed, for the last section.

    Raises:
        StoreError: runs of several units.
    """
    everything = result.runs
    _check_one_unit(everything)
    meis = [r for r in everything if r.settings.task == "excitation"]
    searches = Result(_ordered([r for r in everything if r.settings.task != "excitation"]))
    context: dict[str, Any] = {
        "records": everything,
        "meis": meis,
        "command": command,
        "reduced": any(r.settings.generations < PAPER_GENERATIONS for r in everything),
        "interrupted": sum(r.outcome["status"] == "interrupted" for r in everything),
        "first": everything[0],
        "natural": next((r.settings.natural for r in everything if r.settings.natural), None),
        "has_searches": bool(searches.runs),
    }
    if meis:
        last = len(meis[0].front) - 1
        context["mei_image"] = picture(meis[0].path / "images" / f"member-{last}.png")
        context["mei_activation"] = float(meis[0].front["activation"].iloc[-1])
    if searches.runs:
        context |= _searches(searches)
    return fill("template.html", context)


def _front_plots(searches: Result) -> list[tuple[str, str]]:
    """A plot for each task and site, since stretches of different sites cannot be compared."""
    groups: dict[tuple[str, str], list[RunRecord]] = {}
    for record in searches.runs:
        key = (record.settings.task, str(record.settings.site))
        groups.setdefault(key, []).append(record)
    return [
        (
            f"{task} at {site}",
            svg(figure_of(plot.front(Result(records), new_axes(None, (4.2, 3.0))))),
        )
        for (task, site), records in groups.items()
    ]


def _profile(found: Profile) -> dict[str, Any]:
    rows: list[dict[str, Any]] = found.images.to_dict("records")
    return {
        "measured": len(found.coefficients) > 0,
        "ignores": found.ignores,
        "sensitive": found.sensitive,
        "missing": found.missing,
        "bounds": {"ignores": IGNORES, "sensitive": SENSITIVE, "explains": EXPLAINS},
        "departures": found.departures.to_dict("records"),
        "images": rows,
        "plot": svg(figure_of(plot.profile(found))),
    }


def _searches(searches: Result) -> dict[str, Any]:
    frame = searches.table()
    table: list[dict[str, Any]] = frame.to_dict("records")
    first = searches.runs[0]
    affine_path = first.path.parent / AFFINE
    affine = pd.read_parquet(affine_path) if affine_path.exists() else None
    figure = figure_of(plot.distance_activation(frame, affine))
    there = (first.path.parent / FILE).exists()
    return {
        "profile": _profile(load_profile(first.path.parent)) if there else None,
        "reference_image": picture(first.path / "images" / "reference.png"),
        "reference_activity": searches.reference.activity,
        "galleries": _galleries(searches, table),
        "table": table,
        "summary": _summary(table, farthest_possible(searches.reference.image)),
        "affine": None if affine is None else affine.to_dict("records"),
        "distance_plot": svg(figure),
        "front_plots": _front_plots(searches),
    }


def write_report(
    source: Result | str | Path, path: str | Path | None = None, *, command: str = ""
) -> Path:
    """Write one self-contained HTML page about the runs of one unit.

    Args:
        source: a result, or the folder that `sns`, `mei` or `demo` wrote.
        path: where the page goes; by default `report.html` beside the run folders.
        command: what a person typed, for the last section.

    Returns:
        The page's path.

    Raises:
        StoreError: no run with a result, runs of several units, or a path that cannot be written.
    """
    result = source if isinstance(source, Result) else load_result(source)
    first = result.runs[0].path
    beside = first.parent if isinstance(source, Result) else Path(source)
    page = Path(path) if path else beside / "report.html"
    text = render(result, command)
    replace_file(page, lambda part: part.write_text(text, encoding="utf-8"))
    return page
