"""One self-contained HTML page about a run, the runs of a unit, or a study; all from the store."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from invariscope import plot
from invariscope.analysis.unit_profile import EXPLAINS, IGNORES, SENSITIVE, Profile
from invariscope.experiments.front_choice import choose
from invariscope.experiments.image_kinds import measures_of
from invariscope.experiments.pictures import read_png
from invariscope.experiments.result import Result, kind_of
from invariscope.plot.axes import figure_of
from invariscope.report.album import Album, check_pictures, picture_path
from invariscope.report.explorer import explored
from invariscope.report.figures import figures, save
from invariscope.report.groups import ReferenceGroup, describe, distance_axes, front_axes, plots
from invariscope.report.image_notes import (
    cell_notes,
    constraint_notes,
    refutation_notes,
    share_notes,
)
from invariscope.report.page import csv, fill, svg
from invariscope.report.provenance import provenance, save_command
from invariscope.report.sections import ABOVE, left_out, sections
from invariscope.report.source import ReportSource, home, read_source, source_of
from invariscope.report.strongest_photos import PhotoPass, read_photo_pass
from invariscope.search.strategies import INFORMED
from invariscope.store.files import make_folder, replace_file
from invariscope.store.own_files import check_may_replace, is_page
from invariscope.store.record import RunRecord
from invariscope.study.analyses import FOLDER, read_tables
from invariscope.study.analyses.material import AnalysisMaterial
from invariscope.study.result import StudyResult
from invariscope.subjects.kinds import kind_note, times_maximum

PAPER_GENERATIONS = 500
FORMATS = ("pdf", "svg")  # of figures for a paper
MOST_PLOTTED = 4  # units whose plots the page holds; of more, only the example's


def _profile(found: Profile) -> dict[str, Any]:
    return {
        "measured": len(found.coefficients) > 0,
        "ignores": found.ignores,
        "sensitive": found.sensitive,
        "missing": found.missing,
        "bounds": {"ignores": IGNORES, "sensitive": SENSITIVE, "explains": EXPLAINS},
        "departures": found.departures.to_dict("records"),
        "images": found.images.to_dict("records"),
        "images_csv": csv(found.images),
        "plot": svg(figure_of(plot.profile(found))),
    }


def _example(groups: list[dict[str, Any]]) -> dict[str, Any]:
    """Choose the unit of the first screen: with both tasks, and the most typical."""
    both = [g for g in groups if g["summary"]["far"] and g["summary"]["near"]]
    far = [g for g in groups if g["summary"]["far"]]
    among = both or far
    if not among:
        return groups[0]
    shares = [g["summary"]["far"]["share"] for g in among]
    return among[int(np.abs(np.array(shares) - np.median(shares)).argmin())]


def _subjects(groups: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Take the medians over each subject's units for the first screen."""
    found = []
    for name in dict.fromkeys(g["subject"] for g in groups):
        own = [g["summary"] for g in groups if g["subject"] == name]
        row: dict[str, Any] = {"subject": name, "units": len(own)}
        for task in ("far", "near"):
            there = [s[task] for s in own if s[task]]
            row[task] = (
                {
                    key: float(np.median([s[key] for s in there]))
                    for key in ("share", "kept", "loss")
                }
                if there
                else None
            )
        found.append(row)
    return found


def _twins(records: list[RunRecord]) -> dict[str, int]:
    """Count the searches by a twin, and the twins with features of the unit's own network."""
    twins = [r for r in records if r.settings.strategy["name"] in INFORMED]
    own = [r for r in twins if r.settings.strategy.get("proxy") == r.settings.subject]
    return {"used": len(twins), "own": len(own)}


def _searched(
    groups: list[ReferenceGroup], album: Album, photos: PhotoPass | None
) -> dict[str, Any]:
    """Everything about the searches."""
    described: list[dict[str, Any]] = []
    for group in groups:
        number = sum(len(g["cells"]) for g in described)
        described.append(describe(group, number, album, photos))
    example = _example(described)
    shown = range(len(groups)) if len(groups) <= MOST_PLOTTED else [example["number"] - 1]
    table = pd.concat([g.table.assign(subject=g.first.labels["subject"]) for g in groups])
    return {
        "groups": described,
        "example": example,
        "subjects": _subjects(described),
        "cells": any(measures_of(r.settings) for group in groups for r in group.runs),
        "twins": _twins([record for group in groups for record in group.runs]),
        "plots": {groups[k].number: plots(groups[k]) for k in shown},
        "runs_csv": csv(table),
        "fronts": {
            "units": [
                {
                    "name": f"{g['unit']}" + (f" ({g['label']})" if g["label"] else ""),
                    "subject": g["subject"],
                    "number": g["number"],
                }
                for g in described
            ],
            "runs": [explored(c, g["number"], album) for g in described for c in g["cells"]],
        },
    }


def _analyses(study: StudyResult | None) -> dict[str, Any]:
    """Make the sections of a study's analyses, as far as tables are there."""
    if study is None:
        return {"sections": [], "left_out": []}
    tables = read_tables(study.folder.path / FOLDER)
    return {"sections": sections(AnalysisMaterial(study), tables), "left_out": left_out(tables)}


def _meis(source: ReportSource, album: Album, photos: PhotoPass | None) -> list[dict[str, Any]]:
    """List the most exciting images that no search departs from."""
    if source.groups:
        return []
    return [
        {
            "subject": r.labels["subject"],
            "unit": r.settings.unit,
            "label": r.labels.get("unit"),
            "seed": r.settings.seed,
            "image": album.image(r, len(r.front) - 1),
            "activity": float(r.front["activation"].iloc[-1]),
            "natural": r.settings.natural,
            "times_maximum": times_maximum(
                float(r.front["activation"].iloc[-1]), r.settings.natural
            ),
            "note": kind_note(r.settings.unit, kind_of(r)),
            "photos": photos.of(r) if photos else [],
        }
        for r in source.records
    ]


def render(
    source: ReportSource | Result | StudyResult,
    command: str = "",
    photos: PhotoPass | None = None,
) -> str:
    """Write the page as text.

    Args:
        source: what it is about.
        command: what a person typed, for the last screen.
        photos: names each unit's strongest photos.

    Raises:
        StoreError: a picture is missing, or a table beside the runs is damaged.
    """
    about = (
        source if isinstance(source, ReportSource) else source_of(source, [command] * bool(command))
    )
    for record in about.records:
        check_pictures(record)
    groups = about.groups
    album = Album([r for g in groups for r in g.runs] or about.records)
    searched = _searched(groups, album, photos) if groups else None
    context: dict[str, Any] = {
        "title": about.title,
        "study": about.study is not None,
        "study_file": about.study.folder.text() if about.study else "",
        "missing": about.missing,
        "reduced": any(
            r.settings.generations < PAPER_GENERATIONS
            for r in about.records
            if r.settings.strategy["name"] not in INFORMED
        ),
        "told": [
            *constraint_notes(about.records),
            *cell_notes(about.records),
            *refutation_notes(about.records),
            *share_notes(searched["groups"] if searched else []),
        ],
        "interrupted": sum(r.outcome["status"] == "interrupted" for r in about.records),
        "searched": searched,
        "meis": _meis(about, album, photos),
        "profile": _profile(about.profile) if about.profile else None,
        "made": provenance(about.records, about.commands, album.quality.words),
        **_analyses(about.study),
    }
    return fill("report.html", context)


def write_report(
    source: Result | StudyResult | str | Path,
    path: str | Path | None = None,
    *,
    command: str = "",
    natural: str | Path | None = None,
    force: bool = False,
) -> Path:
    """Write one self-contained HTML page about a run, the runs of a folder, or a study.

    Args:
        source: a result; or the folder of a run, of the runs that `sns`, `mei` or `demo` wrote,
            or of a study.
        path: where the page goes; by default `report.html` beside the run folders, or in the
            study's folder.
        command: what made the runs; it is kept beside them and told on the last screen.
        natural: the network's natural statistics, a `natural.parquet` of `invariscope natural`:
            each unit's strongest photos are then shown beside the reference.
        force: replace a file at the page's path that is not ours.

    Returns:
        The page's path.

    Raises:
        InputError: a file is there that is not ours, or `natural` is of other photos.
        StoreError: no run with a result, a damaged one, or a path that cannot be written.

    Example:
        >>> import torch
        >>> import invariscope as iv
        >>> from invariscope.testing.toys import ToyGenerator, ToySubject
        >>> subject, generator = ToySubject(torch.ones(1, 3, 4, 4)), ToyGenerator(4)
        >>> reference = iv.image_reference(torch.full((3, 4, 4), 0.5), 4)
        >>> short = iv.SearchOptions(population=10, generations=2)
        >>> found = iv.stretch_and_squeeze(
        ...     subject, generator, "linear:0", reference=reference, options=short, out="runs"
        ... )
        >>> iv.write_report("runs").name
        'report.html'
    """
    given = isinstance(source, Result | StudyResult)
    result = source if given else read_source(Path(source))
    beside = home(result) if given else Path(source)
    page = Path(path) if path else beside / "report.html"
    check_may_replace(page, is_page, force=force)
    if command and isinstance(result, Result):
        save_command(beside, command)
    photos = read_photo_pass(Path(natural)) if natural else None
    text = render(source_of(result), photos=photos)
    replace_file(page, lambda part: part.write_text(text, encoding="utf-8"))
    return page


def _of_unit(group: ReferenceGroup, folder: Path, *, force: bool) -> list[Path]:
    """Gallery, distances and fronts of one unit."""
    name = f"{group.first.labels['subject']} {group.first.settings.unit} {group.number}"
    images = [read_png(picture_path(r, choose(r.front, r.settings))) for r in group.runs]
    gallery = plot.gallery(Result(group.runs), images=images)
    paths = save(gallery, folder, "gallery", name, FORMATS, force=force)
    paths += save(figure_of(distance_axes(group)), folder, "distance", name, FORMATS, force=force)
    for title, ax in front_axes(group):
        paths += save(figure_of(ax), folder, "front", f"{name} {title}", FORMATS, force=force)
    return paths


def write_figures(result: Result | StudyResult, folder: Path, *, force: bool = False) -> list[Path]:
    """Write every figure as PDF and SVG: of each unit, and of each analysis of a study.

    Galleries hold the store's own pictures; text stays text that an editor can change.

    Args:
        force: replace files of these names that are not ours.

    Raises:
        InputError: a file is there that is not ours.
        StoreError: nothing to draw, a damaged run, or a folder that cannot be written.
    """
    make_folder(folder)
    paths = []
    for group in source_of(result).groups:
        paths += _of_unit(group, folder, force=force)
    if isinstance(result, StudyResult):
        tables = read_tables(result.folder.path / FOLDER)
        own = {name: table for name, table in tables.items() if name not in ABOVE and len(table)}
        for name, words, figure in figures(AnalysisMaterial(result), own):
            paths += save(figure, folder, f"analysis_{name}", words, FORMATS, force=force)
    return paths
