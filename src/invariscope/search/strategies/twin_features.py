"""Features of an image for a twin: the mean activity of every block of a proxy network."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from invariscope import seeds
from invariscope.errors import InputError
from invariscope.generators.base import Generator
from invariscope.search.problem import NO_GRADIENTS, images_of
from invariscope.search.strategies.twin_cells import Cells
from invariscope.subjects import load_subject
from invariscope.subjects.base import PIXELS, Subject
from invariscope.subjects.perceptual import perceptual

CODES = "codes"
MOST_BLOCKS, FEWEST_BLOCKS = 12, 4
DRAWN = 8  # random images by which measures are checked


@lru_cache(maxsize=4)
def _loaded(address: str, device: str) -> Subject:
    return load_subject(address, device)


def proxy_identity(proxy: str | Subject) -> Any:
    """Identify a proxy's features, for the name of a run."""
    if proxy == CODES:
        return CODES
    subject = proxy if isinstance(proxy, Subject) else _loaded(proxy, "cpu")
    return subject.identity()


def block_sites(sites: Sequence[str]) -> list[str]:
    """Find the blocks of a network, shallow to deep, and its readout.

    A block is an outermost module that has layers of its own; where there are fewer than four,
    layers at even distances count.

    Args:
        sites: of the network, in the order in which it finishes them.
    """
    names = [site for site in sites if site != PIXELS]
    above = {name.rpartition(".")[0] for name in names}
    layers = [name for name in names if name not in above]
    parents = {name.rpartition(".")[0] for name in layers} - {""}
    blocks = [
        name
        for name in names
        if name in parents and not any(name.startswith(f"{other}.") for other in parents)
    ]
    if len(blocks) < FEWEST_BLOCKS:
        blocks = layers[:-1]
    if len(blocks) > MOST_BLOCKS:
        last = len(blocks) - 1
        blocks = [blocks[round(i * last / (MOST_BLOCKS - 1))] for i in range(MOST_BLOCKS)]
    return list(dict.fromkeys([*blocks, *names[-1:]]))


def pooled(response: Tensor) -> Tensor:
    """Pool a site's response `(n, *shape)` to its means over places, `(n, entries)`.

    Args:
        response: `(n, channels, height, width)`, `(n, tokens, channels)` or `(n, units)`.
    """
    if response.ndim == 2:
        return response
    return response.mean((2, 3) if response.ndim == 4 else (1,))


@dataclass(frozen=True)
class Features:
    """The way from codes to images and to the proxy's features; gradients pass.

    Attributes:
        widths: entries of each block.
    """

    generator: Generator
    respond: Callable[[Tensor], list[Tensor]] | None
    widths: tuple[int, ...]

    @classmethod
    def of(cls, proxy: str | Subject, generator: Generator) -> "Features":
        """Load a proxy: an address, a network, or `codes` for the codes themselves."""
        if proxy == CODES:
            return cls(generator, None, (generator.code_dim,))
        subject = (
            proxy if isinstance(proxy, Subject) else _loaded(str(proxy), str(generator.device))
        )
        sites = block_sites(list(subject.sites()))
        if not sites:
            raise InputError(
                f"the proxy {subject.name} has no sites to read features from; choose a network, "
                "or 'codes', the codes themselves"
            )
        respond = perceptual(subject, sites)
        side = generator.image_size
        grey = torch.full((2, 3, side, side), 0.5, device=generator.device)
        with torch.no_grad():
            widths = tuple(pooled(r).shape[1] for r in respond(grey))
        return cls(generator, respond, widths)

    def __call__(self, codes: Tensor) -> tuple[Tensor, Tensor]:
        """Make images of codes `(n, code_dim)`, and their features `(n, entries)` float32."""
        images = images_of(self.generator, codes)
        if self.respond is None:
            return images, codes.to(images)
        parts = [pooled(r.float()) for r in self.respond(images)]
        return images, torch.cat(parts, 1)


def check_gradients(proxy: str | Subject, generator: Generator, cells: Cells | None) -> None:
    """Check, before any image is shown, that gradients pass from measures and features to codes.

    Raises:
        InputError: the generator, the proxy or a measure passes none, or answers otherwise than
            it should.
    """
    number = DRAWN if cells else 1
    drawn = seeds.normal([("twin", "check")], (number, generator.code_dim))[0]
    code = drawn.float().to(generator.device).requires_grad_()
    features = Features.of(proxy, generator)
    with torch.enable_grad():
        try:
            images, entries = features(code)
        except RuntimeError as error:
            if isinstance(error, torch.OutOfMemoryError):
                raise
            features(code.detach())  # without gradients it works, or says what else is wrong
            raise InputError(NO_GRADIENTS.format(generator.name)) from error
        if not entries.requires_grad:
            raise InputError(
                f"the proxy {proxy if isinstance(proxy, str) else proxy.name} passes no gradients "
                "to the image, which the strategy 'twin' follows; choose another network"
            )
        if cells is not None:
            cells.check(images)
