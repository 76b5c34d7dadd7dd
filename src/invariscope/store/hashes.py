"""Hashes of files that were written whole, so that damage shows before a number is read.

A run's are in its `outcome.json`. Other folders have a `hashes.json`: for each file its size and
sha256; of a file that is being replaced, both the old and the new. Folders of version 0.1 have
no hashes; their files are taken unchecked.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from invariscope.errors import StoreError
from invariscope.store.files import replace_file
from invariscope.zoo.registry import file_hash

HASHES = "hashes.json"
SEAL = "sha256"
Hash = tuple[int, str]


def hash_file(path: Path) -> Hash:
    """Compute a file's size in bytes and the hex sha256 of its content.

    Raises:
        OSError: the file cannot be read.
    """
    return path.stat().st_size, file_hash(path)


def hash_files(folder: Path, names: Iterable[str]) -> dict[str, Hash]:
    """Hash the present files among some names in a folder, by name."""
    return {name: hash_file(folder / name) for name in names if (folder / name).is_file()}


def is_damaged(path: Path, known: Iterable[Hash]) -> bool:
    """Tell if a file matches none of the known hashes; sizes are compared first.

    Raises:
        FileNotFoundError: the file is missing.
    """
    size = path.stat().st_size
    alike = [pair for pair in known if pair[0] == size]
    return not alike or hash_file(path) not in alike


def damaged_files(folder: Path, hashes: Mapping[str, Hash], names: Iterable[str]) -> list[str]:
    """List the named files that differ from their hash, or cannot be read."""

    def damaged(name: str) -> bool:
        try:
            return is_damaged(folder / name, [hashes[name]])
        except OSError:
            return True

    return [name for name in names if name in hashes and damaged(name)]


def seal(document: Mapping[str, Any]) -> dict[str, Any]:
    """Add the sha256 of its own content to a JSON document."""
    return {**document, SEAL: _digest(document)}


def unseal(document: Any) -> dict[str, Any]:
    """Check a JSON document against a seal, where present, and take the seal off.

    Raises:
        ValueError: the document is no table, or differs from its seal.
    """
    if not isinstance(document, dict):
        raise ValueError("expected a table")  # noqa: TRY004 - as what JSON itself refuses
    plain = {key: value for key, value in document.items() if key != SEAL}
    if SEAL in document and document[SEAL] != _digest(plain):
        raise ValueError("its content does not match its sha256")
    return plain


def _digest(document: Mapping[str, Any]) -> str:
    text = json.dumps(document, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def parse_hashes(value: Any) -> dict[str, Hash]:
    """Read hashes from JSON.

    Raises:
        ValueError: the hashes are damaged.
    """
    try:
        return {str(name): (int(size), str(digest)) for name, (size, digest) in value.items()}
    except (AttributeError, TypeError) as error:
        raise ValueError("expected size and sha256 of each file") from error


def read_hashes(folder: Path) -> dict[str, list[Hash]]:
    """Read the hashes of a folder's files; empty where there are none.

    Raises:
        StoreError: the hashes are damaged.
    """
    path = folder / HASHES
    try:
        document = unseal(json.loads(path.read_bytes()))
        pairs = document["files"].items()
        return {name: [(int(s), str(d)) for s, d in known] for name, known in pairs}
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise StoreError(f"cannot read {str(path)!r}: {error.strerror}") from error
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise StoreError(
            f"{str(path)!r} is damaged; delete it, and the files beside it are taken unchecked"
        ) from error


def _keep(folder: Path, hashes: Mapping[str, list[Hash]]) -> None:
    text = json.dumps(seal({"files": hashes}), indent=1, sort_keys=True) + "\n"
    replace_file(folder / HASHES, lambda part: part.write_text(text))


def write_hashed(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file as `replace_file` does, and its hash to the folder's `hashes.json`.

    A folder has one writer at a time. A process that is killed in between leaves the hashes of
    the old and of the new file, so neither is taken for damaged.

    Raises:
        StoreError: the file cannot be written.
    """

    def write_and_note(part: Path) -> None:
        write(part)
        hashes = read_hashes(path.parent)
        old = hashes.get(path.name, [])[-1:] if path.exists() else []
        _keep(path.parent, {**hashes, path.name: [*old, hash_file(part)]})

    replace_file(path, write_and_note)


def check_hashed(path: Path, repair: str) -> None:
    """Compare a file with the hash that `write_hashed` kept; a file without a hash passes.

    Args:
        repair: a person's way out, the end of the sentence.

    Raises:
        StoreError: the file is damaged.
    """
    known = read_hashes(path.parent).get(path.name)
    try:
        if known and is_damaged(path, known):
            raise StoreError(f"{str(path)!r} is damaged; {repair}")
    except FileNotFoundError:
        return  # the reader says that the file is missing


def read_hashed_table(path: Path, repair: str, columns: list[str] | None = None) -> pd.DataFrame:
    """Read a Parquet table that `write_hashed` wrote, held to its hash.

    Args:
        repair: a person's way out, the end of the sentence.
        columns: that are read; by default all.

    Raises:
        StoreError: the file is missing or damaged.
    """
    check_hashed(path, repair)
    try:
        return pd.read_parquet(path, columns=columns)
    except (OSError, ValueError) as error:
        raise StoreError(f"{str(path)!r} is damaged; {repair}") from error
