"""The images of a measurement: a tensor, or a folder of photos read as a stream."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from invariscope import validate
from invariscope.errors import InputError
from invariscope.photos import PhotoFolder, PhotoRule, batches
from invariscope.photos.stream import Batch
from invariscope.plurals import number_of
from invariscope.transformations import image_keys

Stream = Callable[[int, int, torch.device], Iterator[Batch]]


@final
@dataclass(frozen=True)
class ImageSet:
    """Images in a fixed order that can be streamed more than once.

    Attributes:
        names: one an image, what its random numbers depend on.
        labels: `(n,)` int64, an index into `classes`; -1 where there are none.
        classes: names of the classes.
        content: what tells this set from others, for names of results.
        stream: (side, batch, device) → batches; photos come cropped to `side`.
        notes: what there is to tell of photos that were left out or changed, once streamed.
    """

    names: tuple[str, ...] = field(repr=False)
    labels: NDArray[np.int64] = field(repr=False)
    classes: tuple[str, ...]
    content: str
    stream: Stream = field(repr=False)
    notes: Callable[[], list[str]] = field(default=list, repr=False)

    def __repr__(self) -> str:
        """Count the images and classes in one line."""
        classes = f" of {number_of(len(self.classes), 'class')}" if self.classes else ""
        return f"ImageSet({number_of(len(self), 'image')}{classes})"

    def __len__(self) -> int:
        return len(self.names)

    def keys(self, seed: int) -> Tensor:
        """Make one key an image for random transformations, `(n,)` int64."""
        return image_keys(self.names, seed)


def image_set(
    source: "Tensor | PhotoFolder | ImageSet",
    labels: Tensor | Sequence[int] | None = None,
    classes: Sequence[str] = (),
    *,
    rule: PhotoRule | None = None,
) -> ImageSet:
    """Make a set of images from a tensor or a folder.

    Args:
        source: `(n, 3, height, width)` in [0, 1], or what `photos.open_folder` gives.
        labels: of a tensor's images, indices into `classes`; a folder has its own.
        classes: names of the classes; by default `0`, `1`, … up to the largest label.
        rule: how a photo becomes an image of the subject's size; by default its largest square,
            resized.

    Raises:
        InputError: no image, labels that do not fit, or labels beside a folder.

    Example:
        >>> import torch
        >>> import invariscope as iv
        >>> images = iv.image_set(torch.zeros(2, 3, 8, 8), [0, 1], ("cat", "dog"))
        >>> len(images), images.classes
        (2, ('cat', 'dog'))
    """
    if isinstance(source, ImageSet):
        return source
    if isinstance(source, PhotoFolder):
        if labels is not None:
            raise InputError("a folder of photos has its own labels; give none beside it")
        return _from_folder(source, rule)
    validate.images(source)
    if len(source) == 0:
        raise InputError("no image was given; expected at least one")
    numbers = _labels(labels, len(source))
    most = int(numbers.max()) + 1
    named = tuple(classes) or tuple(map(str, range(most)))
    if most > len(named):
        raise InputError(f"label {most - 1} has no class; named: {number_of(len(named), 'class')}")
    content = hashlib.sha256(source.float().cpu().contiguous().numpy().tobytes()).hexdigest()
    names = tuple(map(str, range(len(source))))

    def stream(_side: int, batch: int, device: torch.device) -> Iterator[Batch]:
        for start in range(0, len(source), batch):
            indices = np.arange(start, min(start + batch, len(source)))
            yield Batch(indices, source[start : start + batch].to(device), numbers[indices])

    return ImageSet(names, numbers, named, content, stream)


def _labels(labels: Tensor | Sequence[int] | None, images: int) -> NDArray[np.int64]:
    if labels is None:
        return np.full(images, -1, np.int64)
    numbers = torch.as_tensor(labels).cpu().numpy().astype(np.int64)
    if numbers.shape != (images,) or numbers.min() < 0:
        raise InputError(
            f"labels of shape {numbers.shape} for {number_of(images, 'image')}; expected one "
            "each, 0 or more"
        )
    return numbers


def _from_folder(folder: PhotoFolder, rule: PhotoRule | None) -> ImageSet:
    def stream(side: int, batch: int, device: torch.device) -> Iterator[Batch]:
        own = rule and replace(rule, resize=max(rule.resize, side))
        return batches(folder, side=side, rule=own, batch=batch, device=device)

    labels = folder.labels.astype(np.int64)
    content = (
        f"{folder.content} {rule and rule.resize} {rule.interpolation if rule else 'bilinear'}"
    )
    if rule and (rule.transform is not None or not rule.crop):
        content += f" {rule.transform.content if rule.transform else 'whole'}"
    return ImageSet(folder.names, labels, folder.classes, content, stream, folder.report.lines)
