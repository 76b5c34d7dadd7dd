"""A chunk's pass from codes to responses, captured once as a CUDA graph and replayed.

A pass of a small network is hundreds of kernels, and a GPU waits for the processor to launch each.
A replayed graph is launched at once and runs the same kernels.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from invariscope.errors import InvariscopeError
from invariscope.generators.base import Generator
from invariscope.subjects.base import Subject

Responses = dict[str, Tensor]
Capture = Callable[[Callable[[], Responses], torch.device], tuple[Callable[[], None], Responses]]

WARM = 2  # passes before the capture: libraries choose their kernels and take their workspaces
CLOSE = 0.01  # largest difference of a replayed answer, as a share of the site's largest answer


def capture_graph(
    work: Callable[[], Responses], device: torch.device, *, warm: int = WARM
) -> tuple[Callable[[], None], Responses]:
    """Capture a piece of work on a GPU.

    Args:
        warm: runs of the work before the capture; 0 for work that has run on another stream.

    Returns:
        What replays it, and the tensors that a replay writes its results into.

    Raises:
        RuntimeError: the work waits for the GPU, or does something else that no graph can hold.
    """
    with torch.cuda.device(device):
        stream, graph = torch.cuda.Stream(), torch.cuda.CUDAGraph()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(warm):
                work()
        torch.cuda.current_stream().wait_stream(stream)
        with torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"):
            responses = work()
    return graph.replay, responses


@dataclass(frozen=True)
class _CapturedPass:
    """A captured pass.

    Attributes:
        fixed: what the pass depends on beside its codes (`Subject.fixed`), kept while it is used.
        sites: whose responses it gives.
        codes: `(chunk, code_dim)` float32, read by a replay.
        replay: runs the pass; None where the pass cannot be captured.
        responses: written by a replay.
        refusal: why the pass cannot be captured.
    """

    fixed: object
    sites: tuple[str, ...]
    codes: Tensor
    replay: Callable[[], None] | None
    responses: Responses
    refusal: str = ""


@final
class CapturedPasses:
    """Passes of one chunk shape through generator and subject, as replays where a GPU allows that.

    Captured once for each precision, again when other sites are asked for. The pass stays a
    plain one where the subject does not promise to stay as it is (`Subject.fixed`), where the
    capture fails, and where the first replay, with other codes than were captured, differs from
    the plain pass.

    Args:
        generator, subject: of the passes.
        capture: see `capture_graph`; None for plain passes.
    """

    def __init__(self, generator: Generator, subject: Subject, capture: Capture | None) -> None:
        self._generator, self.subject, self._capture = generator, subject, capture
        self._kept: dict[bool, _CapturedPass] = {}

    @property
    def replays(self) -> bool:
        """Whether some pass is captured now."""
        return any(kept.replay is not None for kept in self._kept.values())

    @property
    def refusals(self) -> list[str]:
        """Why passes that should be captured now are not."""
        return [kept.refusal for kept in self._kept.values() if kept.replay is None]

    def respond(self, codes: Tensor, sites: Sequence[str]) -> Responses:
        """Respond to the images of a whole chunk of codes.

        Args:
            codes: `(chunk, code_dim)`.
            sites: names from `subject.sites()`.

        Returns:
            For each site `(chunk, *shape)`, until the next call: a replay overwrites them.
        """
        fixed = self.subject.fixed
        lowered = torch.is_autocast_enabled(self._generator.device.type)
        if self._capture is None or fixed is None or not self.subject.noisy.isdisjoint(sites):
            return self._plain(codes, sites)
        kept = self._kept.get(lowered)
        if kept is None or kept.fixed is not fixed or kept.sites != tuple(sites):
            self._kept.pop(lowered, None)  # its memory goes first
            kept = self._kept[lowered] = self._captured(self._capture, fixed, codes, tuple(sites))
        if kept.replay is None or kept.codes.shape != codes.shape:
            return self._plain(codes, sites)
        kept.codes.copy_(codes)
        kept.replay()
        return kept.responses

    def _plain(self, codes: Tensor, sites: Sequence[str]) -> Responses:
        return self.subject.respond(self._generator.generate(codes), sites)

    def _captured(
        self, capture: Capture, fixed: object, codes: Tensor, sites: tuple[str, ...]
    ) -> _CapturedPass:
        """Capture the pass of other codes, and compare a replay of these with the plain pass."""
        inputs = codes.to(self._generator.device, torch.float32).roll(1, 1)

        plain = self._plain(codes, sites)
        try:
            replay, responses = capture(lambda: self._plain(inputs, sites), inputs.device)
            inputs.copy_(codes)
            replay()
        except (RuntimeError, InvariscopeError) as error:  # torch refuses, or memory is short
            return _CapturedPass(fixed, sites, inputs, None, {}, str(error))
        if all(_close(plain[site], responses[site]) for site in sites):
            return _CapturedPass(fixed, sites, inputs, replay, responses)
        return _CapturedPass(fixed, sites, inputs, None, {}, "a replay gives other answers")


def _close(plain: Tensor, replayed: Tensor) -> bool:
    """Tell if no answer differs by more than `CLOSE` of the largest."""
    most = CLOSE * plain.float().abs().max()
    return bool(torch.all((plain.float() - replayed.float()).abs() <= most))
