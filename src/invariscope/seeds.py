"""Named random streams: the only source of randomness in the package.

A stream is named by words (a run's name, a generation, a purpose) and by nothing else, so
what a run draws does not depend on its neighbours, on the order of calls, or on a global seed.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import numpy as np
import torch
from torch import Tensor

Word = str | int


def _digest(words: tuple[Word, ...]) -> bytes:
    # The kind and length of each word are hashed too: ("a", 1) differs from ("a", "1") and ("a1",);
    # an integer of NumPy is the same word as one of Python.
    kinds = ["str" if isinstance(w, str) else "int" for w in words]
    text = "".join(f"{kind}:{len(str(w))}:{w};" for kind, w in zip(kinds, words, strict=True))
    return hashlib.sha256(text.encode()).digest()


def integer(*words: Word) -> int:
    """A 63-bit integer that depends on the words alone."""
    return int.from_bytes(_digest(words)[:8], "little") >> 1


def numpy_stream(*words: Word) -> np.random.Generator:
    """A NumPy generator (Philox, 128-bit key) that depends on the words alone."""
    return np.random.Generator(np.random.Philox(key=int.from_bytes(_digest(words)[:16], "little")))


def torch_stream(*words: Word, device: torch.device | str = "cpu") -> torch.Generator:
    """A torch generator that depends on the words and the device's kind alone."""
    return torch.Generator(device=device).manual_seed(integer(*words))


def _rows(
    names: list[tuple[Word, ...]],
    shape: tuple[int, ...],
    dtype: torch.dtype,
    device: torch.device | str,
    kind: Literal["normal", "uniform"],
) -> Tensor:
    if torch.device(device).type == "cpu":
        width = torch.float32 if dtype == torch.float32 else torch.float64
        draws = torch.empty((len(names), *shape), dtype=width)
        for row, name in zip(draws.numpy(), names, strict=True):
            stream = numpy_stream(*name)
            draw = stream.standard_normal if kind == "normal" else stream.random
            draw(out=row, dtype=row.dtype)
        return draws.to(dtype)
    draws = torch.empty((len(names), *shape), dtype=dtype, device=device)
    stream = torch.Generator(device=device)
    for row, name in zip(draws, names, strict=True):
        stream.manual_seed(integer(*name))
        row.normal_(generator=stream) if kind == "normal" else row.uniform_(generator=stream)
    return draws


@contextmanager
def torch_global(*words: Word, device: torch.device | None = None) -> Iterator[None]:
    """Torch's global streams follow from the words inside, and go on as before after.

    For libraries that initialise networks, or drop activity out, from nothing else.

    Args:
        device: a CUDA device whose stream is meant besides the CPU's.
    """
    cuda = device is not None and device.type == "cuda"
    with torch.random.fork_rng(devices=[device] if cuda else []):
        torch.default_generator.manual_seed(integer(*words))
        if cuda:
            with torch.cuda.device(device):
                torch.cuda.manual_seed(integer(*words))
        yield


def normal(
    names: list[tuple[Word, ...]],
    shape: tuple[int, ...],
    *,
    dtype: torch.dtype = torch.float64,
    device: torch.device | str = "cpu",
) -> Tensor:
    """Standard normal numbers, one stream a name.

    On the CPU they come from 128-bit Philox streams (torch's own CPU generator keeps only
    32 bits of a seed); on an accelerator from its own Philox, so that nothing is copied.

    Args:
        names: the words of each stream, `len(names)` = runs.
        shape: the shape of each stream's numbers.

    Returns:
        `(runs, *shape)` of `dtype` on `device`.
    """
    return _rows(names, shape, dtype, device, "normal")


def uniform(
    names: list[tuple[Word, ...]],
    shape: tuple[int, ...],
    *,
    dtype: torch.dtype = torch.float64,
    device: torch.device | str = "cpu",
) -> Tensor:
    """Numbers in [0, 1), one stream a name; otherwise as `normal`."""
    return _rows(names, shape, dtype, device, "uniform")
