"""Analysis of how many cells of appearance the runs' fronts reach beyond the natural maximum."""

import numpy as np
import pandas as pd
import torch

from invariscope.analysis.controls import random_images
from invariscope.analysis.coverage import coverage, coverage_gains
from invariscope.analysis.grouping import Rows, rows_where
from invariscope.analysis.respond import features_at
from invariscope.errors import InputError
from invariscope.experiments.front_choice import meets_bound
from invariscope.generators import Generator
from invariscope.store.record import FRONT_IMAGES, RunRecord
from invariscope.study.analyses.material import AT_ONCE, AnalysisMaterial
from invariscope.study.analyses.recognition import Tables
from invariscope.subjects import Subject
from invariscope.subjects.appearance_cells import CELLS, appearance_cells
from invariscope.units import parse_target

DRAWN = 1000  # random images: what the generator reaches by itself, whatever the activity


def make_coverage(m: AnalysisMaterial) -> Tables:
    """Count the cells that one search and restarts reach, per image shown."""
    rows = _with_maximum(m.invariant)
    parts, chance = [], {}
    for name, subject, own in m.by_subject(rows):
        generator = m.generator(own)
        reached = [reached_cells(r, subject, generator) for r in m.records(own)]
        columns = ["unit", "site", "seed", "run", "strategy", "images"]
        parts.append(own[columns].assign(subject=name, reached=reached))
        chance[name] = _random_cells(subject, generator, own)
    runs = pd.concat(parts, ignore_index=True)
    summary = coverage(runs)
    for column in ("random_beyond", "random"):
        summary[column] = [chance[name][column] for name in summary["subject"]]
    each = runs.assign(
        cells=[len(cells) for cells in runs["reached"]],
        reached=[" ".join(map(str, sorted(cells))) for cells in runs["reached"]],
    )
    return {
        "coverage": summary.assign(possible=CELLS),
        "coverage_gains": coverage_gains(runs),
        "coverage_runs": each,
    }


def _with_maximum(rows: Rows) -> Rows:
    """Select the runs of units with a known natural maximum.

    Raises:
        InputError: there is none.
    """
    known = rows_where(rows, np.isfinite(rows["natural_maximum"]))
    if not len(known):
        raise InputError(
            "coverage counts images beyond the natural maximum, which no unit of the study has; "
            "measure natural statistics and run the study again"
        )
    return known


def _random_cells(subject: Subject, generator: Generator, own: Rows) -> dict[str, float]:
    """Count the cells of 1,000 random images, all and beyond a unit's natural maximum."""
    images = subject.see(random_images(generator, DRAWN))
    cells = appearance_cells(images).cpu().numpy()
    units = own.drop_duplicates("unit")
    targets = [parse_target(unit, subject.sites()) for unit in units["unit"]]
    answers = features_at(subject, images, dict.fromkeys(s for t in targets for s in t.sites))
    beyond = [
        len(set(cells[target.read(answers).mean(1).numpy() > maximum]))
        for target, maximum in zip(targets, units["natural_maximum"], strict=True)
    ]
    return {"random": len(set(cells)), "random_beyond": float(np.mean(beyond))}


def reached_cells(record: RunRecord, subject: Subject, generator: Generator) -> frozenset[int]:
    """Find the cells of the members of a run's front beyond the natural maximum."""
    members = np.flatnonzero(meets_bound(record.front, record.settings.milestone))
    if not len(members):
        return frozenset()
    if FRONT_IMAGES in record.tensors:
        shown = [record.tensors[FRONT_IMAGES][members]]
    else:
        codes = record.tensors["codes"][members]
        shown = [generator.generate(some) for some in codes.split(AT_ONCE)]
    cells = [appearance_cells(subject.see(images)) for images in shown]
    return frozenset(torch.cat(cells).tolist())
