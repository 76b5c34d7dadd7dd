"""A trained network's folder: settings, checkpoint, weights, outcome."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from invariscope.categories.plan import PlannedNetwork
from invariscope.errors import StoreError
from invariscope.store.files import make_folder, remove_file, replace_file, replace_tensors
from invariscope.store.hashes import damaged_files, hash_files, parse_hashes, seal, unseal
from invariscope.training import checkpoint

REPAIR = "move the network's folder away to train it again"
SETTINGS, CHECKPOINT, WEIGHTS, OUTCOME = (
    "settings.json",
    "checkpoint.safetensors",
    "weights.safetensors",
    "outcome.json",
)


@dataclass(frozen=True)
class NetworkFolder:
    """Where one network is kept.

    Attributes:
        path: the folder.
        planned: the network that it is for.
    """

    path: Path
    planned: PlannedNetwork

    @property
    def done(self) -> bool:
        return all((self.path / name).exists() for name in (OUTCOME, WEIGHTS))

    def begin(self) -> None:
        """Make the folder, and write the settings.

        Raises:
            StoreError: it cannot be written.
        """
        make_folder(self.path)
        text = json.dumps(self.planned.settings(), indent=1)
        replace_file(self.path / SETTINGS, lambda part: part.write_text(text + "\n"))

    def state(self) -> dict[str, Any] | None:
        """Read the checkpoint, or None where there is no file.

        Raises:
            StoreError: it is of another network.
        """
        state = checkpoint.load(self.path / CHECKPOINT)
        if state is not None and state.get("name") != self.planned.name:
            raise StoreError(
                f"{str(self.path / CHECKPOINT)!r} is a checkpoint of another plan (its network is "
                f"{str(state.get('name'))[:12]}, expected {self.planned.name[:12]}); move it away"
            )
        return state

    def save(self, state: Mapping[str, Any], epoch: int, history: list[dict[str, Any]]) -> None:
        """Replace the checkpoint."""
        whole = {"name": self.planned.name, "epoch": epoch, "history": history, **state}
        checkpoint.save(self.path / CHECKPOINT, whole)

    def end(
        self, state: Mapping[str, Tensor], history: list[dict[str, Any]], context: Mapping[str, Any]
    ) -> None:
        """Write the weights and then the outcome; the checkpoint is not needed any more."""
        planned = self.planned
        about = {
            "network": planned.network,
            "options": planned.options,
            "classes": list(planned.classes),
            "image_size": planned.side,
            "standardised": "each image",
            "name": planned.name,
        }
        metadata = {"network": json.dumps(about)}
        replace_tensors(self.path / WEIGHTS, state, metadata)
        outcome = {"name": planned.name, "history": history, "context": dict(context)}
        outcome["hashes"] = hash_files(self.path, (SETTINGS, WEIGHTS))
        text = json.dumps(seal(outcome), indent=1) + "\n"
        replace_file(self.path / OUTCOME, lambda part: part.write_text(text))
        remove_file(self.path / CHECKPOINT)

    def outcome(self) -> dict[str, Any]:
        """Read the outcome that `end` wrote, and hold the files to their hashes.

        Raises:
            StoreError: the network is not trained, or a file is damaged.
        """
        return read_outcome(self.path)


def read_outcome(folder: Path) -> dict[str, Any]:
    """Read the outcome that `NetworkFolder.end` wrote, and hold the files to their hashes.

    Raises:
        StoreError: the network is not trained, or a file is damaged.
    """
    try:
        outcome = unseal(json.loads((folder / OUTCOME).read_bytes()))
        hashes = parse_hashes(outcome.pop("hashes", {}))
        [(entry["seconds"], entry["together"]) for entry in outcome["history"]]
        dict.items(outcome["context"])
    except FileNotFoundError as error:
        raise StoreError(f"{str(folder)!r} is not trained yet") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise StoreError(f"{str(folder / OUTCOME)!r} is damaged; {REPAIR}") from error
    if damaged := damaged_files(folder, hashes, hashes):
        raise StoreError(f"{str(folder / damaged[0])!r} is damaged; {REPAIR}")
    return outcome
