"""Pictures small enough that a page about hundreds of runs travels by e-mail."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from PIL import Image

from invariscope.errors import StoreError
from invariscope.experiments.front_choice import CHOICES, choose
from invariscope.experiments.image_kinds import Kind, kinds, measures_of
from invariscope.markup import data_uri
from invariscope.plurals import number_of
from invariscope.store.hashes import damaged_files
from invariscope.store.record import REPAIR, RunRecord, read_outcome

BUDGET = 6_500_000  # characters of the page that its runs' pictures may take
SAMPLE = 12  # pictures from which a size is estimated


@dataclass(frozen=True)
class PictureQuality:
    """The number of pictures that a run shows, and their quality.

    Attributes:
        most: pictures of a run's front; the chosen ones are always among them.
        webp: WebP's quality; None for the store's own PNG files.
        side: the most pixels a side; None as they are.
    """

    most: int
    webp: int | None = None
    side: int | None = None

    def encode(self, path: Path) -> str:
        """Write a picture as an address that holds the picture.

        Raises:
            StoreError: the file is missing or damaged.
        """
        try:
            if self.webp is None:
                return data_uri(path.read_bytes(), "image/png")
            image = Image.open(path)
            if self.side is not None:
                image.thumbnail((self.side, self.side))
            buffer = io.BytesIO()
            image.save(buffer, format="WEBP", quality=self.webp, method=4)
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise StoreError(f"the picture {str(path)!r} cannot be read ({error})") from error
        return data_uri(buffer.getvalue(), "image/webp")

    @property
    def words(self) -> str:
        """The compression of the pictures, for the reader."""
        if self.webp is None:
            return "Pictures are the store's own 8-bit PNG files."
        size = f", at most {number_of(self.side, 'pixel')} a side" if self.side else ""
        return (
            f"So that the page stays small, pictures are compressed (WebP, quality {self.webp}"
            f"{size}), about {self.most} a search; the store has them without loss."
        )


LADDER = (
    PictureQuality(24),
    PictureQuality(24, 85),
    PictureQuality(16, 80),
    PictureQuality(8, 75),
    PictureQuality(5, 75, 160),
    PictureQuality(3, 65, 128),
    PictureQuality(1, 60, 96),
)


def pictured(record: RunRecord) -> list[int]:
    """List the rows of a run's front that have a picture in the store."""
    names = [path.stem for path in (record.path / "images").glob("member-*.png")]
    return sorted(int(name.removeprefix("member-")) for name in names)


def picture_path(record: RunRecord, row: int) -> Path:
    """Give the path of the picture of a front's row."""
    return record.path / "images" / f"member-{row}.png"


def check_pictures(record: RunRecord) -> None:
    """Hold the pictures of a run that has ended to their hashes; version 0.1 kept none.

    Raises:
        StoreError: one is damaged or missing.
    """
    _, hashes = read_outcome(record.path)
    pictures = [name for name in hashes if name.startswith("images/")]
    if damaged := damaged_files(record.path, hashes, pictures):
        path = str(record.path / damaged[0])
        raise StoreError(f"picture {path!r} is damaged or missing; {REPAIR}")


@dataclass(frozen=True)
class Album:
    """The pictures of some runs, at the best quality that fits `budget`."""

    records: Sequence[RunRecord]
    budget: int = BUDGET

    @cached_property
    def quality(self) -> PictureQuality:
        """The first step of the ladder that should make all pictures fit, or the last."""
        there = [(record, pictured(record)) for record in self.records]
        paths = [picture_path(record, row) for record, rows in there for row in rows]
        in_grids = sum(len(self.kinds(record)) for record in self.records)
        spread = np.linspace(0, len(paths) - 1, min(len(paths), SAMPLE)).round().astype(int)
        for quality in LADDER:
            count = in_grids + sum(min(len(rows), quality.most) for _, rows in there)
            sizes = [len(quality.encode(paths[place])) for place in spread]
            if not sizes or count * float(np.mean(sizes)) <= self.budget:
                return quality
        return LADDER[-1]

    def rows(self, record: RunRecord) -> list[int]:
        """List the rows of a front that the page shows: chosen members, others evenly between."""
        there = pictured(record)
        if self.quality.most == 1:
            return [choose(record.front, record.settings)]
        chosen = {choose(record.front, record.settings, which) for which in CHOICES}
        spare = max(0, min(self.quality.most, len(there)) - len(chosen))
        others = [row for row in there if row not in chosen]
        spread = np.linspace(0, len(others) - 1, min(spare, len(others))).round().astype(int)
        return sorted(chosen.intersection(there) | {others[place] for place in spread})

    def kinds(self, record: RunRecord) -> dict[Kind, int]:
        """Find the best member of each kind that has a picture; none where no cells are filled."""
        if not measures_of(record.settings):
            return {}
        there, activity = set(pictured(record)), record.tensors["reference_activity"]
        best = kinds(record.front, record.settings, float(activity.mean())) or {}
        return {kind: row for kind, row in best.items() if row in there}

    def image(self, record: RunRecord, row: int) -> str:
        """Write a front's picture as an address."""
        return self.quality.encode(picture_path(record, row))

    def reference(self, record: RunRecord) -> str:
        """Write the picture of a run's reference as an address."""
        return self.quality.encode(record.path / "images" / "reference.png")
