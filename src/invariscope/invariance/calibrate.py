"""The strength of a transformation that makes a subject fail (PAPERS §2, calibration).

Strength grows step by step until the top-1 accuracy of a subject that never learned the
transformation falls below a bound, so that transformations are compared where they are as hard.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from invariscope import validate
from invariscope.errors import InputError
from invariscope.invariance.calibration import Calibration, load_calibration, settings_path
from invariscope.invariance.classes import Classifier, class_names, classifier
from invariscope.invariance.images import ImageSet
from invariscope.invariance.result import check_same
from invariscope.invariance.setup import Images, choose_transformations, images_for
from invariscope.photos import PhotoFolder
from invariscope.progress import ProgressLine
from invariscope.store.context import numeric_context
from invariscope.store.settings import without_none
from invariscope.subjects.base import Subject
from invariscope.subjects.trust import answers, check_repeatable
from invariscope.transformations import Strength, Transformation, load, names

PAPER_BOUND = 0.15  # ImageNet; 0.10 for faces
LOW_CHANCE = 0.02  # up to here the paper's bounds hold
ABOVE_CHANCE = 0.10  # beyond it: this share of what lies between chance and clean accuracy
Watch = Callable[[float, float], None]


def _names(images: Images) -> dict[str, str]:
    """Read the names that a folder's table gives its classes."""
    path = images.path if isinstance(images, PhotoFolder) else images
    return class_names(Path(path)) if isinstance(path, str | Path) else {}


def _grown(chosen: Transformation, most: float | None) -> tuple[Strength, list[Transformation]]:
    """Grow a transformation: its way, and itself at each strength; other fields stay."""
    if chosen.strength is None:
        growing = ", ".join(name for name in names() if load(name).strength)
        raise InputError(
            f"transformation {chosen.name!r} has no strength that could grow; those that have one: "
            f"{growing}"
        )
    way = chosen.strength if most is None else replace(chosen.strength, most=most)
    if not way.values():
        raise InputError(
            f"the largest {way.field} is {way.most:g}; expected one from {way.first:g} on, where "
            f"{chosen.name!r} begins"
        )
    return way, [replace(chosen, **{way.field: strength}) for strength in way.values()]


def bound_of(chance: float, clean: float) -> tuple[float, str]:
    """Give the paper's bound, or ours where chance is above 2 %; and the rule in words."""
    if chance <= LOW_CHANCE:
        return PAPER_BOUND, "the paper's bound for ImageNet"
    rule = f"chance + {ABOVE_CHANCE:g} · (clean − chance), as chance is above {LOW_CHANCE:g}"
    return chance + ABOVE_CHANCE * (clean - chance), rule


@dataclass(frozen=True)
class _Test:
    """A test of a subject: images, and the right answers."""

    subject: Subject
    images: ImageSet
    readout: Classifier
    batch: int
    seed: int

    def describe(self, first: Transformation, way: Strength, bound: float | None) -> dict[str, Any]:
        """Collect the settings that determine a calibration's figures."""
        settings = {
            "transformation": first.describe(),
            "strength": asdict(way),
            "subject": self.subject.identity(),
            "images": self.images.content,
            "classes": list(self.images.classes),
            "readout": self.readout.site,
            "targets": self.readout.targets.tolist(),
            "bound": bound,
            "seed": self.seed,
        }
        return without_none(settings)

    def row(self, strength: float, transformation: Transformation | None) -> dict[str, Any]:
        """Measure one row of the curve: accuracy over all images under a transformation."""
        keys = self.images.keys(self.seed)
        images = correct = 0
        side, device = self.subject.image_size, self.subject.device
        for batch in self.images.stream(side, self.batch, device):
            shown = self.subject.see(batch.images)
            if transformation is not None:
                shown = transformation(shown, keys[batch.indices])
            wanted = self.readout.targets[torch.from_numpy(batch.labels)]
            correct += int((self.readout.answer(self.subject, shown) == wanted).sum())
            images += len(shown)
        if images == 0:
            raise InputError("none of the photos could be read; nothing to measure accuracy on")
        accuracy = correct / images
        return {"strength": strength, "images": images, "correct": correct, "accuracy": accuracy}


def calibrate(
    subject: Subject,
    images: Images,
    transformation: str | Transformation,
    *,
    readout: Classifier | None = None,
    bound: float | None = None,
    most: float | None = None,
    batch: int = 64,
    seed: int = 0,
    out: str | Path | None = None,
    watch: Watch | None = None,
    progress: bool | None = None,
) -> Calibration:
    """Let a transformation grow until a subject's top-1 accuracy falls below a bound.

    Args:
        subject: one that did not learn the transformation.
        images: a folder of class folders, or an `image_set` with labels.
        transformation: one with a strength; its other fields stay. One that is named clips what
            leaves [0, 1].
        readout: which of its units stands for which class; by default `classifier` matches the
            classes, with the folder's table where there is one (see `classes`).
        bound: accuracy in [0, 1]. By default the paper's 0.15 for ImageNet (faces: 0.10), or
            chance + 0.10 (clean − chance) where chance is above 0.02.
        most: the largest strength, instead of the transformation's own.
        batch: images shown at once.
        seed: of random transformations.
        out: a folder for the result. One of the same settings that is there is read instead.
        watch: told each strength and its accuracy.
        progress: whether a line shows them; by default in terminals and notebooks.

    Returns:
        The curve up to the first strength below the bound, or up to the largest.

    Raises:
        InputError: a transformation without a strength, or whose strengths are out of range;
            images without classes; a subject that is not above the bound to begin with.
        StoreError: the folder cannot be written, is damaged or holds another calibration.

    Example:
        >>> import torch
        >>> import invariscope as iv
        >>> subject = iv.FunctionSubject(lambda x: x.mean((2, 3)), name="mean colour", image_size=8)
        >>> colours = torch.eye(3).view(3, 3, 1, 1).expand(3, 3, 8, 8) / 2
        >>> images = iv.image_set(colours, [0, 1, 2], ("red", "green", "blue"))
        >>> iv.calibrate(subject, images, "salt-and-pepper").strength
        1.0
    """
    (chosen,) = choose_transformations([transformation])
    way, grown = _grown(chosen, most)
    shown = images_for(subject, images)
    readout = readout or classifier(subject, shown.classes, names=_names(images))
    if bound is not None:
        validate.between("bound", bound, 0, 1)
    test = _Test(subject, shown, readout, batch, seed)
    settings = test.describe(grown[0], way, bound)
    check_repeatable(subject, [readout.site])
    now = answers(subject, [readout.site])
    if out is not None and (path := settings_path(Path(out), settings)).exists():
        there = load_calibration(path)
        before = there.labels.get("answers", {})
        check_same(path, "calibration", (there.settings, settings), (before, now))
        return there
    rows = [test.row(way.nothing, None)]
    chance, clean = 1 / readout.units, rows[0]["accuracy"]
    limit, rule = (bound, "as asked") if bound is not None else bound_of(chance, clean)
    if clean <= max(limit, chance):
        raise InputError(
            f"accuracy on the images as they are is {clean:.3f}; expected more than the bound, "
            f"{limit:.3f}, and than chance, {chance:.3f} (are the classes matched rightly?)"
        )
    with ProgressLine(progress, watched=watch is not None) as line:
        for strength, stronger in zip(way.values(), grown, strict=True):
            rows.append(test.row(strength, stronger))
            line(f"{grown[0].name} {strength:g} · accuracy {rows[-1]['accuracy']:.3f}")
            if watch:
                watch(strength, rows[-1]["accuracy"])
            if rows[-1]["accuracy"] < limit:
                break
    calibration = Calibration(
        settings=settings,
        labels={
            "subject": subject.name,
            "transformation": grown[0].name,
            "field": way.field,
            "answers": now,
        },
        context=numeric_context(subject.device, batch, compiled=subject.compiled),
        curve=pd.DataFrame(rows),
        chance=chance,
        bound=limit,
        rule=rule,
        reached=rows[-1]["accuracy"] < limit,
    )
    if out is not None:
        calibration.save(out)
    return calibration
