"""How often each image is shown: so many times, or until its rank is settled."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Likely = Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]]
SETTLED = 0.1


@dataclass(frozen=True)
class RepeatPolicy:
    """A policy.

    Attributes:
        first: of each image.
        max_repeats: of an image whose rank is not settled; 0 where all get `first`.
        max_retries: more trials an image may get for such as were not recorded.
        reference: of the last image, where this is the reference among the others; 0 where the
            last image is one like the others.
    """

    first: int
    max_repeats: int = 0
    max_retries: int = 0
    reference: int = 0

    def needed(
        self, recorded: Ints, shown: Ints, likely: Callable[[], NDArray[np.float64]] | None
    ) -> Ints:
        """Count how many more trials each image needs now.

        Args:
            recorded: `(images,)` trials in which every target was recorded.
            shown: `(images,)` trials that were answered or given up.
            likely: gives `(images,)` how likely each is among the better half; None where that is
                not known. Asked once every image has had its first trials.
        """
        first = np.full(len(recorded), self.first)
        if self.reference:
            first[-1] = self.reference
        allowed = np.maximum(first + self.max_retries - shown, 0)
        base = np.minimum(np.maximum(first - recorded, 0), allowed)
        if base.any() or likely is None or self.max_repeats <= self.first:
            return base
        sure = likely()
        open_ = (sure > SETTLED) & (sure < 1 - SETTLED) & (recorded > 0)
        more = open_ & (recorded < self.max_repeats) & (shown < self.max_repeats + self.max_retries)
        return more.astype(np.int64)


def spread_trials(needed: Ints) -> Ints:
    """Spread the trials of each image evenly over all trials that are to come.

    Images that need alike come in rounds, one trial each. So slow drift of a unit's gain comes
    into the variance between an image's repeats, instead of being shared by them.

    Args:
        needed: `(images,)` trials that each image still needs. Cut the order anywhere, ask again
            with what is left, and the spread goes on.

    Returns:
        `(trials,)` numbers of images.

    Examples:
        >>> spread_trials(np.array([2, 2, 4])).tolist()
        [2, 0, 1, 2, 2, 0, 1, 2]
    """
    image = np.repeat(np.arange(len(needed)), needed)
    turn = np.concatenate([np.arange(n) for n in needed])
    return image[np.argsort((turn + 0.5) / needed[image], kind="stable")]
