"""Results of searches, as tables and images."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from invariscope.errors import InputError
from invariscope.experiments.front_choice import choose
from invariscope.experiments.image_kinds import measures_of
from invariscope.experiments.reference import Reference
from invariscope.generators import address_made_with, load_generator
from invariscope.generators.base import Generator
from invariscope.markup import CaptionedPicture, notebook
from invariscope.plurals import number_of
from invariscope.search.archive import COLUMNS
from invariscope.store.record import FRONT_IMAGES, RunRecord, load_runs
from invariscope.store.settings import without_none
from invariscope.subjects import Subject
from invariscope.subjects.kinds import loss_of_activity, searched_kind

OF_IMAGE = ("pixel_distance", "saturation", "code_norm")  # of each member's image and code
MOST_SHOWN = 12  # images in a notebook


@dataclass(frozen=True)
class Result:
    """Runs with their fronts, as tables and images (PAPERS §1, "Reported image").

    Attributes:
        runs: one record a run.
        generator: of the images; None loads the generator that the runs name.

    Example:
        >>> import invariscope as iv
        >>> subject = iv.load_subject("embedded:standard")
        >>> generator = iv.load_generator("embedded")
        >>> short = iv.SearchOptions(population=10, generations=2)
        >>> mei = iv.find_mei(subject, generator, "fc:3", options=short, out="runs")
        >>> result = iv.load_result("runs")
        >>> isinstance(result, iv.Result), result.images("knee").shape
        (True, torch.Size([1, 3, 96, 96]))
    """

    runs: list[RunRecord]
    generator: Generator | None = None

    @property
    def front(self) -> pd.DataFrame:
        """The members of every run's front, a row each.

        Columns: run, task, unit, site, seed, member, generation, candidate, stretch, squeeze,
        activation; pixel_distance (L2 from the reference as an image, whatever the site),
        saturation (share of the image's values at an end of the range), code_norm (L2); and of
        searches that fill cells each of their measures.
        """
        tables = []
        for record in self.runs:
            s = record.settings
            table = record.front.assign(
                run=record.path.name,
                task=s.task,
                unit=s.unit,
                site=s.site,
                seed=s.seed,
                member=range(len(record.front)),
            )
            tables.append(table)
        table = pd.concat(tables, ignore_index=True)
        first = ["run", "task", "unit", "site", "seed", "member", "generation", "candidate"]
        known = [*first, *COLUMNS, *OF_IMAGE]
        measures = {name: None for r in self.runs for name, *_ in measures_of(r.settings)}
        return table.reindex(columns=[*known, *(name for name in measures if name in table)])

    def table(self, which: str = "kept") -> pd.DataFrame:
        """Describe each run and one chosen member of its front, a row a run.

        `reduction` is the loss of activity in percent of the reference's, missing where that
        is not positive; `loss` the same in SDs of the unit's activity over natural images, missing
        where that is not known; `above_reference` the share of the front more active than the
        reference; `kind` the unit's kind (`subjects.kinds`) over natural images, else over those
        of the search, empty for most.

        Args:
            which: the member (see `experiments.front_choice.choose`).
        """
        return pd.DataFrame([self._row(record, which) for record in self.runs])

    def _row(self, record: RunRecord, which: str) -> dict[str, Any]:
        s, end = record.settings, record.outcome
        row = choose(record.front, s, which)
        columns = (record.front[name].to_numpy(float) for name in COLUMNS)
        stretch, squeeze, activation = (values[row].item() for values in columns)
        reference = record.tensors.get("reference_activity")
        own = float(reference.mean()) if reference is not None else float("nan")
        return {
            "run": record.path.name,
            "task": s.task,
            "unit": s.unit,
            "site": s.site,
            "seed": s.seed,
            "status": end["status"],
            "milestone": end["milestone"],
            "generations": end["generations"],
            "images": end["images"],
            "member": row,
            "stretch": stretch,
            "squeeze": squeeze,
            **{
                name: record.front[name].to_numpy(float)[row].item()
                if name in record.front
                else float("nan")
                for name in OF_IMAGE
            },
            "activation": activation,
            "reference": own,
            "reduction": (own - activation) / own * 100 if own > 0 else float("nan"),
            "loss": loss_of_activity(own, activation, s.natural),
            "kind": kind_of(record),
            "above_reference": np.mean(record.front["activation"].to_numpy() > own).item(),
        }

    @property
    def reference(self) -> Reference:
        """The image that the first run departed from."""
        first = self.runs[0]
        activity = first.tensors.get("reference_activity")
        return Reference(
            image=first.tensors["reference_image"],
            code=first.tensors.get("reference_code"),
            recipe=first.settings.reference or {},
            activity=None if activity is None else float(activity.mean()),
        )

    def images(self, which: str = "kept") -> Tensor:
        """Make an image of one chosen member a run, `(runs, 3, height, width)` in [0, 1].

        Images of a rig are as they were shown, others are generated.

        Args:
            which: the member (see `experiments.front_choice.choose`).

        Raises:
            InputError: the generator is not the one that the runs were made with.
        """
        return self.member_images([choose(r.front, r.settings, which) for r in self.runs])

    def member_images(self, members: Sequence[int]) -> Tensor:
        """Make an image of a member of each run's front, `(runs, 3, height, width)` in [0, 1].

        Args:
            members: a row of the front for each run.

        Raises:
            InputError: the generator is not the one that the runs were made with.
        """
        rows = list(members)
        if all(FRONT_IMAGES in r.tensors for r in self.runs):
            pictures = zip(self.runs, rows, strict=True)
            return torch.stack([r.tensors[FRONT_IMAGES][row] for r, row in pictures])
        first = self.runs[0]
        label = address_made_with(first.labels["generator"], first.settings.generator)
        generator = self.generator or load_generator(label)
        for record in self.runs:
            check_same(record.settings.generator, generator, label)
        codes = [r.tensors["codes"][row] for r, row in zip(self.runs, rows, strict=True)]
        return generator.generate(torch.stack(codes)).cpu()

    def __repr__(self) -> str:
        """Name the subject, the units and the searches in one line."""
        subjects, units = (
            ", ".join(dict.fromkeys(map(str, names)))
            for names in (
                (run.labels["subject"] for run in self.runs),
                (run.settings.unit for run in self.runs),
            )
        )
        tasks = Counter(run.settings.task for run in self.runs)
        told = ", ".join(f"{number} {task}" for task, number in tasks.items())
        return f"Result({subjects} {units}: {told or 'no runs'})"

    def _repr_html_(self) -> str:
        """Show the reference, one image a run, and the table in a notebook."""
        first = self.runs[0]
        table = self.table()
        pictures = [CaptionedPicture(first.path / "images" / "reference.png", "reference")]
        for record, row in zip(self.runs[:MOST_SHOWN], table.to_dict("records"), strict=False):
            words = f"{row['task']} at {row['site']}, seed {row['seed']}: "
            words += f"activity {row['activation']:.3g}, distance {row['pixel_distance']:.3g}"
            pictures.append(
                CaptionedPicture(record.path / "images" / f"member-{row['member']}.png", words)
            )
        units = ", ".join(dict.fromkeys(record.settings.unit for record in self.runs))
        return notebook(
            f"{number_of(len(self.runs), 'run')} of {first.labels['subject']} {units}",
            [] if len(self.runs) <= MOST_SHOWN else [f"the first {MOST_SHOWN} images:"],
            pictures,
            table.drop(columns=["run", "member"]).to_html(index=False, max_rows=12, border=0),
        )


def kind_of(record: RunRecord) -> str:
    """State the kind of a run's unit (`subjects.kinds`), empty for most."""
    reference = record.tensors.get("reference_activity")
    return searched_kind(
        record.settings.natural,
        (line["activation"] for line in record.journal),
        float("nan") if reference is None else float(reference.mean()),
    )


def load_result(folder: str | Path) -> Result:
    """Load the runs in a folder that `stretch_and_squeeze`, `sns` or `demo` wrote.

    Args:
        folder: holds run folders, or is one.

    Raises:
        StoreError: the folder holds no run with a result, or a damaged run.

    Example:
        >>> import invariscope as iv
        >>> subject = iv.load_subject("embedded:standard")
        >>> generator = iv.load_generator("embedded")
        >>> short = iv.SearchOptions(population=10, generations=2)
        >>> mei = iv.find_mei(subject, generator, "fc:3", options=short, out="runs")
        >>> iv.load_result("runs").table()["task"].tolist()
        ['excitation']
    """
    return Result(load_runs(Path(folder)))


def check_same(made_with: Mapping[str, Any], now: Subject | Generator, name: str) -> None:
    """Compare a subject or generator with the identity that a run was made with.

    The architecture's text may change with torch's version; the weights' names do not.

    Raises:
        InputError: the identities differ.
    """
    own = without_none(now.identity())
    keys = sorted((made_with.keys() | own.keys()) - {"architecture"})
    differ = [key for key in keys if made_with.get(key) != own.get(key)]
    if differ:
        raise InputError(
            f"{name} is not what the runs were made with (these differ: {', '.join(differ)}); "
            "analyse the study with the version that made it, or run it again"
        )
