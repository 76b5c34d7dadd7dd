"""FaceScrub from its public lists and a folder of downloaded originals: verified, cropped, counted.

A list (Ng & Winkler 2014; one of actors, one of actresses) has a line an image: name, image number,
face number, address, box of the face (`x1,y1,x2,y2` in pixels of the original) and the sha256 of
the original. Originals are known by their sha256, whatever they are called.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from invariscope import validate
from invariscope.errors import InputError, StoreError
from invariscope.photos import UnreadablePhoto
from invariscope.photos.folder import SUFFIXES
from invariscope.photos.read import open_photo
from invariscope.photos.walk import find_files, named
from invariscope.plurals import number_of
from invariscope.store.files import make_folder, remove_file, replace_file

COLUMNS = ("name", "image_id", "face_id", "url", "bbox", "sha256")
SHA256 = re.compile(r"[0-9a-f]{64}")
NUMBER = re.compile(r"[\w-]+")
SIDE = 128
MISSING, LISTED = "missing.tsv", "listed.tsv"


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


class FaceList(NamedTuple):
    """The rows of a list file.

    Attributes:
        faces: one a line, in order.
        truncated: lines that were cut off: the last of the file, or of a list joined into it.
    """

    faces: list[Face]
    truncated: int


@dataclass
class FaceReport:
    """Counts of the faces of some lists, by their fate.

    Attributes:
        listed: faces in the lists.
        files: in the folder of originals.
        written: crops that were written now; `there`: those that were there.
        missing: faces whose original is not in the folder.
        wrong: files that are no original of these lists, nor of lists taken before, by name.
        unreadable: sentences about originals that cannot be read, or whose box is outside.
        duplicate: files that hold the same original as another.
        repeated: lines that name a face that an earlier line names.
        clashing: the same, but with another original or box.
        truncated: lines that were cut off.
        passed_over: sentences about files and folders that were not looked at.
        people: how many faces each person has now.
    """

    listed: int = 0
    files: int = 0
    written: int = 0
    there: int = 0
    missing: list[Face] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    duplicate: list[str] = field(default_factory=list)
    repeated: int = 0
    clashing: list[str] = field(default_factory=list)
    truncated: int = 0
    passed_over: list[str] = field(default_factory=list)
    people: Counter[str] = field(default_factory=Counter)

    def lines(self) -> list[str]:
        """Put the report into sentences."""
        have = self.written + self.there
        now = f"{self.written} written, {self.there} were there"
        sentences = [
            f"{have} of {number_of(self.listed, 'face')} of {len(self.people)} people ({now})"
        ]
        if not self.files:
            sentences.append("0 files found in the folder of originals")
        if self.missing:
            people = len({face.name for face in self.missing})
            sentences.append(
                f"{len(self.missing)} missing: no original with their sha256 ({people} people)"
            )
        for words, files in (
            ("wrong: files that are no original of the list", self.wrong),
            ("duplicate: files that hold the same original as another", self.duplicate),
            ("unreadable", self.unreadable),
            ("named again with another original or box; the first counts", self.clashing),
        ):
            if files:
                sentences.append(f"{len(files)} {words}: {named(files)}")
        if self.repeated:
            sentences.append(
                f"left out: {number_of(self.repeated, 'line')} of the list, as named before"
            )
        if self.truncated:
            sentences.append(
                f"left out: {number_of(self.truncated, 'line')} of the list, as cut off"
            )
        return [*sentences, *self.passed_over]

    def take(self, lists: Iterable[FaceList]) -> dict[Path, Face]:
        """Count the faces of some lists and give each once, by the place of its crop."""
        faces: dict[Path, Face] = {}
        for found in lists:
            self.truncated += found.truncated
            for face in found.faces:
                first = faces.setdefault(face.path, face)
                if first == face and first is not face:
                    self.repeated += 1
                elif first != face:
                    self.clashing.append(face.path.stem)
        self.listed = len(faces)
        return faces


def read_list(path: Path) -> FaceList:
    """Read the faces of a list file, or of several lists joined into a single file.

    The columns are found by the names in a header, at the top or further down; without one, in
    FaceScrub's order. A last line without an end that is no face was cut off and is counted.

    Raises:
        InputError: no such file, or a line that is none of a face.
    """
    try:
        whole, mark, tail = path.read_bytes().rpartition(b"\n")
        text = (whole + mark).decode("utf-8-sig") + tail.decode("utf-8-sig", errors="replace")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read the list {str(path)!r} ({error})") from error
    head = text.partition("\n")[0]
    # A list without an end that was joined to the next: the header stands behind its last line.
    parts = text.split(head) if _header(head) else [text]
    faces: list[Face] = []
    columns, number, truncated = COLUMNS, 1, 0
    for k, part in enumerate(parts):
        columns = _columns(path, head) if k else columns
        lines = part.split("\n")
        for n, line in enumerate(lines):
            line = line.strip("\r\ufeff")  # noqa: PLW2901
            if _header(line):
                columns = _columns(path, line)
            elif (face := _face(columns, line)) is not None:
                faces.append(face)
            elif line.strip() and n == len(lines) - 1:
                truncated += 1
            elif line.strip():
                raise InputError(
                    f"line {number + n} of {str(path)!r} is {line[:80]!r}; expected name, image "
                    "number, face number, address, box x1,y1,x2,y2 and sha256, with tabs between"
                )
        number += len(lines) - 1
    if not faces:
        raise InputError(
            f"the list {str(path)!r} names no face; expected lines of FaceScrub's list, with tabs "
            "between"
        )
    return FaceList(faces, truncated)


def _header(line: str) -> bool:
    return "sha256" in line.lower().strip("\r\ufeff").split("\t")


def _columns(path: Path, line: str) -> tuple[str, ...]:
    columns = tuple(part.strip() for part in line.lower().strip("\r\ufeff").split("\t"))
    if twice := sorted({name for name in columns if columns.count(name) > 1}):
        raise InputError(f"the list {str(path)!r} has the column {twice[0]!r} twice")
    for name in ("name", "face_id", "bbox", "sha256"):
        if name not in columns:
            raise InputError(f"the list {str(path)!r} has no column {name!r}; it has {columns}")
    return columns


def _face(columns: Sequence[str], line: str) -> Face | None:
    """Read the face of a line, or None."""
    values = dict(zip(columns, (part.strip() for part in line.split("\t")), strict=False))
    box = [part.strip() for part in values.get("bbox", "").split(",")]
    sha256, number = values.get("sha256", "").lower(), values.get("face_id", "")
    whole = len(box) == 4 and all(re.fullmatch(r"-?[0-9]{1,9}", part) for part in box)
    if not (whole and SHA256.fullmatch(sha256) and values.get("name") and NUMBER.fullmatch(number)):
        return None
    left, top, right, bottom = map(int, box)
    return Face(values["name"], number, (left, top, right, bottom), sha256)


def _files(folder: Path, out: Path, report: FaceReport) -> list[Path]:
    """List the files of the folder of originals, without our own in `out`."""
    files, ours = find_files(folder), out.resolve()
    report.passed_over = files.lines()
    paths = [folder / name for name in files.files]
    if ours.is_relative_to(folder.resolve()):
        paths = [path for path in paths if not path.resolve().is_relative_to(ours)]
    report.files = len(paths)
    return paths


def _originals(
    paths: Sequence[Path],
    planned: set[str],
    before: set[str],
    report: FaceReport,
    progress: Callable[[int], None],
) -> dict[str, Path]:
    """Find originals among some files by their sha256."""
    found: dict[str, Path] = {}
    for number, path in enumerate(paths):
        progress(number + 1)
        try:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            report.unreadable.append(f"{path.name}: {error.strerror}")
            continue
        if digest in found:
            report.duplicate.append(path.name)
        elif digest in planned:
            found[digest] = path
        elif digest not in before and (path.suffix.lower() in SUFFIXES or not path.suffix):
            report.wrong.append(path.name)
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


def _read_table(path: Path) -> dict[Path, Face]:
    """Read the faces of a table that an earlier call wrote, by the paths of their crops.

    Raises:
        StoreError: the file is none of ours.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise StoreError(f"{str(path)!r} cannot be read ({error}); move it away") from error
    faces = {}
    for line in lines:
        name, _, rest = line.partition("\t")
        number, _, sha256 = rest.partition("\t")
        if not (name and NUMBER.fullmatch(number) and SHA256.fullmatch(sha256)):
            raise StoreError(f"{str(path)!r} is no table of faces, so it is kept; move it away")
        face = Face(name, number, (0, 0, 0, 0), sha256)
        faces[face.path] = face
    return faces


def _write_table(path: Path, faces: Iterable[Face]) -> None:
    text = "".join(f"{face.name}\t{face.number}\t{face.sha256}\n" for face in faces)
    if text:
        replace_file(path, lambda part: part.write_text(text, encoding="utf-8"))
    else:
        remove_file(path)


def prepare_faces(
    lists: Sequence[Path],
    folder: Path,
    out: Path,
    *,
    side: int = SIDE,
    progress: Callable[[int], None] = lambda files: None,
) -> FaceReport:
    """Verify originals against lists and write every face as `<person>/<person>_<face>.png`.

    `missing.tsv` (name, face number, sha256) has the faces that no call found so far, and
    `listed.tsv` those of all lists that were taken: a second call with another list adds to them.

    Args:
        lists: FaceScrub's list files.
        folder: of downloaded originals, in any layout.
        out: the folder of faces; what is there is not written again.
        side: width and height of a crop; the whole box is resized.
        progress: told how many files were looked at.

    Raises:
        InputError: a list that cannot be understood, or no such folder; nothing is written.
        StoreError: the faces cannot be written, or a file is in their way.
    """
    validate.at_least("side", side, 8)
    if not folder.is_dir():
        raise InputError(f"no folder {str(folder)!r}; expected downloaded originals")
    report = FaceReport()
    faces = report.take([read_list(path) for path in lists])
    listed, missing = _read_table(out / LISTED), _read_table(out / MISSING)
    make_folder(out)
    before = {face.sha256 for face in listed.values()}
    planned = {face.sha256 for face in faces.values()}
    found = _originals(_files(folder, out, report), planned, before, report, progress)
    for path, face in faces.items():
        _take_face(face, found.get(face.sha256), out / path, side, report)
    now = {face.path: face for face in report.missing}
    kept = {p: f for p, f in missing.items() if p not in faces and not (out / p).exists()}
    _write_table(out / MISSING, (kept | now).values())
    _write_table(out / LISTED, (listed | faces).values())
    return report


def _take_face(
    face: Face, original: Path | None, place: Path, side: int, report: FaceReport
) -> None:
    """Write a face that is not there yet, and count the outcome."""
    if place.exists():
        report.there += 1
    elif original is None:
        report.missing.append(face)
        return
    else:
        try:
            _crop(face, original, side, place)
        except (UnreadablePhoto, InputError) as error:
            report.unreadable.append(str(error))
            return
        report.written += 1
    report.people[face.name] += 1
