"""The most exciting image of a unit, by the same search on activity alone."""

import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from invariscope import seeds, validate
from invariscope.experiments.execute import Watcher, check_out, execute
from invariscope.experiments.plan import Planned, SearchOptions, plan
from invariscope.experiments.reference import Reference
from invariscope.experiments.result import kind_of
from invariscope.experiments.search_progress import watched_searches
from invariscope.generators.base import Generator
from invariscope.plurals import number_of
from invariscope.search.measure import pad
from invariscope.search.search import SMALLEST_CHUNK
from invariscope.search.strategies import without_cells
from invariscope.store.record import RunRecord
from invariscope.subjects.base import Subject
from invariscope.subjects.kinds import check_answers_differ


def plan_mei(
    subject: Subject,
    generator: Generator,
    unit: str | Iterable[str],
    *,
    seed: int = 0,
    tries: int = 1,
    options: SearchOptions | None = None,
) -> list[Planned]:
    """Plan the searches for an MEI: seeds `seed · tries` and up, of no cells and not taught."""
    validate.at_least("tries", tries, 1)
    options = options or SearchOptions()
    options = replace(options, strategy=without_cells(options.strategy), taught_by=None)
    first = seed * tries
    return plan(
        subject,
        generator,
        unit,
        task="excitation",
        run_seeds=range(first, first + tries),
        options=options,
    )


def draw_index(unit: str, tries: int, seed: int = 0) -> int:
    """Draw the number of an MEI among `tries`, at random and fixed by `seed` (PAPERS §1)."""
    return seeds.integer("mei", unit, seed) % tries


def draw_mei(records: Sequence[RunRecord], generator: Generator, seed: int = 0) -> Reference:
    """Draw an MEI among several of a unit, at random and fixed by `seed`.

    Raises:
        InputError: the unit answered every image of the search alike.
    """
    record = records[draw_index(records[0].settings.unit, len(records), seed)]
    check_excited(record)
    return mei_reference(record, generator)


def check_excited(record: RunRecord) -> None:
    """Refuse to depart from an MEI of a unit that answered every image of its search alike.

    Raises:
        InputError: it did.
    """
    check_answers_differ(
        record.settings.unit,
        kind_of(record),
        f"the {number_of(record.outcome['images'], 'image')} of the search for its most exciting "
        "one",
    )


def mei_reference(record: RunRecord, generator: Generator) -> Reference:
    """Make a reference of the image that a search for an MEI found."""
    code = record.tensors["codes"][-1]
    # In the candidates' chunk shape, so that the MEI's own code has stretch and squeeze 0.
    chunk = max(SMALLEST_CHUNK, record.settings.population)
    return Reference(
        image=generator.generate(pad(code.unsqueeze(0), chunk))[0].cpu(),
        code=code,
        recipe={"kind": "mei", "run": record.name},
        activity=float(record.front["activation"].iloc[-1]),
    )


def find_mei(
    subject: Subject,
    generator: Generator,
    unit: str | Iterable[str],
    *,
    seed: int = 0,
    tries: int = 1,
    options: SearchOptions | None = None,
    out: str | Path | None = None,
    watch: Watcher | None = None,
    progress: bool | None = None,
) -> Reference:
    """Search for a unit's most exciting image, MEI (PAPERS §1, "MEI").

    Args:
        subject: responds to images.
        generator: makes images of the subject's size, or images that the subject resizes.
        unit: an address such as `fc:3`, or a set of units (their mean activity counts).
        seed: of the search; 0 is a seed like any other.
        tries: searches among which one is drawn at random (4 in the paper).
        options: of the search; by default 500 generations of 50. A strategy's cells are not
            filled: one image is searched for, and by a search that is not taught.
        out: the folder that keeps the runs; by default a new one among the system's temporary
            files, which stays there (the result's runs name it).
        watch: called after every generation.
        progress: whether a line shows how far the search is; by default in terminals and notebooks.

    Returns:
        The image `(3, image_size, image_size)` in [0, 1] with its code `(code_dim,)` and the
        activity of the unit, in the unit's own scale.

    Raises:
        InputError: an unknown unit or option.
        StoreError: `out` cannot be written or holds other runs.
        SubjectError: the subject answered NaN.

    Example:
        >>> import invariscope as iv
        >>> subject = iv.load_subject("embedded:standard")
        >>> generator = iv.load_generator("embedded")
        >>> short = iv.SearchOptions(population=10, generations=2)
        >>> mei = iv.find_mei(subject, generator, "fc:3", options=short, out="runs")
        >>> mei.image.shape, mei.code.shape
        (torch.Size([3, 96, 96]), torch.Size([384]))
    """
    planned = plan_mei(subject, generator, unit, seed=seed, tries=tries, options=options)
    folder = Path(out) if out else Path(tempfile.mkdtemp(prefix="invariscope-"))
    check_out(folder, planned)
    title = f"most exciting image of {planned[0].settings.unit}"
    with watched_searches(title, progress, watch) as own:
        records = execute(planned, subject, generator, folder, options=options, watch=own)
    return draw_mei(records, generator, seed)
