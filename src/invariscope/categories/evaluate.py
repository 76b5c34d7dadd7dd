"""Measures of a trained network: answers, invariance of units, ablation.

Everything is kept in the network's folder: `answers.parquet`, `invariance/`, `tau.parquet`,
`ablation.parquet`. What is there is not measured again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from invariscope.categories.data import CategoryImages
from invariscope.categories.folder import NetworkFolder
from invariscope.categories.plan import fault_of, label_of
from invariscope.invariance.ablation import ablation_accuracy, find_tau
from invariscope.invariance.coefficient import invariance_coefficient
from invariscope.invariance.images import ImageSet
from invariscope.invariance.passes import MeasurementSetup
from invariscope.invariance.setup import choose_sites, make_setup
from invariscope.invariance.top import PERCENTS
from invariscope.store.hashes import read_hashed_table, write_hashed
from invariscope.subjects import Subject, load_subject
from invariscope.transformations import Transformation

ANSWERS, INVARIANCE, TAU, ABLATION = (
    "answers.parquet",
    "invariance",
    "tau.parquet",
    "ablation.parquet",
)
PLAIN = "none"
GROUPS = ("seen", "unseen")
BATCH = 250
READING = "place"  # a neuron of a convolution is one channel at one place: layers are compared


@dataclass(frozen=True)
class NetworkEvaluation:
    """The measures of every network of a study.

    Attributes:
        data: the images.
        device: where.
        transformations: those that networks of the study are trained with.
        tested: further ones that accuracy is measured under: other strengths, others at all.
    """

    data: CategoryImages
    device: torch.device
    transformations: tuple[Transformation, ...]
    tested: tuple[Transformation, ...] = ()

    def _meant(self, transformations: tuple[Transformation, ...]) -> tuple[Transformation, ...]:
        """Keep the transformations that change these images: colour leaves grey images alone."""
        return tuple(t for t in transformations if not fault_of(t, self.data))

    def subject(self, folder: NetworkFolder) -> Subject:
        """Load the trained network."""
        return load_subject(f"categories:{folder.path}", self.device)

    def answer(self, folder: NetworkFolder) -> None:
        """Keep the category that the network reads from every test image.

        `answers.parquet`: `tested` (a label, or `none`), `image`, `label`, `answer`.
        """
        path = folder.path / ANSWERS
        if path.exists():
            return
        shown = {PLAIN: None} | {
            label_of(t): t for t in self._meant((*self.transformations, *self.tested))
        }
        images = self.data.test_set()
        subject, keys, rows = self.subject(folder), images.keys(0), []
        readout = list(subject.sites())[-1]
        for batch in images.stream(self.data.side, BATCH, self.device):
            for label, transformation in shown.items():
                pixels = batch.images
                if transformation is not None:
                    pixels = transformation(pixels, keys[batch.indices])
                answers = subject.respond(pixels, [readout])[readout].argmax(1).cpu().numpy()
                columns = {"image": batch.indices, "label": batch.labels, "answer": answers}
                rows.append(pd.DataFrame({"tested": label, **columns}))
        write_hashed(path, pd.concat(rows, ignore_index=True).to_parquet)

    def own(self, folder: NetworkFolder) -> tuple[Transformation, ...]:
        """List the transformations for the units of a network."""
        trained = folder.planned.transformation
        return self._meant(self.transformations) if trained is None else (trained,)

    def images(self, folder: NetworkFolder) -> ImageSet:
        """Label the test images as seen or unseen: was their category transformed in training?"""
        whole = self.data.test_set()
        unseen = np.array([name not in folder.planned.seen for name in self.data.classes])
        labels = unseen[whole.labels].astype(np.int64)
        content = f"{whole.content} {' '.join(sorted(folder.planned.seen))}"
        return ImageSet(whole.names, labels, GROUPS, content, _relabelled(whole, labels))

    def search_tau(self, folder: NetworkFolder) -> None:
        """Keep the search for τ at the penultimate layer, by the paper's rule: `tau.parquet`.

        For networks that saw every category transformed; others have none.
        """
        path = folder.path / TAU
        if path.exists() or folder.planned.count < len(self.data.classes):
            return
        subject = self.subject(folder)
        site = choose_sites(subject)[-1]
        found = find_tau(self._setup(subject, folder, site), site)
        write_hashed(path, found.table.assign(chosen=found.tau).to_parquet)

    def measure(self, folder: NetworkFolder, tau: float) -> None:
        """Keep every unit's invariance, and the ablation of a network that saw all transformed.

        Units behind every nonlinearity are measured over all test images and over those of seen
        and of unseen categories; a unit's scale is its maximum over all. A unit of a convolution
        is one channel at one place, as a unit of a fully connected layer is one number.
        """
        subject = self.subject(folder)
        invariance_coefficient(
            subject,
            self.images(folder),
            self.own(folder),
            tau=tau,
            reading=READING,
            by_class=folder.planned.count > 0,
            top=(),
            batch=BATCH,
            out=folder.path / INVARIANCE,
            progress=False,
        )
        path = folder.path / ABLATION
        if path.exists() or folder.planned.count < len(self.data.classes):
            return
        site = choose_sites(subject)[-1]
        setup = self._setup(subject, folder, site)
        write_hashed(path, ablation_accuracy(setup, site, tau, top=PERCENTS).to_parquet)

    def _setup(self, subject: Subject, folder: NetworkFolder, site: str) -> MeasurementSetup:
        return make_setup(
            subject,
            self.data.test_set(),
            self.own(folder),
            site,
            reading=READING,
            batch=BATCH,
        )


def _relabelled(whole: ImageSet, labels: np.ndarray):  # noqa: ANN202
    def stream(side: int, batch: int, device: torch.device):  # noqa: ANN202
        for part in whole.stream(side, batch, device):
            yield part._replace(labels=labels[part.indices])

    return stream


def read_measured(path: Path) -> pd.DataFrame:
    """Read a table that `measure` or `search_tau` kept of a network.

    Raises:
        StoreError: it is missing or damaged.
    """
    return read_hashed_table(path, "delete it, and `categories evaluate` measures it again")


def chosen_tau(paths: Sequence[Path]) -> float | None:
    """Choose the smallest τ that the searches of several networks found, or None."""
    found = [read_measured(path)["chosen"].iloc[0] for path in paths if path.exists()]
    known = [float(value) for value in found if not pd.isna(value)]
    return min(known) if known else None
