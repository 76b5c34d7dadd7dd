"""Photos: folders, one way to read a file, and a stream of batches."""

from invariscope.photos.folder import PhotoFolder, PhotoReport, open_folder
from invariscope.photos.read import UnreadablePhoto, read_photo
from invariscope.photos.stream import batches, read_image
from invariscope.photos.transform import PhotoRule

__all__ = [
    "PhotoFolder",
    "PhotoReport",
    "PhotoRule",
    "UnreadablePhoto",
    "batches",
    "open_folder",
    "read_image",
    "read_photo",
]
