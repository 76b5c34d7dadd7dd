"""The order and the sums of judgements: no clock, no network, no disk."""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from invariscope import seeds

DIFFERS, SAME, CATCH = "differs", "same", "catch"
# A judgement that was asked for and did not come is asked of somebody else after so long.
LEASE_SECONDS = 90.0


@dataclass(frozen=True)
class JudgementRules:
    """The spread of judgements over participants.

    Attributes:
        same: share of trials that show the reference twice.
        catch: share of trials whose difference nobody overlooks.
        catch_wrong: the largest share of catch trials that a participant may get wrong.
        catch_least: catch trials before that is looked at.
        per_person: judgements of a participant at most.
        budget: judgements in all; the last of them are of candidates alone, so that the budget
            is kept. Only what is asked again, of somebody left out, comes on top.
        seed: of what is drawn.
    """

    same: float = 0.2
    catch: float = 0.05
    catch_wrong: float = 0.34
    catch_least: int = 3
    per_person: int = 200
    budget: int | None = None
    seed: int = 0


@dataclass
class Judgement:
    """One trial.

    Attributes:
        number: from 0, over the whole search.
        participant: who was asked.
        phase: what it belongs to: `same`, a generation (`g0001`), `held back`.
        kind: `differs`, `same` or `catch`.
        candidate: the image of the phase; −1 for `same` and `catch`.
        asked: when, in seconds.
        different: the answer; None until it comes.
    """

    number: int
    participant: int
    phase: str
    kind: str
    candidate: int
    asked: float
    different: bool | None = None


@dataclass
class JudgementBook:
    """All judgements of a search.

    Attributes:
        rules: see there.
        trials: every judgement, asked or given.
    """

    rules: JudgementRules
    trials: list[Judgement] = field(default_factory=list)
    _phase: str = ""
    _candidates: int = 0
    _wanted: int = 0
    _by: dict[tuple[str, object], list[Judgement]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for trial in self.trials:
            self._note(trial)

    def _note(self, trial: Judgement) -> None:
        """Find the trial again by its participant, its phase and its kind."""
        for key in (("who", trial.participant), ("phase", trial.phase), ("kind", trial.kind)):
            self._by.setdefault(key, []).append(trial)

    def _of(self, key: str, value: object) -> list[Judgement]:
        return self._by.get((key, value), [])

    def add(self, trial: Judgement) -> None:
        """Take a trial that was asked, such as a trial of an earlier process."""
        self.trials.append(trial)
        self._note(trial)

    def open(self, phase: str, candidates: int, wanted: int) -> None:
        """Begin a phase, or go on with a begun phase.

        Args:
            candidates: its images; 0 for a phase of `same` trials alone.
            wanted: judgements of each image; of `same` trials in all where there is none.
        """
        self._phase, self._candidates, self._wanted = phase, candidates, wanted

    @property
    def wanted(self) -> int:
        """The judgements of each image of the phase; of a phase of `same` trials, in all."""
        return self._wanted

    @property
    def given(self) -> int:
        """Count the judgements that came, from all participants."""
        return sum(trial.different is not None for trial in self.trials)

    def excluded(self) -> set[int]:
        """List participants with too many wrong catch trials: their judgements do not count."""
        seen: Counter[int] = Counter()
        wrong: Counter[int] = Counter()
        for trial in self._of("kind", CATCH):
            if trial.different is not None:
                seen[trial.participant] += 1
                wrong[trial.participant] += not trial.different
        rules = self.rules
        return {
            who
            for who, number in seen.items()
            if number >= rules.catch_least and wrong[who] > rules.catch_wrong * number
        }

    def _counted(self, trials: list[Judgement], kind: str) -> list[Judgement]:
        """List the given judgements of a kind, by participants who count."""
        out = self.excluded()
        return [
            t
            for t in trials
            if t.kind == kind and t.different is not None and t.participant not in out
        ]

    def counts(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Count "different" and all judgements of the phase's images, `(candidates,)`."""
        said, judged = np.zeros((2, self._candidates), np.int64)
        for trial in self._counted(self._of("phase", self._phase), DIFFERS):
            judged[trial.candidate] += 1
            said[trial.candidate] += bool(trial.different)
        return said, judged

    def image_counts(self, phase: str, candidate: int) -> tuple[int, int]:
        """Count "different" and all judgements of an image of any phase."""
        known = self._counted(self._of("phase", phase), DIFFERS)
        own = [bool(trial.different) for trial in known if trial.candidate == candidate]
        return sum(own), len(own)

    def same_counts(self) -> tuple[int, int]:
        """False alarms and all judgements of two equal images, over all phases."""
        return self.kind_counts(SAME)

    def kind_counts(self, kind: str, *, everyone: bool = False) -> tuple[int, int]:
        """Count "different" and all judgements of a kind, over all phases.

        Args:
            everyone: with participants whose judgements do not count.
        """
        trials = self._of("kind", kind)
        given = [trial for trial in trials if trial.different is not None]
        known = given if everyone else self._counted(trials, kind)
        return sum(bool(trial.different) for trial in known), len(known)

    @property
    def complete(self) -> bool:
        """Whether the phase has all its judgements."""
        if not self._candidates:
            return self.same_counts()[1] >= self._wanted
        return bool((self.counts()[1] >= self._wanted).all())

    def judged_by(self, participant: int) -> int:
        """Count the judgements that a participant gave."""
        return sum(t.different is not None for t in self._of("who", participant))

    def next(self, participant: int, now: float) -> Judgement | None:
        """Choose a participant's next trial: an unanswered trial first, else a new trial.

        Returns:
            None where nothing is to be asked of them now: all is asked of others (wait), or they
            gave as many judgements as one person may.
        """
        mine = self._of("who", participant)
        for trial in mine:
            if trial.different is None and trial.phase == self._phase:
                trial.asked = now
                return trial
        if len([t for t in mine if t.different is not None]) >= self.rules.per_person:
            return None
        made = self._made(participant, len(mine), now)
        if made is not None:
            self.add(made)
        return made

    def _made(self, participant: int, place: int, now: float) -> Judgement | None:
        stream = seeds.numpy_stream("judgement", self.rules.seed, participant, place)
        draw, rules = stream.random(), self.rules
        kind, candidate = DIFFERS, -1
        if draw < rules.catch:
            kind = CATCH
        elif draw < rules.catch + rules.same or not self._candidates:
            kind = SAME
        need, missing = self._need(participant, now)
        if need is None:
            return None  # no catch or same trial only to pass the time either
        if rules.budget is not None and 0 < rules.budget - self._under_way(now) <= missing:
            kind = DIFFERS
        if kind == DIFFERS:
            candidate = int(stream.choice(need))
        return Judgement(len(self.trials), participant, self._phase, kind, candidate, now)

    def _waiting(self, now: float) -> list[Judgement]:
        """List the phase's trials that somebody looks at now."""
        return [
            t
            for t in self._of("phase", self._phase)
            if t.different is None and now - t.asked < LEASE_SECONDS
        ]

    def _under_way(self, now: float) -> int:
        """Count the judgements that were given or are waited for."""
        return self.given + len(self._waiting(now))

    def _need(self, participant: int, now: float) -> tuple[NDArray[np.int64] | None, int]:
        """Find the images in most need of judgements that the participant saw least.

        Returns:
            They, or None where none is needed, and the number of judgements that are missing. A
            phase of `same` trials alone gives an empty array while more are needed.
        """
        waiting = self._waiting(now)
        if not self._candidates:
            done = self.same_counts()[1] + sum(t.kind == SAME for t in waiting)
            return (np.empty(0, np.int64) if done < self._wanted else None), 0
        expected = self.counts()[1]
        for trial in waiting:
            if trial.kind == DIFFERS:
                expected[trial.candidate] += 1
        short = np.flatnonzero(expected < self._wanted)
        missing = int((self._wanted - expected[short]).sum())
        if not len(short):
            return None, 0
        seen = np.zeros(self._candidates, np.int64)
        for trial in self._of("who", participant):
            if (trial.phase, trial.kind) == (self._phase, DIFFERS):
                seen[trial.candidate] += 1
        least = short[seen[short] == seen[short].min()]
        return least[expected[least] == expected[least].min()], missing

    def answer(self, number: int, *, different: bool) -> None:
        """Take a judgement; the first one counts."""
        trial = self.trials[number]
        if trial.different is None:
            trial.different = different
