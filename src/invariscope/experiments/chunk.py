"""The chunk: the number of images that pass through generator and subject at once."""

from collections.abc import Callable, Iterable

import torch

from invariscope.generators.base import Generator
from invariscope.search.search import SMALLEST_CHUNK
from invariscope.subjects.base import Subject

# Of the memory that is free when a call begins: captured passes keep as much for each precision.
# The rest is for the allocator's gaps, archives and codes, and whoever else uses the device.
SHARE = 0.25
# Accelerators are full by then, and a chunk is padded where few runs are left.
LARGEST = 512


def images_that_fit(bytes_an_image: float, free: float, population: int, runs: int) -> int:
    """Compute the largest chunk of whole populations that fits, up to `LARGEST` images.

    Returns:
        A power of two times the population, at least 32 images.
    """
    fit = max(int(SHARE * free / (bytes_an_image * population)), 1)
    together = 2 ** (min(fit, runs, max(LARGEST // population, 1)).bit_length() - 1)
    return max(SMALLEST_CHUNK, population * together)


def halved(chunk: int) -> int | None:
    """Halve a chunk that did not fit; None for the smallest chunk."""
    return max(SMALLEST_CHUNK, chunk // 2) if chunk > SMALLEST_CHUNK else None


def choose_chunk(
    subject: Subject, generator: Generator, sites: Iterable[str], population: int, runs: int
) -> int:
    """Choose the chunk of runs that advance together by the memory that one population takes.

    On the CPU the chunk is the population, at least 32: more at once is no faster there.

    Args:
        sites: the sites that the runs read.
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
    """Measure the most memory that `work` takes beyond the memory taken before."""
    work()  # libraries take their workspaces once
    torch.cuda.synchronize(device)
    before = torch.cuda.memory_allocated(device)
    torch.cuda.reset_peak_memory_stats(device)
    work()
    return torch.cuda.max_memory_allocated(device) - before
