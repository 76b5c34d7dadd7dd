"""The first pass over the images: the scale of every unit's activity, kept in a file if asked."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from invariscope.errors import StoreError
from invariscope.invariance.extremes import Extremes
from invariscope.invariance.passes import MeasurementSetup, PassProgress
from invariscope.invariance.top import TopActivities
from invariscope.store.files import replace_tensors
from invariscope.subjects.trust import answers, changed_answer

FILE = "first_pass.safetensors"
TOP = "top"


@dataclass(frozen=True)
class FirstPass:
    """What the second pass needs of the first.

    Attributes:
        extremes: each unit's smallest and largest activity.
        percents: k of Goodfellow et al.'s rule.
        levels: what a unit must exceed to fire under it, `(percents, units)` float64.
    """

    extremes: Extremes
    percents: tuple[float, ...] = ()
    levels: Tensor = field(default_factory=lambda: torch.empty(0, 0, dtype=torch.float64))


def first_pass(
    setup: MeasurementSetup,
    percents: Sequence[float] = (),
    folder: Path | None = None,
    progress: PassProgress | None = None,
) -> FirstPass:
    """Show every image, as it is and transformed, and keep each unit's scale.

    Args:
        percents: k of Goodfellow et al.'s rule.
        folder: where the result is kept; one that is there, of the same settings, is read instead.

    Raises:
        InputError: Goodfellow et al.'s rule would keep too much.
        StoreError: the file cannot be written, or is damaged.
    """
    kept = TopActivities(setup, percents)
    asked = json.dumps({**setup.describe(), "top": list(percents)}, sort_keys=True)
    path = None if folder is None else folder / FILE
    now = answers(setup.subject, setup.sites)
    if path and path.exists() and (there := _load(path, asked, setup, percents, now)):
        return there
    extremes = Extremes()
    for shown in setup.show(progress):
        extremes.add(shown.transformation, shown.activities)
        if shown.transformation is None:
            kept.add(shown.activities)
    found = FirstPass(extremes, tuple(percents), kept.levels())
    if path:
        named = {**extremes.tensors(), TOP: found.levels}
        failed = json.dumps(setup.failed)
        about = {"asked": asked, "failed": failed, "answers": json.dumps(now)}
        replace_tensors(path, named, about)
    return found


def _load(
    path: Path, asked: str, setup: MeasurementSetup, percents: Sequence[float], now: dict[str, Any]
) -> FirstPass | None:
    try:
        with safe_open(path, framework="pt") as file:
            about = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise StoreError(f"{str(path)!r} is damaged ({error}); delete it") from error
    before = json.loads(about.get("answers", "{}"))
    if about.get("asked") != asked or changed_answer(before, now):
        return None
    setup.failed.update({int(place): why for place, why in json.loads(about["failed"]).items()})
    where: torch.device = setup.where
    levels = tensors[TOP].to(where)
    return FirstPass(Extremes.load(tensors, where), tuple(percents), levels)
