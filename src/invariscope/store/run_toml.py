"""`run.toml`: a run's settings, name, labels and numeric contexts, for people and programs."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomli_w

from invariscope.errors import StoreError
from invariscope.store.files import replace_file
from invariscope.store.hashes import seal, unseal
from invariscope.store.settings import RunSettings, without_none

FILE = "run.toml"
_SECTIONS = ("name", "settings", "labels", "context")


def write_settings(
    folder: Path, settings: RunSettings, labels: Mapping[str, Any], context: Mapping[str, Any]
) -> None:
    """Write the `run.toml` of a run that begins now."""
    parts = (settings.name, settings.model_dump(mode="json"), dict(labels), dict(context))
    _write(folder, dict(zip(_SECTIONS, parts, strict=True)))


def _write(folder: Path, document: Mapping[str, Any]) -> None:
    plain = {k: v for k, v in without_none(document).items() if v != []}
    text = tomli_w.dumps(seal(tomllib.loads(tomli_w.dumps(plain))))
    replace_file(folder / FILE, lambda path: path.write_text(text))


def read_settings(folder: Path) -> dict[str, Any]:
    """Read a run's `run.toml`.

    Raises:
        StoreError: the file is missing, damaged, or its settings were changed.
    """
    path = folder / FILE
    try:
        document = tomllib.loads(path.read_text())
        name, asked, _, _ = (document[key] for key in _SECTIONS)
        settings = RunSettings(**asked)
        if settings.name == name:  # else a person changed them, which is said below
            document = unseal(document)
        changes = document.setdefault("context_changes", [])
        [int(change["generation"]) for change in changes]
        for section in (document["labels"], document["context"]):
            dict.items(section)
    except FileNotFoundError as error:
        raise StoreError(f"{str(folder)!r} holds no run (no run.toml)") from error
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise StoreError(f"{str(path)!r} is damaged; move the run away to redo it") from error
    except OSError as error:
        raise StoreError(f"cannot read {str(path)!r}: {error.strerror}") from error
    if settings.name != name:
        raise StoreError(
            f"{str(path)!r} was changed after the run: its settings no longer give its name"
        )
    return document


def note_context(folder: Path, context: Mapping[str, Any], kept: int) -> None:
    """Note the numeric context of a run after its first `kept` generations.

    `context` in the file belongs to the first generation; each entry of `context_changes` is a
    later context with its first `generation`. Generations beyond `kept` are computed again, so
    their notes go.
    """
    document = read_settings(folder)
    now = without_none(context)
    changes = [c for c in document["context_changes"] if c["generation"] <= kept]
    began = document["context"] if kept else now
    last = changes[-1] if changes else {"generation": 1, **began}
    if last != {**now, "generation": last["generation"]}:
        changes.append({"generation": kept + 1, **now})
    noted = {**document, "context": began, "context_changes": changes}
    if noted != document:
        _write(folder, noted)
