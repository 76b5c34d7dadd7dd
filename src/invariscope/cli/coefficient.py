"""`invariscope coefficient MODEL FOLDER`: which units ignore which known transformation."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import pandas as pd
from cyclopts import Parameter
from rich.console import Console
from rich.progress import Progress

from invariscope.cli.options import Model, Source, default_out
from invariscope.errors import InputError
from invariscope.invariance.coefficient import TAU, invariance_coefficient
from invariscope.invariance.images import image_set
from invariscope.invariance.result import Invariance
from invariscope.invariance.setup import ALL, Setup, images_for, make_setup
from invariscope.invariance.sites import choose_sites
from invariscope.invariance.tau import ablation_accuracy, find_tau
from invariscope.invariance.top import PERCENTS
from invariscope.photos import PhotoFolder, open_folder
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
class Measured:
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
    by_class: Annotated[
        bool, Parameter(negative="", help="Coefficients over each class's images too.")
    ] = False
    top: Annotated[bool, Parameter(help="Goodfellow's top-k % rule beside it.")] = True
    ablation: Annotated[
        bool,
        Parameter(
            negative="", help="Accuracy without the inactive, and without the active units."
        ),
    ] = False
    resize: Annotated[
        int | None,
        Parameter(help="A photo's shorter side before its middle is cut out; the model's own."),
    ] = None
    batch: Annotated[int, Parameter(help="Images shown at once.")] = 64
    seed: Annotated[int, Parameter(help="Of random transformations.")] = 0

    def setup(self, subject: Subject, photos: PhotoFolder, sites: Sequence[str]) -> Setup:
        """What is shown, for some of the sites."""
        own = image_set(photos, resize=self.resize) if self.resize else photos
        return make_setup(
            subject,
            own if isinstance(own, PhotoFolder) is False else images_for(subject, photos),
            parse_list(self.transformations),
            sites,
            beyond=self.beyond,
            reading=self.reading,
            negatives=self.negatives,
            batch=self.batch,
            seed=self.seed,
        )
