"""The activities of a pass so far: `(units, photos)` a file, each file whole or absent."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from invariscope.errors import StoreError, SubjectError
from invariscope.photos import PhotoFolder
from invariscope.store.files import replace_tensors

ROWS = 4096  # photos in a segment, or as many as come in
SECONDS = 30.0
BLOCK = 1 << 24  # numbers described at once


class Segments:
    """Activities of units, photo after photo, on disk.

    Args:
        path: the folder of the files; present files are taken up.
        names: of the units, in the order of rows.
        folder: the photos; its report gets the notes of earlier calls.

    Attributes:
        end: the first photo that no file covers.
    """

    def __init__(self, path: Path, names: list[str], folder: PhotoFolder) -> None:
        self.path, self.names, self.folder = path, names, folder
        self.files = sorted(path.glob("*.safetensors"))
        self.rows: list[NDArray[np.float32]] = []
        self.indices: list[NDArray[np.int64]] = []
        self.end = 0
        self.written = time.monotonic()
        for file in self.files:
            self._recall(file)

    def _recall(self, file: Path) -> None:
        try:
            with safe_open(file, framework="np") as stored:
                metadata = json.loads(stored.metadata()["segment"])
                kinds = stored.get_tensor("kinds")
        except SafetensorError as error:
            raise StoreError(
                f"{str(file)!r} is damaged; delete the folder {str(self.path)!r} to begin anew"
            ) from error
        self.folder.report.kinds[self.end : metadata["end"]] = kinds
        for photo, sentence, reason in metadata["unreadable"]:
            self.folder.report.refuse(photo, sentence, reason)
        self.end = metadata["end"]

    def add(self, activity: NDArray[np.float32], indices: NDArray[np.int64]) -> None:
        """Take a batch, and write a segment when due."""
        fault = np.argwhere(~np.isfinite(activity))
        if len(fault):
            row, column = fault[0]
            raise SubjectError(
                f"the subject answered {activity[row, column]} at {self.names[column]} for "
                f"{str(self.folder.file(int(indices[row])))!r}; natural statistics need numbers"
            )
        self.rows.append(activity)
        self.indices.append(indices)
        waiting = sum(map(len, self.indices))
        if waiting >= ROWS or time.monotonic() - self.written > SECONDS:
            self._write(int(indices[-1]) + 1)

    def finish(self) -> None:
        """Write the waiting activities, and the notes about their photos."""
        if self.end < len(self.folder):
            self._write(len(self.folder))
        if not sum(len(self.photos(file)) for file in self.files):
            first = next(iter(self.folder.report.unreadable.values()), "")
            raise StoreError(f"no photo of {str(self.folder.path)!r} could be read ({first})")

    def _write(self, end: int) -> None:
        report = self.folder.report
        unreadable = [
            (photo, report.unreadable[photo], report.reasons[photo])
            for photo in sorted(report.unreadable)
            if self.end <= photo < end
        ]
        empty = np.empty((0, len(self.names)), np.float32)
        activity = np.concatenate([empty, *self.rows]).T
        tensors = {
            "activity": torch.from_numpy(np.ascontiguousarray(activity)),
            "photos": torch.from_numpy(np.concatenate([np.empty(0, np.int64), *self.indices])),
            "kinds": torch.from_numpy(report.kinds[self.end : end].astype(np.int32)),
        }
        metadata = json.dumps({"end": end, "unreadable": unreadable})
        file = self.path / f"{len(self.files):06d}.safetensors"
        replace_tensors(file, tensors, {"segment": metadata})
        self.files.append(file)
        self.rows, self.indices, self.end = [], [], end
        self.written = time.monotonic()

    def photos(self, file: Path) -> NDArray[np.int64]:
        """Read the photos' numbers of a segment."""
        with safe_open(file, framework="np") as stored:
            return stored.get_tensor("photos")

    def blocks(self) -> Iterator[tuple[slice, NDArray[np.float32]]]:
        """Read activities `(units, photos)` of some units at a time, over all photos."""
        number = sum(len(self.photos(file)) for file in self.files)
        step = max(1, BLOCK // number)
        for start in range(0, len(self.names), step):
            units = slice(start, min(start + step, len(self.names)))
            parts = []
            for file in self.files:
                with safe_open(file, framework="np") as stored:
                    parts.append(stored.get_slice("activity")[units])
            yield units, np.concatenate(parts, 1)
