"""Capture training steps as CUDA graphs, thousands of launches as a single launch."""

import logging
from collections.abc import Callable, Hashable

import torch

from invariscope.search.captured import capture_graph
from invariscope.training.inversion import Figures

WARM = 3  # steps taken as they are before one is captured
Step = Callable[[], Figures]
log = logging.getLogger(__name__)


class Captured:
    """Runs steps; on a GPU each kind of step is captured after its first runs and then replayed.

    A step that is captured waits for nothing, has fixed shapes, and reads and writes the same
    tensors each time. Where capturing fails, steps run as they are.

    Args:
        device: where the steps run.
    """

    def __init__(self, device: torch.device) -> None:
        self.device, self.works = device, device.type == "cuda"
        self._known: dict[Hashable, tuple[Callable[[], None], Figures]] = {}
        self._runs: dict[Hashable, int] = {}

    def __call__(self, kind: Hashable, step: Step) -> Figures:
        """Take a step of a kind.

        Returns:
            Figures of the step; a replayed step overwrites those of the last.
        """
        if kind in self._known:
            replay, figures = self._known[kind]
            replay()
            return figures
        self._runs[kind] = self._runs.get(kind, 0) + 1
        if not self.works:
            return step()
        if self._runs[kind] <= WARM:
            return self._beside(step)
        return self._capture(kind, step)

    @staticmethod
    def _beside(step: Step) -> Figures:
        """Run a step on another stream, as capturing asks of the steps before."""
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            result = step()
        torch.cuda.current_stream().wait_stream(side)
        return result

    def _capture(self, kind: Hashable, step: Step) -> Figures:
        try:
            replay, figures = capture_graph(step, self.device, warm=0)
        except RuntimeError as error:
            self.works = False
            torch.cuda.synchronize()
            log.warning("steps are not captured: %s", error)
            return step()
        replay()
        self._known[kind] = replay, figures
        return figures
