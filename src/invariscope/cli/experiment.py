"""An MEI (or an image), then searches from it in lockstep, then a report: `sns` and `demo`."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from rich.console import Console

from invariscope import validate
from invariscope.analysis.affine import affine_baseline
from invariscope.cli.options import Common
from invariscope.cli.progress import LiveProgress
from invariscope.errors import InputError
from invariscope.generators import Generator
from invariscope.report.report import AFFINE, write_report
from invariscope.search.objectives import DIRECTIONS
from invariscope.sns.execute import check_out, ended, execute
from invariscope.sns.mei import draw_mei, plan_mei
from invariscope.sns.plan import Planned, SearchOptions, plan, resolve_subset
from invariscope.sns.reference import Reference, image_reference
from invariscope.store.files import make_folder, replace_file
from invariscope.subjects import Subject
from invariscope.units import find_site, parse_target


@dataclass(frozen=True)
class Condition:
    """One task at one site, with several seeds."""

    task: str
    site: str
    seeds: tuple[int, ...]
    subset: int | list[int] | None = None
    direction: str = "either"


def read_image(path: Path, size: int) -> torch.Tensor:
    """An image file as `(3, size, size)` in [0, 1].

    Raises:
        InputError: no such file, not an image, or one of another size.
    """
    try:
        with Image.open(path) as picture:
            rgb = picture.convert("RGB")
    except FileNotFoundError as error:
        raise InputError(f"no image {str(path)!r}; give a PNG or JPEG file") from error
    except (UnidentifiedImageError, OSError) as error:
        raise InputError(f"{str(path)!r} cannot be read as an image ({error})") from error
    if rgb.size != (size, size):
        raise InputError(
            f"image {str(path)!r} is {rgb.width} × {rgb.height} px; this subject takes "
            f"{size} × {size} (crop and resize it first)"
        )
    return torch.from_numpy(np.array(rgb)).permute(2, 0, 1).float() / 255


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


def _check(subject: Subject, unit: str, conditions: Sequence[Condition]) -> None:
    """Raise an `InputError` for a condition that could not run, before anything is searched."""
    parse_target(unit, subject.sites())
    for condition in conditions:
        site = find_site(condition.site, subject.sites())
        resolve_subset(condition.subset, site, subject)
        validate.one_of("direction", condition.direction, DIRECTIONS)


def experiment(
    common: Common,
    model: str,
    unit: str,
    conditions: Sequence[Condition],
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
        reference: an image file to depart from; by default the unit's MEI is searched first.

    Returns:
        The report's path.
    """
    subject, generator = common.load(model)
    options = common.options()
    _check(subject, unit, conditions)
    before: list[Planned] = []
    if reference is None:
        start, before = _mei(subject, generator, unit, out, options, console, mei_seed, mei_tries)
    else:
        start = image_reference(read_image(reference, subject.image_size), subject.image_size)
    planned = [
        p
        for c in conditions
        for p in plan(
            subject,
            generator,
            unit,
            task=c.task,
            reference=start,
            site=c.site,
            subset=c.subset,
            direction=c.direction,
            run_seeds=c.seeds,
            options=options,
        )
    ]
    check_out(out, [*before, *planned])
    with LiveProgress("2 · images it cannot tell apart, and images that silence it", console) as w:
        execute(planned, subject, generator, out, options=options, watch=w)
    table = affine_baseline(subject, unit, start.image)
    replace_file(make_folder(out) / AFFINE, table.to_parquet)
    page = write_report(out, command=command)
    console.print(f"report: {page}", soft_wrap=True)
    return page
