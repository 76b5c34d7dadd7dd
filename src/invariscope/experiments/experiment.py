"""An experiment: a reference, then searches from there under several conditions."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from invariscope import validate
from invariscope.experiments.execute import Watcher, check_out, ended, execute
from invariscope.experiments.mei import draw_mei, plan_mei
from invariscope.experiments.plan import Planned, SearchOptions, plan, resolve_subset
from invariscope.experiments.reference import Reference, photo_reference, save_code, with_code
from invariscope.experiments.result import Result
from invariscope.experiments.search_progress import watched_searches
from invariscope.experiments.taught import check_apart, load_taught
from invariscope.generators.base import Generator
from invariscope.search.objectives import DIRECTIONS
from invariscope.search.strategies import load_strategy
from invariscope.subjects.base import Subject
from invariscope.units import find_site, parse_target

# Makes the watcher of one step from its title.
StepWatcher = Callable[[str], AbstractContextManager[Watcher | None]]

# What the searches of a task look for, as progress says.
FOUND = {"invariance": "the unit cannot tell apart", "adversarial": "silence the unit"}


@dataclass(frozen=True)
class ExperimentCondition:
    """One task at one stretch site, with several seeds.

    Attributes:
        task: `invariance` or `adversarial`.
        site: where stretch is measured.
        seeds: one search a seed.
        subset: entries of the flattened site that count, or how many to draw; all where None.
        direction: `either`, or `down`: only a loss of activity counts.

    Example:
        >>> import invariscope as iv
        >>> iv.ExperimentCondition("invariance", "pixels").seeds
        (0,)
    """

    task: str
    site: str
    seeds: tuple[int, ...] = (0,)
    subset: int | list[int] | None = None
    direction: str = "either"


def run_experiment(
    subject: Subject,
    generator: Generator,
    unit: str,
    conditions: Sequence[ExperimentCondition],
    *,
    out: str | Path,
    options: SearchOptions | None = None,
    reference: str | Path | None = None,
    mei_seed: int = 0,
    mei_tries: int = 1,
    watch: StepWatcher | None = None,
    progress: bool | None = None,
    note: Callable[[str], None] = lambda text: None,
) -> Result:
    """Search under several conditions from one reference, as `invariscope demo` and `sns` do.

    A run that is in the folder is not done again, and an interrupted one goes on.

    Args:
        subject: responds to images.
        generator: makes images from codes.
        unit: the target's address, such as `fc:3`.
        conditions: tasks, sites and seeds; the searches of all of them advance together.
        out: the folder of all runs; a folder that holds other runs is refused.
        options: population, generations, strategy, stopping rule.
        reference: a photo to depart from; by default the unit's MEI is searched first.
        mei_seed: seed of the search for the MEI.
        mei_tries: searches for the MEI, of which one is drawn (the paper's 4, PAPERS §1).
        watch: makes a step's watcher, called after every generation, from the step's title.
        progress: whether a line shows how far a step is where there is no `watch`; by default in
            terminals and notebooks.
        note: takes a sentence that a person should see.

    Returns:
        The searches from the reference, in the order of the conditions and their seeds.

    Raises:
        InputError: an unknown unit, site, subset, direction or option, before anything is searched.
        StoreError: `out` cannot be written or holds other runs.

    Example:
        >>> import invariscope as iv
        >>> subject = iv.load_subject("embedded:standard")
        >>> short = iv.SearchOptions(population=10, generations=2)
        >>> result = iv.run_experiment(
        ...     subject,
        ...     iv.load_generator(),
        ...     "fc:3",
        ...     [iv.ExperimentCondition("invariance", "pixels")],
        ...     options=short,
        ...     out="runs",
        ... )
        >>> len(result.runs)
        1
    """
    out, options = Path(out), options or SearchOptions()
    watch = watch or (lambda title: watched_searches(title, progress))
    _check(subject, unit, conditions)
    load_strategy(options.strategy).for_generator(generator)  # before the MEI, which fills no cells
    check_apart(options.taught_by, out)
    load_taught(options.taught_by, subject, generator, parse_target(unit, subject.sites()))
    before: list[Planned] = []
    if reference is None:
        before = plan_mei(subject, generator, unit, seed=mei_seed, tries=mei_tries, options=options)
        if not all(ended(out / p.settings.folder_name) for p in before):
            check_out(out, before)
        with watch(f"1 · the image that excites {unit} most") as own:
            records = execute(before, subject, generator, out, options=options, watch=own)
        start = draw_mei(records, generator, mei_seed)
    else:
        start = photo_reference(Path(reference), subject, generator)
    coded, psnr = start, None
    if start.code is None and any(c.task == "adversarial" for c in conditions):
        coded, psnr = with_code(start, generator, out)
        note(f"the adversarial search starts at a code whose image is {psnr:.1f} dB from the photo")
    planned = _plan(subject, generator, unit, conditions, (start, coded), options)
    check_out(out, [*before, *planned])
    if psnr is not None:
        save_code(coded, psnr, generator, out)
    tasks = {condition.task for condition in conditions}
    wanted = ", and ".join(f"images that {words}" for task, words in FOUND.items() if task in tasks)
    with watch(f"2 · {wanted}") as own:
        records = execute(planned, subject, generator, out, options=options, watch=own)
    return Result(records, generator)


def _check(subject: Subject, unit: str, conditions: Sequence[ExperimentCondition]) -> None:
    """Raise an `InputError` for a condition that could not run, before anything is searched."""
    parse_target(unit, subject.sites())
    for condition in conditions:
        site = find_site(condition.site, subject.sites())
        resolve_subset(condition.subset, site, subject)
        validate.one_of("direction", condition.direction, DIRECTIONS)


def _plan(  # noqa: PLR0917
    subject: Subject,
    generator: Generator,
    unit: str,
    conditions: Sequence[ExperimentCondition],
    references: tuple[Reference, Reference],
    options: SearchOptions,
) -> list[Planned]:
    """Plan every search; adversarial searches depart from the second reference, with a code."""
    return [
        planned
        for condition in conditions
        for planned in plan(
            subject,
            generator,
            unit,
            task=condition.task,
            reference=references[condition.task == "adversarial"],
            site=condition.site,
            subset=condition.subset,
            direction=condition.direction,
            run_seeds=condition.seeds,
            options=options,
        )
    ]
