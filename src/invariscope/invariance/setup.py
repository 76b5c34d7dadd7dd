"""From a person's names to transformations, sites and images."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from torch import Tensor, nn

from invariscope.errors import InputError
from invariscope.invariance.images import ImageSet, image_set
from invariscope.invariance.passes import MeasurementSetup
from invariscope.photos import PhotoFolder, open_folder
from invariscope.subjects.base import PIXELS, Subject
from invariscope.subjects.network import NetworkSubject
from invariscope.transformations import TWELVE, Transformation, load
from invariscope.units import find_site

Images = Tensor | str | Path | PhotoFolder | ImageSet
Transformations = str | Iterable[str | Transformation]
BEYOND = "clip"
ALL = "all"
RECTIFIERS = (nn.ReLU, nn.ReLU6)
OTHERS = (
    *(nn.GELU, nn.SiLU, nn.Mish, nn.Hardswish),
    *(nn.LeakyReLU, nn.PReLU, nn.ELU, nn.CELU, nn.SELU, nn.Softplus, nn.Tanh, nn.Sigmoid),
)


def images_for(subject: Subject, images: Images) -> ImageSet:
    """Make a set of images; photos of a folder are cropped by the subject's own rule."""
    source = open_folder(images) if isinstance(images, str | Path) else images
    return image_set(source, rule=subject.photo)


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


def nonlinear_sites(subject: Subject) -> tuple[str, ...]:
    """List the sites behind a network's ReLU modules, shallow to deep; else behind its others.

    Returns:
        None where the subject is no network, or calls its nonlinearities as functions.
    """
    if not isinstance(subject, NetworkSubject):
        return ()
    modules = {site: subject.module(site) for site in subject.sites() if site != PIXELS}
    for kinds in (RECTIFIERS, OTHERS):
        found = tuple(site for site, module in modules.items() if isinstance(module, kinds))
        if found:
            return found
    return ()


def choose_sites(subject: Subject, sites: str | Iterable[str] = ALL) -> tuple[str, ...]:
    """Choose the sites to measure, from shallow to deep.

    Args:
        sites: `all`, the paper's choice: behind every ReLU, or where there is none behind every
            other nonlinearity (GELU, SiLU, …, whose activity can be negative); or names.

    Raises:
        InputError: an unknown site, none, or `all` of a subject without such modules.
    """
    if sites == ALL:
        found = nonlinear_sites(subject)
        if not found:
            raise InputError(
                f"{subject.name} has no ReLU or like module whose output could be measured; "
                "name the sites (`invariscope units` lists them)"
            )
        return found
    wanted = [sites] if isinstance(sites, str) else list(sites)
    known = subject.sites()
    if not wanted:
        raise InputError("no site given; expected 'all' or names such as 'layer1'")
    found = {find_site(site, known) for site in wanted}
    return tuple(site for site in known if site in found)
