"""The file of a study's failures: a sentence for each run or network, by name."""

import json
from pathlib import Path

from invariscope.errors import StoreError
from invariscope.store.files import remove_file
from invariscope.store.hashes import check_hashed, write_hashed

FAILED = "failed.json"


def read_failures(folder: Path) -> dict[str, str]:
    """Read the sentences that `save_failures` kept in a study's folder, by name.

    Raises:
        StoreError: the file is damaged.
    """
    path = folder / FAILED
    try:
        check_hashed(path, "delete it")
        return {str(name): str(why) for name, why in json.loads(path.read_bytes()).items()}
    except FileNotFoundError:
        return {}
    except (ValueError, AttributeError, RecursionError) as error:
        raise StoreError(f"{str(path)!r} is damaged; delete it") from error


def save_failures(folder: Path, failed: dict[str, str]) -> None:
    """Replace the sentences of a study's folder; without any the file is removed.

    Raises:
        StoreError: the file cannot be written.
    """
    if failed:
        text = json.dumps(failed, indent=1) + "\n"
        write_hashed(folder / FAILED, lambda part: part.write_text(text))
    else:
        remove_file(folder / FAILED)
