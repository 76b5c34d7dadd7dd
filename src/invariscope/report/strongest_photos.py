"""The photos that excite a unit most, by the tables of `invariscope natural`, for a page."""

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from pyarrow import ArrowInvalid

from invariscope.analysis.grouping import Rows, rows_where
from invariscope.errors import InputError, StoreError
from invariscope.markup import data_uri
from invariscope.natural.folder_pass import NATURAL, REPORT, SETTINGS, TOP
from invariscope.photos.read import open_photo
from invariscope.photos.transform import INTERPOLATIONS, crop_photo
from invariscope.store.hashes import check_hashed
from invariscope.store.record import RunRecord
from invariscope.subjects.pixels import size_seen

COLUMNS = ("unit", "rank", "photo", "activity")
MOST = 3  # photos of a unit
SIDE = 128  # pixels of a photo on the page
QUALITY = 80  # of JPEG
ALIKE = 1e-4  # activities of one photo, measured twice
REPAIR = "measure the photos again with `invariscope natural`"


@dataclass(frozen=True)
class PhotoPass:
    """A folder that `invariscope natural` wrote, with each unit's strongest photos.

    Attributes:
        path: the folder.
        photos: the folder of the photos.
        rule: how a photo becomes an image (`PhotoRule.settings`).
        strongest: columns `unit`, `rank`, `photo`, `activity`.
    """

    path: Path
    photos: Path
    rule: Mapping[str, Any]
    strongest: Rows

    def of(self, record: RunRecord) -> list[dict[str, Any]]:
        """Describe the strongest photos of a run's unit: `image`, `name`, `activity`.

        Raises:
            InputError: the folder is of other photos or another subject than the run's statistics.
            UnreadablePhoto: a photo is gone or damaged.
        """
        unit = record.settings.unit
        own = rows_where(self.strongest, self.strongest["unit"] == unit)
        rows = own.sort_values(by=["rank"])
        if not len(rows):
            return []
        self._check(unit, float(rows["activity"].iloc[0]), record.settings.natural)
        side = size_seen(record.labels, record.settings.subject) or SIDE
        return [
            {"image": self._picture(photo, side), "photo": photo, "activity": activity}
            for photo, activity in zip(rows["photo"][:MOST], rows["activity"][:MOST], strict=True)
        ]

    def _check(self, unit: str, strongest: float, natural: Mapping[str, Any] | None) -> None:
        if natural is None:
            return
        known, scale = natural["maximum"], natural["maximum"] - natural["minimum"]
        if abs(strongest - known) > ALIKE * max(scale, abs(known)):
            raise InputError(
                f"the strongest photo in {str(self.path)!r} drives unit {unit} to {strongest:.4g}, "
                f"that of its searches to {known:.4g}; give the folder of `invariscope natural` "
                "that the searches used"
            )

    def _picture(self, name: str, side: int) -> str:
        photo, _ = open_photo(self.photos / name)
        shorter = self.rule["resize"] if self.rule["crop"] else None
        how = INTERPOLATIONS[self.rule["interpolation"]]
        image = crop_photo(photo, side, shorter, how)
        image.thumbnail((SIDE, SIDE))
        buffer = io.BytesIO()
        image.save(buffer, format="JPEG", quality=QUALITY)
        return data_uri(buffer.getvalue(), "image/jpeg")


def read_photo_pass(natural: Path) -> PhotoPass:
    """Read the names of the photos that excite units most.

    Args:
        natural: the `natural.parquet` of `invariscope natural`; the names are beside it.

    Raises:
        StoreError: there is no such result, or a damaged one.
    """
    folder = natural.parent
    if natural.name != NATURAL or not natural.is_file():
        raise StoreError(
            f"{str(natural)!r} is no {NATURAL}; give the one that `invariscope natural` wrote"
        )
    try:
        check_hashed(folder / TOP, REPAIR)
        strongest = pd.read_parquet(folder / TOP, columns=list(COLUMNS))
        rule = json.loads((folder / SETTINGS).read_bytes())["photo"]
        photos = Path(json.loads((folder / REPORT).read_bytes())["folder"])
    except (OSError, ValueError, KeyError, TypeError, ArrowInvalid) as error:
        raise StoreError(
            f"{str(folder)!r} does not say which photos excite units most ({error}); {REPAIR}"
        ) from error
    return PhotoPass(folder, photos, rule, strongest)


def photos_are_there(natural: Path | None) -> bool:
    """Tell if the strongest photos beside a `natural.parquet` can be shown on this machine."""
    if natural is None or not (natural.parent / TOP).is_file():
        return False
    return read_photo_pass(natural).photos.is_dir()
