"""Photos: folders of them, one way to read one, and a stream of batches."""

from invariscope.photos.folder import PhotoFolder, PhotoReport, open_folder
from invariscope.photos.read import UnreadablePhoto, read_photo
from invariscope.photos.stream import batches

__all__ = [
    "PhotoFolder",
    "PhotoReport",
    "UnreadablePhoto",
    "batches",
    "open_folder",
    "read_photo",
]
