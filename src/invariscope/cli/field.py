"""`invariscope field MODEL UNIT`: where in the image a unit looks, as an aperture to search in."""

from pathlib import Path
from typing import Annotated

import torch
from cyclopts import Parameter
from rich.console import Console

from invariscope.analysis.receptive_field import ReceptiveField, gradient_field, response_field
from invariscope.cli.numbers import Count, Share
from invariscope.cli.options import Model, NetworkOptions, Unit
from invariscope.errors import InputError
from invariscope.photos import open_folder, read_image
from invariscope.subjects import Subject
from invariscope.units import parse_target


def field(
    model: Model,
    unit: Unit,
    /,
    *,
    photos: Annotated[
        Path, Parameter(help="Images: photos for a network, those that were shown for a recording.")
    ],
    images: Annotated[Count, Parameter(help="How many of them, evenly spread.")] = 200,
    edge: Annotated[Share, Parameter(help="Of the aperture: a share of the radius.")] = 0.25,
    source: NetworkOptions | None = None,
) -> None:
    """Propose an aperture: where a unit looks, by its gradient, or by its recorded responses."""
    subject = (source or NetworkOptions()).subject(model)
    parse_target(unit, subject.sites())
    found = _field(subject, unit, _images(photos, subject, None if subject.incomplete else images))
    window = found.aperture(edge)
    words = ",".join(f"{v:g}" for v in (window.x, window.y, window.radius, window.edge))
    sure = "" if found.p != found.p else f", p {found.p:.3f}"
    Console().print(
        f"{unit} looks at ({found.x:.1f}, {found.y:.1f}), radius {found.radius:.1f} of "
        f"{subject.image_size} px{sure}: --aperture {words} "
        f"--size {subject.image_size}",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )


def _images(photos: Path, subject: Subject, most: int | None) -> torch.Tensor:
    folder, side = open_folder(photos), subject.image_size
    chosen = folder if most is None else folder.spread(most)
    files = [chosen.file(i) for i in range(len(chosen))]
    if not files:
        raise InputError(f"{str(photos)!r} holds no photos; expected at least one")
    return torch.stack([read_image(file, side) for file in files])


def _field(subject: Subject, unit: str, images: torch.Tensor) -> ReceptiveField:
    if not subject.incomplete:
        return gradient_field(subject, unit, images)
    target = parse_target(unit, subject.sites())
    activity = target.read(subject.respond(images, target.sites)).mean(1)
    return response_field(images, activity.double().cpu().numpy())
