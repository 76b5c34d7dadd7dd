"""A session file: how a session on a rig goes, as TOML that a person writes."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError

from invariscope.errors import InputError
from invariscope.generators.constraints import check_words
from invariscope.plurals import number_of
from invariscope.recordings.windows import Windows
from invariscope.search.strategies import load_strategy
from invariscope.store.toml_text import read_toml
from invariscope.study.file_section import FileSection, Words, error_sentence

BEST = "best"
LONGEST_MS = 3_600_000.0  # an hour: no trial is longer
Number = Annotated[int, Field(ge=1, le=1_000_000_000)]
Milliseconds = Annotated[float, Field(gt=0, le=LONGEST_MS)]


def _pair(value: Any) -> Any:
    """Turn a list into a tuple; whole numbers in the list are numbers like any other."""
    plain = isinstance(value, list) and all(type(v) in (int, float) for v in value)
    return tuple(float(v) for v in value) if plain else value


Window = Annotated[
    tuple[float, float],
    BeforeValidator(_pair),
]


class Recording(FileSection):
    """The recorded units, and the course of a trial.

    Attributes:
        name: of the session; runs and random streams begin with it.
        units: what the rig answers for, in words.
        link: `folder`, or `zeromq` (its address is bound).
        address: of the ZeroMQ link.
        window, baseline: see `Windows`.
        on_ms, off_ms: how long an image is shown, and the pause behind it: for the rig.
        resolution_ms: how precisely spike times are known, for NWB; by default the decimal
            step that the times themselves use.
        patience: seconds of silence after which a block that was answered in part is given up;
            what is missing comes in the next one.
        subject: of the NWB file: subject_id, species, sex, age, description.
    """

    name: Annotated[str, Field(min_length=1)]
    units: Words
    link: Literal["folder", "zeromq"] = "folder"
    address: str = "tcp://127.0.0.1:5555"
    window: Window = (50.0, 150.0)
    baseline: Window | None = None
    on_ms: Milliseconds = 100.0
    off_ms: Annotated[float, Field(ge=0, le=LONGEST_MS)] = 100.0
    resolution_ms: Milliseconds | None = None
    patience: Annotated[float, Field(gt=0, le=LONGEST_MS)] = 60.0
    subject: dict[str, str] = Field(default_factory=dict)

    @property
    def windows(self) -> Windows:
        return Windows(self.window, self.baseline)


class RangeRequest(FileSection):
    """The first block: photos that tell each unit's range, noise and reliability.

    Attributes:
        photos: their folder, from the session file's.
        images: how many of them, evenly spread.
        repeats: of each.
    """

    photos: str
    images: Annotated[int, Field(ge=3)] = 40
    repeats: Annotated[int, Field(ge=2)] = 8


class BlockRequest(FileSection):
    """Settings that all blocks have in common.

    Attributes:
        trials: candidates in a block; control images come on top.
        reference, blank, natural: control trials in each block: the image that the search departs
            from, mid-grey, and the photos of the range block that drive the targets most.
        on_missing: what becomes of a trial in which a target was not recorded: it comes
            `max_retries`, or is left out (`skip`).
        max_retries: how many more trials an image may get for it.
        drift: SD in trials of the kernel with which drift is followed; 0 leaves it in.
    """

    trials: Number = 50
    reference: Annotated[int, Field(ge=0)] = 2
    blank: Annotated[int, Field(ge=0)] = 1
    natural: Annotated[int, Field(ge=0)] = 2
    # Names of runs hold these two under the names of version 0.1.
    on_missing: Annotated[Literal["again", "skip"], Field(serialization_alias="missing")] = "again"
    max_retries: Annotated[int, Field(ge=0, serialization_alias="again")] = 3
    drift: Annotated[float, Field(ge=0)] = 300.0


def _repeats(words: dict[str, Any]) -> int:
    """Choose the repeats of a candidate, 2 for a twin and 10 for other strategies."""
    return 2 if str(words.get("strategy")).startswith("twin") else 10


class SearchRequest(FileSection):
    """The searches.

    Attributes:
        targets: recorded units by their words, or `best`: the most reliable one.
        task, stretch: as everywhere; a stretch site other than `pixels` is one of `proxy`.
        proxy: a network that sees the same images.
        generator, population: as everywhere.
        strategy: as everywhere; on a rig, where an image costs much, `twin` by default.
        constraints: what every image keeps to, photos and controls too: the words of
            `ImageConstraints`; the file of a display counts from the session file's folder.
        mei_generations: of the search for each target's most exciting image; 0 departs from the
            photo of the range block that drives it most.
        generations: at most, of the search from there.
        presentations: of each search, controls counted: a generation that does not fit is not
            begun; trials that come again may go beyond.
        seeds: searches from each reference.
        repeats: of each candidate; by default 2 for a twin, which learns from all images at once
            what the answers' noise is, and 10 for the others.
        max_repeats: where it is larger: candidates whose rank is not settled get up to so many.
        stop: whether the stopping rule may end a search: the paper's, or a twin's (see
            `SearchOptions`); its bound is the range block's maximum.
    """

    targets: Words = (BEST,)
    task: Literal["invariance", "adversarial"] = "invariance"
    stretch: str = "pixels"
    proxy: str | None = None
    generator: str = "embedded"
    constraints: Annotated[dict[str, Any], AfterValidator(check_words)] = Field(
        default_factory=dict
    )
    strategy: str = "twin"
    population: Annotated[int, Field(ge=4)] = 50
    mei_generations: Annotated[int, Field(ge=0)] = 20
    generations: Number = 100
    presentations: Number = 5000
    seeds: Number = 1
    repeats: Number = Field(default_factory=_repeats)
    max_repeats: Annotated[int, Field(ge=0)] = 0
    stop: bool = True


class HeldBackRequest(FileSection):
    """The front measured again on repeats that had no part in finding the front.

    Attributes:
        members: of the front at most, evenly spread along it.
        repeats: of each.
        reference: repeats of the image that a search departs from: so many before the search, and
            as many again among the members.
        share: of the reference's response: the claim that is tested is to be above it
            (invariance) or below it (adversarial), of the members that seemed so in the search.
        level: at which false discoveries are held.
    """

    members: Number = 10
    repeats: Annotated[int, Field(ge=2)] = 30
    reference: Annotated[int, Field(ge=2)] = 60
    share: Annotated[float, Field(gt=0, lt=1)] = 0.5
    level: Annotated[float, Field(gt=0, lt=1)] = 0.05


class SessionFile(FileSection):
    """A whole session; see each part."""

    rig: Recording
    range: RangeRequest
    blocks: BlockRequest = BlockRequest()
    search: SearchRequest = SearchRequest()
    final: HeldBackRequest = HeldBackRequest()

    def check_presentations(self) -> None:
        """Check that a search may show a generation, with its repeats and controls.

        Raises:
            InputError: it may not.
        """
        search, blocks = self.search, self.blocks
        trials = search.population * search.repeats
        controls = blocks.reference + blocks.blank + blocks.natural
        needed = trials + -(-trials // blocks.trials) * controls
        if needed > search.presentations:
            raise InputError(
                f"presentations is {search.presentations}; a generation of "
                f"{number_of(search.population, 'candidate')}, each shown {search.repeats} times, "
                f"takes {needed} with its controls: give at least so many"
            )

    def practice(self) -> dict[str, Any]:
        """Describe how responses come about: part of the rig's identity, so of its runs' names."""
        windows = {"window": list(self.rig.window), "baseline": self.rig.baseline}
        repeats = {"repeats": self.search.repeats, "most": self.search.max_repeats}
        return {
            **windows,
            **repeats,
            **self.blocks.model_dump(by_alias=True),
            "final": self.final.model_dump(),
        }


def parse_session(text: str, name: str = "session") -> SessionFile:
    """Read a session from the text of its file.

    Raises:
        InputError: text that is not TOML, a key that is unknown, or a value that does not fit.
    """
    try:
        found = SessionFile.model_validate(read_toml(text, f"session file {name!r}"))
    except ValidationError as error:
        raise InputError(f"session file {name!r}, {error_sentence(error)}") from error
    for target in found.search.targets:
        if target != BEST and target not in found.rig.units:
            known = ", ".join((*found.rig.units, BEST))
            raise InputError(f"session file {name!r}: no unit {target!r}; choose from {known}")
    load_strategy(found.search.strategy)
    if found.search.stretch != "pixels" and found.search.proxy is None:
        raise InputError(
            f"session file {name!r}: stretch site {found.search.stretch!r} is one of a network; "
            "name it as proxy, or stretch pixels"
        )
    return found


def read_session(path: Path) -> SessionFile:
    """Read the session in a file.

    Raises:
        InputError: no such file, or one that is not a session.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"cannot read session file {str(path)!r}: {reason}") from error
    return parse_session(text, str(path))
