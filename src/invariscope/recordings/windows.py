"""Response windows and baseline: from spike times of a trial to a rate."""

import math
from dataclasses import dataclass

from invariscope.errors import InputError
from invariscope.subjects.rig.messages import Value


@dataclass(frozen=True)
class Windows:
    """When spikes count, in ms from the image's onset.

    Attributes:
        response: first and last ms of the response window.
        baseline: of a window whose rate is subtracted, or None.
    """

    response: tuple[float, float] = (50.0, 150.0)
    baseline: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        for window in (self.response, self.baseline):
            if window is not None and not window[0] < window[1]:
                raise InputError(
                    f"window {list(window)} is empty; expected its first ms below its last"
                )

    def read(self, value: Value) -> float:
        """Compute spikes per second in the response window, less the baseline window's.

        Args:
            value: spike times in ms; a plain number is taken as it is, the rig has read its own
                windows. NaN stays NaN.
        """
        if not isinstance(value, tuple):
            return value
        rate = _rate(value, self.response)
        return rate - (_rate(value, self.baseline) if self.baseline else 0.0)


def _rate(times: tuple[float, ...], window: tuple[float, float]) -> float:
    first, last = window
    return 1000.0 * math.fsum(first <= t < last for t in times) / (last - first)
