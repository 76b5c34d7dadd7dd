"""`invariscope coefficient MODEL FOLDER`: every unit's invariance to known transformations."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter
from rich.console import Console

from invariscope.cli.numbers import Count, Seed
from invariscope.cli.options import (
    Beyond,
    Model,
    Negatives,
    NetworkOptions,
    OutFolder,
    default_out,
)
from invariscope.cli.photo_options import PhotoOptions
from invariscope.cli.terminal import Open, StartNote, output, progress_bar, tell_page
from invariscope.errors import InputError
from invariscope.invariance.ablation import passed_by
from invariscope.invariance.accumulate import EVERY
from invariscope.invariance.classes import classifier
from invariscope.invariance.coefficient import SEARCH, TAU, invariance_coefficient
from invariscope.invariance.result import Invariance
from invariscope.invariance.setup import ALL
from invariscope.invariance.top import PERCENTS
from invariscope.plurals import number_of
from invariscope.report.invariance import write_invariance_report
from invariscope.store.files import make_folder


def parse_list(text: str) -> str | list[str]:
    """Read a list: `all` → `all`; `blur,hue` → both names."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    return ALL if names == [ALL] else names


@Parameter(name="*")
@dataclass(frozen=True)
class CoefficientOptions:
    """Options of the measurement."""

    transformations: Annotated[
        str, Parameter(help="all (the paper's twelve), or names with commas: blur,hue.")
    ] = ALL
    sites: Annotated[
        str, Parameter(help="all (behind every ReLU), or names with commas: layer4.1.relu@2,fc.")
    ] = ALL
    tau: Annotated[
        str, Parameter(help="An image activates a unit above this share of its maximum; or search.")
    ] = str(TAU)
    beyond: Beyond = "clip"
    reading: Annotated[
        Literal["channel", "place"],
        Parameter(help="A unit is a channel's mean over places, or each place of it."),
    ] = "channel"
    negatives: Negatives = "signed"
    batch: Annotated[Count, Parameter(help="Images shown at once.")] = 64
    seed: Annotated[Seed, Parameter(help="Of random transformations.")] = 0

    def threshold(self) -> float | Literal["search"]:
        """Read `tau`."""
        if self.tau == SEARCH:
            return SEARCH
        try:
            return float(self.tau)
        except ValueError:
            raise InputError(
                f"tau is {self.tau!r}; expected a number from 0 to 1, or search"
            ) from None


def coefficient(
    model: Model,
    folder: Annotated[Path, Parameter(help="Photos, or <class>/<photo>.jpg.")],
    /,
    *,
    by_class: Annotated[
        bool, Parameter(negative="", help="Coefficients over each class's images too.")
    ] = False,
    top: Annotated[bool, Parameter(help="Goodfellow et al.'s top-k % rule beside it.")] = True,
    ablation: Annotated[
        bool,
        Parameter(negative="", help="Accuracy without inactive, without active units: slow."),
    ] = False,
    out: OutFolder = None,
    open_page: Open = False,
    asked: CoefficientOptions | None = None,
    photos: PhotoOptions | None = None,
    source: NetworkOptions | None = None,
) -> None:
    """Measure every unit's invariance to known transformations; write tables and a page."""
    console = output()
    asked, source = asked or CoefficientOptions(), source or NetworkOptions()
    subject, photos = source.subject(model), photos or PhotoOptions()
    shown = photos.images(subject, folder)
    place = make_folder(out or default_out(model, folder.name, "coefficient"))
    start = StartNote(place)
    readout = None
    if ablation or asked.tau == SEARCH:
        readout = classifier(subject, shown.classes, names=photos.names(folder))
        console.print(readout.matched)
    with progress_bar() as bar:
        task = bar.add_task("two passes over the images", total=None)

        def watch(done: int, total: int) -> None:
            start()
            bar.update(task, completed=done, total=total)

        result = invariance_coefficient(
            subject,
            shown,
            parse_list(asked.transformations),
            sites=parse_list(asked.sites),
            tau=asked.threshold(),
            beyond=asked.beyond,
            reading=asked.reading,
            negatives=asked.negatives,
            by_class=by_class,
            top=PERCENTS if top else (),
            ablation=ablation,
            readout=readout,
            batch=asked.batch,
            seed=asked.seed,
            out=place,
            watch=watch,
        )
    command = " ".join(["invariscope coefficient", model, str(folder), *source.words()])
    page = write_invariance_report(place, command=command)
    for line in shown.notes():
        console.print(line)
    _tell(result, console)
    console.print(f"tables: {place}")
    tell_page(page, open_page=open_page)


def _tell(result: Invariance, console: Console) -> None:
    """Print the deepest site's mean coefficients, largest first, and missing coefficients."""
    if result.tau_tried is not None:
        found, at = result.settings["measured"]["tau"], result.tau_tried["site"].iloc[0]
        console.print(f"τ = {found:g} by the paper's rule at {at}")
    for table in (result.ablation, result.tau_tried):
        if table is not None and (words := passed_by(table)):
            console.print(f"note: {words}; take a site that all paths go through (--sites)")
            break
    rows = [row for row in result.summary.to_dict("records") if row["class"] == EVERY]
    site = rows[-1]["site"]
    own = [row for row in rows if row["site"] == site and row["measured"]]
    if own:
        console.print(f"mean invariance coefficient at {site}:")
    for row in sorted(own, key=lambda row: -row["mean"]):
        console.print(
            f"  {row['transformation']}: {row['mean']:.2f} ({number_of(row['measured'], 'unit')})"
        )
    for reason, number in Counter(r for r in result.units["reason"] if r).items():
        console.print(f"missing: {number_of(number, 'coefficient')}: {reason}")
