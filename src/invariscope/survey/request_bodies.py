"""Bodies that a browser may send, checked before anything else sees a body."""

import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from invariscope.survey.admission import BROUGHT

Word = Annotated[str, StringConstraints(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]
Key = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]{8,64}$")]
Milliseconds = Annotated[float, Field(ge=0, le=1e8, allow_inf_nan=False)]
Pixels = Annotated[int, Field(ge=0, le=100_000)]


class RequestBody(BaseModel):
    """An object with these keys and no others."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class ScreenBody(RequestBody):
    """A browser's description of itself; nothing that names a person.

    Attributes:
        width, height: of the window, in CSS pixels.
        ratio: screen pixels in a CSS pixel.
        hertz: frames a second, measured.
        touch: whether the main pointer is a finger.
    """

    width: Pixels
    height: Pixels
    ratio: Annotated[float, Field(gt=0, le=100, allow_inf_nan=False)]
    hertz: Annotated[float, Field(ge=0, le=10_000, allow_inf_nan=False)] = 0.0
    touch: bool


class StartBody(RequestBody):
    """A session's start.

    Attributes:
        brought: the ids that came with the link.
        link: the code of a single-use link.
        screen: see there.
    """

    brought: Annotated[dict[Word, Word], Field(max_length=len(BROUGHT))] = Field(
        default_factory=dict
    )
    link: Word = ""
    screen: ScreenBody

    @model_validator(mode="after")
    def _known(self) -> "StartBody":
        if not set(self.brought) <= set(BROUGHT):
            raise ValueError("unknown id")
        return self


class AnswerBody(RequestBody):
    """An answer; `answer` is its place among the categories."""

    trial: Annotated[int, Field(ge=0, le=1_000_000)]
    key: Key
    answer: Annotated[int, Field(ge=0, le=1000)]
    rt_ms: Milliseconds
    shown_ms: Milliseconds | None = None
    by: Literal["key", "touch", "mouse", "pen"]


class AboutBody(RequestBody):
    """Answers about the person, by the question's name; open questions are left out."""

    answers: Annotated[dict[Word, Word], Field(max_length=50)]


def pick_body(kind: type[RequestBody], raw: bytes) -> Any:
    """Describe the body of a choice of that kind.

    Raises:
        ValueError: it is another.
    """
    try:
        return kind.model_validate(json.loads(raw))
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
