"""Plan a study: from its file to its runs, each with its name."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch

from invariscope import seeds as streams
from invariscope.errors import InputError
from invariscope.experiments.mei import draw_index, plan_mei
from invariscope.experiments.plan import Planned, SearchOptions, plan, resolve_subset
from invariscope.experiments.reference import Reference, photo_reference
from invariscope.experiments.taught import teaching_runs
from invariscope.generators import Generator, constrained_address
from invariscope.natural.statistics import unit_names
from invariscope.plurals import number_of
from invariscope.study.file import (
    RANGE,
    StretchSelection,
    StudyCondition,
    StudyFile,
    UnitSelection,
    files_of,
)
from invariscope.study.folder import PLANNED, study_folder
from invariscope.study.loading import load_generator_cached, load_subject_cached, resolve_address
from invariscope.study.planned_run import REFERENCES, PlannedRun
from invariscope.subjects import Subject
from invariscope.units import find_site, parse_target, parse_unit

Subset = tuple[tuple[int, ...] | None, int | None]


def units_of(units: UnitSelection, subject: Subject) -> list[str]:
    """List the unit addresses of an entry of a study file.

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
                f"site {site!r} has {number_of(len(names), 'unit')}; the largest number is "
                f"{len(names) - 1}"
            )
        names = [names[i] for i in units.numbers]
    if units.sample is not None:
        if units.sample > len(names):
            raise InputError(
                f"a sample of {number_of(units.sample, 'unit')} from site {site!r}, which has "
                f"{len(names)}"
            )
        stream = streams.numpy_stream("units", site, len(names), units.sample, units.seed)
        chosen = stream.choice(len(names), units.sample, replace=False)
        names = [names[i] for i in sorted(chosen.tolist())]
    if units.position is not None and len(shape) == 3:
        names = [f"{name},{units.position}" for name in names]
    return names


def subsets_of(stretch: StretchSelection, subject: Subject) -> list[Subset]:
    """List the parts of a site that an entry stands for, each with the number of its draw."""
    if stretch.sample is None:
        return [(resolve_subset(stretch.units, stretch.site, subject), None)]
    return [
        (resolve_subset(stretch.sample, stretch.site, subject, seed=draw), draw)
        for draw in range(stretch.draws)
    ]


@dataclass(frozen=True)
class SubjectAndGenerator:
    """A subject with a generator, paired by a condition of a study.

    Attributes:
        subject_address, generator_address: settled addresses.
        role: the subject's role in the study; None where the file names none.
        subject, generator: loaded on the CPU.
    """

    subject_address: str
    generator_address: str
    role: str | None
    subject: Subject
    generator: Generator

    def planned_run(
        self,
        planned: Planned,
        condition: str,
        unit: str,
        options: SearchOptions,
        *,
        draw: int | None = None,
        direction: str = "either",
        mei: PlannedRun | None = None,
        photo: Path | None = None,
    ) -> PlannedRun:
        """Describe one run as plain data.

        Args:
            planned: the run, ready to start.
            condition: the study's condition that wants the run.
            unit: the target's address, as the study file has it.
            options: of the run's search.
            draw: which sample of the stretch site the run takes.
            direction: see `Objective`.
            mei, photo: where the reference comes from.
        """
        settings = planned.settings
        return PlannedRun(
            name=settings.name,
            folder=settings.folder_name,
            condition=condition,
            subject=self.subject_address,
            role=self.role,
            generator=self.generator_address,
            unit=unit,
            task=settings.task,
            seed=settings.seed,
            site=settings.site,
            subset=settings.subset,
            draw=draw,
            direction=direction,
            options=asdict(replace(options, generations=options.budget)),
            needs=None if mei is None else (mei.name, mei.folder),
            photo=None if photo is None else str(photo),
        )


@dataclass(frozen=True)
class _ReferenceSource:
    """The reference of some runs, and the MEI searches that must come before."""

    reference: Reference | None = None
    mei: PlannedRun | None = None
    photo: Path | None = None
    meis: tuple[PlannedRun, ...] = ()


def _mei_source(
    condition: StudyCondition, pair: SubjectAndGenerator, unit: str, strategy: str
) -> _ReferenceSource:
    """Plan the searches for a unit's MEI, and draw one search.

    The MEI is still to be found; its run's name is enough to name the runs that depart from it.
    """
    options, rule = condition.mei_options(strategy), condition.reference
    planned = plan_mei(
        pair.subject, pair.generator, unit, seed=rule.seed, tries=rule.tries, options=options
    )
    meis = tuple(pair.planned_run(p, REFERENCES, unit, options) for p in planned)
    mei = meis[draw_index(planned[0].settings.unit, rule.tries, rule.seed)]
    code = torch.zeros(pair.generator.code_dim)
    promised = Reference(torch.empty(0), code, recipe={"kind": "mei", "run": mei.name})
    return _ReferenceSource(promised, mei, meis=meis)


def _sources(
    condition: StudyCondition, pair: SubjectAndGenerator, unit: str, strategy: str, base: Path
) -> Iterator[_ReferenceSource]:
    """List the references of a unit."""
    if condition.tasks == ("excitation",):
        yield _ReferenceSource()
    elif condition.reference.kind == "mei":
        yield _mei_source(condition, pair, unit, strategy)
    else:
        for file in files_of(condition.reference.photos, base):
            yield _ReferenceSource(photo_reference(file, pair.subject, pair.generator), photo=file)


def _teachers(folder: Path, pair: SubjectAndGenerator, unit: str) -> list[str]:
    """List the folders of ended runs of a unit, so that later runs change no plan."""
    folders: str | list[str] = str(folder.resolve())
    if (folder / PLANNED).exists():
        study = study_folder(folder)
        folders = [str(study.runs / run.folder) for run in study.planned_runs()]
    target = parse_target(unit, pair.subject.sites())
    found = teaching_runs(folders, pair.subject, pair.generator, target)
    return sorted(str(path) for path, _ in found)


def _of_unit(
    name: str,
    condition: StudyCondition,
    pair: SubjectAndGenerator,
    *,
    unit: str,
    strategy: str,
    base: Path,
) -> Iterator[PlannedRun]:
    """Plan the runs of one unit with one strategy, an MEI's search before its dependents."""
    options = condition.options(strategy)
    if condition.taught_by is not None:
        teachers = _teachers(base / condition.taught_by, pair, unit)
        options = replace(options, taught_by=teachers)
    for source in _sources(condition, pair, unit, strategy, base):
        yield from source.meis
        for task in condition.tasks:
            parts: Sequence[tuple[str | None, Subset]] = [(None, (None, None))]
            if task != "excitation":
                parts = [
                    (stretch.site, subset)
                    for stretch in condition.stretch
                    for subset in subsets_of(stretch, pair.subject)
                ]
            for site, (subset, draw) in parts:
                planned = plan(
                    pair.subject,
                    pair.generator,
                    unit,
                    task=task,
                    reference=None if task == "excitation" else source.reference,
                    site=site,
                    subset=subset,
                    direction=condition.direction,
                    run_seeds=condition.seeds,
                    options=options,
                )
                for p in planned:
                    yield pair.planned_run(
                        p,
                        name,
                        unit,
                        options,
                        draw=draw,
                        direction=condition.direction,
                        mei=source.mei,
                        photo=source.photo,
                    )


def plan_study(study: StudyFile, base: Path, *, allow_code: bool = False) -> list[PlannedRun]:
    """Plan every run of a study once, an MEI's search before the runs that depart from the MEI.

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
            for run in _of_condition(name, condition, base, study.roles, allow_code=allow_code):
                found.setdefault(run.name, run)
        except InputError as error:
            raise InputError(f"condition {name!r}: {error}") from error
    return list(found.values())


def _of_condition(
    name: str, condition: StudyCondition, base: Path, roles: Mapping[str, str], *, allow_code: bool
) -> Iterator[PlannedRun]:
    """Plan the runs of one condition."""
    for subject in condition.subjects:
        for generator in condition.generators:
            subject_address = resolve_address(subject, base, allow_code=allow_code)
            generator_address = resolve_address(generator, base, allow_code=allow_code)
            generator_address = constrained_address(generator_address, condition.constraints, base)
            pair = SubjectAndGenerator(
                subject_address,
                generator_address,
                roles.get(subject),
                load_subject_cached(subject_address, "cpu"),
                load_generator_cached(generator_address, "cpu"),
            )
            units = [unit for entry in condition.units for unit in units_of(entry, pair.subject)]
            for strategy in condition.strategies:
                for unit in dict.fromkeys(units):
                    yield from _of_unit(
                        name, condition, pair, unit=unit, strategy=strategy, base=base
                    )
