"""A rig, live or recorded, as a subject: units that were recorded, images of 8 bits."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, final

import pandas as pd
import torch
from pyarrow import ArrowInvalid, parquet
from torch import Tensor

from invariscope import validate
from invariscope.errors import InputError, StoreError, SubjectError
from invariscope.subjects.base import Subject
from invariscope.subjects.rig.pixels import as_shown, image_names
from invariscope.units import Sites

SITE = "rig"
RECORDED = "responses.parquet"
ABOUT = b"invariscope"


@final
class RigSubject(Subject):
    """Recorded units at the site `rig`: `rig:0` is the first of them.

    What it sees is what a rig shows: images of 8 bits. NaN is "not recorded".

    Args:
        name: of the session, for a person and for the names of runs.
        units: what is recorded, in words; they are its `classes`.
        image_size: height and width in pixels that are shown.
        practice: how responses come about (windows, repeats), for the names of runs.
        answer: gives the responses `(n, units)` to images; by default it cannot be asked.
        natural: a table of its natural statistics, from the range block.

    Raises:
        InputError: no units, or one named twice.
    """

    incomplete = True

    def __init__(
        self,
        name: str,
        units: Sequence[str],
        image_size: int,
        *,
        practice: Mapping[str, Any] | None = None,
        answer: Callable[[Tensor], Tensor] | None = None,
        natural: Path | None = None,
    ) -> None:
        if not units or len(set(units)) < len(units):
            raise InputError(f"recorded units are {list(units)}; expected some, each once")
        validate.at_least("image_size", image_size, 1)
        self.name, self.classes, self.image_size = name, tuple(units), image_size
        self.device, self.natural = torch.device("cpu"), natural
        self._practice, self._answer = dict(practice or {}), answer

    @property
    def noisy(self) -> frozenset[str]:
        return frozenset({SITE})

    def identity(self) -> dict[str, Any]:
        return {
            "rig": self.name,
            "units": list(self.classes),
            "image_size": self.image_size,
            "practice": self._practice,
        }

    def see(self, images: Tensor) -> Tensor:
        return as_shown(super().see(images))

    def _sites(self) -> Sites:
        return {SITE: (len(self.classes),)}

    def _respond(self, images: Tensor, sites: tuple[str, ...]) -> dict[str, Tensor]:
        if self._answer is None:
            raise SubjectError(f"{self.name} answers in a session; start `invariscope rig serve`")
        return dict.fromkeys(sites, self._answer(images).float())


def recorded(path: str | Path) -> RigSubject:
    """A finished session as a subject: it answers with what it recorded.

    An image that was shown has the mean of its trials, drift removed; any other one NaN.

    Args:
        path: the session's folder, or its `responses.parquet`.

    Raises:
        StoreError: it is not there or damaged.
    """
    file = Path(path) / RECORDED if Path(path).is_dir() else Path(path)
    try:
        about, table = read_recorded(file)
        means = torch.tensor(table[about["units"]].to_numpy(float), dtype=torch.float32)
        row = {name: i for i, name in enumerate(table["image"])}
        name, size, practice = about["name"], int(about["image_size"]), about["practice"]
    except (OSError, ArrowInvalid, KeyError, ValueError) as error:
        raise StoreError(
            f"{str(file)!r} cannot be read as a recorded session; `invariscope rig export` "
            "writes it again"
        ) from error
    blank = means.new_full((1, means.shape[1]), torch.nan)

    def answer(images: Tensor) -> Tensor:
        rows = [row.get(key, len(means)) for key in image_names(images)]
        return torch.cat([means, blank])[rows]

    natural = file.parent / "natural.parquet"
    return RigSubject(
        name,
        about["units"],
        size,
        practice=practice,
        answer=answer,
        natural=natural if natural.exists() else None,
    )


def read_recorded(file: Path) -> tuple[dict[str, Any], pd.DataFrame]:
    """What a `responses.parquet` says of its session, and its table.

    Raises:
        OSError, ArrowInvalid, KeyError, ValueError: it is none.
    """
    stored = parquet.read_table(file)
    return json.loads((stored.schema.metadata or {})[ABOUT]), stored.to_pandas()
