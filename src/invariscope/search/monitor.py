"""The last candidates' activities and the milestone of each run, for stopping rules."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from invariscope.search.archive import Archive, pack_front, unpack_front
from invariscope.search.run import Milestone, Run
from invariscope.search.stopping import GenerationProgress

# A rule sees at least so many candidates: the paper's population.
WINDOW = 50
FrontProgress = tuple[NDArray[np.floating[Any]], float]  # members' activities, growth
NO_FRONT: FrontProgress = (np.zeros(0), math.nan)


class StoppingMonitor:
    """The recent activities and the milestone of every active run.

    A share of a small generation is met by luck, so small generations are seen together: the
    rules of a run with populations of 10 see its last 5 generations.

    Args:
        population: candidates a generation.
    """

    def __init__(self, population: int) -> None:
        self._earlier = population * (-(-WINDOW // population) - 1)
        self._recent: dict[str, Tensor] = {}
        self._milestones: dict[str, Milestone] = {}

    def begin(self, run: Run, packed: Mapping[str, Tensor]) -> None:
        """Begin a run, or go on from its packed state."""
        self._recent[run.name] = packed.get("recent", torch.zeros(0))
        self._milestones.pop(run.name, None)
        if "milestone.scores" in packed:
            front = unpack_front(packed, "milestone")
            self._milestones[run.name] = Milestone(int(packed["milestone"]), front)

    def pack(self, name: str) -> dict[str, Tensor]:
        """Collect all that `begin` needs, as CPU tensors."""
        packed = {"recent": self._recent[name]} if self._earlier else {}
        if milestone := self._milestones.get(name):
            packed |= pack_front("milestone", milestone.front)
            packed["milestone"] = torch.tensor(milestone.generation)
        return packed

    def progress(
        self,
        name: str,
        generation: int,
        activations: Tensor | NDArray[np.floating[Any]],
        front: FrontProgress = NO_FRONT,
    ) -> GenerationProgress:
        """Join recent activities and a generation's `(population,)` for a run's rules.

        Args:
            front: its members' activities, and its growth.
        """
        recent, new = self._recent[name], np.asarray(activations)
        joined = np.concatenate([recent.numpy(), new]) if len(recent) else new
        return GenerationProgress(generation, joined, *front)

    def update(self, run: Run, progress: GenerationProgress, archive: Archive, row: int) -> None:
        """Keep a generation's activities, and the front where the milestone is met first."""
        if run.name not in self._milestones and run.milestone.met(progress):
            self._milestones[run.name] = Milestone(progress.generation, archive.front(row))
        if self._earlier:
            recent = torch.as_tensor(progress.activations)
            self._recent[run.name] = recent[max(len(recent) - self._earlier, 0) :].clone()

    def milestone(self, name: str) -> Milestone | None:
        """Look up a run's milestone, where reached."""
        return self._milestones.get(name)
