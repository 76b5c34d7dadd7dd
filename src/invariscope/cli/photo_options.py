"""Options of the commands that measure over photos of classes."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from invariscope.cli.numbers import Count
from invariscope.invariance.classes import class_names
from invariscope.invariance.images import ImageSet, image_set
from invariscope.invariance.setup import images_for
from invariscope.photos import PhotoRule, open_folder
from invariscope.subjects import Subject

EachClass = Annotated[Count | None, Parameter(help="At most so many photos of each class.")]


@Parameter(name="*")
@dataclass(frozen=True)
class PhotoOptions:
    """Photos of each class, their size, and the names of their classes."""

    photos: EachClass = None
    classes: Annotated[
        Path | None, Parameter(help="A table: class folder, tab, the model's name or unit number.")
    ] = None
    resize: Annotated[
        Count | None, Parameter(help="A photo's shorter side, before its middle is cut out.")
    ] = None

    def images(self, subject: Subject, folder: Path) -> ImageSet:
        """Read the photos of a folder as the subject sees photos, or by `resize`."""
        found = open_folder(folder)
        found = found if self.photos is None else found.of_each_class(self.photos)
        if self.resize is None:
            return images_for(subject, found)
        return image_set(found, rule=PhotoRule(self.resize))

    def names(self, folder: Path) -> dict[str, str]:
        """Read the name of each class folder in the words of the network."""
        return class_names(folder, self.classes)
