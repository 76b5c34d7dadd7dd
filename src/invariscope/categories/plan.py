"""Planned networks of a study: nested sets of seen-transformed categories, and names."""

import hashlib
import json
import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any

from invariscope import seeds, validate
from invariscope.categories.data import CategoryImages
from invariscope.errors import InputError
from invariscope.plurals import number_of
from invariscope.transformations import Composition, Transformation, compose, load

SCHEMA = 1
SCHEDULES = ("one-cycle", "steps", "constant")
PRECISIONS = ("float32", "bf16")
MOST_COUNTS = 100_000
MOST = 1_000_000_000
BELOW_1 = math.nextafter(1.0, 0.0)


@dataclass(frozen=True)
class Recipe:
    """How a network is trained: SGD on the cross-entropy.

    Attributes:
        epochs, batch: an epoch shows each category as often, about all images once.
        rate, momentum, nesterov, weight_decay: of SGD.
        schedule: `one-cycle` (up for `warm` of the steps, then down as a cosine), `steps` (a tenth
            of the rate after each of `drops`, shares of the epochs) or `constant`.
        label_smoothing: in [0, 1).
        smallest_crop: random crops and flips, keeping at least this share of an image's area; None
            for images as they are.
        precision: `float32`, or `bf16`: convolutions and products in bfloat16, weights in float32.
    """

    epochs: int = 45
    batch: int = 32
    rate: float = 1e-4
    momentum: float = 0.9
    nesterov: bool = False
    weight_decay: float = 5e-4
    schedule: str = "constant"
    warm: float = 0.2
    drops: tuple[float, ...] = (1 / 3, 2 / 3, 8 / 9)
    label_smoothing: float = 0.0
    smallest_crop: float | None = None
    precision: str = "float32"

    def __post_init__(self) -> None:
        validate.fields_of("recipe", self)
        validate.at_least("epochs", self.epochs, 1)
        validate.at_least("batch", self.batch, 2)
        validate.between("epochs and batch, the larger,", max(self.epochs, self.batch), 1, MOST)
        validate.above("rate", self.rate, 0)
        validate.at_least("weight_decay", self.weight_decay, 0)
        validate.between("momentum", self.momentum, 0, 1)
        validate.between("warm", self.warm, 0, 1)
        validate.between("label_smoothing", self.label_smoothing, 0, BELOW_1)
        for drop in self.drops:
            validate.between("a drop", drop, 0, 1)
        if self.smallest_crop is not None:
            validate.above("smallest_crop", self.smallest_crop, 0)
            validate.between("smallest_crop", self.smallest_crop, 0, 1)
        validate.one_of("schedule", self.schedule, SCHEDULES)
        validate.one_of("precision", self.precision, PRECISIONS)

    def share(self, step: int, steps: int) -> float:
        """Compute the share of the highest rate at a step of all steps."""
        if self.schedule == "constant":
            return 1.0
        if self.schedule == "steps":
            return 0.1 ** sum(step >= drop * steps for drop in self.drops)
        rising = max(self.warm * steps, 1)
        if step < rising:
            return 0.04 + 0.96 * step / rising
        return 0.5 + 0.5 * math.cos(math.pi * (step - rising) / max(steps - rising, 1))


# The paper's (PAPERS §2): faces, and ResNet-18's usual one for ImageNet; `small` is ours.
RECIPES = {
    "facescrub": Recipe(),
    "imagenet": Recipe(
        epochs=90, batch=256, rate=0.1, weight_decay=1e-4, schedule="steps", smallest_crop=0.08
    ),
    "small": Recipe(
        epochs=24,
        batch=50,
        rate=0.05,
        nesterov=True,
        schedule="one-cycle",
        label_smoothing=0.1,
        smallest_crop=0.6,
    ),
}


@dataclass(frozen=True)
class Paradigm:
    """The networks that a study trains, for images that are known.

    Attributes:
        network: see `zoo.classifiers.make_classifier`.
        options: of that network.
        recipe: how each is trained.
        transformations: each has networks of its own.
        counts: how many categories are seen transformed, rising.
        seeds: each is another order of the categories, other weights and other draws.
    """

    network: str
    options: dict[str, Any]
    recipe: Recipe
    transformations: tuple[Transformation, ...]
    counts: tuple[int, ...]
    seeds: tuple[int, ...]


@dataclass(frozen=True)
class PlannedNetwork:
    """One network that a study wants.

    Attributes:
        transformation: what it is trained with; None for one that sees no image transformed.
        seen: names of the categories that it sees transformed, in the order in which they come in.
        seed: of its weights, its order of images and what is drawn for them.
        network, options, recipe: see `Paradigm`.
        classes: all categories.
        side: of the images, in pixels.
        content: what tells the images from others.
        fault: why it cannot be trained, in a sentence; empty where it can.
    """

    transformation: Transformation | None
    seen: tuple[str, ...]
    seed: int
    network: str
    options: dict[str, Any]
    recipe: Recipe
    classes: tuple[str, ...]
    side: int
    content: str
    fault: str = ""

    def settings(self) -> dict[str, Any]:
        """Everything that the network depends on, as plain values."""
        return {
            "schema": SCHEMA,
            "transformation": self.transformation and self.transformation.describe(),
            "seen": sorted(self.seen),
            "seed": self.seed,
            "network": self.network,
            "options": self.options,
            "recipe": asdict(self.recipe),
            "classes": list(self.classes),
            "side": self.side,
            "images": self.content,
        }

    @property
    def name(self) -> str:
        """Hex sha256 of the settings as canonical JSON."""
        text = json.dumps(self.settings(), sort_keys=True, separators=(",", ":"), allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def count(self) -> int:
        return len(self.seen)

    @property
    def label(self) -> str:
        """The transformation's name in tables."""
        return "none" if self.transformation is None else label_of(self.transformation)

    @property
    def folder(self) -> str:
        """A readable folder name that ends in the first digits of `name`."""
        kind = "none" if self.transformation is None else _plain(self.transformation)
        return f"{kind}_{self.count}_seed{self.seed}_{self.name[:12]}"

    @property
    def batch_key(self) -> tuple[str, ...]:
        """The settings that networks must share to advance together."""
        alike = (self.network, self.options, asdict(self.recipe), self.side, len(self.classes))
        return (json.dumps(alike), self.content)


def _plain(transformation: Transformation) -> str:
    if isinstance(transformation, Composition):
        return "+".join(_plain(part) for part in transformation.parts)
    return transformation.name


def label_of(transformation: Transformation) -> str:
    """Label a transformation without `beyond`, a setting that all of a study's share."""
    if isinstance(transformation, Composition):
        return " + ".join(label_of(part) for part in transformation.parts)
    return replace(transformation, beyond="keep").label


def read_transformation(asked: Any) -> Transformation:
    """Read `"blur"`, `{name = "blur", sigma = 3}`, or a list of such: a composition.

    Pixels beyond the range are kept, since every image is standardised afterwards (PAPERS §2).

    Raises:
        InputError: an unknown name or parameter.
    """
    if isinstance(asked, str):
        return load(asked)
    if isinstance(asked, list | tuple):
        return compose(*(read_transformation(part) for part in asked))
    if isinstance(asked, dict) and isinstance(asked.get("name"), str):
        return load(**asked)
    raise InputError(
        f"transformation {asked!r} is not understood; expected a name, a table with a name, or a "
        "list of those"
    )


def count_list(first: int, last: int, number: int, scale: str = "linear") -> tuple[int, ...]:
    """Space counts of categories from the first to the last, in equal steps or equal ratios.

    Raises:
        InputError: counts that do not rise, or another scale.
    """
    validate.one_of("scale of counts", scale, ("linear", "log"))
    validate.at_least("the first count", first, 1)
    validate.at_least("the last count", last, first)
    validate.between("the number of counts", number, 2, MOST_COUNTS)
    steps = [k / (number - 1) for k in range(number)]
    if scale == "log":
        return tuple(sorted({round(first * (last / first) ** share) for share in steps}))
    return tuple(sorted({round(first + share * (last - first)) for share in steps}))


def seen_order(classes: tuple[str, ...], seed: int) -> tuple[str, ...]:
    """Draw the order of the seen-transformed categories; sets of a seed are nested."""
    order = seeds.numpy_stream("categories", "seen", seed).permutation(len(classes))
    return tuple(classes[k] for k in order)


def fault_of(transformation: Transformation, data: CategoryImages) -> str:
    """Explain in a sentence that a transformation leaves these images alone, or give none."""
    words = transformation.fault_for_grey(data.grey or 0.0, label_of(transformation))
    return f"missing: {words}" if words and data.grey == 1 else words


def plan_networks(paradigm: Paradigm, data: CategoryImages) -> list[PlannedNetwork]:
    """Plan every network of a study: for each seed an untransformed network, then all others.

    Raises:
        InputError: counts that the categories do not allow, or nothing to train.
    """
    if not paradigm.counts or not paradigm.seeds or not paradigm.transformations:
        raise InputError("a study needs at least one transformation, one count and one seed")
    for count in paradigm.counts:
        validate.at_least("a count of seen-transformed categories", count, 1)
        if count > len(data.classes):
            raise InputError(
                f"asked to show {number_of(count, 'category')} transformed, and there are "
                f"{len(data.classes)}; expected counts up to {len(data.classes)}"
            )
    steps_of(paradigm.recipe, len(data.train.labels), len(data.classes))
    labels = [label_of(t) for t in paradigm.transformations]
    for label in labels:
        if labels.count(label) > 1:
            raise InputError(f"transformation {label!r} is given twice; name each once")
    plain = PlannedNetwork(
        transformation=None,
        seen=(),
        seed=0,
        network=paradigm.network,
        options=paradigm.options,
        recipe=paradigm.recipe,
        classes=data.classes,
        side=data.side,
        content=data.content,
    )
    planned = [replace(plain, seed=seed) for seed in paradigm.seeds]
    for transformation in paradigm.transformations:
        fault = fault_of(transformation, data)
        for seed in paradigm.seeds:
            order = seen_order(data.classes, seed)
            planned += [
                replace(
                    plain,
                    transformation=transformation,
                    seen=order[:count],
                    seed=seed,
                    fault=fault,
                )
                for count in sorted(set(paradigm.counts))
            ]
    return planned


def of_each(images: int, categories: int) -> int:
    """Count the images of each category that an epoch draws; categories come equally often."""
    return max(1, round(images / categories))


def steps_of(recipe: Recipe, images: int, categories: int) -> int:
    """Count an epoch's steps, of a whole batch each.

    Args:
        images: for training, of all categories.

    Raises:
        InputError: they do not fill a batch.
    """
    drawn = categories * of_each(images, categories)
    if drawn < recipe.batch:
        there = number_of(drawn, "training image")
        raise InputError(f"the batch is {recipe.batch}, above {there}; take a smaller batch")
    return drawn // recipe.batch


def images_of(planned: Iterable[PlannedNetwork], images: int) -> int:
    """Count the images that training shows in all.

    Args:
        images: for training, of all categories.
    """
    return sum(
        own.recipe.epochs * own.recipe.batch * steps_of(own.recipe, images, len(own.classes))
        for own in planned
        if not own.fault
    )
