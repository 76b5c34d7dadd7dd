"""The same two goals by gradients, on pixels or on codes, with a counted budget (row 12).

Two losses, stretch and squeeze, each over its first value, are joined by UPGrad: each gradient is
projected onto the cone of directions that make no loss worse, and the projections are averaged.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from invariscope import seeds, validate
from invariscope.errors import InputError
from invariscope.generators.base import Generator
from invariscope.search.objectives import TASKS
from invariscope.subjects.base import PIXELS, Subject
from invariscope.subjects.perceptual import perceptual
from invariscope.subjects.pixels import pixel_distance
from invariscope.transformations.filters import Blur
from invariscope.units import Target, find_site

RATE, STEPS = 0.05, 500
BLUR = 0.5  # px, of pixels after each step; the paper gives no figure
NEAR = 0.01  # how far from the reference an adversarial start lies, in SD of codes or in pixels
SPACES = ("pixels", "codes")


def upgrad(one: Tensor, other: Tensor) -> Tensor:
    """Join two gradients to the UPGrad direction, row by row, `(n, entries)` (arXiv 2406.16232).

    With two, the projection of one onto the cone takes off its part against the other.
    """
    product = (one * other).sum(1, keepdim=True).clamp(max=0)
    tiny = torch.finfo(one.dtype).tiny
    first = one - product / other.square().sum(1, keepdim=True).clamp_min(tiny) * other
    second = other - product / one.square().sum(1, keepdim=True).clamp_min(tiny) * one
    return (first + second) / 2


@dataclass(frozen=True, kw_only=True)
class GradientGoal:
    """The goal of a gradient search.

    Attributes:
        target: the unit or units.
        task: `invariance` or `adversarial`.
        site: the stretch site.
        bound: the natural maximum (minimum, for `adversarial`) of the unit's activity: a start
            that is beyond it is done. None to take every step.
    """

    target: Target
    task: str = "invariance"
    site: str = PIXELS
    bound: float | None = None

    def met(self, activity: Tensor) -> Tensor:
        """Find the activities beyond the bound."""
        if self.bound is None:
            return torch.zeros_like(activity, dtype=torch.bool)
        return activity > self.bound if self.task == "invariance" else activity < self.bound


@dataclass(frozen=True)
class _Space:
    """The space of a search: parameters `(n, …)`, their images, and the action after a step."""

    parameters: Tensor
    images: Callable[[Tensor], Tensor]
    after: Callable[[Tensor], Tensor]


def _noise(words: tuple[Any, ...], starts: int, shape: tuple[int, ...]) -> Tensor:
    names = [("gradients", *words, start) for start in range(starts)]
    return seeds.normal(names, shape, dtype=torch.float32)


def _pixels(
    subject: Subject, goal: GradientGoal, reference: Tensor, starts: int, seed: int
) -> _Space:
    shape = (3, subject.image_size, subject.image_size)
    noise = _noise(("pixels", goal.task, str(goal.target), seed), starts, shape)
    near = subject.see(reference[None]).cpu() + NEAR * noise
    first = near if goal.task == "adversarial" else 0.5 + 0.1 * noise
    smooth = Blur(sigma=BLUR)
    return _Space(
        first.clamp(0, 1).to(subject.device),
        lambda x: x.clamp(0, 1),
        lambda x: smooth.apply(x, {}).clamp(0, 1),
    )


def _codes(
    generator: Generator, goal: GradientGoal, code: Tensor | None, starts: int, seed: int
) -> _Space:
    if goal.task == "adversarial" and code is None:
        raise InputError("an adversarial search on codes starts at the reference's; give code=")
    noise = _noise(("codes", goal.task, str(goal.target), seed), starts, (generator.code_dim,))
    known = generator.code_statistics
    mean = known.mean.float() if known else torch.zeros(generator.code_dim)
    sd = known.sd.float() if known else torch.ones(generator.code_dim)
    start = mean + 0.1 * sd * noise
    if goal.task == "adversarial" and code is not None:
        start = code.float().cpu() + NEAR * sd * noise
    origin, scale = start.to(generator.device), sd.to(generator.device)
    return _Space(
        torch.zeros_like(origin),
        lambda x: generator._generate(origin + scale * x).float().clamp(0, 1),  # noqa: SLF001
        lambda x: x,
    )


class _Distances:
    """Stretch and squeeze of images, differentiable."""

    def __init__(self, subject: Subject, goal: GradientGoal, reference: Tensor) -> None:
        self.goal, site = goal, find_site(goal.site, subject.sites())
        self.subject, self.site = subject, site
        own = goal.target.sites
        self.sites = own if site in (PIXELS, *own) else (*own, site)
        self.respond = perceptual(subject, self.sites)
        with torch.no_grad():
            self.at, self.own = (part.detach() for part in self._read(reference[None]))

    def _read(self, images: Tensor) -> tuple[Tensor, Tensor]:
        responses = dict(zip(self.sites, self.respond(images), strict=True))
        responses[PIXELS] = self.subject.see(images)
        return responses[self.site].flatten(1), self.goal.target.read(responses)

    def __call__(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Stretch, squeeze and activity, each `(n,)`."""
        there, activity = self._read(images)
        stretch = torch.linalg.vector_norm(there - self.at, dim=1)
        squeeze = torch.linalg.vector_norm(activity - self.own, dim=1)
        return stretch, squeeze, activity.mean(1)


def gradient_search(
    subject: Subject,
    goal: GradientGoal,
    reference: Tensor,
    *,
    space: str = "codes",
    generator: Generator | None = None,
    code: Tensor | None = None,
    budget: int = STEPS,
    steps: int = STEPS,
    seed: int = 0,
) -> tuple[pd.DataFrame, Tensor]:
    """Search by gradients from several starts, until a budget of forward passes is spent.

    Adam at rate 0.05 (of pixel values, or of the SD of natural codes), at most `steps` steps a
    start. Invariance starts near grey (pixels) or near the mean natural code, `adversarial` beside
    the reference. Pixels are blurred after each step. A start stops beyond `goal.bound`.

    Args:
        reference: `(3, height, width)` in [0, 1].
        space: `pixels` or `codes`.
        generator, code: for `codes`; the reference's code where `adversarial` starts.
        budget: forward passes of single images in all; `budget // steps` starts, at least one.

    Returns:
        One row a start: `start`, `stretch`, `squeeze`, `activation`, `pixel_distance`, `met`
        (beyond the bound), `steps`, `forward` and `backward` passes of the start (each loss has
        its own backward pass); and the images, `(starts, 3, height, width)` in [0, 1].

    Raises:
        InputError: another space or task, no generator for `codes`, or a compiled subject.
    """
    validate.one_of("space", space, SPACES)
    validate.one_of("task", goal.task, [task for task in TASKS if task != "excitation"])
    validate.at_least("steps", steps, 1)
    validate.at_least("budget", budget, 1)
    steps, starts = min(steps, budget), max(1, budget // steps)
    if space == "pixels":
        where = _pixels(subject, goal, reference, starts, seed)
    elif generator is None:
        raise InputError("a search on codes needs a generator; give generator=")
    else:
        where = _codes(generator, goal, code, starts, seed)
    distances = _Distances(subject, goal, reference.to(subject.device))
    found, taken = _descend(where, distances, steps)
    with torch.no_grad():
        images = where.images(found)
        stretch, squeeze, activity = distances(images)
        own = subject.see(reference[None].to(subject.device))
        away = pixel_distance(subject.see(images), own)
    columns = {"stretch": stretch, "squeeze": squeeze, "activation": activity}
    columns |= {"pixel_distance": away}
    table = pd.DataFrame({name: value.cpu().double().numpy() for name, value in columns.items()})
    counts = taken.cpu().numpy()
    return (
        table.assign(
            start=range(starts),
            met=goal.met(activity).cpu().numpy(),
            steps=counts,
            forward=counts,
            backward=2 * counts,
        ),
        images.cpu(),
    )


def _descend(where: _Space, distances: _Distances, steps: int) -> tuple[Tensor, Tensor]:
    """Descend from every start; give the last parameters, and the steps of each start."""
    goal = distances.goal
    moving = where.parameters.clone().requires_grad_()
    optimiser = torch.optim.Adam([moving], lr=RATE)
    ended = torch.zeros(len(moving), dtype=torch.bool, device=moving.device)
    kept, taken = moving.detach().clone(), torch.zeros(len(moving), dtype=torch.int64)
    first: tuple[Tensor, Tensor] | None = None
    sign = -1.0 if goal.task == "invariance" else 1.0
    for _ in range(steps):
        stretch, squeeze, activity = distances(where.images(moving))
        taken += ~ended.cpu()
        ended |= goal.met(activity.detach())
        if bool(ended.all()):
            break
        tiny = torch.finfo(torch.float32).tiny
        first = first or (stretch.detach().clamp_min(tiny), squeeze.detach().clamp_min(tiny))
        losses = (sign * stretch / first[0], -sign * squeeze / first[1])
        gradients = [
            torch.autograd.grad(loss.sum(), moving, retain_graph=loss is losses[0])[0].flatten(1)
            for loss in losses
        ]
        moving.grad = upgrad(*gradients).view_as(moving).nan_to_num()
        optimiser.step()
        with torch.no_grad():
            moving.copy_(where.after(moving))
            kept = torch.where(ended.view(-1, *[1] * (moving.ndim - 1)), kept, moving)
    return kept.detach(), taken
