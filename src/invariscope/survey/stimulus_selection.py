"""The images of a survey, from a study's runs and from photos."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor

from invariscope import seeds, user_code
from invariscope.errors import InputError
from invariscope.experiments.pictures import write_png
from invariscope.generators import address_made_with
from invariscope.invariance.classes import class_names, classifier
from invariscope.photos import PhotoFolder, open_folder
from invariscope.photos.stream import read_image
from invariscope.plurals import number_of
from invariscope.store.files import make_folder
from invariscope.study.loading import load_generator_cached, load_subject_cached
from invariscope.study.result import StudyResult, filter_runs
from invariscope.subjects import Subject
from invariscope.survey.design import MEI, NATURAL, PRACTICE
from invariscope.survey.folder import content_name
from invariscope.survey.lists import Stimulus

BATCH = 64


@dataclass(frozen=True)
class StimulusSelection:
    """The choice of a study's images for a survey.

    Attributes:
        task: whose images, `invariance` or `adversarial`.
        runs: `all`, `milestone` or `stopped` (see `study.result.filter_runs`).
        which: the image of each run (see `experiments.front_choice.choose`).
        photos: class folders of natural images; by default those of the study.
        class_table: what the class folders are called (see `class_names`).
        practice: photos for practice trials.
        allow_code: whether the study's own Python files may be run.
        seed: of the choice of photos.
    """

    task: str = "invariance"
    runs: str = "all"
    which: str = "kept"
    photos: Path | None = None
    class_table: Path | None = None
    practice: int = 4
    allow_code: bool = False
    seed: int = 0


@dataclass(frozen=True)
class StimulusImage:
    """An image with its description, before the image is written.

    Attributes:
        stimulus: without its file.
        image: `(3, height, width)` in [0, 1].
    """

    stimulus: Stimulus
    image: Tensor


def _rows(result: StudyResult, wish: StimulusSelection) -> pd.DataFrame:
    """Select the study's runs for the images to show.

    Raises:
        InputError: there are none, or their units have no class.
    """
    table = filter_runs(result.table(), wish.runs)
    whole = table["subset"].isna()  # samples of a site are other conditions, not shown to people
    table = table.loc[(whole & (table["task"] == wish.task)).to_numpy(bool)]
    if not len(table):
        raise InputError(
            f"study {result.folder.name!r} has no {wish.task} runs that have ended"
            + ("" if wish.runs == "all" else f" and meet --runs {wish.runs}")
        )
    unnamed = table.loc[table["label"].isna().to_numpy(bool), "unit"]
    if len(unnamed):
        raise InputError(
            f"unit {unnamed.iloc[0]!r} stands for no class, so its images have no right answer; "
            "a survey needs a study of units of the readout"
        )
    return table


def categories_of(result: StudyResult, wish: StimulusSelection) -> list[str]:
    """List the classes of the study's units, in the readout's order."""
    table = _rows(result, wish).sort_values("unit", key=lambda units: units.map(_number))
    return list(dict.fromkeys(table["label"]))


def _number(unit: str) -> int:
    return int(unit.rpartition(":")[2].split(",")[0].split("+")[0])


def pick_categories(
    known: Sequence[str], planned_runs: int | None, named: Sequence[str], seed: int
) -> tuple[str, ...]:
    """Pick the answers to choose from.

    Args:
        known: the study's.
        planned_run: how many, drawn by seed; by default all, 12 at most.
        named: these instead.

    Raises:
        InputError: more than the study has, or one that it has not.
    """
    if named:
        missing = [name for name in named if name not in known]
        if missing:
            raise InputError(f"category {missing[0]!r} is none of the study's: {', '.join(known)}")
        return tuple(named)
    number = min(12, len(known)) if planned_runs is None else planned_runs
    if number > len(known):
        raise InputError(
            f"--classes is {number}, but the study has images of "
            f"{number_of(len(known), 'category')}; expected 2 to {len(known)}"
        )
    stream = seeds.numpy_stream("survey", "classes", seed, number)
    chosen = set(stream.choice(len(known), number, replace=False).tolist())
    return tuple(name for k, name in enumerate(known) if k in chosen)


def collect_stimuli(
    result: StudyResult, categories: Sequence[str], wish: StimulusSelection
) -> Iterator[StimulusImage]:
    """Collect every image that a survey of these categories can show.

    MEIs are the references that the runs departed from, each once. Photos are as many of each
    category as the most images that another condition has of it, and those for practice.

    Raises:
        InputError: no runs, or photos whose classes cannot be matched.
    """
    table = _rows(result, wish)
    table = table.loc[table["label"].isin(list(categories)).to_numpy(bool)]
    by_name = {w.name: w for w in result.planned_runs}
    sources = [by_name[name] for name in table["name"]]  # the table has names, these addresses
    if not wish.allow_code:
        for w in sources:
            for address in (w.subject, w.generator):
                user_code.allow(address, allow_code=False)
    seen: set[str] = set()
    for row in table.to_dict("records"):
        needs = by_name[row["name"]].needs
        if needs and needs[1] not in seen:
            seen.add(needs[1])
            record = result.records(table.loc[table["name"] == row["name"]])[0]
            mei = _stimulus(row, needs[1], MEI, "")
            yield StimulusImage(mei, record.tensors["reference_image"])
    for address in dict.fromkeys(w.generator for w in sources):
        own = table.loc[[w.generator == address for w in sources]]
        made_with = result.records(own.iloc[:1])[0].settings.generator
        generator = load_generator_cached(address_made_with(address, made_with), "cpu")
        for start in range(0, len(own), BATCH):
            part = own.iloc[start : start + BATCH]
            images = result.images(part, wish.which, generator)
            for row, image in zip(part.to_dict("records"), images, strict=True):
                yield StimulusImage(_stimulus(row, row["run"], wish.task, row["site"]), image)
    photos = wish.photos or _photos_of(result)
    if photos is not None:
        most = int(table.groupby(["label", "subject", "site"]).size().max())
        subject = load_subject_cached(sources[0].subject, "cpu")
        yield from _photos(photos, subject, categories, most, wish)


def _stimulus(row: dict, image: str, condition: str, site: str) -> Stimulus:
    return Stimulus(image, "", condition, site, row["subject"], row["unit"], row["label"])


def _photos_of(result: StudyResult) -> Path | None:
    data = result.folder.file().data
    if data is None or data.photos is None:
        return None
    path = Path(data.photos)
    if not path.is_dir():
        raise InputError(
            f"the study's photos {data.photos!r} are not there (a relative path counts from the "
            "study file); name them with --photos"
        )
    return path


def _photos(
    path: Path, subject: Subject, categories: Sequence[str], most: int, wish: StimulusSelection
) -> Iterator[StimulusImage]:
    folder = open_folder(path)
    names = class_names(path, wish.class_table)
    units = classifier(subject, folder.classes, names=names).targets.tolist()
    called = [subject.classes[unit] if subject.classes else str(unit) for unit in units]
    missing = [name for name in categories if name not in called]
    if missing:
        raise InputError(f"{str(path)!r} has no photos of category {missing[0]!r}")
    spare: list[tuple[int, str]] = []
    for category in categories:
        own = [k for k in range(len(folder)) if called[folder.labels[k]] == category]
        seeds.numpy_stream("survey", "photos", wish.seed, category).shuffle(own)
        spare += [(photo, category) for photo in own[most : most + wish.practice]]
        for photo in own[:most]:
            yield _photo(folder, photo, subject, NATURAL, category)
    seeds.numpy_stream("survey", "practice photos", wish.seed).shuffle(spare)
    for photo, category in spare[: wish.practice]:
        yield _photo(folder, photo, subject, PRACTICE, category)


def _photo(
    folder: PhotoFolder, photo: int, subject: Subject, condition: str, category: str
) -> StimulusImage:
    image = read_image(folder.file(photo), subject.image_size, subject.photo)
    return StimulusImage(Stimulus(folder.names[photo], "", condition, "", "", "", category), image)


def write_images(found: Iterator[StimulusImage], folder: Path) -> tuple[list[Stimulus], int]:
    """Write each image once, as PNG named by its content.

    Returns:
        The stimuli, and how many were left out because another image is the same.
    """
    make_folder(folder)
    written: dict[str, Stimulus] = {}
    same = 0
    for one in found:
        values = (one.image.cpu() * 255).round().clamp(0, 255).to(torch.uint8).numpy()
        file = content_name(values)
        if file in written:
            same += 1
            continue
        write_png(folder / file, one.image)
        written[file] = replace(one.stimulus, file=file)
    return list(written.values()), same
