"""Search for images that a visual unit ignores or rejects."""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from invariscope import plot as plot
    from invariscope.analysis.profile import profile
    from invariscope.analysis.unit_profile import Profile, load_profile
    from invariscope.experiments.experiment import ExperimentCondition, run_experiment
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
    from invariscope.memory import keep_freed_memory
    from invariscope.natural.folder_pass import measure_folder
    from invariscope.photos import PhotoRule, open_folder
    from invariscope.recordings.options import RecordingOptions
    from invariscope.recordings.read import read_recording
    from invariscope.recordings.responses import RecordedResponses
    from invariscope.report.invariance import write_invariance_report
    from invariscope.report.report import write_report
    from invariscope.search.search import Search
    from invariscope.study.result import StudyResult, load_study
    from invariscope.subjects import (
        FunctionSubject,
        HybridSubject,
        NetworkSubject,
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
    "ExperimentCondition",
    "FunctionSubject",
    "HybridSubject",
    "ImageConstraints",
    "Invariance",
    "NetworkSubject",
    "PhotoRule",
    "Profile",
    "RecordedResponses",
    "RecordingOptions",
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
    "read_recording",
    "run_experiment",
    "stretch_and_squeeze",
    "write_invariance_report",
    "write_report",
]

# Where each name is defined; the imports above say so to type checkers (a test compares them).
_MODULES = {
    "Autoencoder": "invariscope.generators",
    "Calibration": "invariscope.invariance.calibration",
    "ExperimentCondition": "invariscope.experiments.experiment",
    "FunctionSubject": "invariscope.subjects",
    "HybridSubject": "invariscope.subjects",
    "ImageConstraints": "invariscope.generators",
    "Invariance": "invariscope.invariance.result",
    "NetworkSubject": "invariscope.subjects",
    "PhotoRule": "invariscope.photos",
    "Profile": "invariscope.analysis.unit_profile",
    "RecordedResponses": "invariscope.recordings.responses",
    "RecordingOptions": "invariscope.recordings.options",
    "Reference": "invariscope.experiments.reference",
    "Result": "invariscope.experiments.result",
    "RigSubject": "invariscope.subjects",
    "Search": "invariscope.search.search",
    "SearchOptions": "invariscope.experiments.plan",
    "StudyResult": "invariscope.study.result",
    "Subject": "invariscope.subjects",
    "calibrate": "invariscope.invariance.calibrate",
    "constrain_generator": "invariscope.generators",
    "find_mei": "invariscope.experiments.mei",
    "fit_code_space": "invariscope.generators",
    "group_networks": "invariscope.subjects",
    "image_reference": "invariscope.experiments.reference",
    "image_set": "invariscope.invariance.images",
    "invariance_coefficient": "invariscope.invariance.coefficient",
    "keep_freed_memory": "invariscope.memory",
    "load_answers": "invariscope.survey.answers",
    "load_autoencoder": "invariscope.generators",
    "load_calibration": "invariscope.invariance.calibration",
    "load_generator": "invariscope.generators",
    "load_invariance": "invariscope.invariance.result",
    "load_profile": "invariscope.analysis.unit_profile",
    "load_result": "invariscope.experiments.result",
    "load_study": "invariscope.study.result",
    "load_subject": "invariscope.subjects",
    "measure_folder": "invariscope.natural.folder_pass",
    "open_folder": "invariscope.photos",
    "open_search": "invariscope.experiments.open_search",
    "perceptual": "invariscope.subjects.perceptual",
    "photo_reference": "invariscope.experiments.reference",
    "plot": "invariscope.plot",
    "profile": "invariscope.analysis.profile",
    "read_recording": "invariscope.recordings.read",
    "run_experiment": "invariscope.experiments.experiment",
    "stretch_and_squeeze": "invariscope.experiments.stretch_squeeze",
    "write_invariance_report": "invariscope.report.invariance",
    "write_report": "invariscope.report.report",
}


def __getattr__(name: str) -> Any:
    """Import the module of a public name when the name is first used (PEP 562)."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = import_module(_MODULES[name])
    value = module if name == "plot" else getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES})
