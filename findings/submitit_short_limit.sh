#!/usr/bin/env bash
# submitit 1.5.4: a preempted job with a limit of ten minutes or less is always one that ran out of time.

# Guess: a preempted job is told from one that ran out of time by how long it has run.
# Seen: what counts is the limit less ten minutes (or four fifths of it), so a job of 10 minutes that
# is preempted at once uses up one of its three time-outs, one of 11 minutes does from the second
# minute on, and a function without a checkpoint is given up. A job of an hour is preempted as guessed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/python -m pip install --quiet submitit==1.5.4
env/bin/python - <<'PYTHON'
import os
import time
from importlib.metadata import version
from pathlib import Path

from submitit.core.job_environment import JobEnvironment, SignalHandler
from submitit.core.utils import DelayedSubmission, JobPaths

print("submitit", version("submitit"))
os.environ |= {"SUBMITIT_EXECUTOR": "local", "SUBMITIT_LOCAL_JOB_ID": "1"}  # as within a job


def seen_as(minutes, after=0.0):
    """What a job with a limit, preempted so many minutes after its begin, is taken for."""
    work = DelayedSubmission(print)
    work.set_timeout(minutes, max_num_timeout=3)
    handler = SignalHandler(JobEnvironment(), JobPaths(Path("."), "1"), work)
    handler._start_time = time.time() - 60 * after
    return "timed out" if handler.has_timed_out() else "preempted"


found = {"10 min, at once": seen_as(10), "11 min, after 2": seen_as(11, 2), "60 min, at once": seen_as(60)}
print(found)
assert list(found.values()) == ["timed out", "timed out", "preempted"], "short limits count otherwise now"
PYTHON
