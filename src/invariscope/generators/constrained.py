"""Any generator with constraints that all its images keep to."""

from dataclasses import dataclass
from typing import Any, final

import torch
import torch.nn.functional as F
from torch import Tensor

from invariscope import validate
from invariscope.errors import InputError
from invariscope.generators.base import Generator, drawn_back
from invariscope.generators.constraints import MARK, ImageConstraints, luminance
from invariscope.generators.levels import Levels, at_levels

TOLERANCE = 0.004  # of the most luminance: 8 bits lose a little


@dataclass(frozen=True)
class ShownLevels:
    """Measured levels of shown images, over the pixels of the aperture.

    Attributes:
        luminance: `(n,)` means.
        contrast: `(n,)` RMS contrasts, SD over mean.
        outside: `(n,)` the largest difference from the surround where the aperture hides all.
    """

    luminance: Tensor
    contrast: Tensor
    outside: Tensor


@final
class ConstrainedGenerator(Generator):
    """A generator with constraints on all images; gradients pass where its own do.

    Codes are drawn back to the natural ones, then the image is made, brought to its size, to the
    display's light, to grey, to mean luminance and contrast, and faded into the surround. Mean and
    contrast are exact to 1e-6, whatever is clipped. Where an image cannot have the contrast (few
    levels, or colours that clip before their luminance does) the mean is kept and the contrast is
    the most that the image can have; one without contrast of its own (SD below 1e-4 of the span)
    is shown uniform. `levels` tells which.

    Args:
        generator: what makes the images.
        constraints: at least one.

    Raises:
        InputError: no constraint; a bound on codes for a generator whose natural codes are not
            known; an aperture beside the image; a generator that has constraints already.

    Example:
        >>> import torch
        >>> import invariscope as iv
        >>> plain = iv.load_generator("pixels@16")
        >>> fixed = ConstrainedGenerator(plain, ImageConstraints(luminance=0.5, contrast=0.2))
        >>> fixed.name
        'pixels@16?luminance=0.5&contrast=0.2'
    """

    def __init__(self, generator: Generator, constraints: ImageConstraints) -> None:
        if not constraints:
            raise InputError("no constraint was given; name at least one, such as luminance=0.5")
        if isinstance(generator, ConstrainedGenerator):
            raise InputError(f"{generator.name} has constraints already; give all at once")
        self.generator, self.constraints = generator, constraints
        self.name = f"{generator.name}{MARK}{constraints.address}"
        self.code_dim, self.device = generator.code_dim, generator.device
        self.code_statistics, self.encodes = generator.code_statistics, generator.encodes
        self.image_size = constraints.size or generator.image_size
        aperture, side = constraints.aperture, self.image_size
        every = torch.ones(side, side, device=self.device)
        self.seen = aperture.weights(side, self.device) if aperture else every
        self.radius = _radius(generator, constraints.code_percentile)

    def identity(self) -> dict[str, Any]:
        return {
            "kind": "constrained",
            "generator": self.generator.identity(),
            "constraints": self.constraints.settings(),
        }

    def _generate(self, codes: Tensor) -> Tensor:
        made = self.generator._generate(self.bounded(codes))  # noqa: SLF001  (with gradients)
        return self._constrained(made.float().clamp(0, 1))

    def _encode(self, images: Tensor) -> Tensor:
        return self.generator.encode(_sized(images, self.generator.image_size))

    def bounded(self, codes: Tensor) -> Tensor:
        """Draw codes `(n, code_dim)` beyond the bound back to the bound along a straight line."""
        codes = self.generator.bounded(codes)
        if self.radius is None or self.code_statistics is None:
            return codes
        return drawn_back(codes, self.radius, self.code_statistics.mean)

    def constrain(self, images: Tensor) -> Tensor:
        validate.images(images)
        return self._constrained(images.to(self.device, torch.float32).clamp(0, 1))

    def _constrained(self, images: Tensor) -> Tensor:
        asked, images = self.constraints, _sized(images, self.image_size)
        most = asked.span[1]
        light = (asked.display.to_light(images) if asked.display else images) / most
        if asked.grey:
            light = luminance(light, asked.weights).unsqueeze(1)
        around = asked.background / most
        if asked.luminance is None:
            light = around + self.seen * (light - around)
        else:
            light = at_levels(light, self._levels(around))
        light = light.expand(-1, 3, -1, -1) * most
        return asked.display.to_values(light) if asked.display else light

    def _levels(self, mean: float) -> Levels:
        asked = self.constraints
        sd = None if asked.contrast is None else asked.contrast * mean
        low, high = asked.span
        return Levels(mean, sd, low / high, self.seen, asked.weights)

    def violations(self, images: Tensor) -> str:
        """Say how images break mean luminance or surround; empty where both are kept.

        Args:
            images: `(n, 3, image_size, image_size)` in [0, 1].
        """
        found, asked = self.levels(images), self.constraints
        slack = TOLERANCE * asked.span[1]
        wanted = asked.luminance
        if wanted is not None and float((found.luminance - wanted).abs().max()) > slack:
            worst = found.luminance[(found.luminance - wanted).abs().argmax()]
            return f"mean luminance {float(worst):.4g} where {wanted:g} is asked for"
        if float(found.outside.max()) > slack:
            return f"its surround differs from grey by {float(found.outside.max()):.3g}"
        return ""

    def levels(self, images: Tensor) -> ShownLevels:
        """Measure mean luminance and RMS contrast of images as shown.

        Args:
            images: `(n, 3, image_size, image_size)` in [0, 1].

        Raises:
            InputError: images of another size.
        """
        return measure_levels(self._sized(images), self.constraints)


def measure_levels(images: Tensor, constraints: ImageConstraints) -> ShownLevels:
    """Measure mean luminance and RMS contrast of images over an aperture.

    Args:
        images: `(n, 3, side, side)` in [0, 1], of the size in whose pixels the aperture is told.
        constraints: their display and aperture count.
    """
    asked, side = constraints, images.shape[-1]
    seen = asked.aperture.weights(side, images.device) if asked.aperture else None
    light = asked.display.to_light(images) if asked.display else images
    own = luminance(light.double() if images.device.type != "mps" else light, asked.weights)
    inside = own.flatten(1) if seen is None else own[:, seen > 0]
    mean, largest = inside.mean(1), torch.zeros(len(own))
    if seen is not None and bool((seen == 0).any()):
        largest = (own[:, seen == 0] - asked.background).abs().amax(1)
    contrast = inside.std(1, correction=0) / mean.clamp(min=1e-12)
    return ShownLevels(mean.cpu(), contrast.cpu(), largest.cpu())


def constrain_generator(generator: Generator, **constraints: Any) -> ConstrainedGenerator:
    """Give a generator constraints that all its images keep to.

    Args:
        constraints: the words of `ImageConstraints`: `luminance`, `contrast`, `aperture` as (x, y,
            radius, edge) in pixels, `grey`, `code_percentile`, `display` as a gamma or the file of
            a table, `size`.

    Raises:
        InputError: a constraint that is unknown or cannot be kept.

    Example:
        >>> import torch
        >>> import invariscope as iv
        >>> plain = iv.load_generator("pixels@16")
        >>> window = iv.constrain_generator(plain, luminance=0.5, aperture=(8, 8, 4, 2))
        >>> float(window.generate(torch.zeros(1, 768))[0, 0, 0, 0])
        0.5
    """
    return ConstrainedGenerator(generator, ImageConstraints.of(constraints))


def _sized(images: Tensor, side: int) -> Tensor:
    if images.shape[-2:] == (side, side):
        return images
    resized = F.interpolate(
        images, (side, side), mode="bilinear", antialias=True, align_corners=False
    )
    return resized.clamp(0, 1)


def _radius(generator: Generator, percentile: float | None) -> float | None:
    """Measure the radius around the natural codes' mean that a percentile of codes lies within."""
    if percentile is None:
        return None
    if generator.code_statistics is None:
        raise InputError(
            f"natural codes of {generator.name} are not known, so no percentile bounds its codes; "
            "use a generator that knows them, such as embedded"
        )
    return generator.code_statistics.radius(percentile)
