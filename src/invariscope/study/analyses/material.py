"""Material for analyses of a study: its table, images, networks, photos and answers."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from invariscope import user_code
from invariscope.analysis.grouping import Rows, groups_by, rows_where, searched
from invariscope.errors import InputError, StoreError
from invariscope.experiments.result import Result, check_same
from invariscope.generators import Generator, address_made_with
from invariscope.invariance.classes import class_names, classifier
from invariscope.invariance.setup import images_for
from invariscope.photos import PhotoFolder
from invariscope.plurals import number_of
from invariscope.store.record import RunRecord, load_run
from invariscope.study.loading import load_generator_cached, load_subject_cached
from invariscope.study.planned_run import PlannedRun
from invariscope.study.result import StudyResult
from invariscope.subjects import Subject

AT_ONCE = 64  # images that are made together
# Columns of the study's table in which every value can be missing.
NUMBERS = ("stretch", "squeeze", "pixel_distance", "activation", "reference_activity", "reduction")
NUMBERS += ("natural_maximum", "natural_minimum", "natural_mean", "natural_sd")


class PhotosAsSeen(NamedTuple):
    """Photos at a subject's size, with their classes.

    Attributes:
        images: `(n, 3, side, side)` in [0, 1].
        classes: the class of each, by the subject's own name; "" where it has none.
    """

    images: Tensor
    classes: list[str]


@dataclass(frozen=True)
class AnalysisMaterial:
    """A study, and the photos, observers and answers for its analyses.

    Attributes:
        study: see there.
        runs: which runs count: `all`, `milestone` or `stopped` (see `filter_runs`).
        observers: addresses of networks that look at its images.
        photos: natural images, already as few of each class as are wanted.
        names: what observers call the study's classes, for those that do not know them by the
            study's own names.
        answers: people's, one row a trial (`analysis.people.COLUMNS`).
        device: where networks run.
        allow_code: whether addresses may name files of Python.
    """

    study: StudyResult
    runs: str = "all"
    observers: tuple[str, ...] = ()
    photos: PhotoFolder | None = None
    names: Mapping[str, str] = field(default_factory=dict)
    answers: pd.DataFrame | None = None
    device: str = "auto"
    allow_code: bool = False
    _records: dict[str, RunRecord] = field(default_factory=dict, init=False, repr=False)
    _networks: dict[str, Subject] = field(default_factory=dict, init=False, repr=False)

    @cached_property
    def table(self) -> Rows:
        """The runs from a reference that count.

        Raises:
            StoreError: there are none.
        """
        table = searched(self.study.table(self.runs))
        if not len(table):
            raise StoreError(
                f"study {self.study.folder.name!r} holds no run of the filter {self.runs!r}; "
                "see `study status`"
            )
        return table.astype(dict.fromkeys(NUMBERS, float))

    @cached_property
    def meis(self) -> Rows:
        """Every search for an MEI, whatever the filter."""
        table = self.study.table()
        return rows_where(table, table["task"] == "excitation")

    @cached_property
    def _planned_run(self) -> dict[str, PlannedRun]:
        return {run.name: run for run in self.study.planned_runs}

    @cached_property
    def sites_of(self) -> dict[str, list[str]]:
        """Each subject's stretch sites, from the shallowest to the deepest."""
        found = {}
        for key, own in groups_by(self.table, ["subject"]):
            records = self.records(own.drop_duplicates("site"))
            depth = {str(r.settings.site): r.labels.get("site_depth", 0) for r in records}
            found[key["subject"]] = sorted(depth, key=lambda site, d=depth: d[site])
        return found

    @cached_property
    def sites(self) -> list[str]:
        """The stretch sites of every subject, each subject's by depth, the first subject's first.

        Subjects with sites of one name have them in one order.
        """
        return list(dict.fromkeys(site for own in self.sites_of.values() for site in own))

    @cached_property
    def whole(self) -> Rows:
        """The runs that stretch a whole site; a subset's distances compare with no other's.

        Raises:
            InputError: there are none.
        """
        return self._some(self.table["subset"].isna(), "runs that stretch a whole site")

    @cached_property
    def invariant(self) -> Rows:
        """The runs of the task `invariance` at a whole site.

        Raises:
            InputError: there are none.
        """
        chosen = (self.table["task"] == "invariance") & self.table["subset"].isna()
        return self._some(chosen, "invariance runs that stretch a whole site")

    @cached_property
    def partial(self) -> Rows:
        """The runs of that task that stretch a subset of a site.

        Raises:
            InputError: there are none.
        """
        chosen = (self.table["task"] == "invariance") & self.table["subset"].notna()
        return self._some(chosen, "invariance runs that stretch a subset of a site")

    def _some(self, chosen: Rows, words: str) -> Rows:
        if not chosen.any():
            raise InputError(f"the study holds no {words}")
        return rows_where(self.table, chosen)

    def records(self, rows: Rows) -> list[RunRecord]:
        """Read the record of each run, once."""
        for name, path in zip(rows["name"], rows["path"], strict=True):
            if name not in self._records:
                self._records[name] = load_run(Path(path))
        return [self._records[name] for name in rows["name"]]

    def subject(self, name: str) -> Subject:
        """Load a subject by its name in the table.

        Raises:
            InputError: what has this address now is not what the runs were made with.
        """
        rows = rows_where(self.table, self.table["subject"] == name)
        subject = self._loaded(self._planned_run[str(rows["name"].iloc[0])].subject)
        check_same(self.records(rows.iloc[:1])[0].settings.subject, subject, name)
        return subject

    def observer(self, address: str) -> Subject:
        """Load an observer."""
        return self._loaded(address)

    @cached_property
    def observer_kinds(self) -> dict[str, str]:
        """The roles of the observers, by name; observers without a role are left out."""
        folder = self.study.folder
        roles = {folder.address(a): role for a, role in folder.file().roles.items()}
        return {self.observer(a).name: roles[a] for a in self.observers if a in roles}

    def _loaded(self, address: str) -> Subject:
        user_code.allow(address, allow_code=self.allow_code)
        if address not in self._networks:
            self._networks[address] = load_subject_cached(address, self.device)
        return self._networks[address]

    def generator(self, rows: Rows) -> Generator:
        """Load the generator of some runs.

        Raises:
            InputError: runs of several generators, or one that has changed since.
        """
        own = {self._planned_run[name].generator for name in rows["name"]}
        if len(own) != 1:
            raise InputError(
                f"the study holds runs of {number_of(len(own), 'generator')}; expected one"
            )
        address = own.pop()
        user_code.allow(address, allow_code=self.allow_code)
        made_with = self.records(rows.iloc[:1])[0].settings.generator
        address = address_made_with(address, made_with)
        generator = load_generator_cached(address, self.device)
        check_same(made_with, generator, address)
        return generator

    def images(self, rows: Rows, members: str = "member") -> Tensor:
        """Make an image of each run at its subject's size, `(runs, 3, side, side)`.

        Args:
            rows: of the study's table.
            members: the column with the member of each run; by default the one that is kept.
        """
        parts = []
        for key, own in groups_by(rows, ["subject"]):
            records, generator = self.records(own), self.generator(own)
            chosen = own[members].astype(int).tolist()
            made = [
                Result(records[i : i + AT_ONCE], generator).member_images(chosen[i : i + AT_ONCE])
                for i in range(0, len(records), AT_ONCE)
            ]
            parts.append((own.index, self.subject(key["subject"]).see(torch.cat(made)).cpu()))
        return _in_order(rows, parts)

    def references(self, rows: Rows) -> Tensor:
        """Give the reference of each run at its subject's size, `(runs, 3, side, side)`."""
        parts = []
        for key, own in groups_by(rows, ["subject"]):
            found = torch.stack([r.tensors["reference_image"] for r in self.records(own)])
            parts.append((own.index, self.subject(key["subject"]).see(found).cpu()))
        return _in_order(rows, parts)

    def codes(self, rows: Rows) -> Tensor:
        """Give the code of each run's chosen image, `(runs, code_dim)`."""
        members = zip(self.records(rows), rows["member"], strict=True)
        return torch.stack([record.tensors["codes"][member] for record, member in members])

    def by_subject(self, rows: Rows) -> Iterator[tuple[str, Subject, Rows]]:
        """Group the runs by subject."""
        for key, own in groups_by(rows, ["subject"]):
            yield key["subject"], self.subject(key["subject"]), own

    def named(self, rows: Rows) -> Rows:
        """Keep the runs of units that stand for a class.

        Raises:
            InputError: none does.
        """
        known = rows_where(rows, rows["label"].notna())
        if not len(known):
            raise InputError("the study's units stand for no classes; observers need those")
        return known

    def watchers(self) -> list[Subject]:
        """Load the observers.

        Raises:
            InputError: none was named.
        """
        if not self.observers:
            raise InputError(
                "no observer was named; give --observers, or observers in [data] of the study file"
            )
        return [self.observer(address) for address in self.observers]

    def names_for(self, observer: Subject, classes: Sequence[str]) -> Mapping[str, str]:
        """Find an observer's names for the study's classes; the user's table comes first.

        Raises:
            InputError: it knows them by neither name; or the table names none of them; or the
                observer names no classes, and the order of its units would have to be guessed.
        """
        if self.names and not set(self.names) & set(classes):
            raise InputError(
                f"the table of classes names none of the study's, such as {classes[0]!r}; expected "
                "lines of a class of the study, a tab, and its name or unit number"
            )
        found = classifier(observer, classes, names=self.names)
        if found.by_order:
            raise InputError(
                f"{observer.name} names no classes, and nothing says that its units stand for the "
                "study's in their order; give --classes, with a line a class: its name in the "
                "study, a tab, its unit's number"
            )
        return self.names

    def shown(self, subject: Subject) -> PhotosAsSeen | None:
        """Resize the photos for a subject, with its own names of their classes."""
        if self.photos is None:
            return None
        images = images_for(subject, self.photos)
        parts = list(images.stream(subject.image_size, AT_ONCE, torch.device("cpu")))
        labels = np.concatenate([part.labels for part in parts])
        names = {-1: ""}
        if images.classes and subject.classes:
            readout = classifier(subject, images.classes, names=class_names(self.photos.path))
            units = enumerate(readout.targets.tolist())
            names |= {label: subject.classes[unit] for label, unit in units}
        classes = [names.get(int(label), str(images.classes[label])) for label in labels]
        return PhotosAsSeen(torch.cat([part.images for part in parts]), classes)

    def needed_photos(self, subject: Subject) -> PhotosAsSeen:
        """Resize the photos for a subject, or refuse.

        Raises:
            InputError: no photos were given.
        """
        found = self.shown(subject)
        if found is None:
            raise InputError("no photos were given; name a folder with --photos")
        return found


def _in_order(rows: Rows, parts: list[tuple[pd.Index, Tensor]]) -> Tensor:
    """Put the images of groups of rows into the order of the rows.

    Raises:
        InputError: subjects that see images of several sizes.
    """
    sizes = {images.shape[-1] for _, images in parts}
    if len(sizes) > 1:
        raise InputError(
            f"the study's subjects see images of {number_of(len(sizes), 'size')}, {sorted(sizes)} "
            "px; analyse studies of one size"
        )
    place = {index: number for number, index in enumerate(rows.index)}
    order = [place[index] for own, _ in parts for index in own]
    stacked = torch.cat([images for _, images in parts])
    images = torch.empty_like(stacked)
    images[order] = stacked
    return images
