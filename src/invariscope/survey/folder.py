"""A survey on disk.

`design.toml` what is asked · `words.json` what participants read · `images.csv` and `images/` what
they see · `answers.sqlite` what they answered · `simulated/` what networks answered · `token` what
opens the experimenter's page.
"""

import hashlib
import os
import re
import secrets
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from invariscope.errors import InputError, StoreError
from invariscope.plurals import number_of
from invariscope.store.csv_text import read_csv_text
from invariscope.store.files import alone, replace_file
from invariscope.survey.design import SurveyDesign, read_design
from invariscope.survey.lists import Stimulus, cells_of
from invariscope.survey.texts import read_words

DESIGN, WORDS, IMAGES, ANSWERS, TOKEN = (
    *("design.toml", "words.json", "images.csv", "answers.sqlite", "token"),
)
TOKEN_VARIABLE = "INVARISCOPE_SURVEY_TOKEN"  # noqa: S105 (a name)
SHORTEST_TOKEN = 16
NAMED = re.compile(r"[0-9a-f]{24}\.png")  # as `survey make` names images, by their content


@dataclass(frozen=True)
class SurveyFolder:
    """Where a survey is.

    Attributes:
        path: its folder.
    """

    path: Path

    @property
    def answers(self) -> Path:
        """The database of answers."""
        return self.path / ANSWERS

    @property
    def simulated(self) -> Path:
        """The folder of simulated answers."""
        return self.path / "simulated"

    @cached_property
    def design(self) -> SurveyDesign:
        return read_design(self.path / DESIGN)

    @cached_property
    def stimuli(self) -> list[Stimulus]:
        return read_stimuli(self.path / IMAGES)

    @cached_property
    def words(self) -> dict[str, Any]:
        design = self.design
        return read_words(self.path / WORDS, design.categories, design.questions)

    def image(self, stimulus: Stimulus) -> Path:
        """Return the path of a stimulus's PNG.

        Raises:
            InputError: a link that leads out of `images/`: participants would see any file.
        """
        place = self.path / "images"
        path = place / stimulus.file
        if not path.resolve().is_relative_to(place.resolve()):
            raise InputError(
                f"image {stimulus.file!r} of {str(self.path)!r} leads out of its folder images; "
                "put a copy there"
            )
        return path

    def check(self) -> None:
        """Make sure that the survey can begin.

        Raises:
            InputError, StoreError: design, words or images that do not fit each other.
        """
        cells_of(self.design, self.stimuli)
        strange = {s.category for s in self.stimuli} - set(self.design.categories)
        if strange:
            raise InputError(
                f"an image is of category {min(strange)!r}, which the design does not offer"
            )
        assert self.words
        for stimulus in self.stimuli:
            path = self.image(stimulus)
            if not path.is_file():
                raise StoreError(f"image {str(path)!r} is missing")
            if NAMED.fullmatch(path.name) and image_name(path) != path.name:
                raise StoreError(f"image {str(path)!r} is damaged; put a copy back")

    def token(self) -> str:
        """Return the token of the experimenter's page: from the environment, or a file made once.

        Raises:
            InputError: one that is too short to be safe.
            StoreError: the file cannot be read or written.
        """
        return experimenter_token(self.path)

    def alone(self) -> AbstractContextManager[None]:
        """Serve the survey as the only process that does.

        Raises:
            BeingWrittenError: another one does.
        """
        return alone(self.path, f"another process serves survey {str(self.path)!r}")


def content_name(values: NDArray[np.uint8]) -> str:
    """Name an image file by its content `(3, height, width)`."""
    return hashlib.sha256(values.tobytes()).hexdigest()[:24] + ".png"


def image_name(path: Path) -> str:
    """Compute the name for an image file's content; "" for an unreadable file."""
    try:
        with Image.open(path, formats=["PNG"]) as image:
            return content_name(np.array(image.convert("RGB")).transpose(2, 0, 1))
    except (OSError, SyntaxError, ValueError):
        return ""


def experimenter_token(folder: Path) -> str:
    """Return the token of a folder's live page: from the environment, or a file made once.

    Raises:
        InputError: one that is too short to be safe.
        StoreError: the file cannot be read or written.
    """
    given = os.environ.get(TOKEN_VARIABLE)
    if given is None:
        given = _kept_token(folder / TOKEN)
    if len(given) < SHORTEST_TOKEN:
        raise InputError(
            f"the experimenter's token has {number_of(len(given), 'character')}; expected at least "
            f"{SHORTEST_TOKEN}"
        )
    return given


def _kept_token(path: Path) -> str:
    try:
        if not path.exists():
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w") as file:
                file.write(secrets.token_urlsafe(24) + "\n")
        return path.read_text().strip()
    except OSError as error:
        raise StoreError(f"cannot keep a token in {str(path)!r}: {error.strerror}") from error


def write_stimuli(path: Path, stimuli: Sequence[Stimulus]) -> None:
    """Keep the table of images.

    Raises:
        StoreError: it cannot be written.
    """
    table = pd.DataFrame([asdict(s) for s in stimuli])
    replace_file(path, lambda part: table.to_csv(part, index=False))


def read_stimuli(path: Path) -> list[Stimulus]:
    """Read the table that `write_stimuli` kept.

    Raises:
        InputError: an image that is named by another place than below `images/`.
        StoreError: it is missing, or lacks a column.
    """
    names = [f.name for f in fields(Stimulus)]
    try:
        table = read_csv_text(path)
        columns = [table[name].tolist() for name in names]
        found = [Stimulus(*row) for row in zip(*columns, strict=True)]
    except FileNotFoundError as error:
        raise StoreError(f"{str(path.parent)!r} holds no survey; `survey make` makes one") from (
            error
        )
    except InputError:
        raise
    except (KeyError, ValueError) as error:
        raise StoreError(f"{str(path)!r} is damaged; expected columns {', '.join(names)}") from (
            error
        )
    names = [stimulus.image for stimulus in found]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise InputError(f"{str(path)!r} names the image {twice[0]!r} twice; expected each once")
    for stimulus in found:
        if not _inside(stimulus.file):
            raise InputError(
                f"{str(path)!r} names the image {stimulus.file!r}; expected a file in images/, "
                "without '..' and not from the root"
            )
    return found


def _inside(name: str) -> bool:
    """Tell whether a file's name stays in its folder, on any system."""
    parts = PurePosixPath(name).parts
    return (
        bool(parts)
        and name.isprintable()
        and ".." not in parts
        and not {*name} & {*"\\:"}
        and (parts[0] != "/")
    )


def open_survey(path: str | Path) -> SurveyFolder:
    """Open the survey in a folder: its own, or `survey/` in a study's.

    Raises:
        StoreError: there is none.
    """
    for place in (Path(path), Path(path) / "survey"):
        if (place / DESIGN).exists():
            return SurveyFolder(place)
    raise StoreError(f"{str(path)!r} holds no survey; `survey make` makes one from a study")
