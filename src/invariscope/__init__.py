"""See what a visual unit ignores."""

from importlib.metadata import version

from invariscope import plot  # noqa: F401  (iv.plot.front and its like)
from invariscope.analysis.profile import profile
from invariscope.analysis.unit_profile import Profile, load_profile
from invariscope.devices import keep_freed_memory
from invariscope.experiments.mei import find_mei
from invariscope.experiments.open_search import open_search
from invariscope.experiments.plan import SearchOptions
from invariscope.experiments.reference import Reference, image_reference, photo_reference
from invariscope.experiments.result import Result, load_result
from invariscope.experiments.stretch_squeeze import stretch_and_squeeze
from invariscope.generators import (
    Autoencoder,
    ImageConstraints,
    constrain_generator,
    fit_code_space,
    load_autoencoder,
    load_generator,
)
from invariscope.invariance.calibrate import calibrate
from invariscope.invariance.calibration import Calibration, load_calibration
from invariscope.invariance.coefficient import invariance_coefficient
from invariscope.invariance.images import image_set
from invariscope.invariance.result import Invariance, load_invariance
from invariscope.natural.folder_pass import measure_folder
from invariscope.photos import open_folder
from invariscope.report.invariance import write_invariance_report
from invariscope.report.report import write_report
from invariscope.search.search import Search
from invariscope.study.result import StudyResult, load_study
from invariscope.subjects import (
    FunctionSubject,
    HybridSubject,
    NetworkSubject,
    PhotoRule,
    RigSubject,
    Subject,
    group_networks,
    load_subject,
)
from invariscope.subjects.perceptual import perceptual
from invariscope.survey.answers import load_answers

__version__ = version("invariscope")

__all__ = [
    "Autoencoder",
    "Calibration",
    "FunctionSubject",
    "HybridSubject",
    "ImageConstraints",
    "Invariance",
    "NetworkSubject",
    "PhotoRule",
    "Profile",
    "Reference",
    "Result",
    "RigSubject",
    "Search",
    "SearchOptions",
    "StudyResult",
    "Subject",
    "calibrate",
    "constrain_generator",
    "find_mei",
    "fit_code_space",
    "group_networks",
    "image_reference",
    "image_set",
    "invariance_coefficient",
    "keep_freed_memory",
    "load_answers",
    "load_autoencoder",
    "load_calibration",
    "load_generator",
    "load_invariance",
    "load_profile",
    "load_result",
    "load_study",
    "load_subject",
    "measure_folder",
    "open_folder",
    "open_search",
    "perceptual",
    "photo_reference",
    "profile",
    "stretch_and_squeeze",
    "write_invariance_report",
    "write_report",
]
