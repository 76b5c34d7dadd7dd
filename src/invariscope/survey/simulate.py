"""A network answers a survey in people's place, so that its analysis can be planned."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from invariscope import seeds, validate
from invariscope.errors import InputError
from invariscope.invariance.classes import classifier
from invariscope.photos.read import read_photo
from invariscope.subjects import Subject
from invariscope.survey.answers import RAW, SESSIONS, check_answers, main_trials, row_of
from invariscope.survey.exclusion import with_exclusions
from invariscope.survey.folder import SurveyFolder
from invariscope.survey.lists import Stimulus, SurveyTrial, trials_of

BATCH = 64


@dataclass(frozen=True)
class ObserverModel:
    """How a network becomes participants that differ.

    A participant chooses category c with probability (1 − lapse) · softmax(a / T)_c + lapse / N,
    where a are the activities of the N categories' units and T = temperature · exp(spread · z)
    with z standard normal, drawn once a participant.

    Attributes:
        temperature: 0, the most active unit is always chosen; 1, the network's own probabilities.
        spread: how much participants differ.
        lapse: share of answers given without looking.
    """

    temperature: float = 1.0
    spread: float = 0.5
    lapse: float = 0.02

    def __post_init__(self) -> None:
        validate.at_least("--temperature", self.temperature, 0)
        validate.at_least("--spread", self.spread, 0)
        validate.between("--lapse", self.lapse, 0, 1)

    def chances(self, activity: NDArray[np.float64], z: float) -> NDArray[np.float64]:
        """Compute the probability of each category.

        Args:
            activity: `(images, categories)`.
            z: the participant's.

        Returns:
            `(images, categories)`, rows of sum 1.
        """
        top = activity.max(1, keepdims=True)
        heat = self.temperature * np.exp(self.spread * z)
        if heat == 0:
            weight = (np.arange(activity.shape[1]) == activity.argmax(1)[:, None]).astype(float)
        else:
            weight = np.exp((activity - top) / heat)
        own = weight / weight.sum(1, keepdims=True)
        return (1 - self.lapse) * own + self.lapse / activity.shape[1]


def activities(
    folder: SurveyFolder, subject: Subject, stimuli: Sequence[Stimulus], site: str | None = None
) -> NDArray[np.float64]:
    """Measure the activity of each category's unit for each image, `(images, categories)`.

    Raises:
        InputError: a category that the network has not.
    """
    readout = classifier(subject, folder.design.categories, site)
    found = []
    for start in range(0, len(stimuli), BATCH):
        pictures = [read_photo(folder.image(s)) for s in stimuli[start : start + BATCH]]
        images = torch.stack([subject.see(p[None].float() / 255)[0] for p in pictures])
        response = subject.respond(images, [readout.site])[readout.site].flatten(1)
        found.append(response[:, readout.targets.to(response.device)].double().cpu().numpy())
    return np.concatenate(found)


def simulate(
    folder: SurveyFolder,
    subject: Subject,
    participants: int,
    *,
    observer: ObserverModel | None = None,
    seed: int = 0,
    site: str | None = None,
) -> pd.DataFrame:
    """Simulate answers as `load_answers` gives answers, with `simulated` true.

    Each participant gets a list as people do; words (catch trials) are always read. `rt_ms` is
    missing, so no rule on speed applies.

    Args:
        folder: the survey.
        subject: the network that answers.
        participants: how many.
        observer: how participants differ.
        seed: other participants.
        site: the network's readout; by default its deepest site.

    Raises:
        InputError: no participants, or a network without the survey's categories.
    """
    validate.at_least("--participants", participants, 1)
    how, names = observer or ObserverModel(), list(folder.design.categories)
    stimuli = {s.image: s for s in folder.stimuli}
    activity = activities(folder, subject, list(stimuli.values()), site)
    if not np.isfinite(activity).all():
        raise InputError(f"{subject.name} answers with numbers that are not finite")
    place = {image: k for k, image in enumerate(stimuli)}
    rows, sessions = [], []
    for number in range(participants):
        stream = seeds.numpy_stream("survey", "observer", seed, number)
        chances = how.chances(activity, stream.standard_normal())
        who = {"participant": f"s{number + 1:04d}", "session": 1}
        trials = trials_of(folder.design, folder.stimuli, number)
        for k, trial in enumerate(trials):
            answer = _answer(trial, chances, place, names, stream)
            rows.append({**who, "trial": k, **row_of(trial, stimuli, answer), "simulated": True})
        sessions.append({**who, "trials": len(trials), "pilot": False})
    answers = pd.DataFrame(rows, columns=list(RAW)).astype({"rt_ms": float})
    held = pd.DataFrame(sessions, columns=list(SESSIONS))
    return check_answers(main_trials(with_exclusions(answers, held, folder.design.exclusion)[0]))


def _answer(
    trial: SurveyTrial,
    chances: NDArray[np.float64],
    place: dict[str, int],
    names: list[str],
    stream: np.random.Generator,
) -> str:
    if not trial.image:
        return trial.category
    chance = chances[place[trial.image]].cumsum()
    return names[int(np.searchsorted(chance, stream.random() * chance[-1], side="right"))]
