"""Read a folder of published files into a study of ours."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from invariscope.errors import InputError
from invariscope.natural.statistics import NaturalStatistics, describe
from invariscope.paper.published.names import site_of
from invariscope.paper.published.pickles import read_dictionary
from invariscope.paper.published.runs import PublishedRun, meis, save_run, searches
from invariscope.photos.walk import find_files
from invariscope.plurals import number_of
from invariscope.store.files import make_folder, replace_file
from invariscope.study.folder import StudyFolder
from invariscope.study.index import catch_up, read_rows
from invariscope.study.planned_run import REFERENCES, PlannedRun

PEOPLE = "people.parquet"
NEEDED = ("net_sbj", "robust", "lower_ly", "upper_ly", "p1_front", "p1_codes", "layer_scores")


@dataclass
class ImportReport:
    """The taken and the refused parts of the published files.

    Attributes:
        runs: every run that the store holds now, as the study wants it.
        natural: files of natural statistics that were written.
        people: rows of people's answers.
        left: a sentence for every file or part that was not understood.
    """

    runs: list[PlannedRun] = field(default_factory=list)
    natural: list[str] = field(default_factory=list)
    people: int = 0
    left: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """Say in lines how many runs were taken, and why others were not."""
        found = sum(run.condition == REFERENCES for run in self.runs)
        told = (
            f"{found} MEIs, {number_of(len(self.runs) - found, 'search')}, "
            f"{number_of(len(self.natural), 'table')} of natural statistics, "
            f"{number_of(self.people, 'row')} of people's answers"
        )
        return [told] + [f"not understood: {sentence}" for sentence in self.left]


class _Importer:
    def __init__(self, source: Path, study: StudyFolder) -> None:
        self.source, self.study, self.found = source, study, ImportReport()

    def take(self, path: Path) -> None:
        """Take the runs of one file, by its content."""
        said = path.relative_to(self.source).as_posix()
        try:
            if path.suffix == ".csv":
                self._people(path)
                return
            content = read_dictionary(path)
            if isinstance(content.get("reference"), Mapping):
                self._runs(said, REFERENCES, meis(content["reference"]))
            elif "p1_front" in content:
                self._searches(said, content)
            else:
                self._natural(said, content)
        except InputError as error:
            self.found.left.append(f"{said}: {error}")

    def _searches(self, said: str, content: Mapping[str, Any]) -> None:
        missing = [key for key in NEEDED if not isinstance(content.get(key), list)]
        if missing:
            raise InputError(f"its searches lack {missing}")
        lists = {key: values for key, values in content.items() if isinstance(values, list)}
        uneven = [key for key, values in lists.items() if len(values) != len(content["p1_front"])]
        if uneven:
            raise InputError(f"its lists differ in length: {uneven}")
        self._runs(said, Path(said).parent.name or Path(said).stem, searches(lists))

    def _runs(self, said: str, condition: str, found: Any) -> None:
        for one in found:
            if isinstance(one, PublishedRun):
                save_run(one, self.study.runs)
                self.found.runs.append(_planned_run(one, condition))
            else:
                self.found.left.append(f"{said}: {one}")

    def _natural(self, said: str, content: Mapping[str, Any]) -> None:
        """Natural statistics, in the form that a subject's `natural` table has."""
        before = len(self.found.natural)
        for network, variants in content.items():
            for variant, layers in variants.items() if isinstance(variants, Mapping) else ():
                tables = []
                for layer, recorded in layers.items() if isinstance(layers, Mapping) else ():
                    try:
                        tables.append(_described(str(network), str(layer), recorded))
                    except (InputError, LookupError, TypeError, ValueError) as error:
                        left = f"{said}: recordings {network}/{variant}/{layer}: {error}"
                        self.found.left.append(left)
                if tables:
                    path = self.study.path / f"natural_{network}_{variant}.parquet"
                    # Which weights they are of is not recorded, so they are held against none.
                    table = pd.concat(tables, ignore_index=True)
                    NaturalStatistics(table, {}, {"published": f"{network} {variant}"}).save(path)
                    self.found.natural.append(path.name)
        if len(self.found.natural) == before:
            raise InputError(f"keys {[str(key) for key in content][:5]} are of no known file")

    def _people(self, path: Path) -> None:
        try:
            table = pd.read_csv(path)
            accuracy = table["participant_accuracy"].astype(float)
        except KeyError as error:
            raise InputError("it has no column participant_accuracy") from error
        except (ValueError, OSError) as error:
            raise InputError(f"it cannot be read as a table ({error})") from error
        answers = pd.DataFrame(
            {
                "condition": table.iloc[:, 0].astype(str),
                "accuracy": accuracy,
            }
        )
        self.found.people += len(answers)
        replace_file(self.study.path / PEOPLE, answers.to_parquet)


def _described(network: str, layer: str, recorded: Mapping[str, Any]) -> pd.DataFrame:
    site, shape = site_of(network, layer)
    data, labels = np.asarray(recorded["data"], np.float64), recorded["labels"]
    if isinstance(labels, np.ndarray):
        labels = (labels,)
    places = np.stack([np.asarray(axis).reshape(-1) for axis in labels], 1)
    if data.ndim != 2 or len(places) != len(data) or places.shape[1] != len(shape):
        raise InputError(
            f"data of shape {data.shape} does not fit {number_of(len(places), 'label')}"
        )
    names = [f"{site}:{','.join(map(str, place))}" for place in places.tolist()]
    return pd.DataFrame({"unit": names, "split": "train"} | describe(data))


def _planned_run(one: PublishedRun, condition: str) -> PlannedRun:
    s = one.settings
    return PlannedRun(
        name=s.name,
        folder=s.folder_name,
        condition=condition,
        subject=one.labels["subject"],
        generator=one.labels["generator"],
        unit=s.unit,
        task=s.task,
        seed=s.seed,
        site=s.site,
        role="robust" if s.subject["robust"] else "standard",
        options={"generations": s.generations, "population": s.population},
    )


def import_published(source: Path, store: Path, name: str = "published") -> ImportReport:
    """Read every published file in a folder into a store, as one study.

    Raises:
        InputError: there is no such folder, or no file in it is one of the record's.
        StoreError: the store cannot be written.
    """
    files = sorted(source / name for name in find_files(source).files if name.endswith(SUFFIXES))
    if not files:
        raise InputError(f"{str(source)!r} holds no .pkl or .csv of the published record")
    study = StudyFolder(store, name)
    make_folder(study.path)
    make_folder(study.runs)
    importer = _Importer(source, study)
    for path in files:
        importer.take(path)
    found = importer.found
    text = f'# imported\ntitle = "published record"\n[conditions.published]\n{_CONDITION}'
    study.write(text, {run.name: run for run in found.runs}.values())
    known = [row["run"] for row in read_rows(study.runs).values()]
    catch_up(study.runs, [run.folder for run in found.runs], known)
    return found


SUFFIXES = (".pkl", ".pickle", ".csv")
_CONDITION = 'subjects = "published"\nunits = "fc:0"\n'
