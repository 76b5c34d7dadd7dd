"""FaceScrub from its public list and a folder of downloaded originals: verified, cropped, counted.

The list (Ng & Winkler 2014) has a line an image: name, image number, face number, address, box of
the face (`x1,y1,x2,y2` in pixels of the original) and the sha256 of the original. Originals are
known by their sha256, whatever they are called.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from invariscope import validate
from invariscope.errors import InputError
from invariscope.photos import UnreadablePhoto
from invariscope.photos.folder import SUFFIXES
from invariscope.photos.read import open_photo
from invariscope.store.files import make_folder, replace_file

COLUMNS = ("name", "image_id", "face_id", "url", "bbox", "sha256")
SHA256 = re.compile(r"[0-9a-f]{64}")
SIDE = 128


@dataclass(frozen=True)
class Face:
    """One line of the list.

    Attributes:
        name: of the person.
        number: of the face, which names its file.
        box: left, top, right, bottom in pixels of the original.
        sha256: of the original file.
    """

    name: str
    number: str
    box: tuple[int, int, int, int]
    sha256: str

    @property
    def path(self) -> Path:
        """Where its crop goes, below the folder of faces."""
        person = re.sub(r"[^\w-]+", "_", self.name).strip("_") or "nameless"
        return Path(person) / f"{person}_{self.number}.png"


@dataclass
class FaceReport:
    """What became of a list's faces.

    Attributes:
        listed: faces in the list.
        written: crops that were written now; `there`: those that were there.
        missing: faces whose original is not in the folder.
        wrong: files that are no original of the list, by name.
        unreadable: sentences about originals that cannot be read, or whose box is outside.
        duplicate: files that hold the same original as another.
        repeated: lines that name a face that an earlier line names.
        people: how many faces each person has now.
    """

    listed: int = 0
    written: int = 0
    there: int = 0
    missing: list[Face] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    duplicate: list[str] = field(default_factory=list)
    repeated: int = 0
    people: Counter[str] = field(default_factory=Counter)

    def lines(self) -> list[str]:
        """The report in sentences."""
        have = self.written + self.there
        now = f"{self.written} written, {self.there} were there"
        told = [f"{have} of {self.listed} faces of {len(self.people)} people ({now})"]
        if self.missing:
            people = len({face.name for face in self.missing})
            told.append(
                f"{len(self.missing)} missing: no original with their sha256 ({people} people)"
            )
        for words, files in (
            ("wrong: files that are no original of the list", self.wrong),
            ("duplicate: files that hold the same original as another", self.duplicate),
            ("unreadable", self.unreadable),
        ):
            if files:
                more = ", …" if len(files) > 3 else ""
                told.append(f"{len(files)} {words}: {', '.join(files[:3])}{more}")
        if self.repeated:
            told.append(f"{self.repeated} lines of the list name a face again and were left out")
        return told


def read_list(path: Path) -> Iterator[Face]:
    """The faces of a list file.

    The columns are found by the first line's names; without one, in FaceScrub's order.

    Raises:
        InputError: no such file, or a line that is none of a face.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read the list {str(path)!r} ({error})") from error
    columns, first = COLUMNS, 1
    if lines and "sha256" in (head := lines[0].lower().split("\t")):
        columns, first, lines = tuple(head), 2, lines[1:]
    for name in ("name", "face_id", "bbox", "sha256"):
        if name not in columns:
            raise InputError(f"the list {str(path)!r} has no column {name!r}; it has {columns}")
    for number, line in enumerate(lines, first):
        if not line.strip():
            continue
        values = dict(zip(columns, (part.strip() for part in line.split("\t")), strict=False))
        box = values.get("bbox", "").split(",")
        sha256 = values.get("sha256", "").lower()
        whole = len(box) == 4 and all(re.fullmatch(r"-?\d+", part.strip()) for part in box)
        if not (whole and SHA256.fullmatch(sha256) and values.get("name")):
            raise InputError(
                f"line {number} of {str(path)!r} is {line[:80]!r}; expected name, image number, "
                "face number, address, box x1,y1,x2,y2 and sha256, with tabs between them"
            )
        left, top, right, bottom = (int(part) for part in box)
        yield Face(values["name"], values["face_id"], (left, top, right, bottom), sha256)


def _originals(
    folder: Path, wanted: set[str], report: FaceReport, progress: Callable[[int], None]
) -> dict[str, Path]:
    """The originals of a folder by their sha256."""
    found: dict[str, Path] = {}
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.name[:1] != ".")
    for number, path in enumerate(files):
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if digest in found:
            report.duplicate.append(path.name)
        elif digest in wanted:
            found[digest] = path
        elif path.suffix.lower() in SUFFIXES or not path.suffix:
            report.wrong.append(path.name)
        progress(number + 1)
    return found


def _crop(face: Face, original: Path, side: int, out: Path) -> None:
    image, _ = open_photo(original)
    left, top, right, bottom = face.box
    if not (0 <= left < right <= image.width and 0 <= top < bottom <= image.height):
        raise InputError(
            f"{original.name}: the face's box {face.box} is not inside its {image.width} × "
            f"{image.height} px"
        )
    cut = image.crop(face.box).resize((side, side), Image.Resampling.BICUBIC)
    make_folder(out.parent)
    replace_file(out, lambda part: cut.save(part, format="PNG"))


def prepare_faces(
    list_file: Path,
    folder: Path,
    out: Path,
    *,
    side: int = SIDE,
    progress: Callable[[int], None] = lambda files: None,
) -> FaceReport:
    """Verify originals against a list and write every face as `<person>/<person>_<face>.png`.

    Args:
        list_file: FaceScrub's list.
        folder: of downloaded originals, in any layout.
        out: the folder of faces; what is there is not written again.
        side: width and height of a crop; the whole box is resized.
        progress: told how many files were looked at.

    Raises:
        InputError: a list that cannot be understood, or no such folder.
        StoreError: the faces cannot be written.
    """
    validate.at_least("side", side, 8)
    if not folder.is_dir():
        raise InputError(f"no folder {str(folder)!r}; expected downloaded originals")
    report, faces = FaceReport(), {}
    for face in read_list(list_file):
        report.repeated += face.path in faces
        faces.setdefault(face.path, face)
    report.listed = len(faces)
    found = _originals(folder, {face.sha256 for face in faces.values()}, report, progress)
    for path, face in faces.items():
        original = found.get(face.sha256)
        if (out / path).exists():
            report.there += 1
        elif original is None:
            report.missing.append(face)
            continue
        else:
            try:
                _crop(face, original, side, out / path)
            except (UnreadablePhoto, InputError) as error:
                report.unreadable.append(str(error))
                continue
            report.written += 1
        report.people[face.name] += 1
    return report
