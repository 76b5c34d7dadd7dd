"""An MEI (or an image), then searches from it in lockstep, then a report: `sns` and `demo`."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from invariscope import validate
from invariscope.analysis.affine import affine_baseline
from invariscope.cli.options import SearchCommandOptions, check_page, tell_kind
from invariscope.cli.progress import LiveProgress
from invariscope.experiments.execute import check_out, ended, execute
from invariscope.experiments.mei import draw_mei, plan_mei
from invariscope.experiments.plan import Planned, SearchOptions, plan, resolve_subset
from invariscope.experiments.reference import Reference, photo_reference, save_code, with_code
from invariscope.generators import Generator
from invariscope.report.report import write_report
from invariscope.report.source import AFFINE
from invariscope.search.objectives import DIRECTIONS
from invariscope.store.files import make_folder
from invariscope.store.hashes import write_hashed
from invariscope.subjects import Subject
from invariscope.units import find_site, parse_target


@dataclass(frozen=True)
class ExperimentCondition:
    """One task at one site, with several seeds."""

    task: str
    site: str
    seeds: tuple[int, ...]
    subset: int | list[int] | None = None
    direction: str = "either"


def _mei(  # noqa: PLR0917
    subject: Subject,
    generator: Generator,
    unit: str,
    out: Path,
    options: SearchOptions,
    console: Console,
    seed: int,
    tries: int,
) -> tuple[Reference, list[Planned]]:
    planned = plan_mei(subject, generator, unit, seed=seed, tries=tries, options=options)
    if not all(ended(out / p.settings.folder_name) for p in planned):
        check_out(out, planned)
    with LiveProgress(f"1 · the image that excites {unit} most", console) as watch:
        records = execute(planned, subject, generator, out, options=options, watch=watch)
    return draw_mei(records, generator, seed), planned


def _check(subject: Subject, unit: str, conditions: Sequence[ExperimentCondition]) -> None:
    """Raise an `InputError` for a condition that could not run, before anything is searched."""
    parse_target(unit, subject.sites())
    for condition in conditions:
        site = find_site(condition.site, subject.sites())
        resolve_subset(condition.subset, site, subject)
        validate.one_of("direction", condition.direction, DIRECTIONS)


def experiment(
    common: SearchCommandOptions,
    model: str,
    unit: str,
    conditions: Sequence[ExperimentCondition],
    out: Path,
    *,
    console: Console,
    command: str,
    reference: Path | None = None,
    mei_seed: int = 0,
    mei_tries: int = 1,
) -> Path:
    """Run the conditions from one reference, keep affine copies beside, write the report.

    Args:
        out: the folder of all runs; one that holds other runs is refused.
        reference: a photo to depart from; by default the unit's MEI is searched first.

    Returns:
        The report's path.
    """
    subject, generator = common.load(model)
    options = common.options()
    _check(subject, unit, conditions)
    check_page(out)
    tell_kind(subject, unit, console)
    before: list[Planned] = []
    if reference is None:
        start, before = _mei(subject, generator, unit, out, options, console, mei_seed, mei_tries)
    else:
        start = photo_reference(reference, subject)
    coded, psnr = start, None
    if start.code is None and any(c.task == "adversarial" for c in conditions):
        coded, psnr = with_code(start, generator, out)
        console.print(
            f"the adversarial search starts at a code whose image is {psnr:.1f} dB from the photo",
            highlight=False,
        )
    planned = [
        p
        for c in conditions
        for p in plan(
            subject,
            generator,
            unit,
            task=c.task,
            reference=coded if c.task == "adversarial" else start,
            site=c.site,
            subset=c.subset,
            direction=c.direction,
            run_seeds=c.seeds,
            options=options,
        )
    ]
    check_out(out, [*before, *planned])
    if psnr is not None:
        save_code(coded, psnr, generator, out)
    with LiveProgress("2 · images it cannot tell apart, and images that silence it", console) as w:
        execute(planned, subject, generator, out, options=options, watch=w)
    table = affine_baseline(subject, unit, start.image)
    write_hashed(make_folder(out) / AFFINE, table.to_parquet)
    page = write_report(out, command=command)
    console.print(f"report: {page}", soft_wrap=True)
    return page
