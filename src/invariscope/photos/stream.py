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
from PIL import Image
from torch import Tensor

from invariscope import validate
from invariscope.errors import InputError
from invariscope.photos.folder import PhotoFolder
from invariscope.photos.read import Kind, UnreadablePhoto, open_photo
from invariscope.photos.transform import PhotoTransform

INTERPOLATIONS = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
}
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


class _Form(NamedTuple):
    """How a photo becomes an image: by a library's transformation, or by `crop_photo`."""

    side: int
    shorter: int | None
    how: Image.Resampling
    transform: PhotoTransform | None

    def pixels(self, photo: Image.Image) -> NDArray[np.uint8]:
        if self.transform is not None:
            return self.transform(photo, self.side)
        return np.asarray(crop_photo(photo, self.side, self.shorter, self.how))


def batches(
    folder: PhotoFolder,
    *,
    side: int,
    resize: int | None = None,
    interpolation: str = "bilinear",
    crop: bool = True,
    transform: PhotoTransform | None = None,
    batch: int = 64,
    start: int = 0,
    device: torch.device | str = "cpu",
    threads: int | None = None,
) -> Iterator[Batch]:
    """Stream the photos of a folder in their order, as a network sees photos.

    Each photo's shorter side is resized to `resize` pixels (antialiased, the other side in
    proportion, rounded down), then the middle `side` × `side` pixels are cut out: what
    torchvision's `Resize` and `CenterCrop` do with an image. Generated images never come
    this way.

    Every batch but the last is full: photos that cannot be read are left out and named in
    `folder.report`, and the next ones take their place. A stream that starts after the last
    index of a batch goes on with the same batches.

    Args:
        folder: from `open_folder`.
        side: height and width of the result in pixels.
        resize: of the shorter side before the crop; by default `side`.
        interpolation: `bilinear` or `bicubic`.
        crop: False to resize the whole photo to the square instead, whatever its proportions.
        transform: a library's own transformation, which is then done instead of these.
        batch: photos in a batch.
        start: the first photo.
        device: where the images go.
        threads: that decode; by default one a processor, 16 at most.

    Raises:
        InputError: `resize` below `side`, or another unusable setting.
    """
    shorter = side if resize is None else resize
    validate.at_least("side", side, 1)
    validate.at_least("batch", batch, 1)
    if transform is None and crop and shorter < side:
        raise InputError(f"resize is {shorter}; expected at least the side of the crop, {side}")
    how = INTERPOLATIONS[validate.one_of("interpolation", interpolation, INTERPOLATIONS)]
    number = threads or min(os.cpu_count() or 1, MOST_THREADS)
    form = _Form(side, shorter if crop else None, how, transform)
    return _stream(folder, form, batch, start, torch.device(device), number)


def _stream(  # noqa: PLR0917
    folder: PhotoFolder,
    form: _Form,
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
            pixels = np.empty((batch, form.side, form.side, 3), np.uint8)
            indices: list[int] = []
            while len(indices) < batch:
                while len(waiting) < batch * AHEAD and (photo := next(photos, None)) is not None:
                    waiting.append((photo, pool.submit(_decode, folder, photo, form)))
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
    folder: PhotoFolder, photo: int, form: _Form
) -> tuple[NDArray[np.uint8], Kind] | UnreadablePhoto:
    try:
        image, kind = open_photo(folder.file(photo))
    except UnreadablePhoto as problem:
        return problem
    return form.pixels(image), kind


def crop_photo(
    image: Image.Image, side: int, shorter: int | None, how: Image.Resampling
) -> Image.Image:
    """Crop the middle `side` × `side` pixels once the shorter side has `shorter` pixels.

    Without `shorter` the whole photo is resized to the square.
    """
    width, height = image.size
    if shorter is None:
        return image if (width, height) == (side, side) else image.resize((side, side), how)
    if min(width, height) != shorter:
        long = int(shorter * max(width, height) / min(width, height))
        image = image.resize((shorter, long) if width <= height else (long, shorter), how)
    left, top = round((image.width - side) / 2), round((image.height - side) / 2)
    return image.crop((left, top, left + side, top + side))


def read_image(
    path: str | Path,
    *,
    side: int,
    resize: int | None = None,
    interpolation: str = "bilinear",
    crop: bool = True,
    transform: PhotoTransform | None = None,
) -> Tensor:
    """Read one photo as `batches` gives photos: `(3, side, side)` float32 in [0, 1].

    Raises:
        UnreadablePhoto: it cannot be used.
    """
    how = INTERPOLATIONS[validate.one_of("interpolation", interpolation, INTERPOLATIONS)]
    photo, _ = open_photo(Path(path))
    form = _Form(side, (resize or side) if crop else None, how, transform)
    return torch.from_numpy(form.pixels(photo).copy()).permute(2, 0, 1).float() / 255


def _batch(
    folder: PhotoFolder, indices: list[int], pixels: NDArray[np.uint8], device: torch.device
) -> Batch:
    bytes_ = torch.from_numpy(pixels).permute(0, 3, 1, 2).to(device)
    numbers = np.array(indices, np.int64)
    return Batch(numbers, bytes_.float() / 255, folder.labels[numbers].astype(np.int64))
