"""Receptive fields of units: a centre and radius in the image, as an aperture.

From a network by its gradient; from recorded responses by reverse correlation of luminance and of
local contrast with the response, tested against shuffled responses.
"""

from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import ArrayLike
from torch import Tensor

from invariscope import seeds, validate
from invariscope.errors import InputError
from invariscope.generators import Aperture
from invariscope.generators.constraints import luminance
from invariscope.generators.display import VALUES_WEIGHTS
from invariscope.plurals import number_of
from invariscope.subjects.base import Subject
from invariscope.subjects.perceptual import perceptual
from invariscope.units import parse_target

INSIDE = 1 - np.exp(-2)  # of a Gaussian's weight within two SDs of its centre
FLOOR = 0.02  # of the map's peak: less is left out
SHUFFLES = 200
LEVEL = 0.05
GRID = 16  # places a side at which responses are correlated
BATCH = 32


@dataclass(frozen=True)
class ReceptiveField:
    """A place in the image.

    Attributes:
        x, y: its centre in pixels from the left and upper edge.
        radius: of the circle that holds 86 % of the map, as two SDs of a Gaussian do; in pixels.
        p: how often shuffled responses give as clear a place; NaN from gradients.
        map: `(side, side)` how much each place counts, 1 at most.
    """

    x: float
    y: float
    radius: float
    p: float
    map: Tensor = field(repr=False)

    def aperture(self, edge: float = 0.25) -> Aperture:
        """Propose an aperture.

        Args:
            edge: width of the soft edge beyond the radius, as a share of it.
        """
        numbers = (self.x, self.y, self.radius, edge * self.radius)
        return Aperture(*(round(number, 1) for number in numbers))


def gradient_field(subject: Subject, unit: str, images: Tensor) -> ReceptiveField:
    """Find where a network's unit looks, from its gradient by the pixels.

    The map is the root mean square over images and channels of the derivative.

    Args:
        unit: its address.
        images: `(n, 3, height, width)` in [0, 1], such as photos.

    Raises:
        InputError: a subject without gradients, or a unit that no pixel changes.
    """
    target = parse_target(unit, subject.sites())
    answers, total = perceptual(subject, target.sites), 0.0
    for part in subject.see(images).split(BATCH):
        asked = part.clone().requires_grad_()
        with torch.enable_grad():
            found = dict(zip(target.sites, answers(asked), strict=True))
            activity = target.read(found).sum()
        if not activity.requires_grad:
            raise InputError(f"{subject.name} passes no gradients; give recorded responses instead")
        (slope,) = torch.autograd.grad(activity, asked)
        total = total + slope.double().square().sum((0, 1)).cpu()
    energy = torch.as_tensor(total).sqrt()
    if not bool((energy > 0).any()):
        raise InputError(f"no pixel of these images changes unit {unit!r}; give other images")
    return _place(energy / energy.max(), float("nan"), 1.0)


def response_field(images: Tensor, responses: ArrayLike, *, seed: int = 0) -> ReceptiveField:
    """Find where a neuron looks, from its responses to images by reverse correlation.

    At each of 16 × 16 places the luminance, and how far it differs from the place's surround, are
    correlated with the response over images; the map is the root of both squared correlations less
    what shuffled responses give on average, where it is beyond nearly all of them. Photos are
    smooth, so their place is wider than the neuron's own; noise tells it sharply.

    Args:
        images: `(n, 3, side, side)` in [0, 1].
        responses: `(n,)`; images whose response is NaN are left out.
        seed: of the shuffles.

    Raises:
        InputError: fewer than ten images, responses of another number or all alike, or responses
            that tell no place (p above 0.05).
    """
    validate.images(images)
    answers = np.asarray(responses, float)
    if answers.shape != (len(images),):
        raise InputError(
            f"responses have shape {answers.shape}; expected one for "
            f"{number_of(len(images), 'image')}"
        )
    known = np.isfinite(answers)
    if known.sum() < 10 or np.ptp(answers[known]) == 0:
        raise InputError(
            f"{number_of(known.sum(), 'image')} with a response, from "
            f"{np.nanmin(answers, initial=np.inf):g} to {np.nanmax(answers, initial=-np.inf):g}; "
            "expected at least ten that differ"
        )
    features = _features(images[torch.from_numpy(known)])
    own = torch.from_numpy(answers[known])
    found = _correlated(features, own)
    stream = seeds.numpy_stream("field", seed, len(own))
    orders = [torch.from_numpy(stream.permutation(len(own))) for _ in range(SHUFFLES)]
    chance = torch.stack([_correlated(features, own[order]) for order in orders])
    highest = chance.amax((1, 2))
    p = (1 + int((highest >= found.max()).sum())) / (1 + SHUFFLES)
    if p > LEVEL:
        raise InputError(
            f"the responses to {number_of(len(own), 'image')} tell no place (p {p:.2f} against "
            "shuffled responses); show more images, or give the aperture yourself"
        )
    beyond = (found - chance.mean()).clamp(min=0).sqrt()
    clear = torch.where(found > highest.quantile(1 - LEVEL), beyond, 0.0)
    return _place(clear / clear.max(), p, images.shape[-1] / clear.shape[-1])


def _features(images: Tensor) -> Tensor:
    """Luminance and local contrast at each place, standardised over images, `(2, n, g, g)`."""
    side = images.shape[-1]
    own = luminance(images.double(), VALUES_WEIGHTS).unsqueeze(1)
    width = max(side // GRID, 1)
    local = F.avg_pool2d(own, 2 * width + 1, 1, width, count_include_pad=False)
    places = min(GRID, side)
    both = [F.adaptive_avg_pool2d(v, places)[:, 0] for v in (own, (own - local).abs())]
    stacked = torch.stack(both)
    apart = stacked - stacked.mean(1, keepdim=True)
    return apart / apart.square().mean(1, keepdim=True).sqrt().clamp(min=1e-9)


def _correlated(features: Tensor, responses: Tensor) -> Tensor:
    """Sum of squared correlations with the responses at each place, `(g, g)`."""
    own = (responses - responses.mean()) / responses.std(correction=0)
    return (features * own.view(1, -1, 1, 1)).mean(1).square().sum(0)


def _place(weights: Tensor, p: float, pixel: float) -> ReceptiveField:
    """Find centre and radius of a map with peak 1 and entries `pixel` pixels wide."""
    side = weights.shape[-1]
    kept = torch.where(weights >= FLOOR, weights, 0.0).double()
    at = (torch.arange(side, dtype=torch.float64) + 0.5) * pixel
    whole = kept.sum()
    x, y = float((kept.sum(0) * at).sum() / whole), float((kept.sum(1) * at).sum() / whole)
    far = ((at[None] - x).square() + (at[:, None] - y).square()).sqrt().flatten()
    order = far.argsort()
    reached = kept.flatten()[order].cumsum(0) / whole
    radius = far[order][int((reached < INSIDE).sum().clamp(max=len(order) - 1))]
    scaled = F.interpolate(weights[None, None].double(), scale_factor=pixel, mode="nearest")[
        0, 0
    ].float()
    return ReceptiveField(x, y, max(float(radius), pixel / 2), p, scaled)
