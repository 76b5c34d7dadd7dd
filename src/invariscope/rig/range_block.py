"""The block that a session begins with: each unit's range, noise and reliability over photos."""

from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from invariscope.errors import InputError, SubjectError
from invariscope.generators.base import Generator
from invariscope.natural.statistics import NaturalStatistics
from invariscope.photos import open_folder, read_image
from invariscope.plurals import number_of
from invariscope.recordings.natural import natural_table
from invariscope.rig.file import BEST, RangeRequest
from invariscope.rig.presenter import MeasuredResponses
from invariscope.subjects.rig.subject import RigSubject

NATURAL = "natural.parquet"


def range_photos(asked: RangeRequest, base: Path, generator: Generator) -> Tensor:
    """Draw the photos of a range block, `(images, 3, side, side)`, under the constraints.

    Raises:
        InputError: a folder with fewer than three.
    """
    folder = open_folder(base / asked.photos)
    if len(folder) < 3:
        raise InputError(
            f"{str(folder.path)!r} holds {number_of(len(folder), 'photo')}; expected at least 3"
        )
    chosen = folder.spread(asked.images)
    files = [chosen.file(i) for i in range(len(chosen))]
    side = generator.image_size
    return generator.constrain(torch.stack([read_image(file, side) for file in files]))


def range_table(measured: MeasuredResponses, subject: RigSubject) -> NaturalStatistics:
    """Natural statistics from repeat means, with each unit's reliability and noise.

    Raises:
        SubjectError: a unit was recorded for fewer than three of the photos.
    """
    for name, recorded in zip(subject.classes, (~np.isnan(measured.means)).sum(0), strict=True):
        if recorded < 3:
            raise SubjectError(
                f"unit {name!r} was recorded for {number_of(recorded, 'photo')} of the range "
                "block; leave it out of units, or mend its recording and begin another session"
            )
    moments = (measured.means, measured.variances, measured.counts)
    table = natural_table(subject.classes, *moments)
    about = {"shown": f"{number_of(len(measured.names), 'photo')} of the range block"}
    return NaturalStatistics(table, subject.identity(), about)


def strongest(measured: MeasuredResponses, unit: int, most: int) -> list[int]:
    """Choose the photos that drive a unit most, best first."""
    means = np.nan_to_num(measured.means[:, unit], nan=-np.inf)
    return [int(i) for i in np.argsort(-means, kind="stable")[:most]]


def targets_of(asked: tuple[str, ...], table: pd.DataFrame) -> list[int]:
    """Find the numbers of the target units; `best` is the most reliable unit."""
    names = list(table["name"])
    best = int(table["reliability"].fillna(-np.inf).to_numpy().argmax())
    found = [best if word == BEST else names.index(word) for word in asked]
    return list(dict.fromkeys(found))
