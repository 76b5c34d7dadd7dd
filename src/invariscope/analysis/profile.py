"""One unit's invariance to known transformations beside the images of a search.

The two papers measure one thing from two sides. The invariance coefficient (PAPERS §2) asks of a
transformation that is known whether the unit minds; stretch-and-squeeze (PAPERS §1) finds images
that the unit does not mind, whatever they are. Both are compared here on one scale, h.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from invariscope.analysis.explain import explain, known_copies
from invariscope.analysis.unit_profile import Profile, table, words
from invariscope.errors import InputError
from invariscope.experiments.result import Result, check_same, kind_of, load_result
from invariscope.invariance.coefficient import TAU, invariance_coefficient
from invariscope.invariance.reading import READINGS, unit_names
from invariscope.invariance.setup import BEYOND, Images, Transformations, choose_transformations
from invariscope.plurals import number_of
from invariscope.subjects.base import Subject
from invariscope.subjects.kinds import unit_kinds
from invariscope.transformations import AFFINE, LIGHT, TWELVE, Transformation
from invariscope.units import Target, Unit, parse_target

EVERY = (*TWELVE, *AFFINE, *LIGHT)


def profile(
    subject: Subject,
    unit: str,
    images: Images | None = None,
    result: Result | str | Path | None = None,
    *,
    transformations: Transformations = EVERY,
    tau: float = TAU,
    negatives: str = "signed",
    beyond: str = BEYOND,
    which: str = "kept",
    batch: int = 64,
    seed: int = 0,
    progress: bool | None = None,
) -> Profile:
    """Profile a unit by known transformations of photos and by the images of a search.

    Args:
        subject: whose unit it is.
        unit: its address, one unit.
        images: photos for the invariance coefficients, as `invariance_coefficient` takes them.
        result: a search from one reference on this unit, or its folder, for the pairs of
            reference and found image.
        transformations: of photos and reference; by default the twelve, the affine ones,
            luminance and contrast, each at its own default strength. The reference is copied at
            every other strength too (`known_copies`).
        tau, negatives, batch, seed: as for `invariance_coefficient`.
        beyond: what named transformations do with values beyond [0, 1].
        progress: whether a line shows how far the coefficients are; by default in terminals and
            notebooks.
        which: the member of each front that is shown (`experiments.front_choice.choose`).

    Raises:
        InputError: neither photos nor a search, several units, or a search on another unit or
            subject.
        StoreError: the folder of the search holds no result.

    Example:
        >>> import torch
        >>> import invariscope as iv
        >>> subject = iv.FunctionSubject(lambda x: x.mean((2, 3)), name="mean colour", image_size=8)
        >>> images = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))
        >>> iv.profile(subject, "output:0", images, transformations=["inversion"]).ignores
        ['contrast polarity']
    """
    target = parse_target(unit, subject.sites())
    own, *others = target.units
    if others:
        raise InputError(f"{unit!r} is {number_of(len(target.units), 'unit')}; a profile is of one")
    if images is None and result is None:
        raise InputError("nothing to profile with; give photos, the result of a search, or both")
    chosen = choose_transformations(transformations, beyond)
    found = load_result(result) if isinstance(result, str | Path) else result
    coefficients, searched, copies = table("coefficients"), table("images"), table("copies")
    labels = _labels(subject, own, tau)
    if found is not None:
        searched, copies = _searched(
            subject, target, found, [*chosen, *known_copies(beyond)], which
        )
    if images is not None:
        measured = invariance_coefficient(
            subject,
            images,
            chosen,
            sites=[own.site],
            tau=tau,
            reading=_reading(subject, own),
            negatives=negatives,
            top=(),
            batch=batch,
            seed=seed,
            progress=progress,
        ).units
        coefficients = _coefficients(measured, target, chosen, copies)
        rows = measured[measured["unit"] == str(target)]
        labels |= _labelled(unit_kinds([rows["minimum"].min()], [rows["maximum"].max()])[0])
    if found is not None:
        labels |= _labelled(kind_of(found.runs[0]))
    return Profile(labels, coefficients, searched, copies)


def _labelled(kind: str) -> dict[str, str]:
    """Label a unit's kind; empty for most units."""
    return {"kind": kind} if kind else {}


def _labels(subject: Subject, unit: Unit, tau: float) -> dict[str, Any]:
    named: dict[str, Any] = {"subject": subject.name, "unit": str(unit), "tau": tau}
    readout = list(subject.sites())[-1]
    if unit.site == readout and len(unit.index) == 1 and unit.index[0] < len(subject.classes):
        named["class"] = subject.classes[unit.index[0]]
    return named


def _reading(subject: Subject, unit: Unit) -> str:
    """Find the reading that has the unit's address among its site's units."""
    shape = subject.sites()[unit.site]
    for reading in READINGS:
        if str(unit) in unit_names(unit.site, shape, reading):
            return reading
    raise InputError(f"unit {str(unit)!r} is no unit of a coefficient at {unit.site!r}")


def _searched(
    subject: Subject,
    target: Target,
    result: Result,
    known: Sequence[Transformation],
    which: str,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Make the tables `images` and `copies` of a search from one reference."""
    runs = [run for run in result.runs if run.settings.task != "excitation"]
    if not runs:
        raise InputError("the result holds no search from a reference; expected what sns wrote")
    for run in runs:
        if run.settings.unit != str(target):
            raise InputError(f"the search was on unit {run.settings.unit!r}, not {str(target)!r}")
        check_same(run.settings.subject, subject, subject.name)
        if run.settings.reference != runs[0].settings.reference:
            raise InputError("the searches depart from several references; give those of one")
    chosen = Result(runs, result.generator)
    found = explain(
        subject, target, chosen.reference.image, chosen.images(which), list(dict.fromkeys(known))
    )
    names = [
        {"task": r.settings.task, "site": r.settings.site, "seed": r.settings.seed} for r in runs
    ]
    rows = pd.concat([pd.DataFrame(names), found.images], axis=1)
    return table("images", rows), table("copies", found.copies)


def _coefficients(
    measured: pd.DataFrame,
    target: Target,
    chosen: Sequence[Transformation],
    copies: pd.DataFrame,
) -> pd.DataFrame:
    """Make the table `coefficients`: the unit's rows, with h of the reference where known."""
    rows = measured[(measured["unit"] == str(target)) & (measured["class"] == "all")]
    kinds = [change.name for change in chosen]
    # The reference's copies begin with these very transformations.
    reference = copies["h"].to_numpy(float)[: len(chosen)] if len(copies) else float("nan")
    changes = [words(kind) for kind in kinds]
    own = rows.reset_index(drop=True)
    return table("coefficients", own.assign(kind=kinds, changes=changes, reference_h=reference))
