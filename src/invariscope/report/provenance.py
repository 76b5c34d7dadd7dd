"""How a page's runs were made: settings, seeds, numeric contexts and commands."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from invariscope.store.files import replace_file
from invariscope.store.record import RunRecord

COMMANDS = "commands.txt"
MOST_VALUES = 12
TOLD = ("unit", "site", "task", "seed", "subset")  # that the page tells of each run anyway


def commands(folder: Path) -> list[str]:
    """Read the commands that filled a folder, the first first; empty where no command was kept."""
    path = folder / COMMANDS
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def save_command(folder: Path, command: str) -> None:
    """Note a command beside its runs, once.

    Raises:
        StoreError: the file cannot be written.
    """
    known = commands(folder)
    if command not in known:
        text = "\n".join([*known, command]) + "\n"
        replace_file(folder / COMMANDS, lambda part: part.write_text(text, encoding="utf-8"))


def _plain(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list | tuple):
        return ", ".join(_plain(x) for x in value)
    text = str(value)
    return f"{text[:16]}…" if len(text) == 64 and text.isalnum() else text  # a sha256


def _settings(records: Sequence[RunRecord]) -> list[tuple[str, str]]:
    """List each setting with its value, or with its values where runs differ."""
    leaves = [record.settings.leaves for record in records]
    found = []
    for name in dict.fromkeys(key for own in leaves for key in own):
        if name in TOLD or name.startswith("reference."):
            continue
        values = list(dict.fromkeys(_plain(own[name]) for own in leaves if name in own))
        values = [value for value in values if value not in {"None", ""}]
        more = len(values) - MOST_VALUES
        words = " | ".join(values[:MOST_VALUES]) + (f" | {more} more" if more > 0 else "")
        if values:
            found.append((name, words))
    return found


def _contexts(records: Sequence[RunRecord]) -> list[tuple[str, int]]:
    """Count the runs that began in each numeric context."""
    told = [" · ".join(f"{k} {v}" for k, v in record.context.items()) for record in records]
    return Counter(told).most_common()


def provenance(records: Sequence[RunRecord], given: Sequence[str], pictures: str) -> dict[str, Any]:
    """Collect the facts of the last screen.

    Args:
        records: every run of the page, MEI searches included.
        given: the commands that made them, where they are known.
        pictures: what was done to the pictures.
    """
    seeds = sorted({record.settings.seed for record in records})
    return {
        "subjects": list(dict.fromkeys(str(r.labels["subject"]) for r in records)),
        "generators": list(dict.fromkeys(str(r.labels["generator"]) for r in records)),
        "units": list(dict.fromkeys(r.settings.unit for r in records)),
        "seeds": ", ".join(map(str, seeds)),
        "settings": _settings(records),
        "contexts": _contexts(records),
        "changed": sum(bool(record.context_changes) for record in records),
        "by_place": sum(bool(record.context.get("batch_place_matters")) for record in records),
        "runs": [record.path.name for record in records],
        "images": sum(record.outcome["images"] for record in records),
        "commands": list(given),
        "pictures": pictures,
    }
