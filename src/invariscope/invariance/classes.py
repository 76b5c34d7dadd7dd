"""Which unit of a readout stands for which class of the images.

Class folders are often named by codes (`n01440764`) where a subject names its classes in words
(`tench`). A table in between has a line for each folder: its name, a tab, and the class's name or
the unit's number. It is the file that is given, or `classes.tsv` in the folder of the class
folders, or beside it (`val/` and `classes.tsv` side by side).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from invariscope.errors import InputError, nearest
from invariscope.subjects.base import Subject
from invariscope.units import find_site

TABLE = "classes.tsv"


@dataclass(frozen=True)
class Classifier:
    """How a subject's readout answers which class an image is of.

    Attributes:
        site: the readout.
        targets: for each class of the images its unit there, `(classes,)` int64.
        units: how many units the readout has; the answer is always among all of them.
    """

    site: str
    targets: Tensor
    units: int

    def answer(self, subject: Subject, images: Tensor) -> Tensor:
        """The unit that each image drives most, `(n,)` int64 on the CPU."""
        return subject.respond(images, [self.site])[self.site].flatten(1).argmax(1).cpu()


def class_names(folder: Path, table: Path | None = None) -> dict[str, str]:
    """What a table calls each class folder; empty where there is no table.

    Args:
        folder: that holds the class folders.
        table: the file; by default `classes.tsv` in the folder or beside it, if there.

    Raises:
        InputError: the table cannot be read, or a line of it does not name two things.
    """
    places = [table] if table else [folder / TABLE, folder.resolve().parent / TABLE]
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        if table:
            raise InputError(f"no file {str(table)!r}; expected a line a class: folder, tab, name")
        return {}
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{str(path)!r} cannot be read as text ({error})") from error
    names = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        word, name = (part.strip() for part in line.partition("\t")[::2])
        if not (word and name) or word in names:
            raise InputError(
                f"line {number} of {str(path)!r} is {line!r}; expected a class folder that was "
                "not named before, a tab, and its name or unit number"
            )
        names[word] = name
    return names


def classifier(
    subject: Subject,
    classes: Sequence[str],
    site: str | None = None,
    names: Mapping[str, str] | None = None,
) -> Classifier:
    """Match the images' classes with the readout's units.

    By name, capitals and underscores apart, of several names with commas between them the first
    or all; by number where the table gives one; by order where the subject names no classes and
    there are as many.

    Args:
        classes: of the images.
        site: the readout; by default the deepest site.
        names: what each class is called (`class_names`); others are called what they are.

    Raises:
        InputError: no classes, or one that cannot be matched.
    """
    sites = subject.sites()
    readout = find_site(site, sites) if site else list(sites)[-1]
    units = torch.Size(sites[readout]).numel()
    if not classes:
        raise InputError("accuracy needs classes; expected labels, or <class>/<photo>.jpg")
    called = [(names or {}).get(name, name) for name in classes]
    by_order = not subject.classes and not names and len(classes) == units
    found = range(units) if by_order else [_unit(subject, n, units, bool(names)) for n in called]
    for name, word, unit in zip(classes, called, found, strict=True):
        if unit is None:
            raise _unmatched(subject, name, word, readout, units)
    return Classifier(readout, torch.tensor(found, dtype=torch.int64), units)


def _plain(name: str) -> str:
    return " ".join(name.replace("_", " ").casefold().split())


def _unit(subject: Subject, name: str, units: int, numbered: bool) -> int | None:
    if numbered and name.isdecimal():
        return int(name) if int(name) < units else None
    wanted = _plain(name)
    found = [k for k, own in enumerate(subject.classes) if wanted == _plain(own)]
    if not found:
        first = wanted.partition(",")[0]
        owns = [_plain(own).partition(",")[0] for own in subject.classes]
        found = [k for k, own in enumerate(owns) if first == own]
    return found[0] if len(found) == 1 else None


def _unmatched(subject: Subject, name: str, word: str, readout: str, units: int) -> InputError:
    called = repr(name) if name == word else f"{name!r} ({word!r})"
    near = nearest(word, subject.classes) if subject.classes else ""
    return InputError(
        f"class {called} is none, or not one alone, of the {units} units of {readout!r} of "
        f"{subject.name}{near} Write a table, {TABLE}, beside the class folders (or give one as an "
        "option) with a line for each class folder: its name, a tab, the subject's name or unit "
        "number"
    )
