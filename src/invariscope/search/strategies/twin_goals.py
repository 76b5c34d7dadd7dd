"""The utility that a twin search climbs: one goal as far as another is met."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from invariscope.search.problem import Problem

PENALTY = 4.0  # of a share of the unit's goal that is missing, in shares of the stretch's goal


def _models_activity(problem: Problem) -> bool:
    """Tell if the twin models the activity; for a set of units the squeeze is modelled."""
    objective = problem.objective
    return objective.task == "excitation" or len(objective.target.units) == 1


@dataclass(frozen=True)
class Goals:
    """The goals of some runs of one task and stretch site.

    Attributes:
        problems: one a run.
        farthest: `(runs, 1)` the stretch that counts as 1 (invariance: the largest possible, or
            the largest met) or as 0 (adversarial: the largest met).
        activity: `(runs, 1)` the reference's, 0 for a set of units.
        scale: `(runs, 1)` the change of activity that counts as 1.
    """

    problems: tuple[Problem, ...]
    farthest: Tensor
    activity: Tensor
    scale: Tensor

    @classmethod
    def of(cls, problems: Sequence[Problem], scores: Sequence[Tensor]) -> "Goals":
        """Derive the goals from the scores `(images, 3)` of each run's images so far."""
        farthest, activity, scale = [], [], []
        for problem, own in zip(problems, scores, strict=True):
            known = problem.objective.target_reference
            reference = 0.0 if known is None else float(known.double().norm())
            single = known is not None and _models_activity(problem)
            activity.append(float(known.double().mean()) if known is not None and single else 0.0)
            spread = float(own[:, 2].std()) if len(own) > 1 else 1.0
            scale.append(max(reference, 0.1 * spread, 1e-9))
            met = float(own[:, 0].max()) if len(own) else 1.0
            farthest.append(max(met, 1e-9))
        columns = [scores[0].new_tensor(v).view(-1, 1) for v in (farthest, activity, scale)]
        return cls(tuple(problems), *columns)

    @property
    def task(self) -> str:
        return self.problems[0].objective.task

    def modelled(self, scores: Tensor) -> Tensor:
        """Select the modelled score, `(runs, n)`, of scores `(runs, n, 3)`."""
        return scores[..., 2 if _models_activity(self.problems[0]) else 1]

    def stretch(self, images: Tensor) -> Tensor:
        """Measure the stretch `(runs, n)` of images `(runs, n, 3, h, w)`; gradients pass."""
        return torch.stack([p.stretch(i) for p, i in zip(self.problems, images, strict=True)])

    def shares(self, stretch: Tensor, modelled: Tensor) -> tuple[Tensor, Tensor]:
        """Express both goals as shares of the possible, the larger the better.

        Args:
            stretch, modelled: `(runs, …)`.
        """
        shape = (-1, *[1] * (stretch.ndim - 1))
        far = stretch / self.farthest.view(shape)
        change = modelled - self.activity.view(shape)
        objective = self.problems[0].objective
        if not _models_activity(self.problems[0]):
            squeeze = change
        elif objective.direction == "down":
            squeeze = (-change).clamp(min=0)
        else:
            squeeze = (change.square() + 1e-12).sqrt()
        share = squeeze / self.scale.view(shape)
        if self.task == "adversarial":
            return 1 - far, share.clamp(max=1)
        return far, 1 - share

    def utility(
        self, stretch: Tensor, modelled: Tensor, levels: Tensor, margin: Tensor | None = None
    ) -> Tensor:
        """Measure the stretch's goal, less a penalty where the unit's goal is not met.

        Each candidate has a level of the unit's goal to meet. A product of both goals would have
        its optimum where the front is flat and lets climbs end at either of its ends.

        Args:
            stretch, modelled: `(runs, …)`.
            levels: of the unit's goal, in [0, 1].
            margin: of `modelled`, by which the unit's goal is to be met for sure; where the goal
                is excitation, that the activity may be larger.
        """
        shape = (-1, *[1] * (modelled.ndim - 1))
        room = 0.0 if margin is None else margin / self.scale.view(shape)
        if self.task == "excitation":
            height = modelled / self.scale.view(shape) + room
            return height.expand(torch.broadcast_shapes(height.shape, levels.shape))
        far, near = self.shares(stretch, modelled)
        return far - PENALTY * (levels - near + room).clamp(min=0)

    def cell_utility(
        self,
        stretch: Tensor,
        modelled: Tensor,
        outside: Tensor,
        margin: Tensor | None = None,
    ) -> Tensor:
        """Measure the unit's goal, less a penalty where an image is outside its cell.

        Args:
            stretch, modelled, margin: as for `utility`.
            outside: cells' widths outside the cell.
        """
        near = self.reached(stretch, modelled)
        if margin is not None:
            room = margin / self.scale.view(-1, *[1] * (modelled.ndim - 1))
            near = near + room if self.task == "excitation" else near - room
        return near - PENALTY * outside

    def reached(self, stretch: Tensor, modelled: Tensor) -> Tensor:
        """Express the unit's goal alone as a share, the larger the better.

        Args:
            stretch, modelled: `(runs, …)`.
        """
        if self.task == "excitation":
            return modelled / self.scale.view(-1, *[1] * (modelled.ndim - 1))
        return self.shares(stretch, modelled)[1]


def front_area(goals: Goals, stretch: Tensor, modelled: Tensor) -> float:
    """Compute the area of the front of some images of one run, both goals as shares.

    Args:
        goals: of one run.
        stretch, modelled: `(n,)`; for excitation the area is the largest share of activity.
    """
    if goals.task == "excitation":
        shares = goals.reached(stretch[None], modelled[None])[0]
        return float(shares.clamp(min=0).max()) if len(shares) else 0.0
    far, near = (share[0].clamp(min=0) for share in goals.shares(stretch[None], modelled[None]))
    if not len(far):
        return 0.0
    order = torch.argsort(far, descending=True)
    high = near[order].cummax(0).values
    return float((far[order] * torch.diff(high, prepend=high.new_zeros(1))).sum())


def front_gain(goals: Goals, before: Tensor, scores: Tensor) -> Tensor:
    """Compute the area that each image alone adds to the front's, `(n,)`.

    Args:
        goals: of one run.
        before: `(images, 3)` scores of the images before.
        scores: `(n, 3)`.
    """

    def points(of: Tensor) -> tuple[Tensor, Tensor]:
        far, near = goals.shares(of[None, :, 0], goals.modelled(of[None]))
        return far[0].clamp(min=0), near[0].clamp(min=0)

    if goals.task == "excitation":
        best = before[:, 2].max()
        return (scores[:, 2] - best).clamp(min=0)
    x, y = points(before)
    order = torch.argsort(x)
    x, y = x[order], y[order].flip(0).cummax(0).values.flip(0)
    edges = torch.cat([x.new_zeros(1), x, x.new_full((1,), torch.inf)])
    heights = torch.cat([y, y.new_zeros(1)])
    own_x, own_y = (part.unsqueeze(1) for part in points(scores))
    width = (torch.minimum(own_x, edges[1:]) - edges[:-1]).clamp(min=0)
    return (width * (own_y - heights).clamp(min=0)).sum(1)
