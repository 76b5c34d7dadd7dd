"""How a recording becomes responses to images: every choice in one place, with its default."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal

from invariscope.errors import InputError
from invariscope.recordings.windows import Windows
from invariscope.validate import above, one_of

KINDS = ("sorted", "multiunit", "unsorted", "noise")
TIME_UNITS = {"s": 1.0, "ms": 1e-3, "us": 1e-6}
AXES = ("neurons", "images", "repeats")
# Choices of one kind of recording alone: of spike times, and of responses.
SPIKE_CHOICES = (
    *("baseline", "event", "events", "events_offset", "sync", "order", "onset", "kinds", "label"),
    *("time_unit", "sampling_rate", "segment"),
)
RESPONSE_CHOICES = ("values", "axes", "variable")
QUANTITIES = {"counts": "spikes", "rates": "spikes/s", "other": "other"}


@dataclass(frozen=True)
class RecordingOptions:
    """Choices of `read_recording`.

    Attributes:
        window: first and last ms after an image's onset in which spikes count; a spike at the
            first counts, one at the last does not.
        baseline: of a window whose rate is subtracted, or None.
        event: what carries the images: an event channel, an index series or `TABLE:COLUMN`; by
            default the only one there is.
        events: a file or folder with the events, where the spikes' own holds none.
        events_offset: seconds to add to the events' times to be on the spikes' clock.
        sync: files with pulses that both systems recorded, on the spikes' and on the events' clock,
            where these drift apart: a CSV with a column `time`, or a recording.
        sync_channels: the event channels of the two files with the pulses, `CHANNEL=CODE` where a
            channel has several lines; by default the only ones.
        order: a CSV with a column `image`, one row an event in turn, where events carry no code.
        onset: column of a trials table with the image's onset.
        images: the images that the codes number: a folder of photos, in the order of their
            names, or a CSV with columns `code` and `image`; by default each code is an image.
        first_code: the code of the folder's first photo, or of the first image of an NWB index
            series; by default 1, and of an index series 0, as NWB counts.
        other_codes: what becomes of an event whose code is no image: `refuse` or `drop`.
        kinds: which units count: `sorted`, `multiunit`, `unsorted`, `noise`.
        label: column with the units' labels (NWB); by default `quality`, `group` or `KSLabel`.
        time_unit: of a CSV's times: `s`, `ms`, `us` or `samples`.
        sampling_rate: in Hz, of times in samples where the file does not say it.
        values: what an array or a table of responses holds: `counts` of spikes in the response
            window, `rates` in spikes/s, or `other` numbers.
        axes: what each axis of an array counts, such as `("images", "neurons", "repeats")`; by
            default neurons, images and, where there is a third, repeats. Without neurons it is
            the array of one neuron.
        variable: of a MATLAB or npz file; by default the only one.
        segment: number of a recording's segment, from 0; by default the only one.
        fastest: spikes/s; a unit with a higher mean rate makes the unit of time doubtful.

    Raises:
        InputError: a value out of its range.

    Example:
        >>> from pathlib import Path
        >>> import invariscope as iv
        >>> options = iv.RecordingOptions(window=(50, 250), images=Path("photos"))
        >>> options.seconds
        0.2
    """

    window: tuple[float, float] = (50.0, 150.0)
    baseline: tuple[float, float] | None = None
    event: str | None = None
    events: Path | None = None
    events_offset: float = 0.0
    sync: tuple[Path, Path] | None = None
    sync_channels: tuple[str, str] | None = None
    order: Path | None = None
    onset: str = "start_time"
    images: Path | None = None
    first_code: int | None = None
    other_codes: Literal["refuse", "drop"] = "refuse"
    kinds: tuple[str, ...] = ("sorted", "multiunit")
    label: str | None = None
    time_unit: Literal["s", "ms", "us", "samples"] = "s"
    sampling_rate: float | None = None
    values: Literal["counts", "rates", "other"] = "counts"
    axes: tuple[str, ...] | None = None
    variable: str | None = None
    segment: int | None = None
    fastest: float = 1000.0

    def __post_init__(self) -> None:
        windows = (self.window, self.baseline) if self.baseline else (self.window,)
        if not all(len(w) == 2 and all(map(math.isfinite, w)) for w in windows):
            raise InputError(f"window is {self.window}; expected its first and last ms")
        _ = self.windows
        if short := [w for w in windows if w[1] - w[0] < 1]:
            raise InputError(
                f"window {list(short[0])} is shorter than 1 ms; expected ms, such as 50 and 150"
            )
        for kind in self.kinds:
            one_of("kind of unit", kind, KINDS)
        one_of("time_unit", self.time_unit, (*TIME_UNITS, "samples"))
        one_of("values", self.values, QUANTITIES)
        one_of("other_codes", self.other_codes, ("refuse", "drop"))
        if self.sampling_rate is not None:
            check_rate(self.sampling_rate, "sampling_rate")
        self._check_axes()
        if not math.isfinite(self.events_offset):
            raise InputError(f"events_offset is {self.events_offset}; expected seconds")
        above("fastest", self.fastest, 0)
        self._check_sync()

    def _check_sync(self) -> None:
        if self.sync_channels is not None and self.sync is None:
            raise InputError("sync_channels names the pulses' channels; expected sync, their files")
        if self.sync is None:
            return
        if self.events is None:
            raise InputError("sync brings events of another file to the spikes' clock; give events")
        if self.events_offset:
            raise InputError("sync and events_offset both move the events; give one of them")

    def _check_axes(self) -> None:
        axes = self.axes or AXES
        for axis in axes:
            one_of("axis", axis, AXES)
        if len(set(axes)) < len(axes) or "images" not in axes:
            raise InputError(
                f"axes are {', '.join(axes)}; expected each once, images among them, such as "
                "images, neurons, repeats"
            )

    def check_unused(self, choices: Iterable[str], what: str) -> None:
        """Check that nothing was chosen that a recording has no use for.

        Args:
            choices: names of options that must stand as they are by default.
            what: the recording in words.

        Raises:
            InputError: one was chosen.
        """
        default = {field.name: field.default for field in fields(self)}
        for name in choices:
            if getattr(self, name) != default[name]:
                raise InputError(f"{what}, of which {name} says nothing; leave {name} out")

    @property
    def windows(self) -> Windows:
        """The response and baseline windows."""
        return Windows(self.window, self.baseline)

    @property
    def seconds(self) -> float:
        """Length of the response window."""
        return (self.window[1] - self.window[0]) / 1000

    def time_scale(self, what: str, stated: float | None = None) -> float:
        """Convert the unit of a table's times to seconds.

        Args:
            what: the file in words.
            stated: sampling rate in Hz that the file itself gives.

        Raises:
            InputError: times in samples without a sampling rate.
        """
        if self.time_unit != "samples":
            return TIME_UNITS[self.time_unit]
        rate = self.sampling_rate if stated is None else stated
        if rate is None:
            raise InputError(f"times of {what} are in samples; give sampling_rate, in Hz")
        return 1 / check_rate(rate, f"the sampling rate of {what}")


def check_rate(rate: float, what: str) -> float:
    """Check a sampling rate in Hz.

    Raises:
        InputError: it is 0, negative or no number.
    """
    if not (math.isfinite(rate) and rate > 0):
        raise InputError(
            f"{what} is {rate:g} Hz; expected a number above 0, such as 30000; give the right "
            "one as sampling_rate"
        )
    return float(rate)
