"""How often each image is shown: so many times, or until its rank is settled."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Likely = Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]]
SETTLED = 0.1


@dataclass(frozen=True)
class Repeats:
    """A policy.

    Attributes:
        first: of each image.
        most: of an image whose rank is not settled; 0 where all get `first`.
        again: more trials an image may get for such as were not recorded.
    """

    first: int
    most: int = 0
    again: int = 0

    def needed(
        self, recorded: Ints, shown: Ints, likely: Callable[[], NDArray[np.float64]] | None
    ) -> Ints:
        """How many more trials each image needs now.

        Args:
            recorded: `(images,)` trials in which every target was recorded.
            shown: `(images,)` trials that were answered or given up.
            likely: gives `(images,)` how likely each is among the better half; None where that is
                not known. Asked once every image has had its first trials.
        """
        allowed = np.maximum(self.first + self.again - shown, 0)
        base = np.minimum(np.maximum(self.first - recorded, 0), allowed)
        if base.any() or likely is None or self.most <= self.first:
            return base
        sure = likely()
        open_ = (sure > SETTLED) & (sure < 1 - SETTLED) & (recorded > 0)
        more = open_ & (recorded < self.most) & (shown < self.most + self.again)
        return more.astype(np.int64)
