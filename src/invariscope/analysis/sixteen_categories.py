"""The 16 categories of Geirhos et al., in the names of a network of 1,000 ImageNet classes.

The class numbers (ImageNet's usual order, from 0) are those of `human_categories.py` in
github.com/bethgelab/model-vs-human (Geirhos et al. 2021, arXiv 2106.07411), 207 classes in all; a
category's score is the mean probability of its classes, as in `decision_mappings.py` there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from invariscope.errors import InputError
from invariscope.invariance.classes import classifier
from invariscope.plurals import number_of
from invariscope.subjects.base import Subject

TABLE = Path(__file__).with_name("sixteen_categories.tsv")
IMAGENET = 1000
# Classes by which ImageNet's order is known, where a subject names its classes.
LANDMARKS = {0: "tench", 404: "airliner", 766: "rotisserie", 999: "toilet tissue"}


@cache
def class_numbers() -> Mapping[str, tuple[int, ...]]:
    """List the ImageNet classes of each category, categories in alphabetical order."""
    found: dict[str, tuple[int, ...]] = {}
    for line in TABLE.read_text(encoding="utf-8").splitlines():
        category, spans = line.split("\t")
        numbers: list[int] = []
        for span in spans.split():
            first, _, last = span.partition("-")
            numbers.extend(range(int(first), int(last or first) + 1))
        found[category] = tuple(numbers)
    return found


def category_scores(logits: Tensor) -> Tensor:
    """Average the probabilities of each category's classes.

    Args:
        logits: `(n, 1000)`, in ImageNet's order.

    Returns:
        `(n, 16)`, categories in alphabetical order.
    """
    chances = logits.double().softmax(1)
    return torch.stack([chances[:, list(own)].mean(1) for own in class_numbers().values()], 1)


def check_imagenet(subject: Subject) -> str:
    """Find the readout of a subject with ImageNet's 1,000 classes, in the usual order, as units.

    Raises:
        InputError: another number of units, or classes of another order.
    """
    sites = subject.sites()
    readout = list(sites)[-1]
    units = torch.Size(sites[readout]).numel()
    if units != IMAGENET:
        raise InputError(
            f"{subject.name} has {number_of(units, 'unit')} at {readout!r}; the 16 categories are "
            f"read from ImageNet's {IMAGENET} classes, or from units with the categories' own "
            "names: give a network of either"
        )
    if len(subject.classes) == IMAGENET:
        for number, name in LANDMARKS.items():
            if name not in subject.classes[number].replace("_", " ").casefold():
                raise InputError(
                    f"class {number} of {subject.name} is {subject.classes[number]!r}; expected "
                    f"{name!r}: ImageNet's classes in their usual order"
                )
    return readout


def reads_imagenet(subject: Subject, categories: Sequence[str]) -> bool:
    """Test for 1,000 units at the readout, and for categories that are all of the 16."""
    units = torch.Size(list(subject.sites().values())[-1]).numel()
    return units == IMAGENET and set(categories) <= set(class_numbers())


@dataclass(frozen=True)
class CategoryReadout:
    """A readout that names the category of an image.

    Attributes:
        subject: the network.
        categories: to choose from.
        site: the readout.
        columns: of each category, among the 16 (`imagenet`) or among the readout's units.
        imagenet: whether scores are mean probabilities of ImageNet's classes, else activities.
        told: what a reader should know of how units were found, as a sentence; mostly empty.
    """

    subject: Subject
    categories: tuple[str, ...]
    site: str
    columns: Tensor
    imagenet: bool
    told: str = ""

    @classmethod
    def of(cls, subject: Subject, categories: Sequence[str]) -> "CategoryReadout":
        """Find the readout: ImageNet's classes for the 16 categories, or units with the names.

        Raises:
            InputError: a subject that cannot name the categories.
        """
        names, sixteen = tuple(categories), list(class_numbers())
        if reads_imagenet(subject, names):
            columns = torch.tensor([sixteen.index(name) for name in names])
            return cls(subject, names, check_imagenet(subject), columns, imagenet=True)
        try:
            known = classifier(subject, names)
        except InputError:
            if set(names) <= set(sixteen):
                check_imagenet(subject)
            raise
        told = (
            f"{subject.name} names no classes: its {number_of(known.units, 'unit')} at "
            f"{known.site!r} are taken for the categories in this order: {', '.join(names)}"
        )
        own = told if known.by_order else ""
        return cls(subject, names, known.site, known.targets, imagenet=False, told=own)

    def name(self, images: Tensor) -> list[str]:
        """Name the category of each image; the first of equal scores.

        Args:
            images: `(n, 3, height, width)` in [0, 1].
        """
        scores = self.subject.respond(images, [self.site])[self.site].flatten(1)
        scores = category_scores(scores) if self.imagenet else scores
        best = scores[:, self.columns.to(scores.device)].argmax(1).tolist()
        return [self.categories[k] for k in best]
