"""Analyses of images beside a study's invariant images: the controls of Fig. 2."""

import pandas as pd
import torch
from torch import Tensor

from invariscope.analysis.controls import (
    AFFINE,
    LIGHT,
    PHOTOS,
    RANDOM,
    SECOND,
    beside_invariant,
    control_images,
    control_means,
    light_copies,
    moved_copies,
    random_images,
)
from invariscope.analysis.grouping import Rows, groups_by, rows_where
from invariscope.analysis.respond import activity
from invariscope.study.analyses.material import AnalysisMaterial, PhotosAsSeen
from invariscope.study.analyses.recognition import Tables, references
from invariscope.study.analyses.searches import make_losses
from invariscope.subjects import Subject
from invariscope.units import Target, parse_target

STRONGEST = 20  # photos of a unit's class beside its reference


def make_controls(m: AnalysisMaterial) -> Tables:
    """Make row 1's controls: second MEIs, photos, random images, copies, at equal losses.

    Copies and random images come under the constraints of the searched images.
    """
    parts = []
    for name, subject, own in m.by_subject(m.whole):
        generator, shown = m.generator(own), m.shown(subject)
        drawn = random_images(generator)
        for key, row in groups_by(references(own), ["unit"]):
            reference = m.references(row)[0].to(generator.device)
            target = parse_target(key["unit"], subject.sites())
            series = {
                AFFINE: generator.constrain(moved_copies(reference)),
                LIGHT: generator.constrain(light_copies(reference)),
                SECOND: _second(m, row),
                PHOTOS: _photos(subject, target, shown, str(row["label"].iloc[0])),
                RANDOM: drawn,
            }
            series = {kind: images.to(subject.device) for kind, images in series.items()}
            found = control_images(subject, target, reference.to(subject.device), series)
            parts.append(found.assign(subject=name, **key))
    images = pd.concat(parts, ignore_index=True)
    members = make_losses(m)["losses_runs"]
    return {"controls": beside_invariant(images, members), "controls_means": control_means(images)}


def _second(m: AnalysisMaterial, row: Rows) -> Tensor:
    """Make the unit's other MEIs, of as many searches as the study has."""
    first = row.iloc[0]
    same = (m.meis["subject"] == first["subject"]) & (m.meis["unit"] == first["unit"])
    others = rows_where(m.meis, same & (m.meis["name"] != first["reference_id"]))
    return m.images(others) if len(others) else torch.zeros(0)


def _photos(subject: Subject, target: Target, shown: PhotosAsSeen | None, label: str) -> Tensor:
    """Choose the photos of the unit's class that excite the unit most."""
    if shown is None:
        return torch.zeros(0)
    places = [k for k, name in enumerate(shown.classes) if name == label]
    images = shown.images[places]
    if not len(images):
        return images
    strength = activity(subject, target, images)
    return images[strength.argsort(descending=True, stable=True)[:STRONGEST].cpu()]
