"""Participants with known thresholds, in people's place, for planning and testing a search."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm
from torch import Tensor

from invariscope import seeds, validate
from invariscope.errors import InputError
from invariscope.plurals import number_of
from invariscope.survey.judgements import CATCH, SAME
from invariscope.survey.people_search import DONE, PeopleSearch, catch_image

Distance = Callable[[Tensor], NDArray[np.float64]]


@dataclass(frozen=True)
class SimulatedJudges:
    """People who see a difference d as d / threshold standard deviations of their noise.

    A participant says "different" where d / threshold + noise exceeds their criterion.

    Attributes:
        distance: how different images are from the reference, `(n,)`.
        threshold: the distance that gives d′ = 1.
        criterion: the noise's SDs from which they say "different".
        spread: SD of log threshold, and of the criterion, over participants.
        lapse: share of answers given without looking.
        participants: how many come.
        seed: other participants.
    """

    distance: Distance
    threshold: float
    criterion: float = 0.7
    spread: float = 0.2
    lapse: float = 0.02
    participants: int = 20
    seed: int = 0

    def __post_init__(self) -> None:
        validate.above("threshold", self.threshold, 0)
        validate.at_least("participants", self.participants, 1)
        validate.between("lapse", self.lapse, 0, 1)

    def true_d_prime(self, images: Tensor) -> NDArray[np.float64]:
        """Compute d′ for endless judgements of the middle participant."""
        return self.distance(images) / self.threshold

    def says_different(self, who: int, trial: int, distance: float) -> bool:
        """Make a judgement."""
        own = seeds.numpy_stream("judge", self.seed, who).standard_normal(2) * self.spread
        stream = seeds.numpy_stream("judge", self.seed, who, trial)
        if stream.random() < self.lapse:
            return bool(stream.random() < 0.5)
        seen = distance / (self.threshold * float(np.exp(own[0])))
        return seen + float(stream.standard_normal()) > self.criterion + float(own[1])

    def share_seen(self, distance: float) -> float:
        """Compute the middle participant's probability of "different" without lapses."""
        return float(norm.cdf(distance / self.threshold - self.criterion))


def judge_search(search: PeopleSearch, judges: SimulatedJudges) -> None:
    """Let simulated participants judge a search to its end.

    Raises:
        InputError: they have given all that they may before it is over.
    """
    far = float(judges.distance(catch_image(search.reference)[None])[0])
    distances = judges.distance(search.images)
    number = 0
    idle = 0
    while search.phase != DONE:
        if search.advance():
            distances = judges.distance(search.images)
            continue
        who = number % judges.participants
        number += 1
        trial = search.book.next(who, float(number))
        if trial is None:
            idle += 1
            if idle > judges.participants:
                raise InputError(
                    f"{number_of(judges.participants, 'participant')} gave all their judgements "
                    "before the search was over; more participants, or more judgements of each"
                )
            continue
        idle = 0
        away = {SAME: 0.0, CATCH: far}.get(trial.kind)
        away = float(distances[trial.candidate]) if away is None else away
        search.book.answer(trial.number, different=judges.says_different(who, trial.number, away))


def pixel_judges(search: PeopleSearch, participants: int, threshold: float) -> SimulatedJudges:
    """Make participants who see the root mean square of a change of pixels.

    Args:
        threshold: the RMS that gives d′ = 1.
    """
    reference = search.reference

    def distance(images: Tensor) -> NDArray[np.float64]:
        return (images - reference).square().flatten(1).mean(1).sqrt().double().numpy()

    seed = search.design.search.seed
    return SimulatedJudges(distance, threshold, participants=participants, seed=seed)
