"""Stretch-and-Squeeze: far images alike for a unit, near images that silence a unit."""

import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from invariscope import validate
from invariscope.errors import InputError
from invariscope.experiments.execute import Watcher, check_out, execute
from invariscope.experiments.plan import SearchOptions, plan
from invariscope.experiments.reference import Reference
from invariscope.experiments.result import Result
from invariscope.experiments.search_progress import watched_searches
from invariscope.experiments.taught import check_apart
from invariscope.generators.base import Generator
from invariscope.subjects.base import Subject


def stretch_and_squeeze(
    subject: Subject,
    generator: Generator,
    unit: str | Iterable[str],
    *,
    reference: Reference,
    stretch: str = "pixels",
    subset: int | Sequence[int] | None = None,
    task: str = "invariance",
    direction: str = "either",
    seeds: Iterable[int] = (0,),
    options: SearchOptions | None = None,
    out: str | Path | None = None,
    watch: Watcher | None = None,
    progress: bool | None = None,
) -> Result:
    """Search for images that stretch a site and squeeze a unit (PAPERS §1).

    `stretch` is the L2 distance from the reference at a site, `squeeze` the distance of the
    unit's activity from the reference's, in the unit's own scale; both are at least 0.

    Args:
        subject: responds to images.
        generator: makes images from codes.
        unit: the target's address, or a set of units.
        reference: the image to depart from, from `find_mei` or `image_reference`.
        stretch: the site where distance is measured.
        subset: entries of the flattened site that count, or how many to draw at random.
        task: `invariance` (far at the site, alike for the unit) or `adversarial` (near, unlike).
        direction: `either`, the paper's two-sided squeeze, or `down`: only a loss counts.
        seeds: one run a seed.
        options: population, generations, strategy, stopping rule.
        out: the folder that keeps the runs; by default a new one among the system's temporary
            files, which stays there (the result's runs name it).
        watch: called after every generation.
        progress: whether a line shows how far the search is; by default in terminals and notebooks.

    Returns:
        The runs, one a seed, with their fronts as tables and images.

    Raises:
        InputError: an unknown unit, site, task or option.
        StoreError: `out` cannot be written or holds other runs.
        SubjectError: the subject answered NaN.

    Example:
        >>> import torch
        >>> import invariscope as iv
        >>> subject = iv.load_subject("embedded:standard")
        >>> generator = iv.load_generator("embedded")
        >>> short = iv.SearchOptions(population=10, generations=2)
        >>> grey = iv.image_reference(torch.full((3, 96, 96), 0.5), 96)
        >>> result = iv.stretch_and_squeeze(
        ...     subject, generator, "fc:3", reference=grey, options=short, out="runs"
        ... )
        >>> bool((result.front["stretch"] > 0).all())
        True
    """
    validate.one_of("task", task, ("invariance", "adversarial"))
    if out and options:
        check_apart(options.taught_by, Path(out))
    numbers = list(seeds)
    if not numbers or len(set(numbers)) < len(numbers):
        raise InputError(f"seeds are {numbers}; expected at least one, each once")
    planned = plan(
        subject,
        generator,
        unit,
        task=task,
        reference=reference,
        site=stretch,
        subset=subset,
        direction=direction,
        run_seeds=numbers,
        options=options,
    )
    folder = Path(out) if out else Path(tempfile.mkdtemp(prefix="invariscope-"))
    check_out(folder, planned)
    title = f"{task} of {planned[0].settings.unit} at {stretch}"
    with watched_searches(title, progress, watch) as own:
        records = execute(planned, subject, generator, folder, options=options, watch=own)
    return Result(records, generator)
