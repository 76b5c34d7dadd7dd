"""Invariance coefficients of every unit of a network, in two passes over the images.

The first pass finds each unit's maximum, the second adds up over its active set. Nothing but the
sums is kept, so memory does not grow with the number of images (but for one number an image,
site and transformation, and for Goodfellow et al.'s rule). The maxima could be had in the same
pass as the sums by keeping every activity; showing the images twice is simpler and bounded.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from invariscope import validate
from invariscope.errors import InputError, StoreError
from invariscope.invariance.first_pass import first_pass
from invariscope.invariance.passes import MeasurementSetup, PassProgress
from invariscope.invariance.result import SETTINGS, Invariance, load_invariance
from invariscope.invariance.setup import BEYOND, Images, Transformations, make_setup
from invariscope.invariance.sites import ALL
from invariscope.invariance.tables import image_table, top_table, unit_table
from invariscope.invariance.tally import ActiveSums
from invariscope.invariance.top import PERCENTS
from invariscope.store.context import numeric_context
from invariscope.store.files import make_folder
from invariscope.subjects.base import Subject
from invariscope.subjects.trust import answers, changed_answer, check_repeatable

TAU = 0.1


def invariance_coefficient(
    subject: Subject,
    images: Images,
    transformations: Transformations = ALL,
    *,
    sites: str | Iterable[str] = ALL,
    tau: float = TAU,
    beyond: str = BEYOND,
    reading: str = "channel",
    negatives: str = "signed",
    by_class: bool = False,
    top: Sequence[float] = PERCENTS,
    batch: int = 64,
    seed: int = 0,
    out: str | Path | None = None,
    progress: PassProgress | None = None,
) -> Invariance:
    """The invariance coefficient of every unit for every transformation (Jang et al. 2020, Eq. 1).

    Args:
        subject: who answers.
        images: `(n, 3, height, width)` in [0, 1], a folder of photos, or an `image_set` (tensors
            with labels).
        transformations: `all`, the paper's twelve; names; or transformations.
        sites: `all` nonlinearities (see `choose_sites`), or names.
        tau: an image activates a unit where its normalised activity, transformed or not, is above
            this; in [0, 1). The paper found 0.1 on faces and 0.05 on ImageNet (`find_tau`).
        beyond: what named transformations do with values beyond [0, 1]: `clip`, `rescale`, `keep`.
        reading: `channel`, a convolution's channel is one unit, its mean over places; `place`,
            each place is one.
        negatives: `signed` or `rectified`, see `pairs`.
        by_class: coefficients over each class's images too; maxima are those of all images.
        top: k of Goodfellow et al.'s top-k % rule; `()` leaves it out.
        batch: images shown at once.
        seed: of random transformations.
        out: a folder for the result. One of the same settings that is there is read instead; what
            was interrupted after its first pass goes on from there.
        progress: told images shown so far and in all, transformed ones counted.

    Returns:
        The tables. Units without a coefficient are there, with the reason.

    Raises:
        InputError: settings that cannot be used.
        StoreError: the folder cannot be written, is damaged or holds another result.
    """
    validate.between("tau", tau, 0, 1)
    setup = make_setup(
        subject,
        images,
        transformations,
        sites,
        beyond=beyond,
        reading=reading,
        negatives=negatives,
        batch=batch,
        seed=seed,
    )
    if by_class and not setup.images.classes:
        raise InputError("the images have no classes; expected labels, or <class>/<photo>.jpg")
    measured = {**setup.describe(), "top": list(top), "tau": tau, "by_class": by_class}
    folder = None if out is None else make_folder(Path(out))
    check_repeatable(subject, setup.sites)
    now = answers(subject, setup.sites)
    if folder and (folder / SETTINGS).exists():
        return _same(load_invariance(folder), measured, now, folder)
    first = first_pass(setup, top, folder, _part(progress, 0))
    classes = setup.images.classes if by_class else ()
    tally = ActiveSums(setup, first, tau, max(len(classes), 1))
    tally.run(_part(progress, 1))
    result = Invariance(
        {
            "measured": measured,
            "labels": _labels(setup, first.extremes.images),
            "answers": now,
            "context": numeric_context(subject.device, setup.chunk, compiled=subject.compiled),
        },
        unit_table(setup, first.extremes, tally, classes),
        image_table(setup, tally),
        top_table(setup, first, tally),
    )
    if folder:
        result.save(folder)
    return result


def _part(progress: PassProgress | None, part: int) -> PassProgress | None:
    """Progress of one of two passes, as progress of both."""
    if progress is None:
        return None
    return lambda done, total: progress(done + part * total, 2 * total)


def _same(
    there: Invariance, measured: dict[str, Any], now: dict[str, Any], folder: Path
) -> Invariance:
    """The result that a folder holds, if it is the one that is asked for.

    Args:
        now: what the subject answers to the probe images.
    """
    other = there.settings["measured"]
    differing = [key for key in measured if measured[key] != other.get(key)]
    if differing:
        raise StoreError(
            f"{str(folder)!r} holds a result with another {', another '.join(differing)}; "
            "choose another folder (--out)"
        )
    if site := changed_answer(there.settings.get("answers", {}), now):
        raise StoreError(
            f"the subject answers otherwise at site {site!r} than when the result in "
            f"{str(folder)!r} was measured; choose another folder (--out)"
        )
    return there


def _labels(setup: MeasurementSetup, images: int) -> dict[str, Any]:
    return {
        "subject": setup.subject.name,
        "images": images,
        "photos": setup.images.notes(),
        "classes": list(setup.images.classes),
        "transformations": list(setup.labels),
        "groups": [t.group for t in setup.transformations],
        "failed": {setup.labels[k]: why for k, why in setup.failed.items()},
    }
