"""See what a visual unit ignores."""

from importlib.metadata import version

from invariscope import plot  # noqa: F401  (iv.plot.front and its like)
from invariscope.analysis.card import Profile, load_profile
from invariscope.analysis.profile import profile
from invariscope.generators import load_generator
from invariscope.invariance.calibrate import calibrate
from invariscope.invariance.calibration import Calibration, load_calibration
from invariscope.invariance.coefficient import invariance_coefficient
from invariscope.invariance.images import image_set
from invariscope.invariance.result import Invariance, load_invariance
from invariscope.report.invariance import write_invariance_report
from invariscope.report.report import write_report
from invariscope.search.search import Search
from invariscope.sns.mei import find_mei
from invariscope.sns.plan import SearchOptions
from invariscope.sns.reference import Reference, image_reference
from invariscope.sns.result import Result, load_result
from invariscope.sns.stretch_squeeze import stretch_and_squeeze
from invariscope.subjects import NetworkSubject, Subject, load_subject

__version__ = version("invariscope")

__all__ = [
    "Calibration",
    "Invariance",
    "NetworkSubject",
    "Profile",
    "Reference",
    "Result",
    "Search",
    "SearchOptions",
    "Subject",
    "calibrate",
    "find_mei",
    "image_reference",
    "image_set",
    "invariance_coefficient",
    "load_calibration",
    "load_generator",
    "load_invariance",
    "load_profile",
    "load_result",
    "load_subject",
    "profile",
    "stretch_and_squeeze",
    "write_invariance_report",
    "write_report",
]
