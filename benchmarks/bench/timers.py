"""Where the time of a loop goes, by part, without a trace in the loop itself."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from typing import Any

import torch

Watched = tuple[Any, str, str]  # what holds a function, the function's name, the part


class PartTimes:
    """Seconds by part; a part inside another is taken out of the outer one.

    Args:
        device: what is waited for where a part begins and ends.
    """

    def __init__(self, device: torch.device) -> None:
        self.seconds: dict[str, float] = {}
        self._device = device
        self._open: list[str] = []
        self._mark = 0.0

    def _charge(self) -> None:
        """Give the time since the last mark to the innermost open part."""
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        now = time.perf_counter()
        if self._open:
            part = self._open[-1]
            self.seconds[part] = self.seconds.get(part, 0.0) + now - self._mark
        self._mark = now

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Time what happens inside."""
        self._charge()
        self._open.append(name)
        try:
            yield
        finally:
            self._charge()
            self._open.pop()

    def _timed(self, function: Callable[..., Any], part: str) -> Callable[..., Any]:
        @wraps(function)
        def timed(*args: Any, **words: Any) -> Any:
            with self.part(part):
                return function(*args, **words)

        return timed

    @contextmanager
    def around(self, watched: Iterable[Watched], rest: str) -> Iterator[None]:
        """Time functions of classes and modules while inside, and everything else as `rest`.

        The functions are replaced while the context is open and put back after; a loop that
        is not being timed costs nothing more.
        """
        with ExitStack() as stack:
            for owner, name, part in watched:
                own = vars(owner).get(name)
                setattr(owner, name, self._timed(getattr(owner, name), part))
                if own is None:
                    stack.callback(delattr, owner, name)
                else:
                    stack.callback(setattr, owner, name, own)
            with self.part(rest):
                yield
