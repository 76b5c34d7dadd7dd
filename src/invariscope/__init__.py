"""See what a visual unit ignores."""

from importlib.metadata import version

from invariscope.generators import load_generator
from invariscope.search.search import Search
from invariscope.sns.mei import find_mei
from invariscope.sns.plan import SearchOptions
from invariscope.sns.reference import Reference, image_reference
from invariscope.sns.result import Result, load_result
from invariscope.sns.stretch_squeeze import stretch_and_squeeze
from invariscope.subjects import NetworkSubject, Subject, load_subject

__version__ = version("invariscope")

__all__ = [
    "NetworkSubject",
    "Reference",
    "Result",
    "Search",
    "SearchOptions",
    "Subject",
    "find_mei",
    "image_reference",
    "load_generator",
    "load_result",
    "load_subject",
    "stretch_and_squeeze",
]
