"""Sentences of a page on constraints, cells, rejected invariances and impossible distances."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from invariscope.errors import InvariscopeError
from invariscope.experiments.image_kinds import kinds, measures_of
from invariscope.experiments.pictures import read_png
from invariscope.generators.constrained import measure_levels
from invariscope.generators.constraints import MARK, ImageConstraints
from invariscope.plurals import number_of
from invariscope.store.record import RunRecord

REFUTED = "refuted"


def constraint_notes(records: Sequence[RunRecord]) -> list[str]:
    """Tell the constraints of generators, and the levels of their pictures."""
    labels = dict.fromkeys(str(r.labels["generator"]) for r in records)
    notes = []
    for label in labels:
        plain, mark, text = label.partition(MARK)
        if mark:
            own = [r for r in records if str(r.labels["generator"]) == label]
            said = f"Every image of {plain} keeps to: {text.replace('&', ', ')}."
            notes.append(said + _measured(own, text))
    return notes


def _measured(records: Sequence[RunRecord], text: str) -> str:
    """Measure pictures of 8 bits a channel; nothing where a display is missing."""
    files = [file for r in records for file in sorted((r.path / "images").glob("*.png"))]
    try:
        images = [read_png(file) for file in files]
        sides = {image.shape[-1] for image in images}
        if len(sides) != 1:
            return ""
        found = measure_levels(torch.stack(images), ImageConstraints.parse(text))
    except InvariscopeError:
        return ""
    luminance, contrast = found.luminance.numpy(), found.contrast.numpy()
    return (
        f" Of its {number_of(len(images), 'picture')}, mean luminance is {luminance.min():.4g} to "
        f"{luminance.max():.4g} and RMS contrast {contrast.min():.3g} to {contrast.max():.3g}."
    )


def refutation_notes(records: Sequence[RunRecord]) -> list[str]:
    """Tell the invariances of a model that the neurons of a session reject."""
    folders = dict.fromkeys(record.path.parent.parent / REFUTED for record in records)
    files = [file for folder in folders for file in sorted(folder.glob("*.parquet"))]
    return [_refuted(file) for file in files]


def share_notes(groups: Sequence[Mapping[str, Any]]) -> list[str]:
    """Tell where a distance is beyond the possible distance, so that no share can be told."""
    return [
        f"{group['beyond']} of the images of unit {group['unit']} are farther from the stored "
        "reference than any image can be: the searches departed from another one, and no share "
        "is told."
        for group in groups
        if group["beyond"]
    ]


def cell_notes(records: Sequence[RunRecord]) -> list[str]:
    """Tell of searches that fill cells how many kinds of image their fronts hold."""
    return [_filled(record) for record in records if record.settings.strategy.get("cells")]


def _filled(record: RunRecord) -> str:
    """Count the cells of a front, and the kinds of image that keep or lose half."""
    measures, s = measures_of(record.settings), record.settings
    names = " × ".join(str(name) for name, *_ in measures)
    filled = (
        f"The search {record.path.name} fills cells: its front holds the best image of each of "
        f"{number_of(len(record.front), 'cell')} of distance × {names}."
    )
    found = kinds(record.front, s, float(record.tensors["reference_activity"].mean()))
    if found is None:
        return filled
    does = "lose" if s.task == "adversarial" else "keep"
    return (
        f"{filled} At some distance images of {len(found)} of "
        f"{number_of(math.prod(cells for *_, cells in measures), 'kind')} of {names} "
        f"{does} half of the reference's activity."
    )


def _refuted(file: Path) -> str:
    table = pd.read_parquet(file)
    rejected, confirmed = (np.count_nonzero(table[key]) for key in ("rejected", "confirmed"))
    far = table.loc[table["rejected"].to_numpy(bool), "stretch"]
    where = f" (at distances {', '.join(f'{value:.1f}' for value in far)})" if rejected else ""
    return (
        f"Of {number_of(len(table), 'invariance')} that {table['model'].iloc[0]} claims for unit "
        f"{table['unit'].iloc[0]}, the neuron rejects {rejected}{where} and confirms {confirmed}; "
        "held-back repeats, false discoveries held."
    )
