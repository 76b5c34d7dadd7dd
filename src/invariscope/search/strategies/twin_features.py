"""Features of an image for a twin: the mean activity of every block of a proxy network."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from invariscope.generators.base import Generator
from invariscope.search.problem import images_of
from invariscope.subjects import load_subject
from invariscope.subjects.base import PIXELS, Subject
from invariscope.subjects.perceptual import perceptual

CODES = "codes"
MOST_BLOCKS, FEWEST_BLOCKS = 12, 4


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
    return list(dict.fromkeys([*blocks, names[-1]]))


def pooled(response: Tensor, *, spread: bool) -> Tensor:
    """Pool a site's response `(n, *shape)` to `(n, entries)`: means over places, and spread.

    Args:
        response: `(n, channels, height, width)`, `(n, tokens, channels)` or `(n, units)`.
        spread: whether the standard deviation over places is given too.
    """
    if response.ndim == 2:
        return response
    over = (2, 3) if response.ndim == 4 else (1,)
    mean = response.mean(over)
    positions = response.shape[2] * response.shape[3] if response.ndim == 4 else response.shape[1]
    if not spread or positions < 2:
        return mean
    return torch.cat([mean, (response.var(over, correction=0) + 1e-6).sqrt()], 1)


@dataclass(frozen=True)
class Features:
    """The way from codes to images and to the proxy's features; gradients pass.

    Attributes:
        widths: entries of each block.
    """

    generator: Generator
    respond: Callable[[Tensor], list[Tensor]] | None
    widths: tuple[int, ...]
    spread: bool

    @classmethod
    def of(cls, proxy: str | Subject, generator: Generator, *, spread: bool) -> "Features":
        """Load a proxy: an address, a network, or `codes` for the codes themselves."""
        if proxy == CODES:
            return cls(generator, None, (generator.code_dim,), spread)
        subject = (
            proxy if isinstance(proxy, Subject) else _loaded(str(proxy), str(generator.device))
        )
        sites = block_sites(list(subject.sites()))
        respond = perceptual(subject, sites)
        side = generator.image_size
        grey = torch.full((2, 3, side, side), 0.5, device=generator.device)
        with torch.no_grad():
            widths = tuple(pooled(r, spread=spread).shape[1] for r in respond(grey))
        return cls(generator, respond, widths, spread)

    def __call__(self, codes: Tensor) -> tuple[Tensor, Tensor]:
        """Make images of codes `(n, code_dim)`, and their features `(n, entries)` float32."""
        images = images_of(self.generator, codes)
        if self.respond is None:
            return images, codes.to(images)
        parts = [pooled(r.float(), spread=self.spread) for r in self.respond(images)]
        return images, torch.cat(parts, 1)
