"""`invariscope coefficient MODEL FOLDER`: which units ignore which known transformation."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import pandas as pd
from cyclopts import Parameter
from rich.console import Console
from rich.progress import Progress

from invariscope.cli.numbers import Count, Seed
from invariscope.cli.options import Model, NetworkOptions, OutFolder, default_out
from invariscope.cli.terminal import Open, notes, output, tell_page, tell_start
from invariscope.errors import InputError
from invariscope.invariance.classes import Classifier, class_names, classifier
from invariscope.invariance.coefficient import TAU, invariance_coefficient
from invariscope.invariance.images import ImageSet, image_set
from invariscope.invariance.result import Invariance
from invariscope.invariance.setup import images_for, make_setup
from invariscope.invariance.sites import ALL, choose_sites
from invariscope.invariance.tables import EVERY
from invariscope.invariance.tau import ablation_accuracy, find_tau
from invariscope.invariance.top import PERCENTS
from invariscope.photos import open_folder
from invariscope.report.invariance import ABLATION_FILE, TAU_FILE, write_invariance_report
from invariscope.store.files import make_folder, replace_file
from invariscope.subjects import Subject

SEARCH = "search"


def parse_list(text: str) -> str | list[str]:
    """`all` → `all`; `blur,hue` → both names."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    return ALL if names == [ALL] else names


@Parameter(name="*")
@dataclass(frozen=True)
class CoefficientOptions:
    """Options of what is measured."""

    transformations: Annotated[
        str, Parameter(help="all (the paper's twelve), or names with commas: blur,hue.")
    ] = ALL
    sites: Annotated[
        str, Parameter(help="all (behind every ReLU), or names with commas: layer4.1.relu@2,fc.")
    ] = ALL
    tau: Annotated[
        str, Parameter(help="An image activates a unit above this share of its maximum; or search.")
    ] = str(TAU)
    beyond: Annotated[
        Literal["clip", "rescale", "keep"],
        Parameter(help="Pixels that leave the range under a transformation."),
    ] = "clip"
    reading: Annotated[
        Literal["channel", "place"],
        Parameter(help="A unit is a channel's mean over places, or each place of it."),
    ] = "channel"
    negatives: Annotated[
        Literal["signed", "rectified"],
        Parameter(help="Negative activity counts by its size, or as 0."),
    ] = "signed"
    batch: Annotated[Count, Parameter(help="Images shown at once.")] = 64
    seed: Annotated[Seed, Parameter(help="Of random transformations.")] = 0

    def named(self) -> dict[str, Any]:
        """The settings that every measure takes."""
        return {
            "beyond": self.beyond,
            "reading": self.reading,
            "negatives": self.negatives,
            "batch": self.batch,
            "seed": self.seed,
        }


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
    classes: Annotated[
        Path | None, Parameter(help="A table: class folder, tab, the model's name or unit number.")
    ] = None,
    photos: Annotated[Count | None, Parameter(help="At most so many photos of each class.")] = None,
    resize: Annotated[
        Count | None, Parameter(help="A photo's shorter side, before its middle is cut out.")
    ] = None,
    out: OutFolder = None,
    open_page: Open = False,
    asked: CoefficientOptions | None = None,
    source: NetworkOptions | None = None,
) -> None:
    """Measure every unit's invariance to known transformations; tables and a page about them."""
    console = output()
    asked, source = asked or CoefficientOptions(), source or NetworkOptions()
    found = open_folder(folder)
    found = found if photos is None else found.of_each_class(photos)
    subject = source.subject(model)
    shown = image_set(found, resize=resize) if resize else images_for(subject, found)
    place = make_folder(out or default_out(model, folder.name, "coefficient"))
    tell_start(place)
    site = choose_sites(subject, parse_list(asked.sites))[-1]
    readout = None
    if ablation or asked.tau == SEARCH:
        readout = classifier(subject, shown.classes, names=class_names(folder, classes))
        console.print(readout.matched)
    tau = _tau(asked, subject, shown, site, readout, place, console)
    with Progress(console=notes()) as bar:
        task = bar.add_task("two passes over the images", total=None)
        result = invariance_coefficient(
            subject,
            shown,
            parse_list(asked.transformations),
            sites=parse_list(asked.sites),
            tau=tau,
            by_class=by_class,
            top=PERCENTS if top else (),
            out=place,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
            **asked.named(),
        )
    if ablation and readout:
        setup = make_setup(subject, shown, parse_list(asked.transformations), site, **asked.named())
        table = ablation_accuracy(setup, site, tau, top=PERCENTS if top else (), readout=readout)
        _save_table(table, place / ABLATION_FILE)
    command = " ".join(["invariscope coefficient", model, str(folder), *source.words()])
    page = write_invariance_report(place, command=command)
    for line in found.report.lines():
        console.print(line)
    _tell(result, console)
    console.print(f"tables: {place}")
    tell_page(page, open_page=open_page)


def _tau(  # noqa: PLR0917
    asked: CoefficientOptions,
    subject: Subject,
    images: ImageSet,
    site: str,
    readout: Classifier | None,
    place: Path,
    console: Console,
) -> float:
    """The threshold as given, or by the paper's rule at the deepest site."""
    if readout is None or asked.tau != SEARCH:
        try:
            return float(asked.tau)
        except ValueError:
            raise InputError(
                f"tau is {asked.tau!r}; expected a number from 0 to 1, or search"
            ) from None
    setup = make_setup(subject, images, parse_list(asked.transformations), site, **asked.named())
    found = find_tau(setup, site, readout=readout)
    _save_table(found.table, place / TAU_FILE)
    if found.tau is None:
        raise InputError(
            f"even without the silent units of {site!r} accuracy falls by more than one "
            "percentage point; give a number as --tau"
        )
    console.print(f"τ = {found.tau:g} by the paper's rule at {site}")
    return found.tau


def _save_table(table: pd.DataFrame, path: Path) -> None:
    replace_file(path, table.to_parquet)
    replace_file(path.with_suffix(".csv"), lambda part: table.to_csv(part, index=False))


def _tell(result: Invariance, console: Console) -> None:
    """The deepest site's mean coefficients, largest first, and what is missing."""
    rows = [row for row in result.summary.to_dict("records") if row["class"] == EVERY]
    site = rows[-1]["site"]
    console.print(f"mean invariance coefficient at {site}:")
    own = [row for row in rows if row["site"] == site and row["measured"]]
    for row in sorted(own, key=lambda row: -row["mean"]):
        console.print(f"  {row['transformation']}: {row['mean']:.2f} ({row['measured']} units)")
    for reason, number in Counter(r for r in result.units["reason"] if r).items():
        console.print(f"{number} coefficients are missing: {reason}")
