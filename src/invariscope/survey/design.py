"""A survey's questions, as a file that is written before anyone starts."""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

import tomli_w
from pydantic import BeforeValidator, Field, ValidationError, model_validator

from invariscope.errors import InputError, StoreError
from invariscope.plurals import number_of
from invariscope.store.files import replace_file
from invariscope.store.toml_text import read_toml
from invariscope.study.file_section import FileSection, Seed, error_sentence

FASTEST_MS = 100  # shorter than a screen and a browser can be relied on
MOST_CATEGORIES = 26  # a key each
NATURAL, MEI, PRACTICE, CATCH = "natural", "MEI", "practice", "catch"
HEAD = """\
# A survey's design, written before anyone starts; docs/survey.md says what each key means.
# Change it only while nobody has answered: `survey make` writes it again.

"""
ADMISSIONS = ("anyone", "link", "id")
Names = Annotated[
    tuple[str, ...], BeforeValidator(lambda v: tuple(v) if isinstance(v, list) else v)
]
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0, le=1_000_000)]


class PresentationSettings(FileSection):
    """How an image is shown.

    Attributes:
        presentation_ms: how long; 0, until the answer.
        fixation_ms: a cross before it.
        mask: what follows it: `noise`, or `none`.
        mask_ms: how long.
        size_px: its side in CSS pixels, where the screen is large enough.
        feedback_ms: how long a practice answer is told right or wrong.
        full_screen: whether the browser is asked to fill the screen.
    """

    presentation_ms: Count = 0
    fixation_ms: Count = 500
    mask: Literal["none", "noise"] = "none"
    mask_ms: Count = 200
    size_px: Annotated[int, Field(ge=64, le=2048)] = 384
    feedback_ms: Count = 1500
    full_screen: bool = True

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if 0 < self.presentation_ms < FASTEST_MS:
            raise ValueError(
                f"presentation_ms is {self.presentation_ms}; expected 0 (until the answer) or at "
                f"least {FASTEST_MS}: screens and browsers cannot be relied on below"
            )
        if self.mask != "none" and not self.presentation_ms:
            raise ValueError("a mask follows an image that ends; give presentation_ms")
        return self


class CompletionSettings(FileSection):
    """The completion code and the link of the end page.

    Attributes:
        code: shown at the end; `random` gives each session its own, kept with its answers.
        link: where the end page leads; `{id}` is replaced by the id that brought the
            participant (Prolific, SONA), `{code}` by the code.
    """

    code: str = ""
    link: str = ""

    @model_validator(mode="after")
    def _web(self) -> Self:
        if self.link and not self.link.startswith(("https://", "http://")):
            raise ValueError(f"link is {self.link!r}; expected https://…")
        return self


class ExclusionRules(FileSection):
    """Rules for answers that do not count; applied on reading, never to the raw data.

    Attributes:
        catch: the smallest share of catch trials that must be right.
        fast_ms, fast: the largest share of answers that may be faster than so many ms.
        same_answer: the largest share of answers that may be one and the same.
        incomplete: whether a session that did not end is left out.
    """

    catch: Share = 0.75
    fast_ms: Count = 200
    fast: Share = 0.2
    same_answer: Share = 0.5
    incomplete: bool = True


class SurveyDesign(FileSection):
    """A whole survey.

    Attributes:
        title: for the experimenter; participants read the text file.
        study: where the images come from.
        categories: the answers to choose from, true class names, in the order of their keys.
        per_condition: images of each condition (of a network and site) that a participant sees.
        practice: practice trials, with feedback.
        catch: trials that show a category's name instead of an image.
        break_every: trials between breaks; 0 for none.
        seed: of the lists.
        questions: asked before the start; their words are in the text file.
        admission: who may begin: `anyone`; who has a single-use `link` (`survey links`); or who
            brings an `id` of Prolific's, SONA's or your own.
        show, completion, exclusion: see there.
    """

    title: str = ""
    study: str = ""
    categories: Names
    per_condition: Annotated[int, Field(ge=1, le=1_000_000)]
    practice: Count = 4
    catch: Count = 6
    break_every: Count = 40
    seed: Seed = 0
    questions: Names = ("age", "gender", "vision")
    admission: Literal["anyone", "link", "id"] = "anyone"
    show: PresentationSettings = PresentationSettings()
    completion: CompletionSettings = CompletionSettings()
    exclusion: ExclusionRules = ExclusionRules()

    @model_validator(mode="after")
    def _usable(self) -> Self:
        if not 2 <= len(self.categories) <= MOST_CATEGORIES:
            raise ValueError(
                f"{number_of(len(self.categories), 'category')}; expected 2 to {MOST_CATEGORIES}, "
                "a key each"
            )
        if len(set(self.categories)) < len(self.categories):
            raise ValueError("a category is named twice")
        return self


def parse_design(values: dict[str, Any], name: str = "design") -> SurveyDesign:
    """Read a design from plain data.

    Raises:
        InputError: a key that is unknown, or a value that does not fit.
    """
    try:
        return SurveyDesign.model_validate(values)
    except ValidationError as error:
        raise InputError(f"{name}, {error_sentence(error)}") from error


def read_design(path: Path) -> SurveyDesign:
    """Read the design in a file.

    Raises:
        StoreError: there is none.
        InputError: it is not TOML, or not a design.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{str(path)!r} is no text in UTF-8: {error}; save it as UTF-8") from error
    except OSError as error:
        raise StoreError(
            f"cannot read {str(path)!r}: {error.strerror}; `survey make` writes it"
        ) from error
    return parse_design(read_toml(text, repr(str(path))), repr(str(path)))


def write_design(path: Path, design: SurveyDesign) -> None:
    """Write a design so that a person can read the file.

    Raises:
        StoreError: the file cannot be written.
    """
    text = HEAD + tomli_w.dumps(design.model_dump(mode="json"), multiline_strings=True)
    replace_file(path, lambda part: part.write_text(text, encoding="utf-8"))
