"""From a person's names to transformations, sites and images."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from torch import Tensor

from invariscope.invariance.images import ImageSet, image_set
from invariscope.invariance.passes import MeasurementSetup
from invariscope.invariance.sites import ALL, choose_sites
from invariscope.photos import PhotoFolder, open_folder
from invariscope.subjects.base import Subject
from invariscope.transformations import TWELVE, Transformation, load

Images = Tensor | str | Path | PhotoFolder | ImageSet
Transformations = str | Iterable[str | Transformation]
BEYOND = "clip"


def images_for(subject: Subject, images: Images) -> ImageSet:
    """Make a set of images; photos of a folder are cropped by the subject's own rule."""
    source = open_folder(images) if isinstance(images, str | Path) else images
    rule = subject.photo
    return image_set(
        source,
        resize=rule.resize,
        interpolation=rule.interpolation,
        crop=rule.crop,
        transform=rule.transform,
    )


def choose_transformations(
    transformations: Transformations, beyond: str = BEYOND
) -> tuple[Transformation, ...]:
    """Load transformations: `all`, the paper's twelve; or by names.

    Args:
        beyond: what those that are named do with values beyond [0, 1], which filters and noise
            make: `clip`, `rescale` or `keep` (see `Transformation`).

    Raises:
        InputError: an unknown name or rule.
    """
    if isinstance(transformations, str):
        transformations = TWELVE if transformations == ALL else [transformations]
    return tuple(load(t, beyond=beyond) if isinstance(t, str) else t for t in transformations)


def labels(transformations: Iterable[Transformation]) -> tuple[str, ...]:
    """Label transformations for tables, without `beyond` where the labels differ anyway."""
    given = tuple(transformations)
    short = tuple(replace(t, beyond="keep").label for t in given)
    return short if len(set(short)) == len(given) else tuple(t.label for t in given)


def make_setup(
    subject: Subject,
    images: Images,
    transformations: Transformations,
    sites: str | Iterable[str],
    *,
    beyond: str = BEYOND,
    reading: str = "channel",
    negatives: str = "signed",
    batch: int = 64,
    seed: int = 0,
) -> MeasurementSetup:
    """Make the setup of a measurement from names (arguments: `invariance_coefficient`).

    Raises:
        InputError: a name or value that cannot be used.
    """
    chosen = choose_transformations(transformations, beyond)
    return MeasurementSetup(
        subject=subject,
        images=images_for(subject, images),
        transformations=chosen,
        labels=labels(chosen),
        sites=choose_sites(subject, sites),
        reading=reading,
        negatives=negatives,
        batch=batch,
        seed=seed,
    )
