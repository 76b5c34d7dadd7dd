"""Affine copies of a study's references, beside its runs."""

from pathlib import Path

import pandas as pd

from invariscope.analysis.affine import affine_baseline
from invariscope.experiments.mei import mei_reference
from invariscope.experiments.reference import photo_reference
from invariscope.generators import address_made_with
from invariscope.store.hashes import read_hashed_table, write_hashed
from invariscope.store.record import load_run
from invariscope.study.folder import StudyFolder
from invariscope.study.loading import load_generator_cached, load_subject_cached
from invariscope.study.planned_run import PlannedRun
from invariscope.study.result import AFFINE, AFFINE_REPAIR


def _reference_key(run: PlannedRun) -> str | None:
    return run.needs[1] if run.needs else run.photo


def measure_affine(study: StudyFolder, done: set[str], device: str = "auto") -> int:
    """Measure affine copies of every reference of an ended run.

    Writes one row a subject, unit, reference, kind and strength; a table that is there and whole
    is left alone.

    Args:
        done: names of the runs that have ended.

    Returns:
        How many references the table holds.
    """
    ended = [run for run in study.planned_runs() if run.name in done and _reference_key(run)]
    asked = {(run.subject, run.unit, _reference_key(run)): run for run in ended}
    path = study.path / AFFINE
    keys = ["address", "unit", "reference_run"]
    if path.exists():
        there = read_hashed_table(path, AFFINE_REPAIR, keys)
        if asked.keys() == set(there.itertuples(index=False, name=None)):
            return len(asked)
    tables = []
    for (address, unit, key), run in asked.items():
        subject = load_subject_cached(address, device)
        if run.needs:
            record = load_run(study.runs / run.needs[1])
            made_with = address_made_with(run.generator, record.settings.generator)
            generator = load_generator_cached(made_with, device)
            image = mei_reference(record, generator).image
        else:
            generator = load_generator_cached(run.generator, device)
            image = photo_reference(Path(str(run.photo)), subject, generator).image
        table = affine_baseline(subject, unit, image, shown=generator.constrain)
        own = {"subject": subject.name, "address": address, "unit": unit}
        tables.append(table.assign(**own, reference_run=key))
    if tables:
        write_hashed(path, pd.concat(tables, ignore_index=True).to_parquet)
    return len(asked)
