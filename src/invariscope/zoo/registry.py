"""Files that can be loaded by name, shipped and published, with checksum, licence and origin."""

import hashlib
import json
import os
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

from platformdirs import user_cache_path

from invariscope.errors import StoreError, unknown

WEIGHTS = Path(str(files("invariscope.zoo"))) / "weights"
CACHE = "INVARISCOPE_CACHE"  # the environment's word for where downloads are kept


@dataclass(frozen=True)
class WeightEntry:
    """One file that the package ships or knows where to find.

    Attributes:
        name: how a person calls it.
        kind: `classifier`, `generator` or `natural` (shipped), `deepsim` (published).
        file: its name in the package's `zoo/weights`, or in the cache where it has a `url`.
        sha256: of the file; empty where its publisher gives none.
        licence: under which it is given.
        card: the model card beside a shipped file.
        url: where a published file is downloaded from; empty for a shipped one.
        source: a page that describes a published file.
    """

    name: str
    kind: str
    file: str
    sha256: str
    licence: str
    card: str = ""
    url: str = ""
    source: str = ""

    @property
    def path(self) -> Path:
        return cache_folder() / self.file if self.url else WEIGHTS / self.file


def cache_folder() -> Path:
    """Find the folder of downloads: `$INVARISCOPE_CACHE`, else the user's cache."""
    return Path(os.environ.get(CACHE) or user_cache_path("invariscope"))


@cache
def entries() -> dict[str, WeightEntry]:
    """Read every entry by name from `weights/index.json` (shipped) and `published.json`."""
    indices = (WEIGHTS / "index.json", WEIGHTS.parent / "published.json")
    items = [item for index in indices for item in json.loads(index.read_text())]
    return {item["name"]: WeightEntry(**item) for item in items}


def find(name: str, kind: str) -> WeightEntry:
    """Find the entry of a name and kind.

    Raises:
        InputError: there is none.
    """
    known = {key: entry for key, entry in entries().items() if entry.kind == kind}
    if name not in known:
        raise unknown(kind, name, known)
    return known[name]


def file_hash(path: Path) -> str:
    """Hex sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def shipped(entry: WeightEntry) -> Path:
    """Find the path of a shipped file.

    Raises:
        StoreError: the file is missing or not the one that was shipped.
    """
    if not entry.path.exists() or file_hash(entry.path) != entry.sha256:
        raise StoreError(
            f"{str(entry.path)!r} is not the file that was shipped; reinstall invariscope"
        )
    return entry.path
