"""A folder of photos, with classes or without, in a fixed order."""

import hashlib
from collections import Counter
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from invariscope import validate
from invariscope.errors import InputError
from invariscope.photos.read import Kind
from invariscope.photos.walk import find_files
from invariscope.plurals import number_of

SUFFIXES = (
    *(".jpg", ".jpeg", ".jfif", ".png", ".bmp", ".webp"),
    *(".tif", ".tiff", ".gif", ".ppm", ".pgm"),
)
SETS = ("train", "val", "valid", "validation", "test")


@dataclass
class PhotoReport:
    """Photos of a folder that are left out or changed, by reason.

    Attributes:
        kinds: `(photos,)` uint16, a `Kind` for each photo that was read so far.
        unreadable: why a photo cannot be used, by its number, as a whole sentence.
        reasons: the same in a few words.
        empty_classes: class folders without a photo.
        others: files that are no photos by their suffix, and photos beside class folders.
        passed_over: sentences about hidden files, links and folders that were not followed or
            cannot be read.
    """

    kinds: NDArray[np.uint16]
    unreadable: dict[int, str] = field(default_factory=dict)
    reasons: dict[int, str] = field(default_factory=dict)
    empty_classes: tuple[str, ...] = ()
    others: int = 0
    passed_over: tuple[str, ...] = ()

    def note(self, photo: int, kind: Kind) -> None:
        """Record the kind of a photo."""
        self.kinds[photo] = kind.value

    def refuse(self, photo: int, sentence: str, reason: str) -> None:
        """Keep why a photo cannot be used."""
        self.note(photo, Kind.UNREADABLE)
        self.unreadable[photo], self.reasons[photo] = sentence, reason

    def lines(self) -> list[str]:
        """Write the report in sentences, none where there is nothing to tell."""
        sentences = []
        for reason, number in Counter(self.reasons.values()).most_common():
            first = self.unreadable[min(i for i, r in self.reasons.items() if r == reason)]
            sentences.append(f"{number} left out: {reason} (the first: {first})")
        counted = {kind: int((self.kinds & kind.value != 0).sum()) for kind in Kind}
        sentences += [f"{n} {WORDS[kind]}" for kind, n in counted.items() if n and kind in WORDS]
        if self.empty_classes:
            names = ", ".join(repr(name) for name in self.empty_classes[:5])
            more = ", …" if len(self.empty_classes) > 5 else ""
            sentences.append(
                f"without a photo: {number_of(len(self.empty_classes), 'class folder')}: "
                f"{names}{more}"
            )
        if self.others:
            sentences.append(f"not looked at: {number_of(self.others, 'other file')}")
        return [*sentences, *self.passed_over]


WORDS = {
    Kind.GREY: "grey: the same value in all three channels",
    Kind.CMYK: "CMYK: converted to RGB",
    Kind.PALETTE: "with a palette: converted to RGB",
    Kind.TRANSPARENT: "transparent: laid over white",
    Kind.SIXTEEN_BIT: "of 16 bits: scaled to 8",
    Kind.SEVERAL_FRAMES: "of several frames: the first was taken",
    Kind.TURNED: "turned as their EXIF entry says",
}


@dataclass(frozen=True)
class PhotoFolder:
    """The photos of a folder, class after class, sorted by name.

    Attributes:
        path: the folder.
        names: of the files, relative to it.
        labels: `(photos,)` int32, an index into `classes`; -1 where there are none.
        classes: names of the class folders, sorted; empty for a flat folder.
        report: what could not be taken as it is; readers add to it.
    """

    path: Path
    names: tuple[str, ...] = field(repr=False)
    labels: NDArray[np.int32] = field(repr=False)
    classes: tuple[str, ...]
    report: PhotoReport = field(repr=False)

    def __repr__(self) -> str:
        """Name the folder and count its photos and classes in one line."""
        classes = f" of {number_of(len(self.classes), 'class')}" if self.classes else ""
        return f"PhotoFolder({str(self.path)!r}: {number_of(len(self), 'photo')}{classes})"

    def __len__(self) -> int:
        return len(self.names)

    def file(self, photo: int) -> Path:
        """Give the path of photo number `photo`."""
        return self.path / self.names[photo]

    def spread(self, most: int) -> "PhotoFolder":
        """Take at most so many of its photos, evenly spread over the folder."""
        chosen = np.unique(np.linspace(0, len(self) - 1, min(most, len(self))).round().astype(int))
        names = tuple(self.names[i] for i in chosen)
        report = PhotoReport(np.zeros(len(chosen), np.uint16))
        return PhotoFolder(self.path, names, self.labels[chosen], self.classes, report)

    def of_each_class(self, most: int) -> "PhotoFolder":
        """Take at most so many photos of each class, evenly spread over its files.

        Raises:
            InputError: less than one.
        """
        validate.at_least("the number of photos of each class", most, 1)
        taken: list[int] = []
        for label in range(-1, len(self.classes)):
            own = np.flatnonzero(self.labels == label)
            number = min(most, len(own))
            taken += [int(own[k * len(own) // number]) for k in range(number)]
        report = replace(self.report, kinds=np.zeros(len(taken), np.uint16))
        names = tuple(self.names[photo] for photo in taken)
        return PhotoFolder(self.path, names, self.labels[taken], self.classes, report)

    @cached_property
    def content(self) -> str:
        """Hex sha256 of the files' names and sizes: another folder, another hash."""
        digest = hashlib.sha256()
        for number, name in enumerate(self.names):
            digest.update(f"{name}\0{self.file(number).stat().st_size}\n".encode())
        return digest.hexdigest()


def open_folder(path: str | Path) -> PhotoFolder:
    """Open a folder of photos: `<class>/<photo>.jpg`, or photos side by side without classes.

    Class folders without a photo keep their number, and the report names them. Hidden and system
    files and folders are skipped, links to folders followed, each real folder visited once; the
    report counts and names what was passed over.

    Args:
        path: the folder.

    Returns:
        The photos in the order of their paths, with classes and a report.

    Raises:
        InputError: no such folder, no photo in it, or a folder of sets (`train`, `val`).

    Example:
        >>> from pathlib import Path
        >>> from PIL import Image
        >>> import invariscope as iv
        >>> for name in ("cat", "dog"):
        ...     Path("photos", name).mkdir(parents=True)
        ...     Image.new("RGB", (64, 48)).save(Path("photos", name, "1.png"))
        >>> photos = iv.open_folder("photos")
        >>> photos.classes, len(photos)
        (('cat', 'dog'), 2)
    """
    folder = Path(path)
    if not folder.is_dir():
        raise InputError(f"no folder {str(folder)!r}; expected photos, or <class>/<photo>.jpg")
    found = find_files(folder)
    classes = sorted({*found.folders, *(p for p in found.unreadable if p.count("/") == 0)} - {"."})
    if classes and all(name.lower() in SETS for name in classes):
        raise InputError(f"{str(folder)!r} holds the sets {', '.join(classes)}; name one of them")
    photos = [name for name in found.files if name.lower().endswith(SUFFIXES)]
    inside = [name for name in photos if "/" in name]
    if not photos:
        sentences = "".join(f"; {line}" for line in found.lines())
        raise InputError(
            f"{str(folder)!r} holds no photo; expected files such as .jpg or .png, "
            f"or folders of them{sentences}"
        )
    if not inside:  # the folders hold nothing, or there are none
        classes = []
    by_class: dict[str, list[str]] = {name: [] for name in classes}
    for name in inside:
        by_class[name.partition("/")[0]].append(name)
    names = [name for own in by_class.values() for name in own] or photos
    sizes = [len(own) for own in by_class.values()]
    labels = np.repeat(np.arange(len(classes)), sizes) if inside else np.full(len(names), -1)
    report = PhotoReport(
        np.zeros(len(names), np.uint16),
        empty_classes=tuple(name for name, own in by_class.items() if not own),
        others=len(found.files) - len(names),
        passed_over=tuple(found.lines()),
    )
    return PhotoFolder(folder, tuple(names), labels.astype(np.int32), tuple(classes), report)
