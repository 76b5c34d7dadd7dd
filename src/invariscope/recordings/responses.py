"""Responses of recorded units to images: one row a presentation, one column a unit."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from invariscope.errors import InputError
from invariscope.plurals import number_of

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
FEW = 5


@dataclass(frozen=True)
class Dropped:
    """A count of units, trials or images that a reading left out.

    Attributes:
        what: such as `unit`, `trial`, `image`.
        number: how many.
        why: the reason, with names where there are few.
    """

    what: str
    number: int
    why: str

    def __str__(self) -> str:
        return f"left out: {number_of(self.number, self.what)} ({self.why})"


@final
@dataclass(frozen=True)
class RecordedResponses:
    """Responses of recorded units to images, one row a presentation.

    Attributes:
        name: of the recording.
        units: what the recording calls its units.
        images: names of the images, in their own order.
        shown: `(trials,)` number of each trial's image.
        onsets: `(trials,)` seconds on the recording's clock, NaN where there is none.
        responses: `(trials, units)` in `quantity`; NaN where a unit was not recorded.
        quantity: `spikes/s`, `spikes` in the response window, or `other`.
        seconds: length of the response window.
        counts: `(trials, units)` spikes in the response window, no baseline subtracted; None
            where the source does not tell.
        dropped: what was left out.

    Raises:
        InputError: shapes that do not belong together, infinite responses, or nothing recorded.

    Example:
        >>> import numpy as np
        >>> import invariscope as iv
        >>> recorded = iv.RecordedResponses(
        ...     name="day 1",
        ...     units=("u1",),
        ...     images=("a", "b"),
        ...     shown=np.array([0, 1, 0]),
        ...     onsets=np.array([0.1, 0.3, 0.5]),
        ...     responses=np.array([[20.0], [0.0], [40.0]]),
        ...     quantity="spikes/s",
        ...     seconds=0.1,
        ... )
        >>> recorded.means.tolist()
        [[30.0], [0.0]]
    """

    name: str
    units: tuple[str, ...]
    images: tuple[str, ...] = field(repr=False)
    shown: Ints = field(repr=False)
    onsets: Floats = field(repr=False)
    responses: Floats = field(repr=False)
    quantity: str
    seconds: float
    counts: Floats | None = field(default=None, repr=False)
    dropped: tuple[Dropped, ...] = ()

    def __post_init__(self) -> None:
        trials = len(self.shown)
        if self.responses.shape != (trials, len(self.units)) or len(self.onsets) != trials:
            raise InputError(
                f"{self.name}: responses are {self.responses.shape}; expected "
                f"({trials}, {len(self.units)}), trials × units"
            )
        if np.isinf(self.responses).any():
            raise InputError(f"{self.name}: a response is infinite; expected numbers, NaN: none")
        if not (~np.isnan(self.responses)).any():
            raise InputError(f"{self.name}: no unit was recorded in any trial")

    @property
    def repeats(self) -> Ints:
        """Count the trials `(images, units)` with a recorded unit."""
        found = np.zeros((len(self.images), len(self.units)), np.int64)
        np.add.at(found, self.shown, ~np.isnan(self.responses))
        return found

    @property
    def means(self) -> Floats:
        """Mean response `(images, units)` over trials; NaN where there is none."""
        return image_moments(self.responses, self.shown, len(self.images))[0]

    @property
    def variances(self) -> Floats:
        """Variance `(images, units)` over trials; NaN where there are fewer than two."""
        return image_moments(self.responses, self.shown, len(self.images))[1]

    def trials(self) -> pd.DataFrame:
        """Make a table of trials: `image`, `onset` in s, and a column a unit."""
        names = np.array(self.images, object)[self.shown]
        first = pd.DataFrame({"image": names, "onset": self.onsets})
        return first.join(pd.DataFrame(self.responses, columns=list(self.units)))

    def table(self) -> pd.DataFrame:
        """Make a table of images: `image`, each unit's mean, its trials and standard error."""
        means, variances, repeats = self.means, self.variances, self.repeats
        with np.errstate(divide="ignore", invalid="ignore"):
            errors = np.sqrt(variances / repeats)
        units = list(self.units)
        found = pd.DataFrame({"image": list(self.images)})
        found = found.join(pd.DataFrame(means, columns=units))
        found = found.join(pd.DataFrame(repeats, columns=units).add_suffix(" trials"))
        return found.join(pd.DataFrame(errors, columns=units).add_suffix(" error"))


def few(names: Iterable[object]) -> str:
    """List the first names of many."""
    found = [str(name) for name in names]
    return ", ".join(found[:FEW]) + (", …" if len(found) > FEW else "")


def image_moments(values: Floats, shown: Ints, images: int) -> tuple[Floats, Floats, Ints]:
    """Compute mean, variance and number of the recorded trials, `(images, units)` each.

    Args:
        values: `(trials, units)`; NaN where a unit was not recorded.
        shown: `(trials,)` number of each trial's image.
        images: how many there are.
    """
    recorded, shape = ~np.isnan(values), (images, values.shape[1])
    counts, sums, squares = np.zeros(shape, np.int64), np.zeros(shape), np.zeros(shape)
    np.add.at(counts, shown, recorded)
    np.add.at(sums, shown, np.where(recorded, values, 0))
    with np.errstate(invalid="ignore"):
        means = sums / counts
        apart = np.where(recorded, values - means[shown], 0)
        np.add.at(squares, shown, np.square(apart))
        variances = np.where(counts > 1, squares / (counts - 1), np.nan)
    return means, variances, counts
