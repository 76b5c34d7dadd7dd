"""The 16 categories of Geirhos et al., in the names of a network of 1,000 ImageNet classes.

The class numbers (ImageNet's usual order, from 0) are those of `human_categories.py` in
github.com/bethgelab/model-vs-human (Geirhos et al. 2021, arXiv 2106.07411), 207 classes in all; a
category's score is the mean probability of its classes, as in `decision_mappings.py` there.
"""

from collections.abc import Mapping, Sequence
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
            f"read from ImageNet's {IMAGENET} classes: give a network of these"
        )
    if len(subject.classes) == IMAGENET:
        for number, name in LANDMARKS.items():
            if name not in subject.classes[number].replace("_", " ").casefold():
                raise InputError(
                    f"class {number} of {subject.name} is {subject.classes[number]!r}; expected "
                    f"{name!r}: ImageNet's classes in their usual order"
                )
    return readout


def name_images(subject: Subject, images: Tensor, categories: Sequence[str]) -> list[str]:
    """Name the category that a subject sees in each image.

    Args:
        subject: a network. For the 16 categories of Geirhos et al. its readout must be ImageNet's
            classes; for others, units that bear their names (`invariance.classes.classifier`).
        images: `(n, 3, height, width)` in [0, 1].
        categories: to choose from.

    Returns:
        A category an image; of equal scores the earlier.

    Raises:
        InputError: a subject that cannot name the categories.
    """
    sixteen = list(class_numbers())
    if set(categories) <= set(sixteen):
        readout = check_imagenet(subject)
        logits = subject.respond(images, [readout])[readout].flatten(1)
        best = category_scores(logits).argmax(1).tolist()
        return [sixteen[k] for k in best]
    known = classifier(subject, list(categories))
    logits = subject.respond(images, [known.site])[known.site].flatten(1)
    best = logits[:, known.targets.to(logits.device)].argmax(1).tolist()
    names = list(categories)
    return [names[k] for k in best]
