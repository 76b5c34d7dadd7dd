"""Generators by address."""

from collections.abc import Mapping
from typing import Any

import torch

from invariscope import user_code
from invariscope.errors import InputError, unknown
from invariscope.generators import autoencoder, code_space, deepsim, pixels
from invariscope.generators.autoencoder import Autoencoder, AutoencoderGenerator, load_autoencoder
from invariscope.generators.base import CodeStatistics, Generator
from invariscope.generators.code_space import CodeSpace, fit_code_space, load_code_space
from invariscope.generators.constrained import (
    ConstrainedGenerator,
    ShownLevels,
    constrain_generator,
)
from invariscope.generators.constraints import MARK, Aperture, ImageConstraints, constrained_address
from invariscope.generators.deepsim import DeepsimGenerator, deepsim_generator
from invariscope.generators.display import Display
from invariscope.generators.embedded import EmbeddedGenerator
from invariscope.generators.inversion import InvertedCodes
from invariscope.generators.pixels import PixelGenerator
from invariscope.zoo import registry


def load_generator(  # noqa: PLR0911  (one for each kind of address)
    address: str = "embedded", device: torch.device | str = "cpu", *, allow_code: bool = False
) -> Generator:
    """Load a generator from its address.

    Args:
        address: `embedded`; `deepsim:fc7` and its seven siblings; `codes:FILE`, a code space;
            `diffusers:NAME_OR_FOLDER` or `taesd:PATH`, an autoencoder's whole latents, or
            `pixels`, the last three with an image size: `pixels@32`; or `file.py:factory`, a
            function without arguments or of the device. Constraints stand behind a `?`:
            `embedded?luminance=0.5&contrast=0.2` (see `ImageConstraints`).
        allow_code: whether a Python file may be run.

    Raises:
        InputError: an unknown address, weights that are not of its architecture, or a factory
            that gives no generator.
        StoreError: a file that is missing, damaged or cannot be downloaded.

    Example:
        >>> import torch
        >>> import invariscope as iv
        >>> generator = iv.load_generator("embedded")
        >>> generator.generate(torch.zeros(1, generator.code_dim)).shape
        torch.Size([1, 3, 96, 96])
    """
    plain, mark, constraints = address.partition(MARK)
    if mark:
        asked = ImageConstraints.parse(constraints)
        return ConstrainedGenerator(load_generator(plain, device, allow_code=allow_code), asked)
    user_code.allow(address, allow_code=allow_code)
    if file := user_code.python_file(address):
        made = user_code.make(*file, device)
        if not isinstance(made, Generator):
            raise InputError(f"{address!r} gave {type(made).__name__}; expected a Generator")
        return made
    shipped = {k: e for k, e in registry.entries().items() if e.kind == "generator"}
    if address in shipped:
        return EmbeddedGenerator(shipped[address], device)
    if address.startswith(deepsim.PREFIX):
        return deepsim_generator(address.removeprefix(deepsim.PREFIX), device)
    if address.startswith(code_space.PREFIX):
        return load_code_space(address.removeprefix(code_space.PREFIX), device)
    if address.startswith(autoencoder.PREFIXES):
        name, size = autoencoder.split_size(address, autoencoder.SIZE)
        return AutoencoderGenerator(load_autoencoder(name, device), size)
    name, size = autoencoder.split_size(address, pixels.SIZE)
    if name == "pixels":
        return PixelGenerator(size, device)
    raise _unknown(address, list(shipped))


def address_made_with(address: str, identity: Mapping[str, Any]) -> str:
    """Name the shipped generator that runs were made with, where the address means another now.

    Args:
        address: as the runs kept it.
        identity: of their generator, as the runs kept it.

    Example:
        >>> from invariscope.generators import address_made_with, load_generator
        >>> first = load_generator("embedded:v1").identity()
        >>> address_made_with("embedded", first)
        'embedded:v1'
    """
    plain, mark, constraints = address.partition(MARK)
    shipped = {k: e.sha256 for k, e in registry.entries().items() if e.kind == "generator"}
    made_with = identity.get("generator", identity).get("weights")
    known = [name for name, weights in shipped.items() if weights == made_with]
    return known[0] + mark + constraints if plain in shipped and known else address


def _unknown(address: str, shipped: list[str]) -> InputError:
    published = [k for k, e in registry.entries().items() if e.kind == "deepsim"]
    return unknown(
        "generator",
        address,
        [
            *shipped,
            "pixels",
            *published,
            code_space.PREFIX,
            *autoencoder.PREFIXES,
            "file.py:factory",
        ],
    )


__all__ = [
    "Aperture",
    "Autoencoder",
    "AutoencoderGenerator",
    "CodeSpace",
    "CodeStatistics",
    "ConstrainedGenerator",
    "DeepsimGenerator",
    "Display",
    "EmbeddedGenerator",
    "Generator",
    "ImageConstraints",
    "InvertedCodes",
    "PixelGenerator",
    "ShownLevels",
    "address_made_with",
    "constrain_generator",
    "constrained_address",
    "fit_code_space",
    "load_autoencoder",
    "load_code_space",
    "load_generator",
]
