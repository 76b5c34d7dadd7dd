"""A small study that has run, for examples and tests."""

from pathlib import Path

from invariscope.jobs.engines import LocalEngine
from invariscope.study.file import parse_study
from invariscope.study.folder import StudyFolder
from invariscope.study.plan import plan_study
from invariscope.study.runner import StudyRunner

TEXT = """
[conditions.invariance]
subjects = "embedded:standard"
units = "fc:3"
generations = 2
population = 10
precision = "float32"

[roles]
"embedded:standard" = "standard"
"""


def small_study(store: str | Path) -> Path:
    """Run a study of an MEI and an invariance search of 20 images each, on the CPU.

    Args:
        store: the folder for runs and study.

    Returns:
        The study's own folder, `STORE/studies/small`.
    """
    folder = StudyFolder(Path(store).resolve(), "small")
    folder.write(TEXT, plan_study(parse_study(TEXT), Path()))
    with LocalEngine("cpu") as engine:
        StudyRunner(folder, engine).run()
    return folder.path
