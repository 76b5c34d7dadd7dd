"""From a study file to the runs that it wants, each with its name."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from invariscope import seeds as streams
from invariscope.errors import InputError
from invariscope.experiments.mei import draw_index, plan_mei
from invariscope.experiments.plan import Planned, SearchOptions, plan, resolve_subset
from invariscope.experiments.reference import Reference, photo_reference
from invariscope.generators import Generator
from invariscope.natural.statistics import unit_names
from invariscope.study.file import (
    RANGE,
    StretchSelection,
    StudyCondition,
    StudyFile,
    UnitSelection,
    files_of,
)
from invariscope.study.loading import load_generator_cached, load_subject_cached, resolve_address
from invariscope.study.planned_run import REFERENCES, PlannedRun
from invariscope.subjects import Subject
from invariscope.units import find_site, parse_unit

Subset = tuple[tuple[int, ...] | None, int | None]


def units_of(units: UnitSelection, subject: Subject) -> list[str]:
    """The addresses that an entry of a study file stands for.

    Raises:
        InputError: a site that the subject has not, or a sample larger than it.
    """
    if units.address is not None:
        match = RANGE.match(units.address)
        if match is None:
            return [units.address]
        first, last = int(match["first"]), int(match["last"])
        if last < first:
            raise InputError(f"units {units.address!r} end before they begin")
        parse_unit(f"{match['site']}:{last}", subject.sites())  # before as many are listed
        return [f"{match['site']}:{number}" for number in range(first, last + 1)]
    sites = subject.sites()
    site = find_site(str(units.site), sites)
    shape = sites[site]
    names = unit_names(site, shape)
    if units.numbers is not None:
        if max(units.numbers, default=0) >= len(names):
            raise InputError(
                f"site {site!r} has {len(names)} units; the largest number is {len(names) - 1}"
            )
        names = [names[i] for i in units.numbers]
    if units.sample is not None:
        if units.sample > len(names):
            raise InputError(
                f"a sample of {units.sample} units from site {site!r}, which has {len(names)}"
            )
        stream = streams.numpy_stream("units", site, len(names), units.sample, units.seed)
        chosen = stream.choice(len(names), units.sample, replace=False)
        names = [names[i] for i in sorted(chosen.tolist())]
    if units.place is not None and len(shape) == 3:
        names = [f"{name},{units.place}" for name in names]
    return names


def subsets_of(stretch: StretchSelection, subject: Subject) -> list[Subset]:
    """The parts of a site that an entry stands for, each with the number of its draw."""
    if stretch.sample is None:
        return [(resolve_subset(stretch.units, stretch.site, subject), None)]
    return [
        (resolve_subset(stretch.sample, stretch.site, subject, seed=draw), draw)
        for draw in range(stretch.draws)
    ]


def _options(options: SearchOptions) -> dict[str, Any]:
    return asdict(options)


def _meis(
    name: str, condition: StudyCondition, world: "SubjectAndGenerator", unit: str, strategy: str
) -> tuple[list[PlannedRun], PlannedRun]:
    """The searches for a unit's MEI, and the one that is drawn."""
    options = condition.mei_options(strategy)
    origin = condition.reference
    planned = plan_mei(
        world.subject,
        world.generator,
        unit,
        seed=origin.seed,
        tries=origin.tries,
        options=options,
    )
    planned_runs = [
        world.planned_run(p, name, unit=unit, task="excitation", options=_options(options))
        for p in planned
    ]
    return planned_runs, planned_runs[
        draw_index(planned[0].settings.unit, origin.tries, origin.seed)
    ]


class SubjectAndGenerator:
    """A subject with a generator, and their addresses."""

    def __init__(self, subject: str, generator: str) -> None:
        self.addresses = {"subject": subject, "generator": generator}
        self.subject: Subject = load_subject_cached(subject, "cpu")
        self.generator: Generator = load_generator_cached(generator, "cpu")

    def planned_run(self, planned: Planned, condition: str, **keys: Any) -> PlannedRun:
        settings = planned.settings
        return PlannedRun(
            name=settings.name,
            folder=settings.folder_name,
            condition=condition,
            seed=settings.seed,
            site=settings.site,
            subset=settings.subset,
            **self.addresses,
            **keys,
        )


def _promised(needs: PlannedRun, generator: Generator) -> Reference:
    """A reference that is still to be found, enough to name the runs that depart from it."""
    code = torch.zeros(generator.code_dim)
    return Reference(torch.empty(0), code, recipe={"kind": "mei", "run": needs.name})


def _origins(
    condition: StudyCondition, world: SubjectAndGenerator, unit: str, strategy: str, base: Path
) -> Iterator[tuple[Reference | None, dict[str, Any], list[PlannedRun]]]:
    """Each reference of a unit: what names its runs, where it comes from, and its own runs."""
    if condition.tasks == ("excitation",):
        yield None, {}, []
    elif condition.reference.kind == "mei":
        meis, mei = _meis(REFERENCES, condition, world, unit, strategy)
        yield _promised(mei, world.generator), {"needs": (mei.name, mei.folder)}, meis
    else:
        for file in files_of(condition.reference.photos, base):
            yield photo_reference(file, world.subject), {"photo": str(file)}, []


def _of_unit(
    name: str,
    condition: StudyCondition,
    world: SubjectAndGenerator,
    *,
    unit: str,
    strategy: str,
    base: Path,
) -> Iterator[PlannedRun]:
    options = condition.options(strategy)
    for reference, origin, before in _origins(condition, world, unit, strategy, base):
        yield from before
        for task in condition.tasks:
            parts: Sequence[tuple[str | None, Subset]] = [(None, (None, None))]
            if task != "excitation":
                parts = [
                    (s.site, subset)
                    for s in condition.stretch
                    for subset in subsets_of(s, world.subject)
                ]
            for site, (subset, draw) in parts:
                planned = plan(
                    world.subject,
                    world.generator,
                    unit,
                    task=task,
                    reference=None if task == "excitation" else reference,
                    site=site,
                    subset=subset,
                    direction=condition.direction,
                    run_seeds=condition.seeds,
                    options=options,
                )
                for p in planned:
                    keys = {"unit": unit, "task": task, "draw": draw}
                    keys |= {"direction": condition.direction, "options": _options(options)}
                    yield world.planned_run(p, name, **keys, **origin)


def plan_study(study: StudyFile, base: Path, *, allow_code: bool = False) -> list[PlannedRun]:
    """Every run that a study wants, each once, an MEI's search before those that depart from it.

    Args:
        base: the study file's folder.
        allow_code: whether `file.py:factory` may be run.

    Raises:
        InputError: a subject, generator, unit, site or photo that there is not.
    """
    photos = study.data.photos if study.data else None
    if photos is not None and not (base / photos).is_dir():
        raise InputError(f"[data] photos names no folder {str(base / photos)!r}")
    found: dict[str, PlannedRun] = {}
    for name, condition in study.conditions.items():
        try:
            for planned_runs in _of_condition(name, condition, base, allow_code=allow_code):
                found.setdefault(planned_runs.name, planned_runs)
        except InputError as error:
            raise InputError(f"condition {name!r}: {error}") from error
    return list(found.values())


def _of_condition(
    name: str, condition: StudyCondition, base: Path, *, allow_code: bool
) -> Iterator[PlannedRun]:
    for subject in condition.subjects:
        for generator in condition.generators:
            world = SubjectAndGenerator(
                resolve_address(subject, base, allow_code=allow_code),
                resolve_address(generator, base, allow_code=allow_code),
            )
            units = [unit for entry in condition.units for unit in units_of(entry, world.subject)]
            for strategy in condition.strategies:
                for unit in dict.fromkeys(units):
                    yield from _of_unit(
                        name, condition, world, unit=unit, strategy=strategy, base=base
                    )
