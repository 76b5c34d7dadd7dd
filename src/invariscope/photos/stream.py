"""Photos as batches, decoded ahead of the reader, in a fixed order and bounded memory."""

import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from invariscope import validate
from invariscope.errors import InputError
from invariscope.photos.folder import PhotoFolder
from invariscope.photos.read import Kind, UnreadablePhoto, open_photo
from invariscope.photos.transform import PhotoRule

MOST_THREADS = 16
AHEAD = 3  # batches that are decoded while one is used


class Batch(NamedTuple):
    """Some photos.

    Attributes:
        indices: `(n,)` int64, their numbers in the folder, rising.
        images: `(n, 3, side, side)` float32 in [0, 1] on the device.
        labels: `(n,)` int64, an index into the folder's classes; -1 without classes.
    """

    indices: NDArray[np.int64]
    images: Tensor
    labels: NDArray[np.int64]


def batches(
    folder: PhotoFolder,
    *,
    side: int,
    rule: PhotoRule | None = None,
    batch: int = 64,
    start: int = 0,
    device: torch.device | str = "cpu",
    threads: int | None = None,
) -> Iterator[Batch]:
    """Stream the photos of a folder in their order, as a network sees photos.

    Generated images never come this way.

    Every batch but the last is full: photos that cannot be read are left out and named in
    `folder.report`, and the next ones take their place. A stream that starts after the last
    index of a batch goes on with the same batches.

    Args:
        folder: from `open_folder`.
        side: height and width of the result in pixels.
        rule: how a photo becomes an image; by default its largest square, resized.
        batch: photos in a batch.
        start: the first photo.
        device: where the images go.
        threads: that decode; by default one a processor, 16 at most.

    Raises:
        InputError: a rule that resizes below `side`, or another unusable setting.
    """
    rule = rule or PhotoRule(side)
    validate.at_least("side", side, 1)
    validate.at_least("batch", batch, 1)
    if rule.transform is None and rule.crop and rule.resize < side:
        raise InputError(f"resize is {rule.resize}; expected at least the side of the crop, {side}")
    number = threads or min(os.cpu_count() or 1, MOST_THREADS)
    return _stream(folder, rule, side, batch, start, torch.device(device), number)


def _stream(  # noqa: PLR0917
    folder: PhotoFolder,
    rule: PhotoRule,
    side: int,
    batch: int,
    start: int,
    device: torch.device,
    threads: int,
) -> Iterator[Batch]:
    pool = ThreadPoolExecutor(threads, thread_name_prefix="photos")
    waiting: deque[tuple[int, Future[tuple[NDArray[np.uint8], Kind] | UnreadablePhoto]]] = deque()
    photos = iter(range(start, len(folder)))
    try:
        while True:
            pixels = np.empty((batch, side, side, 3), np.uint8)
            indices: list[int] = []
            while len(indices) < batch:
                while len(waiting) < batch * AHEAD and (photo := next(photos, None)) is not None:
                    waiting.append((photo, pool.submit(_decode, folder, photo, rule, side)))
                if not waiting:
                    break
                photo, future = waiting.popleft()
                found = future.result()
                if isinstance(found, UnreadablePhoto):
                    folder.report.refuse(photo, str(found), found.reason)
                    continue
                pixels[len(indices)], kind = found
                folder.report.note(photo, kind)
                indices.append(photo)
            if indices:
                yield _batch(folder, indices, pixels[: len(indices)], device)
            if len(indices) < batch:
                return
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _decode(
    folder: PhotoFolder, photo: int, rule: PhotoRule, side: int
) -> tuple[NDArray[np.uint8], Kind] | UnreadablePhoto:
    try:
        image, kind = open_photo(folder.file(photo))
    except UnreadablePhoto as problem:
        return problem
    return rule.pixels(image, side), kind


def read_image(path: str | Path, side: int, rule: PhotoRule | None = None) -> Tensor:
    """Read one photo as `batches` gives photos: `(3, side, side)` float32 in [0, 1].

    Raises:
        UnreadablePhoto: it cannot be used.
    """
    photo, _ = open_photo(Path(path))
    pixels = (rule or PhotoRule(side)).pixels(photo, side)
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1).float() / 255


def _batch(
    folder: PhotoFolder, indices: list[int], pixels: NDArray[np.uint8], device: torch.device
) -> Batch:
    bytes_ = torch.from_numpy(pixels).permute(0, 3, 1, 2).to(device)
    numbers = np.array(indices, np.int64)
    return Batch(numbers, bytes_.float() / 255, folder.labels[numbers].astype(np.int64))
