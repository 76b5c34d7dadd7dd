"""Images a processor second, interleaved: an earlier build, the original's way, this build.

python benchmarks/engine_processor.py --before WORKTREE [--out FILE.json] [--case paper]

WORKTREE is a checkout of the build to compare with (`git worktree add WORKTREE COMMIT`, of a commit
that has this file, since each build runs its own). Every way has a process of its own with one
thread; each does a generation when it is its turn, and its processor time (user and system)
counts, so another load on the machine disturbs ratios little.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

HERE = Path(__file__).resolve().parents[1]
MMAP, TRIM = 60 * 2**20, 512 * 2**20
KEPT = {"MALLOC_MMAP_THRESHOLD_": str(MMAP), "MALLOC_TRIM_THRESHOLD_": str(TRIM)}
# way → (build, the original's loop, precision, malloc's thresholds raised)
WAYS = {
    "original": ("new", True, "float32", False),
    "original, malloc": ("new", True, "float32", True),
    "before, float32": ("before", False, "float32", False),
    "before, bf16": ("before", False, "bf16", False),
    "before, bf16, malloc": ("before", False, "bf16", True),
    "new, float32": ("new", False, "float32", True),
    "new, bf16, default malloc": ("new", False, "bf16", False),
    "new, bf16": ("new", False, "bf16", True),
}
POPULATION, RUNS = 50, 2


def processor_seconds() -> float:
    """User and system time of this process so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def system_seconds() -> float:
    """System time of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_stime


def most_resident() -> float:
    """The largest resident memory so far, in megabytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(x.split()[1]) for x in lines if x.startswith("VmHWM")) / 1024 * 1.048576


def turns(case_name: str, original: bool, precision: str) -> None:
    """A generation for each line of the standard input, and what it took as a line of JSON."""
    import torch  # noqa: PLC0415  (only a way's own process needs it)

    from bench.cases import CASES  # noqa: PLC0415
    from bench.ours import LockstepLoop  # noqa: PLC0415
    from bench.pair import make_baseline  # noqa: PLC0415
    from invariscope.experiments.plan import SearchOptions  # noqa: PLC0415

    torch.set_num_threads(1)
    case = CASES[case_name](torch.device("cpu"))
    options = SearchOptions(population=POPULATION, precision=precision)

    def answer(generation: Any, images: int) -> None:
        for _ in sys.stdin:
            began, system = processor_seconds(), system_seconds()
            generation()
            told = {
                "seconds": processor_seconds() - began,
                "system": system_seconds() - system,
                "images": images,
                "peak_mb": most_resident(),
            }
            print(json.dumps(told), flush=True)

    if original:
        answer(make_baseline(case, options).generation, POPULATION)
        return
    with (
        tempfile.TemporaryDirectory() as folder,
        LockstepLoop(case, RUNS, Path(folder), options) as ours,
    ):
        answer(ours.generation, RUNS * POPULATION)


def started(case: str, way: str, before: Path) -> subprocess.Popen[str]:
    """A way's process."""
    build, original, precision, kept = WAYS[way]
    root = before if build == "before" else HERE
    plain = {k: v for k, v in os.environ.items() if not k.startswith("MALLOC_")}
    threads = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    own = {**plain, **threads, "PYTHONPATH": str(root / "src"), **(KEPT if kept else {})}
    script = str(root / "benchmarks" / Path(__file__).name)
    command = [sys.executable, script, "--turns", case, str(int(original)), precision]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=own)  # noqa: S603


def measured(case: str, before: Path, rounds: int, ways: list[str]) -> dict[str, Any]:
    """Every way's figures on a case; the first generation of each is not counted."""
    found: dict[str, Any] = {way: {"seconds": [], "system": []} for way in ways}
    processes = {way: started(case, way, before) for way in ways}
    for number in range(rounds + 1):
        for way, process in processes.items():
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write("\n")
            process.stdin.flush()
            told = json.loads(process.stdout.readline())
            own = found[way]
            own["peak_mb"], own["images"] = told["peak_mb"], told["images"]
            if number:
                own["seconds"].append(told["seconds"])
                own["system"].append(told["system"])
            print(case, way, f"{told['images'] / told['seconds']:.1f} images/s", flush=True)
    for process in processes.values():
        process.communicate()
    for own in found.values():
        own["images_a_processor_second"] = own["images"] / median(own["seconds"])
        own["system_share"] = sum(own["system"]) / sum(own["seconds"])
    return found


def ratios(ways: dict[str, Any]) -> dict[str, float]:
    """The new build's rate and memory over those of the others."""
    best = ways["new, bf16"]
    over = {
        f"images over {way}": best["images_a_processor_second"] / own["images_a_processor_second"]
        for way, own in ways.items()
        if way != "new, bf16"
    }
    if "new, float32" in ways and "before, float32" in ways:
        rates = [ways[w]["images_a_processor_second"] for w in ("new, float32", "before, float32")]
        over["float32: images over before, float32"] = rates[0] / rates[1]
    peaks = {w: best["peak_mb"] / ways[w]["peak_mb"] for w in ("original", "before, bf16")}
    return over | {f"peak memory over {way}": peak for way, peak in peaks.items()}


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--turns", nargs=3)
    words.add_argument("--before", type=Path)
    words.add_argument("--rounds", type=int, default=4)
    words.add_argument("--case", choices=["embedded", "paper"], action="append")
    words.add_argument("--out", type=Path)
    asked = words.parse_args()
    if asked.turns:
        case, original, precision = asked.turns
        turns(case, bool(int(original)), precision)
        return
    found: dict[str, Any] = {"schema": 2, "rounds": asked.rounds, "load": os.getloadavg()}
    for case in asked.case or ["embedded", "paper"]:
        few = max(2, asked.rounds // 2) if case == "paper" else asked.rounds
        ways = measured(case, asked.before, few, list(WAYS))
        found[case] = {"ways": ways, "ratios": ratios(ways)}
        print(json.dumps(found[case]["ratios"], indent=1))
    found["load_after"] = os.getloadavg()
    if asked.out:
        asked.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
