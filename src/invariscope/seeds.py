"""Named random streams: the only source of randomness in the package.

A stream is named by words (a run's name, a generation, a purpose) and by nothing else, so
what a run draws does not depend on its neighbours, on the order of calls, or on a global seed.
"""

import hashlib
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from invariscope.devices import upload

Word = str | int


def _digest(words: tuple[Word, ...]) -> bytes:
    # The kind and length of each word are hashed too: ("a", 1) differs from ("a", "1") and ("a1",);
    # an integer of NumPy is the same word as one of Python.
    kinds = ["str" if isinstance(w, str) else "int" for w in words]
    text = "".join(f"{kind}:{len(str(w))}:{w};" for kind, w in zip(kinds, words, strict=True))
    return hashlib.sha256(text.encode()).digest()


def integer(*words: Word) -> int:
    """Derive a 63-bit integer from words."""
    return int.from_bytes(_digest(words)[:8], "little") >> 1


def numpy_stream(*words: Word) -> np.random.Generator:
    """Make a NumPy generator (Philox, 128-bit key) that depends on the words alone."""
    return np.random.Generator(np.random.Philox(key=int.from_bytes(_digest(words)[:16], "little")))


def torch_stream(*words: Word, device: torch.device | str = "cpu") -> torch.Generator:
    """Make a torch generator that depends on the words and the device's kind alone."""
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
    return counted(names, shape, dtype, device, kind)


_ROUNDS = 10
_WORD = 2**32 - 1
_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_STEPS = (0x9E3779B9, 0xBB67AE85)


def philox(counter: list[Tensor], key: list[Tensor]) -> list[Tensor]:
    """Compute Philox4x32-10 (Salmon et al. 2011, SC '11): four 32-bit words a counter and key.

    Args:
        counter: four int64 tensors of 32-bit words.
        key: two, that broadcast with them.

    Returns:
        Four int64 tensors of words in [0, 2³²).
    """
    device = counter[0].device
    multipliers = upload(torch.tensor(_MULTIPLIERS), device)
    even = torch.stack(torch.broadcast_tensors(counter[0], counter[2]))
    odd = torch.stack(torch.broadcast_tensors(counter[1], counter[3]))
    shape = (2, *[1] * (even.ndim - 1))
    steps = upload(torch.tensor(_STEPS), device).view(shape) * torch.arange(
        _ROUNDS, device=device
    ).view(-1, *[1] * even.ndim)
    for keys in ((torch.stack(key) + steps) & _WORD).unbind():
        # int64 products wrap modulo 2⁶⁴, so both halves are right once they are masked.
        product = even * multipliers.view(shape)
        even = ((product >> 32) & _WORD).flip(0) ^ odd ^ keys
        odd = (product & _WORD).flip(0)
    return [even[0], odd[0], even[1], odd[1]]


def counted(
    names: list[tuple[Word, ...]],
    shape: tuple[int, ...],
    dtype: torch.dtype,
    device: torch.device | str,
    kind: Literal["normal", "uniform"],
) -> Tensor:
    """Draw numbers of many streams in the same few operations for any number of streams.

    A stream is a Philox4x32-10 whose key and three counter words are its name's digest (160 bits);
    the fourth word counts pairs of numbers. Normal numbers by Box & Muller (1958) from 53-bit
    uniform ones. On every device the integers are the same; logarithm and cosine may differ in
    their last digit.

    Args:
        names, shape, dtype, device: as for `normal`.
        kind: `normal`, or `uniform` in [0, 1).

    Returns:
        `(runs, *shape)` of `dtype` on `device`.
    """
    digests = b"".join(_digest(name)[:20] for name in names)
    words = torch.from_numpy(np.frombuffer(digests, "<u4").astype(np.int64).reshape(-1, 5))
    words = upload(words, device)
    count = math.prod(shape)
    pairs = torch.arange((count + 1) // 2, device=device)
    counter = [pairs.expand(len(names), -1), *words[:, :3].T.unsqueeze(2)]
    a, b, c, d = philox(counter, [*words[:, 3:].T.unsqueeze(2)])
    first, second = (
        ((high >> 5) * 2**26 + (low >> 6)).double() * 2.0**-53 for high, low in ((a, b), (c, d))
    )
    if kind == "normal":
        length = (-2 * torch.log1p(-first)).sqrt()  # 1 − u is above 0
        turn = 2 * math.pi * second
        first, second = length * torch.cos(turn), length * torch.sin(turn)
    drawn = torch.stack([first, second], 2).flatten(1)[:, :count].to(dtype)
    if kind == "uniform" and dtype == torch.float32:
        drawn = drawn.clamp(max=1 - 2.0**-24)  # rounding must not give 1
    return drawn.unflatten(1, shape) if shape else drawn.squeeze(1)


@contextmanager
def torch_global(*words: Word, device: torch.device | None = None) -> Iterator[None]:
    """Derive torch's global streams from words inside a context, and restore all after.

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
    """Draw standard normal numbers, a stream for each name.

    On the CPU they come from 128-bit Philox streams (torch's own CPU generator keeps only
    32 bits of a seed); on an accelerator from `counted`, where the numbers are needed and in one
    pass for all runs.

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
    """Draw numbers in [0, 1), a stream for each name; otherwise as `normal`."""
    return _rows(names, shape, dtype, device, "uniform")
