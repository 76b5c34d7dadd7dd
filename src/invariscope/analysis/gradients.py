"""The same two goals by gradients, on pixels or on codes, at a search's budget (row 12).

Two losses, stretch and squeeze, each over its first value, are joined by UPGrad: each gradient is
projected onto the cone of directions that make no loss worse, and the projections are averaged.
As many starts as a population has advance together. A step of all of them counts as a generation,
so that a gradient search has a search's budget, stopping rule and archive.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from invariscope import seeds, validate
from invariscope.errors import InputError
from invariscope.generators.base import Generator
from invariscope.search.archive import COLUMNS, Archive
from invariscope.search.monitor import WINDOW
from invariscope.search.objectives import TASKS
from invariscope.search.stopping import GenerationProgress, Never, StoppingRule
from invariscope.subjects.base import PIXELS, Subject
from invariscope.subjects.perceptual import perceptual
from invariscope.subjects.pixels import pixel_distance
from invariscope.transformations.filters import Blur
from invariscope.units import Target, find_site

RATE = 0.05
STARTS, STEPS = 50, 500  # the paper's population and generations
AT_ONCE = 64  # images of the front that are made together
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
    """

    target: Target
    task: str = "invariance"
    site: str = PIXELS


@dataclass(frozen=True)
class GradientRun:
    """A gradient search, as a search's run is kept.

    Attributes:
        front: one row a non-dominated image of all that were met, from the smallest stretch:
            `stretch`, `squeeze`, `activation`, `pixel_distance`, `generation` and `candidate`.
        images: of the members, `(members, 3, height, width)` in [0, 1].
        generations: how many, all starts together.
        converged: whether the stopping rule fired.
        forward: images that were shown.
        backward: backward passes of single images; each of the two losses has its own.
    """

    front: pd.DataFrame
    images: Tensor
    generations: int
    converged: bool
    forward: int
    backward: int


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
    first = 0.1 * noise
    if goal.task == "adversarial" and code is not None:
        # A component that never varies in natural codes is left where the mean has it.
        first = (code.float().cpu() - mean) / sd.clamp_min(torch.finfo(sd.dtype).tiny)
        first = first.where(sd > 0, 0) + NEAR * noise
    origin, scale = mean.to(generator.device), sd.to(generator.device)
    return _Space(
        first.to(generator.device),
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
    starts: int = STARTS,
    steps: int = STEPS,
    stop: StoppingRule | None = None,
    seed: int = 0,
) -> GradientRun:
    """Search by gradients from several starts that advance together, as a population does.

    Adam at rate 0.05 (of pixel values, or of the SD of natural codes). Invariance starts near grey
    (pixels) or near the mean natural code, `adversarial` beside the reference. Pixels are blurred
    after each step. The stopping rule sees the activities of all starts after each step.

    Args:
        reference: `(3, height, width)` in [0, 1].
        space: `pixels` or `codes`.
        generator, code: for `codes`; the reference's code where `adversarial` starts.
        starts: images a generation.
        steps: the most generations.
        stop: the stopping rule; by default none.
        seed: of the starts.

    Raises:
        InputError: another space or task, no generator for `codes`, or a compiled subject.
    """
    validate.one_of("space", space, SPACES)
    validate.one_of("task", goal.task, [task for task in TASKS if task != "excitation"])
    validate.at_least("starts", starts, 1)
    validate.at_least("steps", steps, 1)
    if space == "pixels":
        where = _pixels(subject, goal, reference, starts, seed)
    elif generator is None:
        raise InputError("a search on codes needs a generator; give generator=")
    else:
        where = _codes(generator, goal, code, starts, seed)
    distances = _Distances(subject, goal, reference.to(subject.device))
    descent = _Descent(where, distances)
    converged = descent.run(steps, stop or Never())
    front, images = descent.front(subject.see(reference[None].to(subject.device)))
    return GradientRun(
        front, images, descent.generation, converged, descent.forward, descent.backward
    )


class _Descent:
    """Several starts that descend together, with an archive of all their images."""

    def __init__(self, where: _Space, distances: _Distances) -> None:
        self.where, self.distances = where, distances
        self.moving = where.parameters.clone().requires_grad_()
        self.optimiser = torch.optim.Adam([self.moving], lr=RATE)
        self.archive = Archive.empty(1, self.moving[0].numel(), device=self.moving.device)
        self.first: tuple[Tensor, Tensor] | None = None
        self.generation, self.forward, self.backward = 0, 0, 0

    def run(self, steps: int, stop: StoppingRule) -> bool:
        """Descend until the rule fires (True), or for so many generations."""
        starts = len(self.moving)
        recent: deque[Tensor] = deque(maxlen=-(-WINDOW // starts))  # as `StoppingMonitor`
        for self.generation in range(1, steps + 1):
            stretch, squeeze, activity = self.distances(self.where.images(self.moving))
            self.forward += starts
            self._keep(torch.stack([stretch, squeeze, activity], 1).detach())
            recent.append(activity.detach().cpu())
            if stop.met(GenerationProgress(self.generation, torch.cat(list(recent)).numpy())):
                return True
            if self.generation < steps:
                self._step(stretch, squeeze)
        return False

    def _keep(self, scores: Tensor) -> None:
        """Add a generation to the archive, under the task's two costs."""
        signs = torch.tensor(TASKS[self.distances.goal.task].signs, device=scores.device).float()
        numbers = torch.arange(len(scores))
        self.archive = self.archive.add(
            (scores @ signs.T)[None],
            scores[None],
            self.moving.detach().flatten(1)[None],
            torch.full_like(numbers, self.generation)[None],
            numbers[None],
        )

    def _step(self, stretch: Tensor, squeeze: Tensor) -> None:
        """Move every start along the joint direction of its two losses."""
        tiny = torch.finfo(torch.float32).tiny
        self.first = self.first or (
            stretch.detach().clamp_min(tiny),
            squeeze.detach().clamp_min(tiny),
        )
        sign = -1.0 if self.distances.goal.task == "invariance" else 1.0
        losses = (sign * stretch / self.first[0], -sign * squeeze / self.first[1])
        gradients = [
            torch.autograd.grad(loss.sum(), self.moving, retain_graph=loss is losses[0])[0]
            for loss in losses
        ]
        self.backward += len(losses) * len(self.moving)
        joint = upgrad(*(gradient.flatten(1) for gradient in gradients))
        self.moving.grad = joint.view_as(self.moving).nan_to_num()
        self.optimiser.step()
        with torch.no_grad():
            self.moving.copy_(self.where.after(self.moving))

    def front(self, reference: Tensor) -> tuple[pd.DataFrame, Tensor]:
        """Tabulate the archive's members, and make their images."""
        found = self.archive.front(0)
        shape, device = self.moving.shape[1:], self.moving.device
        with torch.no_grad():
            parts = [
                self.where.images(some.to(device).view(-1, *shape))
                for some in found.codes.split(AT_ONCE)
            ]
            images = torch.cat(parts)
            away = pixel_distance(self.distances.subject.see(images), reference)
        table = pd.DataFrame(found.scores.double().numpy(), columns=np.array(COLUMNS))
        return table.assign(
            pixel_distance=away.double().cpu().numpy(),
            generation=found.generation.numpy(),
            candidate=found.candidate.numpy(),
        ), images.cpu()
