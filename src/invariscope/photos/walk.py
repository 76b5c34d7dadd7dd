"""The files below a folder as a person sees files: nothing hidden, no folder twice."""

import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from invariscope.plurals import number_of

SYSTEM = frozenset(
    {
        *("@eadir", "@tmp", "@recycle", "@recently-snapshot", "#recycle", "#snapshot"),
        *("__macosx", "lost+found", "$recycle.bin", "recycler", "system volume information"),
        *("thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"),
    }
)
SHOWN = 5


def is_hidden(name: str) -> bool:
    """Tell whether a file or folder is hidden, or kept by a system or a program for itself."""
    return name.startswith(".") or name.lower() in SYSTEM


def is_text(name: str) -> bool:
    """Test if a file's name is text in UTF-8, as tables, pages and hashes need."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


@dataclass
class FoundFiles:
    r"""The files below a folder, and the paths that were passed over.

    Attributes:
        files: paths relative to the folder, `/` between the parts, sorted.
        folders: those right below the folder that were entered, sorted.
        skipped: hidden and system files and folders by name.
        again: links to folders that are visited anyway, or that hold the folder itself.
        unreadable: folders that cannot be read, relative to the folder.
        lost: links that lead nowhere, and what is neither file nor folder.
        unnamed: files and folders whose names are no text in UTF-8, which no table can hold; the
            bytes that are none as `\xff`.
    """

    files: list[str] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)
    again: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    unnamed: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """Write the passed-over paths in sentences, none where there is nothing to tell."""
        told = []
        if self.skipped:
            names = named(f"{name} ({n})" for name, n in self.skipped.most_common())
            told.append(
                f"{self.skipped.total()} hidden or system files and folders skipped: {names}"
            )
        for noun, what, paths in (
            ("link", "in a circle or to a folder that is visited anyway, left out", self.again),
            ("folder", "cannot be read, so the photos inside are missing", self.unreadable),
            ("link", "to nowhere or to no plain file, left out", self.lost),
            ("name", "not in UTF-8, left out; mend by renaming", self.unnamed),
        ):
            if paths:
                counted = number_of(len(paths), noun)
                told.append(f"{counted} {what}: {named(map(repr, sorted(paths)))}")
        return told


def named(words: Iterable[str]) -> str:
    """Join the first words of many with commas."""
    every = list(words)
    return ", ".join(every[:SHOWN]) + (", …" if len(every) > SHOWN else "")


def find_files(folder: Path) -> FoundFiles:
    """Find every file below a folder, through links too, each real folder once.

    A folder that lies in the tree itself is visited there, whatever links lead to it; of several
    links to one folder outside, the one nearest to the top is followed, then the first by name.
    Links in a circle end. Hidden and system files and folders are skipped and counted.

    Args:
        folder: where to look; its own name may be hidden.

    Example:
        `find_files(Path("photos")).files` is `["cat/1.jpg", "cat/more/2.jpg", "dog/3.jpg"]`.
    """
    found = FoundFiles()
    visited = {str(above) for above in Path(os.path.realpath(folder)).parents}
    waiting, links = [""], list[str]()
    while waiting or links:
        inside = waiting.pop() if waiting else links.pop(0)
        place = os.path.join(folder, inside)  # noqa: PTH118
        real = os.path.realpath(place)
        if real in visited:
            found.again.append(inside)
            continue
        visited.add(real)
        try:
            with os.scandir(place) as entries:
                below = sorted(entries, key=lambda entry: entry.name)
        except OSError:
            found.unreadable.append(inside or ".")
            continue
        if inside and "/" not in inside:
            found.folders.append(inside)
        for entry in below:
            path = f"{inside}/{entry.name}" if inside else entry.name
            _sort_in(entry, path, found, waiting, links)
        links.sort(key=lambda path: (path.count("/"), path))
    found.files.sort()
    found.folders.sort()
    return found


def _sort_in(
    entry: "os.DirEntry[str]", path: str, found: FoundFiles, waiting: list[str], links: list[str]
) -> None:
    """Sort a folder's entries into files, folders and paths to pass over."""
    if not is_text(entry.name):
        found.unnamed.append(os.fsencode(path).decode(errors="backslashreplace"))
        return
    if is_hidden(entry.name):
        found.skipped["._*" if entry.name.startswith("._") else entry.name] += 1
        return
    try:
        if entry.is_dir():
            (links if entry.is_symlink() else waiting).append(path)
        elif entry.is_file():
            found.files.append(path)
        else:
            found.lost.append(path)
    except OSError:  # links in a circle
        found.lost.append(path)
