"""The contract of every transformation: a batch of images in, the same batch transformed."""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar

import torch
from torch import Tensor

from invariscope import seeds, validate
from invariscope.errors import InputError
from invariscope.plurals import number_of

BEYOND = ("keep", "clip", "rescale")
Parameters = dict[str, Tensor]
MOST_GREY = 0.1  # share of grey photos among colour ones up to which colour is still tested


@dataclass(frozen=True)
class Strength:
    """How a transformation grows stronger, in calibration (PAPERS §2) and in grids.

    Attributes:
        field: the name of the transformation's own field that grows.
        first, step: the first strength and what is added each time.
        most: the largest strength that is tried.
        nothing: the strength at which nothing would change.
    """

    field: str
    first: float
    step: float
    most: float
    nothing: float = 0.0

    def values(self) -> list[float]:
        """List every strength from the first to the largest, possibly the smallest number."""
        steps = math.floor((self.most - self.first) / self.step + 1e-9)
        return [round(self.first + k * self.step, 9) for k in range(steps + 1)]


@dataclass(frozen=True, kw_only=True)
class Transformation(ABC):
    """A map from images to images of the same shape.

    Its fields are its parameters, plain numbers and words. What is drawn for an image depends on
    that image's key and on these fields alone, so an image gets the same noise in any batch.

    Attributes:
        name: how it is loaded, such as `blur`.
        group: `colour`, `convolutional`, `noise`, `geometric`, or the user's own word.
        random: whether it needs keys.
        identity_for_grey: whether it leaves images without colour as they are.
        strength: which field grows in calibration; None where it has no strength.
        positive: names of the fields that must be above 0.
        limits: the smallest and largest value of fields, by name.
        white: the pixel value of white: 1 for images in [0, 1], 255 for images in 0–255.
        beyond: what happens to values that leave [0, white]. `keep`: nothing (the paper
            standardises each image afterwards); `clip`; `rescale`: each image's range, widened to
            hold 0 and white, is mapped to [0, white], so that images inside it do not change.
    """

    name: ClassVar[str]
    group: ClassVar[str] = "own"
    random: ClassVar[bool] = False
    identity_for_grey: ClassVar[bool] = False
    strength: ClassVar[Strength | None] = None
    positive: ClassVar[tuple[str, ...]] = ()
    limits: ClassVar[Mapping[str, tuple[float, float]]] = {}

    white: float = 1.0
    beyond: str = "keep"

    def __post_init__(self) -> None:
        validate.fields_of(f"transformation {self.name!r}", self)
        validate.above("white", self.white, 0)
        validate.one_of("rule for values beyond the range", self.beyond, BEYOND)
        for field in self.positive:
            validate.above(field, getattr(self, field), 0)
        for field, (lowest, highest) in self.limits.items():
            validate.between(field, getattr(self, field), lowest, highest)

    def describe(self) -> dict[str, Any]:
        """Describe the transformation by plain values: for names of runs and for tables."""
        return {"name": self.name, **asdict(self)}

    @property
    def label(self) -> str:
        """Its name and the fields that differ from their defaults: `blur(sigma=3.5)`."""
        changed = [
            f"{field.name}={getattr(self, field.name):g}"
            if isinstance(getattr(self, field.name), float)
            else f"{field.name}={getattr(self, field.name)}"
            for field in fields(self)
            if getattr(self, field.name) != field.default
        ]
        return f"{self.name}({', '.join(changed)})" if changed else self.name

    def fault_for_grey(self, share: float, label: str = "") -> str:
        """Explain in a sentence why coefficients of grey images are missing, or give none.

        Args:
            share: of the images without colour, from 0 to 1.
            label: by default its own.
        """
        if not self.identity_for_grey or share == 0:
            return ""
        label = label or self.label
        if share == 1:
            return f"all images are grey, and {label} leaves grey images as they are"
        if share > MOST_GREY:
            return (
                f"{share:.0%} of the images are grey and the others have colour, so {label} would "
                "change only some; use images of one kind"
            )
        return ""

    def draw(self, shape: torch.Size, keys: Tensor) -> Parameters:  # noqa: ARG002
        """Draw the random parameters of a batch.

        Args:
            shape: of the images, `(n, channels, height, width)`.
            keys: `(n,)` int64, on the images' device.

        Returns:
            Tensors whose first axis is the images; none where nothing is random.
        """
        return {}

    @abstractmethod
    def apply(self, images: Tensor, parameters: Parameters) -> Tensor:
        """Transform images by these parameters, same shape, before the rule `beyond`.

        Args:
            images: `(n, 1 or 3, height, width)`, floats, black 0, `white` white.
            parameters: what `draw` gives.
        """

    def __call__(self, images: Tensor, keys: Tensor | Sequence[int] | None = None) -> Tensor:
        """Transform images.

        Args:
            images: `(n, 1 or 3, height, width)`, floats in [0, white].
            keys: `(n,)` integers, one an image (`image_keys`); only a random one needs them.

        Returns:
            The same shape and dtype; the images themselves are not changed.

        Raises:
            InputError: images of another form, keys that are missing or of another number, or a
                transformation that gave another shape, or NaN or infinite pixels for finite ones.
        """
        validate.images(images, channels=(1, 3))
        parameters = self.draw(images.shape, self._keys(images, keys)) if self.random else {}
        if not len(images):
            return images
        transformed = self.apply(images, parameters)
        if transformed.shape != images.shape:
            raise InputError(
                f"transformation {self.name!r} made {tuple(transformed.shape)} of "
                f"{tuple(images.shape)}; expected the same shape"
            )
        # A sum is NaN or infinite if any pixel is, and costs far less than looking at each; it is
        # also infinite where finite pixels are too large to add up.
        if not math.isfinite(float(transformed.sum())) and not _finite(transformed):
            given = "finite" if _finite(images) else "not finite either"
            raise InputError(
                f"transformation {self.name!r} gave NaN or infinite pixels; its input was {given}"
            )
        return self.clipped(transformed)

    def _keys(self, images: Tensor, keys: Tensor | Sequence[int] | None) -> Tensor:
        if keys is None:
            raise InputError(
                f"transformation {self.name!r} is random; give one key an image (image_keys)"
            )
        numbers = torch.as_tensor(keys, dtype=torch.int64).to(images.device)
        if numbers.shape != images.shape[:1]:
            raise InputError(
                f"{tuple(numbers.shape)} keys for {number_of(len(images), 'image')}; expected one "
                "an image"
            )
        return numbers

    def clipped(self, images: Tensor) -> Tensor:
        """Apply the rule `beyond` to images, same shape."""
        if self.beyond == "clip":
            return images.clamp(0, self.white)
        if self.beyond == "rescale":
            low = images.amin((1, 2, 3), keepdim=True).clamp(max=0)
            high = images.amax((1, 2, 3), keepdim=True).clamp(min=self.white)
            return (images - low) * (self.white / (high - low))
        return images


def _finite(images: Tensor) -> bool:
    return bool(torch.isfinite(images).all())


def image_keys(names: Iterable[str | int], seed: int = 0) -> Tensor:
    """Make a key for each image from a name (its path or number) and a seed.

    Returns:
        `(n,)` int64.
    """
    return torch.tensor([seeds.integer("image", seed, n) for n in names], dtype=torch.int64)
