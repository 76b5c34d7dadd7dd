"""A finished session of a rig as a subject."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from pyarrow import ArrowInvalid, parquet
from torch import Tensor

from invariscope.errors import StoreError
from invariscope.subjects.rig.pixels import image_names
from invariscope.subjects.rig.subject import RigSubject

RECORDED = "responses.parquet"
ABOUT = b"invariscope"


def recorded(path: str | Path) -> RigSubject:
    """Open a finished session as a subject that answers with the recorded responses.

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
    """Read the description of a session in a `responses.parquet`, and the table.

    Raises:
        OSError, ArrowInvalid, KeyError, ValueError: it is none.
    """
    stored = parquet.read_table(file)
    return json.loads((stored.schema.metadata or {})[ABOUT]), stored.to_pandas()
