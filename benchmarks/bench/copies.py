"""Studies of many runs for measurements: a few real runs, copied under other seeds."""

import json
import shutil
from pathlib import Path
from typing import Any

from invariscope.jobs.engines import LocalEngine
from invariscope.store.hashes import hash_files, seal
from invariscope.store.record import RunRecord, load_run
from invariscope.store.run_folder import hashed_names
from invariscope.store.run_toml import write_settings
from invariscope.study.file import parse_study
from invariscope.study.folder import StudyFolder
from invariscope.study.index import append_rows
from invariscope.study.plan import plan_study
from invariscope.study.planned_run import PlannedRun
from invariscope.study.row import row_of
from invariscope.study.runner import StudyRunner

TEXT = """
[shared]
subjects = "embedded:standard"
units = "fc:0-9"
generations = 6
population = 20
precision = "float32"
[conditions.invariance]
stretch = ["pixels", "layer1.1.relu@2", "layer2.1.relu@2", "layer3.1.relu@2"]
seeds = SEEDS
[conditions.adversarial]
tasks = "adversarial"
seeds = SEEDS
"""
SEARCHES_A_SEED = 50  # of ten units: four sites of invariance and one silencing search each


def study_text(seeds: int) -> str:
    """The study file: `SEARCHES_A_SEED` searches a seed, and ten MEIs."""
    return TEXT.replace("SEEDS", str(seeds))


def make_study(store: Path, seeds: int, name: str = "many") -> StudyFolder:
    """Make a study of searches of some seeds, of which those of the first seed are real.

    Studies of one store share their runs, so a larger one adds what it has more.

    A search of another seed is a copy of the first's files under settings of its own, with its
    name, folder, row of the index and hashes as its writer would have written them.
    """
    folder = StudyFolder(store, "real")
    folder.write(study_text(1), plan_study(parse_study(study_text(1)), store))
    with LocalEngine("cpu") as engine:
        StudyRunner(folder, engine).run()
    real = {_key(run): load_run(folder.runs / run.folder) for run in folder.planned_runs()}
    many = StudyFolder(store, name)
    many.write(study_text(seeds), plan_study(parse_study(study_text(seeds)), store))
    new = [run for run in many.planned_runs() if not (many.runs / run.folder).exists()]
    append_rows(many.runs, [_copied(real[_key(run)], run, many.runs) for run in new])
    return many


def _key(run: PlannedRun) -> tuple[str, str, str | None]:
    return run.task, run.unit, run.site


def _copied(real: RunRecord, run: PlannedRun, runs: Path) -> dict[str, Any]:
    """Copy a real run for a planned run of another seed; the row of the index."""
    settings = real.settings.model_copy(update={"seed": run.seed})
    if settings.name != run.name:
        raise ValueError(f"the settings of {run.folder} do not give its name")
    place = runs / run.folder
    shutil.copytree(real.path, place)
    write_settings(place, settings, real.labels, real.context)
    end = json.loads((place / "outcome.json").read_text())
    end = {key: value for key, value in end.items() if key != "sha256"}
    end["hashes"] = hash_files(place, hashed_names(place, ended=True))
    (place / "outcome.json").write_text(json.dumps(seal(end)) + "\n")
    return row_of(load_run(place))
