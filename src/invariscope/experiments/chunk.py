"""How many images pass through generator and subject at once."""

from collections.abc import Callable, Iterable

import torch

from invariscope.generators.base import Generator
from invariscope.search.search import SMALLEST_CHUNK
from invariscope.subjects.base import Subject

# Of the memory that is free when a call begins: the rest is for the allocator's gaps, the
# archives and codes, and whoever else uses the device.
SHARE = 0.5
# Accelerators are full by then, and a chunk is padded where few runs are left.
LARGEST = 512


def images_that_fit(bytes_an_image: float, free: float, population: int, runs: int) -> int:
    """The largest chunk: whole populations, as many as fit and as there are runs, up to `LARGEST`.

    Returns:
        A power of two times the population, at least 32 images.
    """
    fit = max(int(SHARE * free / (bytes_an_image * population)), 1)
    together = 2 ** (min(fit, runs, max(LARGEST // population, 1)).bit_length() - 1)
    return max(SMALLEST_CHUNK, population * together)


def halved(chunk: int) -> int | None:
    """Half of a chunk that did not fit; None where it is as small as chunks get."""
    return max(SMALLEST_CHUNK, chunk // 2) if chunk > SMALLEST_CHUNK else None


def choose_chunk(
    subject: Subject, generator: Generator, sites: Iterable[str], population: int, runs: int
) -> int:
    """The chunk for runs that advance together, from the memory that one population takes.

    On the CPU it is the population, at least 32: more images at once are no faster there.

    Args:
        sites: that the runs read.
    """
    smallest = max(SMALLEST_CHUNK, population)
    if generator.device.type != "cuda" or runs < 2:
        return smallest

    def pass_once() -> object:
        codes = torch.zeros(smallest, generator.code_dim, device=generator.device)
        return subject.respond(generator.generate(codes), sites)

    taken = _peak_bytes(pass_once, generator.device) / smallest
    free, _ = torch.cuda.mem_get_info(generator.device)
    return images_that_fit(taken, free, population, runs)


def _peak_bytes(work: Callable[[], object], device: torch.device) -> int:
    """The most memory that `work` takes beyond what is taken already."""
    work()  # libraries take their workspaces once
    torch.cuda.synchronize(device)
    before = torch.cuda.memory_allocated(device)
    torch.cuda.reset_peak_memory_stats(device)
    work()
    return torch.cuda.max_memory_allocated(device) - before
