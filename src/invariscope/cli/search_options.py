"""Options of the commands that search."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from invariscope.cli.constraint_options import ConstraintOptions
from invariscope.cli.numbers import Count
from invariscope.cli.options import NetworkOptions
from invariscope.cli.terminal import notes
from invariscope.devices import pick_device
from invariscope.experiments.plan import SearchOptions, natural_of
from invariscope.generators import Generator, load_generator
from invariscope.natural.statistics import NaturalStatistics
from invariscope.subjects import Subject
from invariscope.subjects.kinds import kind_note, natural_kind
from invariscope.units import parse_target


@Parameter(name="*")
@dataclass(frozen=True)
class SearchCommandOptions(ConstraintOptions, NetworkOptions):
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
            help="How codes are searched: isotropic, separable, sphere, whitened, genetic, cma, or "
            "twin[:PROXY] where an image costs much; twin?cells=luminance,hue fills cells."
        ),
    ] = "isotropic"
    population: Annotated[Count, Parameter(help="Candidates a generation.")] = 50
    generations: Annotated[
        Count | None, Parameter(help="The most generations; by default 500, of a twin 40.")
    ] = None
    stop: Annotated[bool, Parameter(help="Let the stopping rule end a search.")] = True
    precision: Annotated[str, Parameter(help="auto, float32 or bf16.")] = "auto"
    taught_by: Annotated[
        Path | None,
        Parameter(help="For a twin: a folder of ended runs of the same unit, to learn from first."),
    ] = None
    natural: Annotated[
        Path | None, Parameter(help="The network's natural statistics: a natural.parquet.")
    ] = None

    def words(self) -> list[str]:
        """Write the options that decide a search's result, for a command that can be repeated."""
        words = super().words() + self.constraint_words()
        for name in (
            "generator",
            "strategy",
            "population",
            "generations",
            "precision",
            "natural",
            "taught_by",
        ):
            value = getattr(self, name)
            if value != getattr(type(self), name):
                words.append(f"--{name.replace('_', '-')} {value}")
        return words + ["--no-stop"] * (not self.stop)

    def options(self) -> SearchOptions:
        """Make the options that the searches take."""
        return SearchOptions(
            strategy=self.strategy,
            population=self.population,
            generations=self.generations,
            stop=self.stop,
            precision=self.precision,
            taught_by=self.taught_by,
        )

    def load(self, model: str) -> tuple[Subject, Generator]:
        """Load the subject and the generator onto the device."""
        subject = self.subject(model)
        if self.natural:
            NaturalStatistics.load(self.natural, subject)  # refused now rather than later
            subject.natural = self.natural
        device = pick_device(self.device)
        address = self.constrained(self.generator)
        return subject, load_generator(address, device, allow_code=self.allow_code)


def tell_kind(subject: Subject, unit: str) -> None:
    """Print the kind of a unit with answers that need a word, where statistics are known."""
    natural = natural_of(subject, parse_target(unit, subject.sites()))
    note = kind_note(unit, natural_kind(natural and asdict(natural)))
    if note:
        notes().print(f"note: {note}", markup=False)
