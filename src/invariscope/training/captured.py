"""Capture training steps as CUDA graphs, thousands of launches as a single launch."""

import logging
from collections.abc import Callable, Hashable
from typing import Any

import torch

WARM = 3  # steps taken as they are before one is captured
log = logging.getLogger(__name__)


class Captured:
    """Runs steps; on a GPU each kind of step is captured after its first runs and then replayed.

    A step that is captured waits for nothing, has fixed shapes, and reads and writes the same
    tensors each time. Where capturing fails, steps run as they are.

    Args:
        device: where the steps run.
    """

    def __init__(self, device: torch.device) -> None:
        self.works = device.type == "cuda"
        self._known: dict[Hashable, tuple[torch.cuda.CUDAGraph, Any]] = {}
        self._runs: dict[Hashable, int] = {}

    def __call__(self, kind: Hashable, step: Callable[[], Any]) -> Any:
        """Take a step of a kind.

        Returns:
            What the step returned; tensors of a replayed step are overwritten by the next.
        """
        if kind in self._known:
            graph, result = self._known[kind]
            graph.replay()
            return result
        self._runs[kind] = self._runs.get(kind, 0) + 1
        if not self.works:
            return step()
        if self._runs[kind] <= WARM:
            return self._beside(step)
        return self._capture(kind, step)

    @staticmethod
    def _beside(step: Callable[[], Any]) -> Any:
        """Run a step on another stream, as capturing asks of the steps before."""
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            result = step()
        torch.cuda.current_stream().wait_stream(side)
        return result

    def _capture(self, kind: Hashable, step: Callable[[], Any]) -> Any:
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph):
                result = step()
        except RuntimeError as error:
            self.works = False
            torch.cuda.synchronize()
            log.warning("steps are not captured: %s", error)
            return step()
        graph.replay()
        self._known[kind] = graph, result
        return result
