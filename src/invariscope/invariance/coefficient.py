"""Invariance coefficients of every unit of a network, in two passes over the images.

The first pass finds each unit's maximum, the second adds up over its active set. Nothing but the
sums is kept, so memory does not grow with the number of images (but for one number an image,
site and transformation, and for Goodfellow et al.'s rule). The maxima could be had in the same
pass as the sums by keeping every activity; showing the images twice is simpler and bounded.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from invariscope import validate
from invariscope.errors import InputError
from invariscope.invariance.ablation import ablation_accuracy, find_tau
from invariscope.invariance.accumulate import ActiveSums, image_table, top_table, unit_table
from invariscope.invariance.classes import Classifier, classifier
from invariscope.invariance.passes import MeasurementSetup, PassWatcher
from invariscope.invariance.ranges import ActivityRanges, measure_ranges
from invariscope.invariance.result import SETTINGS, Invariance, check_same, load_invariance
from invariscope.invariance.setup import ALL, BEYOND, Images, Transformations, make_setup
from invariscope.invariance.top import PERCENTS
from invariscope.plurals import number_of
from invariscope.progress import ProgressLine
from invariscope.store.context import numeric_context
from invariscope.store.files import make_folder
from invariscope.subjects.base import Subject
from invariscope.subjects.trust import answers, check_repeatable

TAU = 0.1
SEARCH = "search"


def invariance_coefficient(
    subject: Subject,
    images: Images,
    transformations: Transformations = ALL,
    *,
    sites: str | Iterable[str] = ALL,
    tau: float | Literal["search"] = TAU,
    beyond: str = BEYOND,
    reading: str = "channel",
    negatives: str = "signed",
    by_class: bool = False,
    top: Sequence[float] = PERCENTS,
    ablation: bool = False,
    readout: Classifier | None = None,
    batch: int = 64,
    seed: int = 0,
    out: str | Path | None = None,
    watch: PassWatcher | None = None,
    progress: bool | None = None,
) -> Invariance:
    """Measure every unit's invariance to each transformation (Jang et al. 2020, Eq. 1; PAPERS §2).

    Args:
        subject: the network, or another subject, that answers.
        images: `(n, 3, height, width)` in [0, 1], a folder of photos, or an `image_set` (tensors
            with labels).
        transformations: `all`, the paper's twelve; names; or transformations.
        sites: `all` nonlinearities (see `choose_sites`), or names.
        tau: an image activates a unit where its normalised activity, transformed or not, is above
            this; in [0, 1]. The paper found 0.1 on faces and 0.05 on ImageNet. `search`: by the
            paper's rule at the deepest of the sites (`find_tau`), which needs classes.
        beyond: what named transformations do with values beyond [0, 1]: `clip`, `rescale`, `keep`.
        reading: `channel`, a convolution's channel is one unit, its mean over places; `place`,
            each place is one.
        negatives: `signed` or `rectified`, see `pairs`.
        by_class: coefficients over each class's images too; maxima are those of all images.
        top: k of Goodfellow et al.'s top-k % rule; `()` leaves the rule out.
        ablation: whether accuracy without the inactive and without the active units of the deepest
            site is measured too (`ablation_accuracy`): slow, and needs classes.
        readout: how the subject's answer is read, for `search` and `ablation`; by default from its
            deepest site.
        batch: images shown at once.
        seed: of random transformations.
        out: a folder for the result. A result of the same settings that is there is read instead; a
            measurement that was interrupted after its first pass goes on from there.
        watch: told images shown so far and in all, transformed ones counted.
        progress: whether a line shows them; by default in terminals and notebooks.

    Returns:
        The tables. Units without a coefficient are there, with the reason.

    Raises:
        InputError: settings that cannot be used.
        StoreError: the folder cannot be written, is damaged or holds another result.

    Example:
        >>> import torch
        >>> import invariscope as iv
        >>> subject = iv.FunctionSubject(lambda x: x.mean((2, 3)), name="mean colour", image_size=8)
        >>> images = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))
        >>> found = iv.invariance_coefficient(subject, images, "inversion", sites="output", top=())
        >>> found.units["invariance"].round(2).tolist()
        [0.97, 0.96, 0.94]
    """
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
    if readout is None and (ablation or tau == SEARCH):
        readout = classifier(subject, setup.images.classes)
    measured = {**setup.describe(), "top": list(top), "by_class": by_class}
    if tau != SEARCH:
        validate.between("tau", tau, 0, 1)
        measured["tau"] = tau
    folder = None if out is None else make_folder(Path(out))
    check_repeatable(subject, setup.sites)
    now = answers(subject, setup.sites)
    if folder and (folder / SETTINGS).exists():
        there = load_invariance(folder)
        known = there.settings["measured"]
        if tau == SEARCH and there.tau_tried is not None:
            measured["tau"] = known["tau"]
        check_same(folder, "result", (known, measured), (there.settings.get("answers", {}), now))
        return _ablated(there, setup, readout, top, folder) if ablation else there
    tried = None
    with ProgressLine(progress, watched=watch is not None) as line:
        ranges = measure_ranges(setup, top, folder, _part(line, watch, 0))
        if tau == SEARCH:
            choice = find_tau(setup, setup.sites[-1], ranges=ranges, readout=readout)
            measured["tau"], tried = choice.known, choice.table
        result = _summed(setup, ranges, measured, now, _part(line, watch, 1))
    result = replace(result, tau_tried=tried)
    if folder:
        result.save(folder)
    return _ablated(result, setup, readout, top, folder, ranges) if ablation else result


def _summed(
    setup: MeasurementSetup,
    ranges: ActivityRanges,
    measured: dict[str, Any],
    now: dict[str, Any],
    watch: PassWatcher,
) -> Invariance:
    """Make the second pass; `now` holds the subject's answers to the probe images."""
    classes = setup.images.classes if measured["by_class"] else ()
    sums = ActiveSums(setup, ranges, measured["tau"], max(len(classes), 1))
    sums.run(watch)
    device, compiled = setup.subject.device, setup.subject.compiled
    settings = {
        "measured": measured,
        "labels": _labels(setup, ranges.images),
        "answers": now,
        "context": numeric_context(device, setup.chunk, compiled=compiled),
    }
    units = unit_table(setup, ranges, sums, classes)
    return Invariance(settings, units, image_table(setup, sums), top_table(setup, ranges, sums))


def _ablated(  # noqa: PLR0917
    result: Invariance,
    setup: MeasurementSetup,
    readout: Classifier | None,
    top: Sequence[float],
    folder: Path | None,
    ranges: ActivityRanges | None = None,
) -> Invariance:
    """Add the accuracies of ablation to a result without."""
    if result.ablation is not None:
        return result
    ranges = ranges or measure_ranges(setup, top, folder)
    tau, site = result.settings["measured"]["tau"], setup.sites[-1]
    table = ablation_accuracy(setup, site, tau, top=top, ranges=ranges, readout=readout)
    result = replace(result, ablation=table)
    if folder:
        result.save(folder)
    return result


def _part(line: ProgressLine, watch: PassWatcher | None, part: int) -> PassWatcher:
    """Make the watcher of a single pass, with numbers of both passes together."""

    def tell(done: int, total: int) -> None:
        seen, every = done + part * total, 2 * total
        line(f"invariance coefficients · {seen} of {number_of(every, 'image')}, in two passes")
        if watch:
            watch(seen, every)

    return tell


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
