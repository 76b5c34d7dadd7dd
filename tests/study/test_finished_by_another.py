"""A study does not take over the runs of a network that answers otherwise today."""

import pytest

from invariscope.errors import StoreError
from invariscope.study.batch import check_done
from invariscope.study.loading import load_generator_cached, load_subject_cached

FACTORY = """
from invariscope.testing.networks import RepeatingNetwork, small_subject

def subject():
    return small_subject(RepeatingNetwork(TIMES), name="repeats")
"""


def test_finished_runs_of_another_network_are_refused(begin, run_study, study_text, tmp_path):
    file = tmp_path / "mine.py"
    text = study_text('[conditions.a]\nstretch = ["pixels"]\nseeds = 1\n').replace("fc:", "last:")
    lines = [f'subjects = "{file}:subject"' if "subjects" in x else x for x in text.splitlines()]

    def plan(times):
        load_subject_cached.cache_clear()
        load_generator_cached.cache_clear()
        file.write_text(FACTORY.replace("TIMES", str(times)))
        return begin("\n".join(lines))

    study = plan(1)
    progress, _ = run_study(study)
    assert progress.total.failed == 0
    check_done(plan(1).planned_runs(), study.runs)
    assert [w.name for w in plan(8).planned_runs()] == [w.name for w in plan(1).planned_runs()]
    study = plan(8)
    with pytest.raises(StoreError, match="answer otherwise than when"):
        check_done(study.planned_runs(), study.runs)
