"""Ended runs of a study that a new plan of the study does not want."""

from collections.abc import Iterable

from invariscope.errors import StoreError
from invariscope.generators import address_made_with
from invariscope.plurals import number_of
from invariscope.store.record import load_run
from invariscope.study.folder import StudyFolder
from invariscope.study.planned_run import PlannedRun
from invariscope.study.runner import ended_runs


def no_longer_wanted(study: StudyFolder, planned_runs: Iterable[PlannedRun]) -> str:
    """Name the ended runs of a study's earlier plan that a new plan does not want.

    A run's name is made of its settings, so another generator behind the same address, or
    another default of another version, plans every run anew.

    Args:
        study: as it is on disk, planned earlier or not at all.
        planned_runs: of the new plan.

    Returns:
        A sentence with a line's end; empty where there are none.
    """
    try:
        before = study.planned_runs() if study.begun else []
        ended = ended_runs(study, before) if before else set()
        wanted = {run.name for run in planned_runs}
        left = [run for run in before if run.name in ended and run.name not in wanted]
        if not left:
            return ""
        made_with = load_run(study.runs / left[0].folder).settings.generator
    except StoreError:  # what cannot be read is said where the study needs it
        return ""
    text = (
        f"{number_of(len(left), 'run')} of the earlier plan of {study.name!r} had ended and the "
        "new one does not want them, for its settings are others; they stay in the store"
    )
    address = left[0].generator
    name = address_made_with(address, made_with)
    if name != address:
        text += (
            f"; they were made with the generator that is called {name!r} now: to go on with "
            f"them, name it in the file in place of {address!r}"
        )
    return text + "\n"
