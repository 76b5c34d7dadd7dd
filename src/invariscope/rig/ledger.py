"""The memory of a session: every requested trial, and the first answer to each."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from invariscope.errors import StoreError
from invariscope.rig.log import SessionLog
from invariscope.subjects.rig.messages import AnswerDelivery, RigAnswer, read_answer

# Keys of requests:
CONTROL = "control"
RANGE = "range"
REFERENCE = "reference/"  # the image's name and the targets' numbers behind it


@dataclass(frozen=True)
class ShownTrial:
    """One trial as requested.

    Attributes:
        number: counted over the session, from 0.
        request: the key of what it was shown for; `CONTROL` for control images.
    """

    number: int
    name: str
    image: str
    request: str
    block: str


@dataclass
class TrialLedger:
    """A session's trials and answers, rebuilt from its log and kept in step with the log.

    Attributes:
        requests: names of the images of each request, by its key.
        trials: by name, in the order in which they were asked for.
        answers: the first answer to each trial.
        measured: what each request that was completed brought, as it was told.
        open_block: the block that waits for answers, if there is one.
    """

    log: SessionLog
    requests: dict[str, list[str]] = field(default_factory=dict)
    trials: dict[str, ShownTrial] = field(default_factory=dict)
    answers: dict[str, RigAnswer] = field(default_factory=dict)
    blocks: dict[str, list[str]] = field(default_factory=dict)
    measured: dict[str, dict[str, Any]] = field(default_factory=dict)
    open_block: str | None = None
    _of: dict[str, list[ShownTrial]] = field(default_factory=dict)
    _noted: set[str] = field(default_factory=set)  # a file that is read again says the same again

    def __post_init__(self) -> None:
        for number, entry in enumerate(self.log.entries, 1):
            try:
                self._apply(entry)
            except (KeyError, TypeError, ValueError) as error:
                raise StoreError(
                    f"{str(self.log.path)!r} is damaged at line {number}; put a copy of it back"
                ) from error

    def add(self, *entries: dict[str, Any]) -> None:
        """Put entries into the log, then into memory."""
        self.log.append(*entries)
        for entry in entries:
            self._apply(entry)

    def _apply(self, entry: dict[str, Any]) -> None:
        if entry["event"] == "request":
            self.requests[entry["key"]] = list(entry["images"])
        elif entry["event"] == "block":
            self.open_block = str(entry["block"])
            self.blocks[self.open_block] = [name for name, _, _ in entry["trials"]]
            for name, image, request in entry["trials"]:
                shown = ShownTrial(len(self.trials), name, image, request, entry["block"])
                self.trials[name] = shown
                self._of.setdefault(request, []).append(shown)
        elif entry["event"] == "answers":
            for plain in entry["answers"]:
                answer = read_answer(plain)
                self.answers.setdefault(answer.trial, answer)
        elif entry["event"] == "measured":
            self.measured[entry["key"]] = entry
        elif entry["event"] == "note":
            self._noted.add(entry["text"])
        elif entry["event"] == "closed":
            self.open_block = None

    def of(self, request: str) -> Sequence[ShownTrial]:
        """Return the trials of a request so far, in order."""
        return self._of.get(request, ())

    def missing(self, block: str) -> list[str]:
        """Return the trials of a block that have no answer."""
        return [name for name in self.blocks[block] if name not in self.answers]

    def take(self, delivery: AnswerDelivery, units: Sequence[str]) -> tuple[int, list[str]]:
        """Log the new answers of a delivery; nothing is counted twice.

        Returns:
            How many answers were new, and a sentence for each that could not be taken.
        """
        problems, new = list(delivery.problems), {}
        for answer in delivery.answers:
            refusal = self._refused(answer, new, units)
            if refusal is None:
                new[answer.trial] = answer
            elif refusal:
                problems.append(refusal)
        entries: list[dict[str, Any]] = []
        if new:
            entries.append({"event": "answers", "answers": [a.plain() for a in new.values()]})
        fresh = [text for text in dict.fromkeys(problems) if text not in self._noted]
        entries += [{"event": "note", "text": text} for text in fresh]
        if entries:
            self.add(*entries)
        return len(new), problems

    def _refused(
        self, answer: RigAnswer, new: dict[str, RigAnswer], units: Sequence[str]
    ) -> str | None:
        """Say why an answer is not taken; empty for a repeated answer, None for a new answer."""
        trial = self.trials.get(answer.trial)
        if trial is None:
            return f"an answer to trial {answer.trial!r}, which was never asked for, is not counted"
        if answer.image != trial.image:
            return (
                f"the answer to trial {answer.trial!r} names image {answer.image!r}, but "
                f"{trial.image!r} was asked for: not counted"
            )
        others = sorted(set(answer.responses) ^ set(units))
        if others:
            return (
                f"the answer to trial {answer.trial!r} has other units than the session (these "
                f"differ: {', '.join(others[:5])}): not counted"
            )
        known = self.answers.get(answer.trial) or new.get(answer.trial)
        if known is None:
            return None
        if known.plain() == answer.plain():
            return ""
        return f"a second, different answer to trial {answer.trial!r} is not counted"


def rig_seconds(ledger: TrialLedger, gap: float) -> list[float]:
    """Place each trial on the rig's clock, in seconds, made to run forward.

    Where the clock jumps back, or a trial has no time, it goes on from the trial before by `gap`;
    all later times move with it.

    Returns:
        One a trial, in the order of the session; increasing.
    """
    seconds, offset, before = [], 0.0, -gap
    for name in ledger.trials:
        shown_at = ledger.answers[name].shown if name in ledger.answers else math.nan
        now = shown_at + offset
        if math.isnan(shown_at):
            now = before + gap
        elif now <= before:
            offset += before + gap - now
            now = before + gap
        seconds.append(now)
        before = now
    return seconds
