"""Images of a study of networks: categories, training and test sets, and their checks."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from invariscope import seeds, validate
from invariscope.errors import InputError, unknown
from invariscope.invariance.images import ImageSet
from invariscope.photos import PhotoFolder, PhotoRule, batches, open_folder
from invariscope.photos.folder import PhotoReport
from invariscope.photos.stream import Batch
from invariscope.plurals import number_of
from invariscope.study.file_section import FileSection, Names, Seed

BYTES_IN_MEMORY = (
    8 * 2**30
)  # bytes of images that are kept in memory; more are read as they are needed
AT_ONCE = 256


class ImageBatch(NamedTuple):
    """Some images of an order.

    Attributes:
        places: `(n,)` int64, where in that order they stand, rising.
        images: `(n, 3, side, side)` uint8 on the device.
        labels: `(n,)` int64 on the device.
    """

    places: Tensor
    images: Tensor
    labels: Tensor


class LabelledImages(Protocol):
    """One set of labelled images.

    Attributes:
        labels: `(n,)` int64 on the CPU, an index into the data's classes.
        names: one an image.
    """

    @property
    def labels(self) -> Tensor: ...

    @property
    def names(self) -> tuple[str, ...]: ...

    def parts(self, order: Tensor, size: int) -> Iterator[ImageBatch]:
        """Yield the images that `order` numbers, in parts of `size`; a part may be smaller."""
        ...

    def subset(self, rows: Tensor) -> "LabelledImages":
        """Only the images that `rows` numbers."""
        ...


@dataclass(frozen=True, eq=False)
class ImagesInMemory:
    """Images on the device as uint8."""

    images: Tensor = field(repr=False)
    labels: Tensor = field(repr=False)
    names: tuple[str, ...] = field(repr=False)

    def parts(self, order: Tensor, size: int) -> Iterator[ImageBatch]:
        where, labels = self.images.device, self.labels[order]
        for places in torch.arange(len(order)).split(size):
            rows = order[places].to(where)
            yield ImageBatch(places, self.images[rows], labels[places].to(where))

    def subset(self, rows: Tensor) -> "ImagesInMemory":
        names = tuple(self.names[row] for row in rows.tolist())
        return ImagesInMemory(self.images[rows.to(self.images.device)], self.labels[rows], names)


@dataclass(frozen=True, eq=False)
class StreamedImages:
    """Images that are decoded ahead, in the order of the request."""

    folder: PhotoFolder
    side: int
    squash: bool
    device: torch.device

    @property
    def labels(self) -> Tensor:
        return torch.from_numpy(self.folder.labels).long()

    @property
    def names(self) -> tuple[str, ...]:
        return self.folder.names

    def parts(self, order: Tensor, size: int) -> Iterator[ImageBatch]:
        shown = _chosen(self.folder, order.numpy())
        rule = PhotoRule(self.side, crop=not self.squash)
        for batch in batches(shown, side=self.side, rule=rule, batch=size, device=self.device):
            images = (batch.images * 255).round().to(torch.uint8)
            labels = torch.from_numpy(batch.labels).to(self.device)
            yield ImageBatch(torch.from_numpy(batch.indices), images, labels)

    def subset(self, rows: Tensor) -> "StreamedImages":
        return replace(self, folder=_chosen(self.folder, rows.numpy()))


class DataRule(FileSection):
    """The source of a study's images and the rule of their division.

    Attributes:
        folder: class folders; or a folder that holds `train` and `val` (or `test`).
        test: the folder of test images, where it is another one.
        held_out: where neither a test folder nor such sets are there, the share of each
            category's images that are for testing: those whose names have the smallest hashes,
            so that adding images moves none from one set to the other but a few at the border.
        side: pixels that the networks see.
        squash: whether a photo is resized whole to the square, or its middle cut out.
        categories: how many, drawn by `seed`; or which; all by default.
        each: at most so many training images of each category, spread evenly.
        seed: of the draw of categories.
    """

    folder: str
    test: str | None = None
    held_out: Annotated[float, Field(gt=0, lt=1)] = 0.2
    side: int = 64
    squash: bool = False
    categories: int | Names | None = None
    each: Annotated[int, Field(ge=1)] | None = None
    seed: Seed = 0

    def __hash__(self) -> int:
        return hash(self.model_dump_json())


@dataclass(frozen=True, eq=False)
class CategoryImages:
    """The images of a study.

    Attributes:
        train, test: sets of images.
        classes: names of the categories; labels are indices into it.
        side: pixels of an image's side.
        grey: shares of the images, of both sets, that have no colour; None where images are
            streamed and that is not known before.
        content: what tells these images from others.
        notes: what there is to tell of photos that were left out or changed.
    """

    train: LabelledImages
    test: LabelledImages
    classes: tuple[str, ...]
    side: int
    grey: float | None
    content: str
    notes: tuple[str, ...] = ()

    def test_set(self) -> ImageSet:
        """Give the test images as an image set."""

        def stream(_side: int, batch: int, device: torch.device) -> Iterator[Batch]:
            for part in self.test.parts(torch.arange(len(self.test.labels)), batch):
                images = part.images.to(device).float() / 255
                yield Batch(part.places.numpy(), images, part.labels.cpu().numpy())

        return ImageSet(
            self.test.names, self.test.labels.numpy(), self.classes, self.content, stream
        )


def _chosen(folder: PhotoFolder, rows: NDArray[np.int64]) -> PhotoFolder:
    report = PhotoReport(np.zeros(len(rows), np.uint16))
    names = tuple(folder.names[row] for row in rows)
    return replace(folder, names=names, labels=folder.labels[rows], report=report)


def _sets(rule: DataRule, base: Path) -> tuple[PhotoFolder, PhotoFolder]:
    """Split the images into folders for training and for testing."""
    folder = base / rule.folder
    if rule.test is not None:
        return open_folder(folder), open_folder(base / rule.test)
    for name in ("val", "valid", "validation", "test"):
        if (folder / "train").is_dir() and (folder / name).is_dir():
            return open_folder(folder / "train"), open_folder(folder / name)
    whole = open_folder(folder)
    hashes = np.array([seeds.integer("split", name) for name in whole.names], np.float64)
    testing = np.zeros(len(whole), bool)
    for label in range(len(whole.classes)):
        own = np.flatnonzero(whole.labels == label)
        number = round(rule.held_out * len(own))
        testing[own[np.argsort(hashes[own], kind="stable")[:number]]] = True
    return _chosen(whole, np.flatnonzero(~testing)), _chosen(whole, np.flatnonzero(testing))


def choose_categories(rule: DataRule, known: tuple[str, ...]) -> tuple[str, ...]:
    """Choose the categories of a study, in alphabetical order.

    Raises:
        InputError: an unknown one, or more than there are.
    """
    if rule.categories is None:
        return known
    if isinstance(rule.categories, int):
        validate.at_least("categories", rule.categories, 2)
        if rule.categories > len(known):
            raise InputError(
                f"asked for {number_of(rule.categories, 'category')}, and there are "
                f"{len(known)}; ask for at most {len(known)}"
            )
        order = seeds.numpy_stream("categories", "choice", rule.seed).permutation(len(known))
        return tuple(sorted(known[k] for k in order[: rule.categories]))
    for name in rule.categories:
        if name not in known:
            raise unknown("category", name, known)
    return tuple(sorted(set(rule.categories)))


def _of_categories(folder: PhotoFolder, classes: tuple[str, ...]) -> PhotoFolder:
    """Keep the photos of these categories, with labels that are indices into the categories."""
    for name in classes:
        if name not in folder.classes:
            raise InputError(
                f"category {name!r} is not in {str(folder.path)!r}; training and test images need "
                "the same class folders"
            )
    number = {folder.classes.index(name): place for place, name in enumerate(classes)}
    rows = np.array([k for k, own in enumerate(folder.labels) if int(own) in number], np.int64)
    chosen = _chosen(folder, rows)
    labels = np.array([number[int(own)] for own in chosen.labels], np.int32)
    return replace(chosen, labels=labels, classes=classes)


def _check(folder: PhotoFolder, least: int, what: str) -> None:
    counts = np.bincount(folder.labels, minlength=len(folder.classes))
    for name, count in zip(folder.classes, counts, strict=True):
        if count < least:
            raise InputError(
                f"category {name!r} has {number_of(count, f'{what} image')} in "
                f"{str(folder.path)!r}; expected at least {least} (add images, or leave it out)"
            )


def _held(folder: PhotoFolder, rule: DataRule, device: torch.device) -> ImagesInMemory:
    images = torch.empty(len(folder), 3, rule.side, rule.side, dtype=torch.uint8, device=device)
    there: list[int] = []
    photo = PhotoRule(rule.side, crop=not rule.squash)
    for batch in batches(folder, side=rule.side, rule=photo, batch=AT_ONCE):
        end = len(there) + len(batch.indices)
        images[len(there) : end] = (batch.images * 255).round().to(torch.uint8).to(device)
        there += batch.indices.tolist()
    labels = torch.from_numpy(folder.labels[there]).long()
    return ImagesInMemory(images[: len(there)], labels, tuple(folder.names[k] for k in there))


def _grey(pictures: ImagesInMemory) -> int:
    return sum(
        int((part == part[:, :1]).flatten(1).all(1).sum()) for part in pictures.images.split(4096)
    )


def load_data(
    rule: DataRule,
    base: Path = Path(),
    device: torch.device | str = "cpu",
    *,
    most: int = BYTES_IN_MEMORY,
) -> CategoryImages:
    """Read the images of a study: as uint8 on the device where there is room, else batch by batch.

    Args:
        base: the folder from which relative paths count.
        most: bytes of images that are kept.

    Raises:
        InputError: folders or categories that are missing, a category with too few images.
    """
    validate.at_least("side", rule.side, 8)
    train, test = _sets(rule, base)
    if not train.classes or not test.classes:
        raise InputError(f"{rule.folder!r} has no class folders; expected <category>/<photo>.jpg")
    known = tuple(c for c in train.classes if c not in train.report.empty_classes)
    classes = choose_categories(rule, known)
    train, test = _of_categories(train, classes), _of_categories(test, classes)
    train = train if rule.each is None else train.of_each_class(rule.each)
    _check(train, 2, "training")
    _check(test, 1, "test")
    where = torch.device(device)
    content = hashlib.sha256(f"{train.content} {test.content} {rule.squash}".encode()).hexdigest()
    if (len(train) + len(test)) * 3 * rule.side**2 > most:
        first, second = (
            StreamedImages(folder, rule.side, rule.squash, where) for folder in (train, test)
        )
        return CategoryImages(first, second, classes, rule.side, None, content)
    held = _held(train, rule, where), _held(test, rule, where)
    grey = sum(_grey(own) for own in held) / sum(len(own.labels) for own in held)
    parts = (("training", train), ("test", test))
    notes = tuple(f"{name}: {line}" for name, part in parts for line in part.report.lines())
    return CategoryImages(*held, classes, rule.side, grey, content, notes)
