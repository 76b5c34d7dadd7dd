"""Ray, SLURM and worker processes for real: every engine's runs equal those of `local`.

Each part starts what it needs and skips, with the reason, where that is not there. `.ci/slurm`
starts a SLURM cluster of this machine.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from unittest.mock import patch

import pytest

from invariscope.experiments import pictures
from invariscope.jobs.engines import LocalEngine, SlurmEngine
from invariscope.study.file import parse_study
from invariscope.study.folder import StudyFolder
from invariscope.study.index import read_rows
from invariscope.study.plan import plan_study
from invariscope.study.runner import StudyRunner

pytestmark = [
    pytest.mark.cluster,
    # submitit leaves its processes to the system.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

TESTS = Path(__file__).parent
CONDITION = "[conditions.invariance]\nstretch = ['pixels', 'conv1']\nseeds = 2\n"
CHANGED = {"generations": "60", "population": "16"}
DELAY = "0.04"  # seconds of every answer of a worker that is to be killed
# A job in a shell's background is started with Ctrl-C ignored.
HEARS_CTRL_C = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
COMMAND = [sys.executable, "-c", f"{HEARS_CTRL_C}; from invariscope.cli import main; main()"]
LONG = 400.0
EVERY_PICTURE = 24  # that a run keeps; the quick tests keep fewer


@pytest.fixture(scope="module")
def text(study_text):
    return study_text(CONDITION, **CHANGED)


@pytest.fixture(scope="module")
def local(tmp_path_factory, text):
    """The study on this machine, in one process and thread."""
    base = tmp_path_factory.mktemp("local")
    folder = StudyFolder(base, "study")
    folder.write(text, plan_study(parse_study(text), base, allow_code=True))
    with patch.object(pictures, "MOST", EVERY_PICTURE):
        StudyRunner(folder, LocalEngine("cpu", threads=1)).run()
    return folder


@pytest.fixture
def planned(tmp_path, text):
    """The same study in a new store, not begun."""
    folder = StudyFolder(tmp_path / "store", "study")
    folder.write(text, plan_study(parse_study(text), tmp_path, allow_code=True))
    (tmp_path / "study.toml").write_text(text)
    return folder


def environment(**more):
    return os.environ | {"OMP_NUM_THREADS": "1"} | more


@pytest.fixture
def resume():
    """Starts `study resume` as a person would."""
    started = []

    def start(folder, *words, **more):
        file = folder.store.parent / "study.toml"
        asked = ["study", "resume", str(file), "--allow-code", "--out", str(folder.store), *words]
        process = subprocess.Popen(
            COMMAND + asked,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment(**more),
            cwd=folder.store.parent,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def wait_for(what, found):
    until = time.monotonic() + LONG
    while time.monotonic() < until:
        if (value := found()) is not None:
            return value
        time.sleep(0.05)
    pytest.fail(f"{what} did not come within {LONG} s")


def worker_with_a_checkpoint(folder):
    """What a worker tells whose run could go on from a checkpoint."""
    if not any(folder.runs.glob("invariance*/checkpoint.safetensors")):
        return None
    told = folder.news()
    return told[0] if told else None


def whole(process):
    said, _ = process.communicate(timeout=LONG)
    assert process.returncode == 0, said
    return said


def held_to(local, folder, same_store):
    """Every run and row equals the local one; no run changed its numeric context."""
    same_store(folder.store, local.store)
    ours, theirs = read_rows(folder.runs), read_rows(local.runs)
    assert ours.keys() == theirs.keys()
    for name, row in ours.items():
        timed = {"seconds": 0, "bytes": 0}  # the seconds of outcome.json have more or fewer digits
        assert row | timed == theirs[name] | timed
        assert row["context_changes"] == 0


@pytest.fixture
def ray_address():
    pytest.importorskip("ray", reason="Ray is not installed (pip install '.[cluster]')")
    process = subprocess.Popen(
        [sys.executable, str(TESTS / "ray_cluster.py")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment(DELAY=DELAY),
    )
    line = ""
    while process.poll() is None and not line.startswith("address "):
        line = process.stdout.readline()
    yield line.split()[1]
    process.stdin.close()
    process.stdout.close()
    process.wait(timeout=60)


def test_ray_equals_local_with_a_worker_killed_on_the_way(
    ray_address, planned, local, same_store, resume
):
    process = resume(planned, "--engine", "ray", "--address", ray_address, "--runs-per-job", "2")
    told = wait_for("a milestone", lambda: worker_with_a_checkpoint(planned))
    os.kill(told["pid"], signal.SIGKILL)
    said = whole(process)
    assert "10 runs done, 0 failed" in said
    held_to(local, planned, same_store)


@pytest.fixture
def slurm():
    if shutil.which("scontrol") is None:
        pytest.skip("SLURM is not installed here (.ci/slurm installs and starts it)")
    ping = subprocess.run(["scontrol", "ping"], capture_output=True, text=True, check=False)
    if "UP" not in ping.stdout:
        pytest.skip("no SLURM controller answers here (.ci/slurm starts one)")


def running_jobs():
    """Identities of the jobs of ours that run now."""
    asked = ["squeue", "--noheader", "--name", "sns", "--states", "R", "--format", "%i"]
    return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.split()


def test_slurm_equals_local_with_a_task_preempted(slurm, planned, local, same_store, resume):
    process = resume(planned, "--engine", "slurm", "--runs-per-job", "4", DELAY=DELAY)
    wait_for("a milestone", lambda: worker_with_a_checkpoint(planned))
    # What submitit asks SLURM to send before a preemption.
    subprocess.run(["scancel", "--signal", "USR2", running_jobs()[0]], check=True)
    said = whole(process)
    assert "10 runs done, 0 failed" in said
    logs = "".join(p.read_text() for p in planned.batches.glob("slurm/**/*_log.err"))
    logs += "".join(p.read_text() for p in planned.batches.glob("slurm/**/*_log.out"))
    assert "Caught signal" in logs
    held_to(local, planned, same_store)


def test_the_tasks_of_an_array_equal_local_with_one_of_them_interrupted(
    planned, local, same_store, monkeypatch
):
    """On submitit's own stand-in for SLURM, which any machine has."""
    submitit = pytest.importorskip("submitit", reason="submitit is not installed")
    executor = submitit.AutoExecutor
    monkeypatch.setattr(submitit, "AutoExecutor", lambda folder, **_: executor(folder, "local"))
    monkeypatch.setenv("DELAY", DELAY)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    engine = SlurmEngine(planned.batches / "slurm")
    interrupted = []

    def watch(_progress):
        if not interrupted and worker_with_a_checkpoint(planned):
            job, _ = next(iter(engine._under_way.values()))
            job._interrupt()
            interrupted.append(job)

    with engine:
        progress = StudyRunner(planned, engine, runs_per_job=4, watch=watch).run()
    assert interrupted
    assert "bypassing" not in interrupted[0].stderr().lower()
    assert progress.total.failed == 0
    held_to(local, planned, same_store)


def test_worker_processes_equal_local_with_one_of_them_killed(
    planned, local, same_store, monkeypatch
):
    """What several GPUs get, here with two processors in their place."""
    monkeypatch.setattr(
        "invariscope.jobs.engines.local.local_devices", lambda _device: ["cpu", "cpu"]
    )
    monkeypatch.setenv("DELAY", DELAY)
    killed = []

    def watch(_progress):
        if not killed and (told := worker_with_a_checkpoint(planned)):
            os.kill(told["pid"], signal.SIGKILL)
            killed.append(told)

    with LocalEngine(threads=1) as engine:
        progress = StudyRunner(planned, engine, runs_per_job=4, watch=watch).run()
    assert killed
    assert (progress.total.done, progress.total.failed) == (len(planned.planned_runs()), 0)
    held_to(local, planned, same_store)


def is_there(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGKILL])
def test_workers_end_with_the_engine_and_the_study_goes_on(
    planned, local, same_store, resume, sent
):
    words = ["--workers", "2", "--threads", "1", "--runs-per-job", "4"]
    process = resume(planned, *words, DELAY=DELAY)
    wait_for("a milestone", lambda: worker_with_a_checkpoint(planned))
    workers = {told["pid"] for told in planned.news()}
    assert workers
    assert process.pid not in workers
    process.send_signal(sent)
    said, _ = process.communicate(timeout=LONG)
    began = time.monotonic()
    wait_for("the end of the workers", lambda: None if any(map(is_there, workers)) else True)
    assert time.monotonic() - began < 10
    assert process.returncode == (130 if sent == signal.SIGINT else -signal.SIGKILL)
    assert "Traceback" not in said
    outcomes = [json.loads(p.read_text()) for p in planned.runs.glob("*/outcome.json")]
    kept = [outcome for outcome in outcomes if outcome["status"] == "interrupted"]
    assert bool(kept) == (sent == signal.SIGINT)
    assert "10 runs done, 0 failed" in whole(resume(planned, *words))
    held_to(local, planned, same_store)


def test_an_engine_that_is_not_there_is_said(planned, resume):
    process = resume(planned, "--engine", "ray", "--address", "127.0.0.1:1")
    said, _ = process.communicate(timeout=LONG)
    assert process.returncode == 2
    assert "no Ray cluster at '127.0.0.1:1'" in said
    process = resume(planned, "--engine", "slurm", "--slurm", "slurm_partitio=x")
    said, _ = process.communicate(timeout=LONG)
    assert process.returncode == 2
    assert "SLURM cannot be used as asked" in said
    assert json.loads((planned.path / "runs.jsonl").read_text().splitlines()[0])
