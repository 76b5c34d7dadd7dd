"""The units of a readout that stand for the classes of the images.

Class folders are often named by codes (`n01440764`) where a subject names its classes in words
(`tench`). A table in between has a line for each folder: its name, a tab, and the class's name or
the unit's number. It is the file that is given, or `classes.tsv` in the folder of the class
folders, or beside it (`val/` and `classes.tsv` side by side). Networks differ in
how they name classes, so the table's word and the folder's own name are both tried, as a name, a
WordNet id and a unit's number.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from invariscope.errors import InputError, nearest
from invariscope.plurals import number_of
from invariscope.subjects.base import Subject
from invariscope.units import find_site

TABLE = "classes.tsv"
BY_ORDER = "classes matched by order"
WORDNET = re.compile(r"n[0-9]{8}")


@dataclass(frozen=True)
class Classifier:
    """The readout that answers a subject's class for an image.

    Attributes:
        site: the readout.
        targets: for each class of the images its unit there, `(classes,)` int64.
        units: how many units the readout has; the answer is always among all of them.
        matched: by what the classes were found, as a sentence.
    """

    site: str
    targets: Tensor
    units: int
    matched: str = ""

    @property
    def by_order(self) -> bool:
        """Tell if nothing but the order of units and classes was there to match by."""
        return self.matched == BY_ORDER

    def answer(self, subject: Subject, images: Tensor) -> Tensor:
        """Find the unit that each image drives most, `(n,)` int64 on the CPU."""
        return subject.respond(images, [self.site])[self.site].flatten(1).argmax(1).cpu()


def class_names(folder: Path, table: Path | None = None) -> dict[str, str]:
    """Read the name that a table gives each class folder; empty without a table.

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
        if not line.strip("\ufeff \t\r"):
            continue
        # Files that were joined have a byte order mark in the middle too.
        word, name = (part.strip(" \t\r\ufeff") for part in line.partition("\t")[::2])
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

    What the table calls a class comes first, then the folder's own name, then what other name the
    table has for it. A word is a class's name (capitals and underscores apart, of several names
    with commas between them the first or all), or its WordNet id where the subject has these, or
    a unit's number, counted from 0. Folders go by order only where the subject names no classes,
    there are as many, and they are not numbers.

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
    own = subject.classes if len(subject.classes) == units else ()
    plain = not subject.classes and not names  # names of other units say that these have others
    if plain and len(classes) == units and not all(map(_is_number, classes)):
        return Classifier(readout, torch.arange(units), units, BY_ORDER)
    targets: list[int] = []
    ways: Counter[str] = Counter()
    for name in classes:
        found = _find(name, own, names or {}, units)
        if found is None:
            raise _unmatched(subject, name, (names or {}).get(name, name), readout, units)
        targets.append(found[0])
        ways[found[1]] += 1
    matched = ", ".join(f"{number} by {way}" for way, number in ways.most_common())
    told = f"classes matched: {matched}"
    return Classifier(readout, torch.tensor(targets, dtype=torch.int64), units, told)


def _plain(name: str) -> str:
    return " ".join(name.replace("_", " ").casefold().split())


def _is_number(word: str) -> bool:
    return word.isascii() and word.isdecimal()


def _named(own: Sequence[str], word: str) -> int | None:
    """Find the only class of that name; None where there is no such class, or several."""
    wanted = _plain(word)
    found = [k for k, name in enumerate(own) if wanted == _plain(name)]
    if not found:
        first = wanted.partition(",")[0]
        found = [k for k, name in enumerate(own) if first == _plain(name).partition(",")[0]]
    return found[0] if len(found) == 1 else None


def _find(
    name: str, own: Sequence[str], names: Mapping[str, str], units: int
) -> tuple[int, str] | None:
    """Find the unit of a class folder, and name the clue; None where nothing tells."""
    word = names.get(name)
    if word is not None:
        if (unit := _named(own, word)) is not None:
            return unit, "the table's name"
        if _is_number(word):  # a number that is none of the units is a fault of the table
            return (int(word), "the table's unit number") if int(word) < units else None
    if (unit := _named(own, name)) is not None:
        return unit, "WordNet id" if WORDNET.fullmatch(name) else "the folder's name"
    if _is_number(name):
        return (int(name), "the folder's name as a unit number") if int(name) < units else None
    others = {_named(own, key) for key, other in names.items() if _plain(other) == _plain(name)}
    unit = others.pop() if len(others) == 1 else None
    return None if unit is None else (unit, "the table's id")


def _unmatched(subject: Subject, name: str, word: str, readout: str, units: int) -> InputError:
    called = repr(name) if name == word else f"{name!r} ({word!r})"
    near = nearest(word, subject.classes) if subject.classes else ""
    fits = len(subject.classes) in (0, units)
    apart = (
        ""
        if fits
        else f" (it names {number_of(len(subject.classes), 'class')}, so not these units.)"
    )
    return InputError(
        f"class {called} is none, or not one alone, of the {number_of(units, 'unit')} of "
        f"{readout!r} of {subject.name}, as a name, a WordNet id or a unit's "
        f"number{near or '.'}{apart} Give a table ({TABLE} beside the class folders, or as an "
        "option) with a line for each class folder: its name, a tab, the subject's name or unit "
        "number"
    )
