"""A small convolutional search, and a process that forks children which do it and are killed.

Started as a program it imports everything once, reads one JSON order a line, forks a child for
it and answers how the child ended: `{"killed": bool, "error": str}`.

An order: `folder`, `out`, `strategy`, perhaps `generations` and `seeds_`, and where the child is
to be killed `kill`: after so many `bytes` of all journals, and then so many `seconds`.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path
from unittest.mock import patch

import torch

from invariscope import SearchOptions, image_reference, seeds, stretch_and_squeeze
from invariscope.experiments import pictures
from invariscope.natural.statistics import measure_natural
from invariscope.store import run_folder
from invariscope.testing.networks import SIDE, SmallGenerator, small_subject

UNIT, SITE, SEEDS = "fc:3", "conv1", (0, 1, 2)
EVERY = 3  # generations between checkpoints


def natural_table(path):
    """Natural statistics with which runs reach their milestone and stop at different times."""
    images = torch.rand(64, 3, SIDE, SIDE, generator=seeds.torch_stream("natural"))
    table = measure_natural(small_subject(), images.split(32), ["fc"], "train")
    row = table.table["unit"] == UNIT
    table.table.loc[row, "maximum"] = table.table.loc[row, "p5"]
    table.save(path)


def search(folder, strategy="isotropic", *, out="out", generations=12, seeds_=SEEDS, **asked):
    """Three runs in lockstep, with many checkpoints and few pictures."""
    natural = Path(folder) / "natural.parquet"
    if not natural.exists():
        natural_table(natural)
    generator = SmallGenerator(statistics=False)
    code = seeds.normal([("code",)], (generator.code_dim,))[0].float()
    image = generator.generate(code.unsqueeze(0))[0]
    with (
        patch.object(run_folder, "CHECKPOINT_GENERATIONS", EVERY),
        patch.object(pictures, "MOST", 2),
    ):
        return stretch_and_squeeze(
            asked.pop("subject", None) or small_subject(natural=natural),
            generator,
            UNIT,
            reference=image_reference(image, SIDE, code),
            stretch=SITE,
            seeds=seeds_,
            options=SearchOptions(
                strategy=strategy, population=12, generations=generations, precision="float32"
            ),
            out=Path(folder) / out,
            **asked,
        )


def contents(out):
    """Every file of a search but the seconds it took, by its name."""
    files = {p.relative_to(out).as_posix(): p.read_bytes() for p in out.rglob("*") if p.is_file()}
    for name in [name for name in files if name.endswith("outcome.json")]:
        files[name] = json.loads(files[name]) | {"seconds": 0, "sha256": ""}
    return files


def same_files(resumed, unbroken):
    """Assert that two folders hold the same files, bit for bit."""
    left, right = contents(resumed), contents(unbroken)
    assert left.keys() == right.keys()
    assert [name for name in left if left[name] != right[name]] == []


def no_sync(_handle):
    """Takes the place of `os.fsync` where power does not fail."""


def journal_bytes(out):
    return sum(path.stat().st_size for path in Path(out).glob("*/journal.jsonl"))


def child(order):
    """In the forked process: search, then leave without any clean-up."""
    os.fsync = no_sync  # the system keeps what a killed process wrote
    try:
        asked = {key: order[key] for key in ("generations", "seeds_") if key in order}
        search(order["folder"], order["strategy"], out=order["out"], **asked)
    except BaseException as error:  # noqa: BLE001
        Path(order["folder"], "error").write_text(str(error))
        os._exit(1)
    os._exit(0)


def watch(pid, order):
    """Wait for a child, or kill it at its moment; the wait status."""
    kill = order.get("kill")
    out = Path(order["folder"], order["out"])
    moment = None
    while True:
        done, status = os.waitpid(pid, os.WNOHANG if kill else 0)
        if done:
            return status
        if moment is None and journal_bytes(out) >= kill["bytes"]:
            moment = time.monotonic() + kill["seconds"]
        if moment is not None and time.monotonic() >= moment:
            os.kill(pid, signal.SIGKILL)
            return os.waitpid(pid, 0)[1]
        time.sleep(0.0005)


def serve():
    for text in sys.stdin:
        order = json.loads(text)
        pid = os.fork()
        if pid == 0:
            child(order)
        status = watch(pid, order)
        error = Path(order["folder"], "error")
        answer = {
            "killed": os.WIFSIGNALED(status),
            "error": error.read_text() if os.WEXITSTATUS(status) else "",
        }
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    torch.set_num_threads(1)
    serve()
