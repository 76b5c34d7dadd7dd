"""Requests to a source of networks, and the loaded network."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from invariscope.errors import InputError
from invariscope.subjects.checkpoint import load_state
from invariscope.zoo.weight_file import read_state

PRETRAINED, RANDOM = "pretrained", "random"


@dataclass(frozen=True)
class LoadedNetwork:
    """A network in eval mode.

    Attributes:
        model: with its weights.
        preprocessing: arguments of `NetworkSubject` about images (`image_size`, `mean`, …).
        classes: names of the readout's units, where they are known.
        older_names: modules by the names that older versions of the library gave them.
    """

    model: nn.Module
    preprocessing: Mapping[str, Any] = field(default_factory=dict)
    classes: tuple[str, ...] = ()
    older_names: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class WeightChoice:
    """The choice of a network's weights: `pretrained`, `random`, `random:SEED`, a name or a file.

    Raises:
        InputError: a seed that is no number.
    """

    asked: str

    def __post_init__(self) -> None:
        word, colon, seed = self.asked.partition(":")
        if word == RANDOM and colon and not seed.isdecimal():
            raise InputError(f"weights {self.asked!r} name no seed; expected random or random:7")

    @property
    def pretrained(self) -> bool:
        return self.asked == PRETRAINED

    @property
    def random(self) -> bool:
        return self.asked.partition(":")[0] == RANDOM

    @property
    def file(self) -> bool:
        """Tell whether a file is meant: a folder or an ending in the text, or a file there."""
        path, word = self.path, self.random or self.pretrained
        return not word and bool(path.suffix or path.parent.parts or path.exists())

    @property
    def path(self) -> Path:
        """The file, without the part that `FILE#PART` names."""
        whole = Path(self.asked)
        return whole if whole.exists() else Path(self.asked.partition("#")[0])

    @property
    def part(self) -> str | None:
        """Name the state dict of several in a file: `state_dict_ema` in `FILE#PART`."""
        return None if Path(self.asked).exists() else self.asked.partition("#")[2] or None

    def read(self) -> dict[str, Tensor]:
        """Read the tensors of the file, by name."""
        return read_state(self.path, self.part)

    def stream(self, name: str) -> tuple[str, str, int]:
        """Name the random stream for a network of that name."""
        seed = int(self.asked.partition(":")[2] or 0) if self.random else 0
        return "weights", name, seed

    def neither(self, source: str) -> InputError:
        """Make the error for weights that the source has not."""
        return InputError(
            f"weights {self.asked!r} are not known to {source}; expected pretrained, random, "
            "random:SEED or a file (.safetensors, .pt, .pth)"
        )


def with_file(loaded: LoadedNetwork, weights: WeightChoice) -> LoadedNetwork:
    """Load the weights of a local file into the network, and the normaliser beside the weights.

    Raises:
        StoreError: the file cannot be read as weights.
        InputError: the weights do not fit.
    """
    normaliser = load_state(loaded.model, weights.read(), weights.asked)
    if normaliser is None:
        return loaded
    inside = {"mean": normaliser.mean, "std": normaliser.std}
    return replace(loaded, preprocessing={**loaded.preprocessing, **inside})
