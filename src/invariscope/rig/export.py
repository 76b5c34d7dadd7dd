"""A finished session as tables: one row a presentation, and one an image for `recorded:`."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import pandas as pd
import pyarrow as pa
from pyarrow import parquet
from torch import Tensor

from invariscope.errors import StoreError
from invariscope.rig.file import SessionFile
from invariscope.rig.ledger import CONTROL, RANGE, REFERENCE, rig_seconds
from invariscope.rig.names import check_names
from invariscope.rig.presenter import Presenter, read_codes
from invariscope.rig.session import ABOUT
from invariscope.store import version_0_1
from invariscope.store.hashes import write_hashed
from invariscope.subjects.rig.messages import RigAnswer
from invariscope.subjects.rig.pixels import named_image
from invariscope.subjects.rig.recorded import ABOUT as METADATA
from invariscope.subjects.rig.recorded import RECORDED


@dataclass(frozen=True)
class RecordedSession:
    """A stored session: its settings, trials and answers.

    Attributes:
        asked: the session file.
        trials: one row a presentation, in order: `trial`, `image`, `request`, `kind` (range, mei,
            search, reference, held back, control …), `generation`, `candidate`, `block`, `shown`
            (seconds, running forward), `answered`, a column a unit with its response as it was
            recorded, and `gain UNIT`, the drift that it is divided by.
        codes: of each image that was made from one.
        answers: what the rig said of each trial.
    """

    folder: Path
    asked: SessionFile
    trials: pd.DataFrame = field(repr=False)
    codes: dict[str, Tensor] = field(repr=False)
    answers: dict[str, RigAnswer] = field(repr=False)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read a session; a session in progress is refused.

        Raises:
            InputError: names that collide in its tables.
            StoreError: it is missing, damaged or being served.
        """
        try:
            asked = SessionFile.model_validate(
                version_0_1.session(json.loads((folder / ABOUT).read_text())), strict=False
            )
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise StoreError(f"{str(folder)!r} holds no session (no {ABOUT})") from error
        check_names(asked.rig)
        presenter = Presenter(folder, None, asked.rig, asked.blocks, lambda text: None)
        try:
            answers = presenter.ledger.answers
            return cls(folder, asked, _trials(presenter), _codes(presenter), answers)
        finally:
            presenter.close()

    @property
    def units(self) -> tuple[str, ...]:
        return self.asked.rig.units

    def image(self, name: str) -> Tensor:
        """Read an image as shown, `(3, h, w)` in [0, 1]."""
        try:
            return named_image(self.folder / "images" / f"{name}.png")
        except OSError as error:
            raise StoreError(
                f"image {name} of {str(self.folder)!r} is missing or damaged"
            ) from error

    def responses(self) -> pd.DataFrame:
        """Tabulate a row an image: name, each unit's mean with drift removed, trials and error."""
        units = list(self.units)
        gains = self.trials[[f"gain {unit}" for unit in units]].to_numpy()
        values = pd.DataFrame(self.trials[units].to_numpy() / gains, columns=units)
        grouped = values.groupby(self.trials["image"].to_numpy(), sort=False)
        means, counts, errors = map(pd.DataFrame, (grouped.mean(), grouped.count(), grouped.sem()))
        table = means.join(counts.add_suffix(" trials")).join(errors.add_suffix(" error"))
        return table.rename_axis("image").reset_index()

    def write_responses(self) -> Path:
        """Write the table that `recorded:FOLDER` reads.

        Raises:
            StoreError: it cannot be written.
        """
        table = pa.Table.from_pandas(self.responses(), preserve_index=False)
        size = self.image(str(self.trials["image"].iloc[0])).shape[-1]
        practice = self.asked.practice()
        about = {"name": self.asked.rig.name, "units": list(self.units), "image_size": size}
        text = json.dumps({**about, "practice": practice})
        table = table.replace_schema_metadata({METADATA: text})
        path = self.folder / RECORDED
        write_hashed(path, lambda part: parquet.write_table(table, part, compression="zstd"))
        return path


def _kind(request: str) -> str:
    first, _, last = request.partition("/")
    if first in (RANGE, REFERENCE.removesuffix("/"), "asked", CONTROL):
        return first
    return "held back" if last == "final" else "search"


def _trials(presenter: Presenter) -> pd.DataFrame:
    ledger, recording = presenter.ledger, presenter.recording
    shown = list(ledger.trials.values())
    if not shown:
        raise StoreError(f"{str(presenter.folder)!r} holds no presentation yet")
    places = {key: {n: i for i, n in enumerate(names)} for key, names in ledger.requests.items()}
    kinds = [_kind(s.request) for s in shown]
    generations = [
        int(s.request.partition("/")[2]) if kind == "search" else -1
        for s, kind in zip(shown, kinds, strict=True)
    ]
    table = pd.DataFrame(
        {
            "trial": [s.name for s in shown],
            "image": [s.image for s in shown],
            "request": [s.request for s in shown],
            "kind": kinds,
            "generation": generations,
            "candidate": [places.get(s.request, {}).get(s.image, -1) for s in shown],
            "block": [s.block for s in shown],
            "shown": rig_seconds(ledger, (recording.on_ms + recording.off_ms) / 1000),
            "answered": [s.name in ledger.answers for s in shown],
        }
    )
    gains = [f"gain {unit}" for unit in recording.units]
    values = pd.DataFrame(presenter.numbers(shown), columns=list(recording.units))
    return table.join(values).join(pd.DataFrame(presenter.gains(shown), columns=gains))


def _codes(presenter: Presenter) -> dict[str, Tensor]:
    found: dict[str, Tensor] = {}
    for key, names in presenter.ledger.requests.items():
        path = presenter.codes_file(key)
        if path.exists():
            # A reference that is shown again behind the members has no code here.
            for name, code in zip(names, read_codes(path), strict=False):
                found.setdefault(name, code)
    return found
