"""Messages to and from a rig: blocks of trials, and answers by trial.

A *trial* is one presentation of an image, with a name of its own, so an answer that comes twice,
late or out of order is known for what it is.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

PROTOCOL = 1
Value = float | tuple[float, ...]


@dataclass(frozen=True)
class RigTrial:
    """One presentation.

    Attributes:
        name: such as `t000042`; no other trial of the session has it.
        image: the image's name: the first 16 hex digits of the sha256 of its pixels.
    """

    name: str
    image: str


@dataclass(frozen=True)
class TrialBlock:
    """Trials that are shown in a row, in this order.

    Attributes:
        name: such as `b000003`.
        units: what the rig answers for, in words.
        timing: for the rig to keep to: `on_ms`, `off_ms`, and the windows that will be read.
    """

    name: str
    trials: tuple[RigTrial, ...]
    units: tuple[str, ...]
    timing: Mapping[str, Any] = field(default_factory=dict)

    def manifest(self) -> dict[str, Any]:
        """Describe the block as plain data, with the file of each image."""
        return {
            "protocol": PROTOCOL,
            "block": self.name,
            "units": list(self.units),
            "timing": dict(self.timing),
            "trials": [
                {"trial": t.name, "image": t.image, "file": f"{t.image}.png"} for t in self.trials
            ],
        }


@dataclass(frozen=True)
class RigAnswer:
    """A rig's recording of one trial.

    Attributes:
        trial, image: the names that the trial came with.
        responses: by unit, a number, or spike times in ms from the image's onset; NaN where
            nothing was recorded.
        shown: when the image came up, in seconds of the rig's own clock; NaN where not told.
    """

    trial: str
    image: str
    responses: Mapping[str, Value]
    shown: float = math.nan

    def plain(self) -> dict[str, Any]:
        """Describe the answer as JSON takes data: null for NaN, a list for spike times."""
        values = {u: list(v) if isinstance(v, tuple) else v for u, v in self.responses.items()}
        plain = {u: None if v != v else v for u, v in values.items()}  # noqa: PLR0124  (NaN)
        shown = None if math.isnan(self.shown) else self.shown
        return {"trial": self.trial, "image": self.image, "shown": shown, "responses": plain}


@dataclass
class AnswerDelivery:
    """Answers that arrived together, and sentences on their faults.

    Attributes:
        answers: those that can be read.
        problems: a sentence for each that cannot.
        source: where they came from: a file's name, or whom the reply goes to.
    """

    answers: list[RigAnswer]
    problems: list[str]
    source: Any = None


def read_number(value: Any) -> float:
    """Read a number, NaN for null or an empty word.

    Raises:
        ValueError: it is something else, or infinite.
    """
    if value is None or (isinstance(value, str) and not value.strip()):
        return math.nan
    number = float(value)
    if math.isinf(number):
        raise ValueError("a response is infinite")
    return number


def read_value(value: Any) -> Value:
    """Read a response: a number, or spike times as a list or as a word `[12.5 48.1]`.

    Raises:
        ValueError: it is neither.
    """
    if isinstance(value, str) and value.strip().startswith("["):
        word = value.strip()
        if not word.endswith("]"):
            raise ValueError(f"spike times {word[:20]!r} do not end in ']'")
        value = word[1:-1].replace(",", " ").split()
    if isinstance(value, Sequence) and not isinstance(value, str):
        times = tuple(read_number(time) for time in value)
        if any(math.isnan(time) for time in times):
            raise ValueError("a spike time is missing")
        return times
    return read_number(value)


def read_answer(plain: Any) -> RigAnswer:
    """Read an answer from plain data, as `RigAnswer.plain` gives answers.

    Raises:
        ValueError: it is not one; the message is a clause.
    """
    if not isinstance(plain, Mapping):
        raise ValueError("an answer is no table")  # noqa: TRY004  (one kind for every fault)
    names = [plain.get(key) for key in ("trial", "image")]
    if not all(isinstance(name, str) and name for name in names):
        raise ValueError("an answer lacks 'trial' or 'image'")
    responses = plain.get("responses")
    if not isinstance(responses, Mapping) or not responses:
        raise ValueError(f"the answer to trial {names[0]!r} holds no responses")
    try:
        values = {str(unit): read_value(value) for unit, value in responses.items()}
        shown = read_number(plain.get("shown"))
    except (TypeError, ValueError) as error:
        raise ValueError(f"the answer to trial {names[0]!r}: {error}") from error
    return RigAnswer(str(names[0]), str(names[1]), values, shown)


def read_answers(rows: Sequence[Any], source: Any) -> AnswerDelivery:
    """Read every readable row, and write a sentence for every other row."""
    delivery = AnswerDelivery([], [], source)
    for row in rows:
        try:
            delivery.answers.append(read_answer(row))
        except ValueError as error:
            delivery.problems.append(str(error))
    return delivery
