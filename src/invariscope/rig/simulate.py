"""A brain to practise on: units of a network that fire spikes, drift and get lost."""

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self, final

import numpy as np
import torch
from scipy import special, stats
from torch import Tensor

from invariscope import seeds
from invariscope.errors import InputError
from invariscope.natural.statistics import NaturalStatistics
from invariscope.plurals import number_of
from invariscope.recordings.variability import MeasuredVariability
from invariscope.subjects import Subject
from invariscope.subjects.rig.link import Link, OtherSide
from invariscope.subjects.rig.messages import AnswerDelivery, RigAnswer, TrialBlock, Value
from invariscope.subjects.rig.pixels import decode_image
from invariscope.units import parse_target
from invariscope.validate import above, between

BEFORE, AFTER = -100.0, 200.0  # ms around an image's onset in which spikes are recorded
CHUNK = 50


@dataclass(frozen=True)
class SimulatedRates:
    """Rates and faults of the simulated units.

    Attributes:
        peak: spikes per second for the photo that drives the network's unit most.
        spontaneous: spikes per second without drive.
        latency, length: ms from onset to the response, and how long it lasts.
        drift: the gain goes up and down by so much, a period of `period` trials.
        lost: share of trials in which nothing is recorded.
        fano: variance over mean of the spikes during the response; 1 is Poisson.
        correlation: of the units' normal draws behind these counts, the noise correlation but
            for what whole numbers of spikes take away from it.

    Raises:
        InputError: rates, a Fano factor or a correlation that cannot be.
    """

    peak: float = 20.0
    spontaneous: float = 2.0
    latency: float = 50.0
    length: float = 100.0
    drift: float = 0.3
    period: float = 2000.0
    lost: float = 0.05
    fano: float = 1.0
    correlation: float = 0.0

    def __post_init__(self) -> None:
        if not self.peak > self.spontaneous >= 0:
            raise InputError(
                f"simulated units fire {self.peak:g} spikes/s at best and {self.spontaneous:g} "
                "spontaneously; expected more at best, and none below 0"
            )
        above("fano", self.fano, 0)
        between("correlation", self.correlation, 0, 1)

    @classmethod
    def like(cls, found: MeasuredVariability, *, drift: float = 0.3, lost: float = 0.05) -> Self:
        """Take rates and noise from a recording; a negative correlation counts as none.

        Args:
            found: from `recordings.variability`.
            drift, lost: which repeats of images alone do not tell.
        """
        correlation = found.correlation if found.correlation > 0 else 0.0
        return cls(
            peak=found.best,
            spontaneous=found.weakest,
            drift=drift,
            lost=lost,
            fano=found.fano,
            correlation=correlation,
        )


def spike_counts(
    means: np.ndarray, fano: float, *, correlation: float, stream: np.random.Generator
) -> np.ndarray:
    """Draw spike counts `(units,)` with given means and Fano factor that vary together.

    Poisson at 1; binomial below, where a mean beyond what whole numbers allow comes nearest;
    negative binomial above. Correlated by normal draws with a common part (a Gaussian copula).

    Args:
        means: `(units,)` expected counts.
        fano: variance over mean.
        correlation: of the normal draws, from 0 to 1.
    """
    shared, own = stream.standard_normal(), stream.standard_normal(len(means))
    drawn = math.sqrt(correlation) * shared + math.sqrt(1 - correlation) * own
    level, means = special.ndtr(drawn), np.maximum(means, 1e-12)
    if fano == 1:
        counts = stats.poisson.ppf(level, means)
    elif fano < 1:
        most = np.maximum(np.round(means / (1 - fano)), np.ceil(means))
        counts = stats.binom.ppf(level, most, means / most)
    else:
        counts = stats.nbinom.ppf(level, means / (fano - 1), 1 / fano)
    return counts.astype(np.int64)


@final
class SimulatedBrain:
    """Units of a subject as neurons; a trial's responses follow from its name alone.

    Args:
        subject: the network; it needs natural statistics, by which activity becomes a rate.
        units: its units, one a recorded unit.
        names: what the session calls them.
        seed: of all noise.

    Raises:
        InputError: a unit without natural statistics, or as many names as there are not units.
    """

    def __init__(
        self,
        subject: Subject,
        units: Sequence[str],
        names: Sequence[str],
        *,
        cortex: SimulatedRates | None = None,
        seed: int = 0,
    ) -> None:
        if len(units) != len(names):
            raise InputError(
                f"{number_of(len(units), 'unit')} of the network for {len(names)} recorded ones"
            )
        self.subject, self.names, self.seed = subject, tuple(names), seed
        self.cortex = cortex or SimulatedRates()
        self.targets = [parse_target(unit, subject.sites()) for unit in units]
        if subject.natural is None:
            raise InputError(
                f"{subject.name} has no natural statistics; measure them with `invariscope "
                "natural` and give the file as --natural (in Python: subject.natural)"
            )
        table = NaturalStatistics.load(subject.natural, subject)
        found = [table.of(target) for target in self.targets]
        if missing := [u for u, s in zip(units, found, strict=True) if s is None]:
            raise InputError(f"unit {missing[0]!r} has no natural statistics")
        self.strongest = [s.maximum for s in found if s]
        self._known: dict[str, np.ndarray] = {}

    def rates(self, images: Tensor) -> Tensor:
        """Give each unit's true rate above the spontaneous rate, in spikes/s, `(n, units)`.

        In proportion to the network's activity, rectified; `peak` at its natural maximum.
        """
        sites = list(dict.fromkeys(site for t in self.targets for site in t.sites))
        responses = self.subject.respond(images, sites)
        activity = torch.cat([t.read(responses) for t in self.targets], 1).clamp(min=0)
        span = self.cortex.peak - self.cortex.spontaneous
        return span * activity / torch.tensor(self.strongest)

    def gain(self, trial: int) -> float:
        """Give the responsiveness of the units in a trial, 1 on average."""
        return 1 + self.cortex.drift * math.sin(2 * math.pi * trial / self.cortex.period)

    def answer(self, manifest: Mapping[str, Any], images: Mapping[str, bytes]) -> list[RigAnswer]:
        """Record the answers of a block."""
        self._look(images)
        return [self._trial(entry["trial"], entry["image"]) for entry in manifest["trials"]]

    def _look(self, images: Mapping[str, bytes]) -> None:
        new = [name for name in images if name not in self._known]
        for first in range(0, len(new), CHUNK):
            part = new[first : first + CHUNK]
            rates = self.rates(torch.stack([decode_image(images[name]) for name in part]))
            self._known |= dict(zip(part, rates.cpu().numpy(), strict=True))

    def _trial(self, trial: str, image: str) -> RigAnswer:
        cortex, stream = self.cortex, seeds.numpy_stream("brain", self.seed, trial, image)
        number = int(trial[1:])
        shown = number * 0.2
        if stream.random() < cortex.lost:
            return RigAnswer(trial, image, dict.fromkeys(self.names, math.nan), shown)
        begin, end = cortex.latency, cortex.latency + cortex.length
        rates = cortex.spontaneous + self.gain(number) * self._known[image]
        counts = spike_counts(
            rates * cortex.length / 1000, cortex.fano, correlation=cortex.correlation, stream=stream
        )
        responses: dict[str, Value] = {}
        for name, count in zip(self.names, counts, strict=True):
            quiet = stream.poisson(cortex.spontaneous * (AFTER - BEFORE) / 1000)
            outside = stream.uniform(BEFORE, AFTER, quiet)
            outside = outside[(outside < begin) | (outside >= end)]
            times = np.concatenate([outside, stream.uniform(begin, end, count)])
            responses[name] = tuple(float(t) for t in np.sort(times).round(2))
        return RigAnswer(trial, image, responses, shown)


def play(brain: SimulatedBrain, rig: OtherSide) -> bool:
    """Show one block on the simulated rig, if a block is there.

    Returns:
        Whether there was one.
    """
    next_block = rig.next_block()
    if next_block is None:
        rig.beat()
        return False
    manifest, images = next_block
    rig.answer(manifest["block"], brain.answer(manifest, images))
    return True


@final
class DirectLink(Link):
    """A simulated rig in the same process: for tables and tests."""

    def __init__(self, brain: SimulatedBrain) -> None:
        self.brain = brain
        self._waiting: deque[AnswerDelivery] = deque()

    def show(self, block: TrialBlock, images: Mapping[str, bytes]) -> None:
        self._waiting.append(AnswerDelivery(self.brain.answer(block.manifest(), images), []))

    def withdraw(self, block: str) -> None:  # noqa: ARG002
        self._waiting.clear()

    def receive(self, seconds: float) -> AnswerDelivery | None:  # noqa: ARG002
        return self._waiting.popleft() if self._waiting else None

    @property
    def silence(self) -> float:
        return 0.0
