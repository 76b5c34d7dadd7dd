"""The image of each code: a folder of photos in order, or a table of codes."""

import csv
import io
import re
from pathlib import Path
from typing import Any

from invariscope.errors import InputError
from invariscope.photos import open_folder
from invariscope.recordings.options import RecordingOptions

FIRST_CODE = 1
DIGITS = re.compile(r"(\d+)")


def numbered(name: str) -> list[tuple[int, str]]:
    """Split a name into a sorting key with numbers by value: 2 before 10."""
    parts = DIGITS.split(name)
    return [(int(p), "") if p.isdigit() else (-1, p) for p in parts]


def image_files(options: RecordingOptions) -> dict[str, Path] | None:
    """Find the images' files by name, in order; None where the images are not files.

    Raises:
        InputError: no photos, or a folder whose order is not clear.
    """
    if options.images is None:
        return None
    if options.images.is_dir():
        photos = open_folder(options.images)
        names = [str(name) for name in photos.names]
        if sorted(names) != sorted(names, key=numbered):
            raise InputError(
                f"photos of {str(options.images)!r} sort otherwise by letter than by number "
                f"({min(names)!r} …), so codes are not clear; give a CSV with columns code and "
                "image as images"
            )
        files = {name: photos.file(i) for i, name in enumerate(names)}
        return {name: files[name] for name in sorted(files)}
    table = code_table(options.images)
    found = {name: options.images.parent / name for name in table.values()}
    return found if all(file.is_file() for file in found.values()) else None


def image_list(options: RecordingOptions, expected: int) -> tuple[str, ...] | None:
    """List the images' names in order, or None without `images`.

    Args:
        expected: how many there should be; a table of codes must number them without a gap.

    Raises:
        InputError: a table with codes that number no such list.
    """
    if options.images is None:
        return None
    if options.images.is_dir():
        return tuple(image_files(options) or {})
    table = code_table(options.images)
    first = FIRST_CODE if options.first_code is None else options.first_code
    codes = [str(first + i) for i in range(expected)]
    if missing := [code for code in codes if code not in table]:
        raise InputError(
            f"{str(options.images)!r} has no code {missing[0]}; expected {codes[0]} to {codes[-1]} "
            "in the order of the array"
        )
    return tuple(table[code] for code in codes)


def image_codes(options: RecordingOptions, first_code: int = FIRST_CODE) -> dict[str, str] | None:
    """Map each code to an image, in the images' order; None where each code is an image.

    Args:
        first_code: of a folder's first photo, where the options do not say it.
    """
    if options.images is None:
        return None
    if not options.images.is_dir():
        return code_table(options.images)
    first = first_code if options.first_code is None else options.first_code
    return {str(first + i): name for i, name in enumerate(image_files(options) or {})}


def code_table(path: Path) -> dict[str, str]:
    """Read a CSV with columns `code` and `image`.

    Raises:
        InputError: it is missing, has other columns, or a code twice.
    """
    if path.suffix.lower() in (".npy", ".npz", ".mat", ".h5"):
        raise InputError(
            f"images is {str(path)!r}, an array; expected a folder of photos, so write its images "
            "there as PNG files, or a CSV with columns code and image"
        )
    rows = read_rows(path, ("code", "image"))
    found: dict[str, str] = {}
    for row in rows:
        code = plain_code(row["code"])
        if found.setdefault(code, row["image"]) != row["image"]:
            raise InputError(f"{str(path)!r} has code {code} for two images; expected one")
    return found


def plain_code(value: object) -> str:
    """Write a code as text: whole numbers without a point, `7.0` as `7`; NaN as no code."""
    text = str(value).strip()
    try:
        number = float(text)
    except ValueError:
        return text
    if number != number:  # noqa: PLR0124  (NaN names no image)
        return ""
    return str(int(number)) if number.is_integer() else text


def read_rows(path: Path, columns: tuple[str, ...]) -> list[dict[str, str]]:
    """Read the rows of a CSV with a header.

    Raises:
        InputError: it cannot be read, lacks one of `columns`, has a line that is cut short, or
            ends without a newline, as a file does that was cut within a number.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            text = file.read()
        reader = csv.DictReader(
            io.StringIO(text, newline=""), skipinitialspace=True, restkey="", restval=None
        )
        header = [name.strip() for name in reader.fieldnames or ()]
        reader.fieldnames = header
        rows: list[Any] = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"cannot read {str(path)!r}: {reason}") from error
    if not header:
        raise InputError(f"{str(path)!r} is empty; expected a line with the columns' names")
    if missing := [name for name in columns if name not in header]:
        raise InputError(
            f"{str(path)!r} has no column {missing[0]!r} (it has {', '.join(header)}); "
            f"expected {', '.join(columns)}"
        )
    if "" in header:
        raise InputError(
            f"{str(path)!r} has a column without a name, perhaps of row numbers; name or remove it"
        )
    if len(set(header)) < len(header):
        raise InputError(f"{str(path)!r} has two columns of one name; rename one")
    for line, row in enumerate(rows, 2):
        if None in row.values() or "" in row:
            raise InputError(
                f"line {line} of {str(path)!r} has another number of words than the header; the "
                "file may be truncated"
            )
    if not rows:
        raise InputError(f"{str(path)!r} has a header and no line")
    if not text.endswith(("\n", "\r")):
        raise InputError(
            f"the last line of {str(path)!r} does not end, so its last number may be cut short; if "
            "the file is whole, add a newline"
        )
    return rows
