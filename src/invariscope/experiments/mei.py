"""The most exciting image of a unit, by the same search on activity alone."""

import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from invariscope import seeds, validate
from invariscope.experiments.execute import Watcher, check_out, execute
from invariscope.experiments.plan import Planned, SearchOptions, plan
from invariscope.experiments.reference import Reference
from invariscope.experiments.result import kind_of
from invariscope.generators.base import Generator
from invariscope.search.measure import pad
from invariscope.search.search import SMALLEST_CHUNK
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
    """The searches among which one MEI is drawn: seeds `seed · tries` and up."""
    validate.at_least("tries", tries, 1)
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
    """Which of a unit's MEIs is drawn: at random, fixed by `seed` (PAPERS §1)."""
    return seeds.integer("mei", unit, seed) % tries


def draw_mei(records: Sequence[RunRecord], generator: Generator, seed: int = 0) -> Reference:
    """One of several MEIs of a unit, drawn at random and fixed by `seed`.

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
        f"the {record.outcome['images']} images of the search for its most exciting one",
    )


def mei_reference(record: RunRecord, generator: Generator) -> Reference:
    """The image that a search for an MEI found, as a reference."""
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
) -> Reference:
    """Search for a unit's most exciting image (Tausani et al. 2025).

    Args:
        unit: an address such as `fc:3`, or a set of units (their mean activity counts).
        seed: of the search; 0 is a seed like any other.
        tries: searches among which one is drawn at random (4 in the paper).
        options: of the search; by default 500 generations of 50.
        out: the folder that keeps the runs; by default a temporary one.
        watch: called after every generation.

    Raises:
        InputError: an unknown unit or option.
        StoreError: `out` cannot be written or holds other runs.
    """
    planned = plan_mei(subject, generator, unit, seed=seed, tries=tries, options=options)
    folder = Path(out) if out else Path(tempfile.mkdtemp(prefix="invariscope-"))
    check_out(folder, planned)
    records = execute(planned, subject, generator, folder, options=options, watch=watch)
    return draw_mei(records, generator, seed)
