"""Options that several commands share: the same words everywhere."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter
from rich.console import Console

from invariscope.cli.numbers import Count
from invariscope.devices import pick_device
from invariscope.experiments.plan import SearchOptions, natural_of
from invariscope.generators import Generator, load_generator
from invariscope.natural.statistics import NaturalStatistics
from invariscope.store.own_files import check_may_replace, is_page
from invariscope.subjects import Subject, load_subject
from invariscope.subjects.kinds import kind_note, natural_kind
from invariscope.subjects.sources.loaded import PRETRAINED
from invariscope.units import parse_target

Model = Annotated[
    str,
    Parameter(
        help="embedded:standard, torchvision:NAME, timm:NAME, hf:NAME, cifar:NAME or "
        "file.py:factory."
    ),
]
Unit = Annotated[
    str,
    Parameter(
        help="Its unit: fc:3, layer3.0.conv1:12 (a channel's mean), :12,5,5, :12,center; of a "
        "transformer :TOKEN,CHANNEL or :cls,CHANNEL."
    ),
]
Task = Literal["invariance", "adversarial"]
Force = Annotated[
    bool, Parameter(negative="", help="Replace a file that invariscope did not write.")
]


@Parameter(name="*")
@dataclass(frozen=True)
class NetworkOptions:
    """Options of every command that loads a network."""

    weights: Annotated[
        str, Parameter(help="pretrained, random, random:SEED, a file, or torchvision's name.")
    ] = PRETRAINED
    allow_code: Annotated[
        bool, Parameter(negative="", help="Run the Python file of file.py:factory.")
    ] = False
    device: Annotated[str, Parameter(help="auto, cpu, cuda or mps.")] = "auto"
    compiled: Annotated[
        bool,
        Parameter(
            name="--compile", negative="", help="Compile the network: slow to start, then faster."
        ),
    ] = False

    def subject(self, model: str) -> Subject:
        """The network, on the device."""
        return load_subject(
            model,
            pick_device(self.device),
            weights=self.weights,
            allow_code=self.allow_code,
            compiled=self.compiled,
        )

    def words(self) -> list[str]:
        """The options that say which network it is, for a command that can be repeated."""
        words = [] if self.weights == PRETRAINED else [f"--weights {self.weights}"]
        return words + ["--allow-code"] * self.allow_code


@Parameter(name="*")
@dataclass(frozen=True)
class SearchCommandOptions(NetworkOptions):
    """Options of every search."""

    generator: Annotated[
        str,
        Parameter(
            help="What makes the images: embedded, deepsim:fc7, codes:FILE, diffusers:NAME@SIZE, "
            "taesd:PATH@SIZE, pixels@SIZE or file.py:factory."
        ),
    ] = "embedded"
    strategy: Annotated[
        str,
        Parameter(
            help="How codes are searched: isotropic, separable, sphere, whitened, genetic or cma."
        ),
    ] = "isotropic"
    population: Annotated[Count, Parameter(help="Candidates a generation.")] = 50
    generations: Annotated[Count, Parameter(help="The most generations.")] = 500
    stop: Annotated[bool, Parameter(help="Let the paper's stopping rule end a search.")] = True
    precision: Annotated[str, Parameter(help="auto, float32 or bf16.")] = "auto"
    natural: Annotated[
        Path | None, Parameter(help="The network's natural statistics: a natural.parquet.")
    ] = None

    def words(self) -> list[str]:
        """The options on which a search's result depends, for a command that can be repeated."""
        words = super().words()
        for name in ("generator", "strategy", "population", "generations", "precision", "natural"):
            value = getattr(self, name)
            if value != getattr(type(self), name):
                words.append(f"--{name} {value}")
        return words + ["--no-stop"] * (not self.stop)

    def options(self) -> SearchOptions:
        """What the searches take."""
        return SearchOptions(
            strategy=self.strategy,
            population=self.population,
            generations=self.generations,
            stop=self.stop,
            precision=self.precision,
        )

    def load(self, model: str) -> tuple[Subject, Generator]:
        """The subject and the generator, on the device."""
        subject = self.subject(model)
        if self.natural:
            NaturalStatistics.load(self.natural, subject)  # refused now rather than later
            subject.natural = self.natural
        device = pick_device(self.device)
        return subject, load_generator(self.generator, device, allow_code=self.allow_code)


def tell_kind(subject: Subject, unit: str, console: Console) -> None:
    """Print the kind of a unit whose answers need a word, where its statistics are known."""
    natural = natural_of(subject, parse_target(unit, subject.sites()))
    note = kind_note(unit, natural_kind(natural and asdict(natural)))
    if note:
        console.print(f"note: {note}", markup=False, highlight=False, soft_wrap=True)


def check_page(out: Path) -> None:
    """Make sure, before anything is searched, that the page of a folder may be written.

    Raises:
        InputError: it holds a report.html that is not ours.
    """
    check_may_replace(out / "report.html", is_page, way="choose another --out")


def default_out(model: str, unit: str, what: str) -> Path:
    """`runs/…` named by model, unit and what is done; no character that files cannot have."""
    words = f"{what}_{model}_{unit}"
    return Path("runs") / "".join(c if c.isalnum() or c in "._-+" else "-" for c in words)
