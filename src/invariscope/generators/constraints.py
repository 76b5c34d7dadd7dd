"""Constraints on every image of a search: luminance, contrast, aperture, grey, code, display.

Luminance is that of the image as shown: with a display in its units of light, else of the pixel
values in [0, 1] (0.299 R + 0.587 G + 0.114 B). RMS contrast is the SD of luminance over its mean.
Both are taken over the pixels of the aperture (those that the aperture does not hide wholly).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self, final
from urllib.parse import parse_qsl, quote

import torch
from torch import Tensor

from invariscope import validate
from invariscope.errors import InputError, unknown
from invariscope.generators.display import LIGHT_WEIGHTS, VALUES_WEIGHTS, Display

MARK = "?"  # between a generator's address and its constraints
GREY = 0.5  # the value around an aperture where no mean luminance is asked for
LARGEST = 4096  # pixels of a side


@final
@dataclass(frozen=True)
class Aperture:
    """A round window on grey, in pixels of the image.

    Attributes:
        x, y: its centre, from the image's left and upper edge (a pixel's centre is at + 0.5).
        radius: up to which the image is seen whole.
        edge: over how many pixels more it fades, as half a cosine; 0 is a sharp edge.

    Raises:
        InputError: a radius that is not above 0, an edge below 0, or no number.
    """

    x: float
    y: float
    radius: float
    edge: float = 0.0

    def __post_init__(self) -> None:
        for name in ("x", "y", "radius", "edge"):
            if not math.isfinite(getattr(self, name)):
                raise InputError(
                    f"{name} of the aperture is {getattr(self, name)}; expected pixels"
                )
        validate.above("radius of the aperture", self.radius, 0)
        validate.at_least("edge of the aperture", self.edge, 0)

    def weights(self, side: int, device: torch.device | str = "cpu") -> Tensor:
        """Weigh each pixel by how much of the image is seen there, `(side, side)` in [0, 1].

        Raises:
            InputError: an aperture whose centre lies beside the image.
        """
        at = torch.arange(side, dtype=torch.float64) + 0.5
        far = ((at[None] - self.x).square() + (at[:, None] - self.y).square()).sqrt()
        beyond = (far - self.radius).clamp(min=0)
        seen = (beyond == 0).double()
        if self.edge:
            seen = 0.5 + 0.5 * torch.cos(math.pi * (beyond / self.edge).clamp(max=1))
        inside = 0 <= self.x <= side and 0 <= self.y <= side
        if not (inside and bool((seen > 0).any())):
            raise InputError(
                f"an aperture of radius {self.radius:g} at ({self.x:g}, {self.y:g}) lies beside an "
                f"image of {side} × {side} px; expected pixels of that image, or another size of "
                "images, such as that of the network"
            )
        return seen.float().to(device)


@final
@dataclass(frozen=True)
class ImageConstraints:
    """Constraints on every image of a search.

    Attributes:
        luminance: mean over the aperture; in the display's units, or of values in [0, 1].
        contrast: RMS contrast, the SD of luminance over its mean; needs `luminance`.
        aperture: a window on grey: of the mean luminance, where one is asked for, else of the
            value 0.5.
        grey: whether the three channels are alike.
        code_percentile: codes farther from the natural codes' mean than this percentile of
            normal codes with natural mean and covariance are drawn back to it.
        display: how values become light.
        size: height and width of the images in pixels; by default the generator's.

    Raises:
        InputError: contrast without luminance, a luminance that the display cannot show, a
            contrast that no image with that luminance has, a percentile that is none.

    Example:
        >>> import invariscope as iv
        >>> iv.ImageConstraints(luminance=0.5, contrast=0.3).address
        'luminance=0.5&contrast=0.3'
    """

    luminance: float | None = None
    contrast: float | None = None
    aperture: Aperture | None = None
    grey: bool = False
    code_percentile: float | None = None
    display: Display | None = None
    size: int | None = None

    def __post_init__(self) -> None:
        low, high = self.span
        if self.luminance is not None and not low < self.luminance < high:
            raise InputError(
                f"mean luminance is {self.luminance:g}; expected a number between {low:g} and "
                f"{high:g}, {'the span of ' + self.display.name if self.display else 'of values'}"
            )
        if self.contrast is not None:
            self._check_contrast()
        if self.code_percentile is not None and not 0 < self.code_percentile < 100:
            raise InputError(
                f"code percentile is {self.code_percentile:g}; expected a number between 0 and 100"
            )
        if self.size is not None:
            validate.between("size of constrained images", self.size, 1, LARGEST)

    def _check_contrast(self) -> None:
        if self.luminance is None:
            raise InputError("a fixed contrast needs a fixed luminance, which it is a share of")
        low, high = self.span
        most = math.sqrt((self.luminance - low) * (high - self.luminance)) / self.luminance
        if not 0 < float(self.contrast or 0) < most:
            raise InputError(
                f"RMS contrast is {self.contrast:g}; at mean luminance {self.luminance:g} expected "
                f"a number above 0 and below {most:.4g}, that of black and white alone"
            )

    @property
    def span(self) -> tuple[float, float]:
        """The least and the most luminance that can be shown."""
        return self.display.span if self.display else (0.0, 1.0)

    @property
    def weights(self) -> tuple[float, float, float]:
        """Shares of R, G and B in luminance."""
        return LIGHT_WEIGHTS if self.display else VALUES_WEIGHTS

    @property
    def background(self) -> float:
        """The luminance around the aperture."""
        if self.luminance is not None:
            return self.luminance
        grey = torch.tensor(GREY)
        return float(self.display.to_light(grey)) if self.display else GREY

    def settings(self) -> dict[str, Any]:
        """Describe the constraints as plain values, for the name of a run."""
        plain = {f.name: getattr(self, f.name) for f in fields(self)}
        if self.aperture:
            plain["aperture"] = list(map(float, _numbers(self.aperture)))
        if self.display:
            plain["display"] = self.display.content
        return {k: v for k, v in plain.items() if v not in (None, False)}

    @property
    def address(self) -> str:
        """Write the constraints as a generator's address holds constraints behind a `?`."""
        words = []
        for f in fields(self):
            value = getattr(self, f.name)
            if value is None or value is False:
                continue
            if isinstance(value, Aperture):
                value = ",".join(f"{number:.10g}" for number in _numbers(value))
            elif isinstance(value, Display):
                value = value.name
            else:
                value = "yes" if value is True else f"{value:.10g}"
            words.append(f"{f.name}={quote(value, safe=',:/.')}")
        return "&".join(words)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read constraints from their address.

        Raises:
            InputError: a word that is no constraint, or a value that does not fit.
        """
        try:
            words = parse_qsl(text, keep_blank_values=True, strict_parsing=True)
        except ValueError as error:
            raise InputError(
                f"constraints {text!r} are not understood; expected NAME=VALUE, joined by &"
            ) from error
        if len(dict(words)) < len(words):
            raise InputError(f"constraints {text!r} name one twice")
        return cls.of(dict(words))

    @classmethod
    def of(cls, words: Mapping[str, Any]) -> Self:
        """Read constraints from the words of an address, a file or an option.

        Raises:
            InputError: a word that is no constraint, or a value that does not fit.
        """
        known = [f.name for f in fields(cls)]
        for name in words:
            if name not in known:
                raise unknown("constraint", name, known)
        return cls(**{name: _value(name, value) for name, value in words.items()})

    def __bool__(self) -> bool:
        """Tell whether there is any constraint."""
        return bool(self.settings())


def constrained_address(address: str, words: Mapping[str, Any], base: Path = Path()) -> str:
    """Add the constraints of a file or command to a generator's address.

    Args:
        address: of the generator; with constraints of its own it takes no more.
        words: of `ImageConstraints`; those that are None do not count.
        base: the folder from which the file of a display counts.

    Raises:
        InputError: a constraint that is unknown or cannot be kept, or constraints in both places.
    """
    given = {name: value for name, value in words.items() if value not in (None, False)}
    if not given:
        return address
    if MARK in address:
        raise InputError(
            f"generator {address!r} names constraints already, and there are others beside it "
            f"({', '.join(given)}); give all of them in one place"
        )
    if isinstance(given.get("display"), str) and not _gamma(given["display"]):
        given["display"] = str((base / given["display"]).resolve())
    return f"{address}{MARK}{ImageConstraints.of(given).address}"


def check_words(words: Mapping[str, Any]) -> dict[str, Any]:
    """Check the constraints of a file, all but a display's own file.

    Raises:
        InputError: see `ImageConstraints.of`.
    """
    known = [f.name for f in fields(ImageConstraints)]
    for name in words:
        if name not in known:
            raise unknown("constraint", name, known)
    display = words.get("display")
    if not (isinstance(display, str) and not _gamma(display)):
        ImageConstraints.of(words)
    return dict(words)


def _gamma(text: str) -> bool:
    """Tell if a display's word is an exponent and no file."""
    try:
        float(text.removeprefix("gamma:"))
    except ValueError:
        return text.startswith("gamma:")
    return True


def _numbers(aperture: Aperture) -> tuple[float, float, float, float]:
    return aperture.x, aperture.y, aperture.radius, aperture.edge


def _value(name: str, value: Any) -> Any:
    """Read a constraint's value from a word or a number."""
    if value is None:
        return None
    read = {"display": read_display, "grey": _yes, "aperture": _window}.get(name)
    if read is not None:
        return read(value)
    try:
        return int(value) if name == "size" else float(value)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name} is {value!r}; expected a number") from error


def _yes(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if value not in ("yes", "no"):
        raise InputError(f"grey is {value!r}; expected yes or no")
    return value == "yes"


def _window(value: Any) -> Aperture:
    if isinstance(value, Aperture):
        return value
    given = value.split(",") if isinstance(value, str) else value
    try:
        numbers = [float(number) for number in given]
    except (TypeError, ValueError):
        numbers = []
    if len(numbers) not in (3, 4):
        raise InputError(
            f"aperture is {value!r}; expected x, y, radius and edge in pixels, such as 48,48,20,4"
        )
    return Aperture(*numbers)


def read_display(value: str | float | Display) -> Display:
    """Read a display from `gamma:2.2`, a number (its gamma), or the file of a table.

    Raises:
        InputError: a gamma that is no number, or a table that cannot be read.
    """
    if isinstance(value, Display):
        return value
    text = str(value).removeprefix("gamma:")
    try:
        exponent = float(text)
    except ValueError:
        if text != str(value):
            raise InputError(f"display {value!r} is not understood; expected gamma:2.2") from None
        return Display.read(text)
    return Display.gamma(exponent)


def luminance(light: Tensor, weights: tuple[float, float, float]) -> Tensor:
    """Luminance `(n, h, w)` of channels `(n, 3, h, w)`."""
    red, green, blue = weights
    return red * light[:, 0] + green * light[:, 1] + blue * light[:, 2]
