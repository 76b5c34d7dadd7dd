"""The engine on one GPU: images a second beside the original's way, profile, equality, networks.

python benchmarks/engine_gpu.py FOLDER [--device cuda] [--seconds 120] [--tiny] [--build COMMIT]

Passes are plain, captured as CUDA graphs (what searches do), or captured and compiled. Writes
FOLDER/engine_gpu.json after every step, and the profiles of one generation as text. A step that
fails or takes too long is noted there and the others go on; the compiled ones come last. `--tiny`
with `--device cpu` shows in a minute that the command works.
"""

import argparse
import json
import signal
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from statistics import median
from typing import Any
from unittest.mock import patch

import torch
from scipy.stats import ks_2samp

from bench.cases import CASES, Case
from bench.machine import describe, matrix_rate, operations
from bench.ours import LockstepLoop
from bench.pair import make_baseline, seconds_of
from invariscope import seeds
from invariscope.categories.plan import RECIPES
from invariscope.categories.stacked_trainer import StackedTrainer
from invariscope.experiments import chunk
from invariscope.experiments.plan import SearchOptions
from invariscope.search import evaluation
from invariscope.search.archive import Front
from invariscope.search.captured import CapturedPasses
from invariscope.zoo.classifiers import make_classifier

POPULATION, WARM, OPERATIONS = 50, 2, 8
EARLIER = " †"  # after a figure of the older build
DENSE_BF16 = 989e12  # operations a second, as the maker states them for an H100 SXM
WAYS = {
    "original": "the original's way",
    "bf16_plain": "64 runs together, bf16, plain",
    "bf16": "64 runs together, bf16, captured",
    "bf16_compiled": "64 runs together, bf16, compiled and captured",
    "float32": "64 runs together, float32, captured",
}
SHARES = {
    "share_of_measured_bf16_matrix": "share of a matrix product's measured rate",
    "share_of_989_tflops": "share of 989 TFLOP/s (the maker's figure)",
}
CALLS = (
    "cudaGraphLaunch",
    "cudaLaunchKernel",
    "cudaLaunchKernelExC",
    "cuLaunchKernel",
    "cuLaunchKernelEx",
    "cudaMemcpyAsync",
    "cudaStreamSynchronize",
    "cudaDeviceSynchronize",
    "aten::item",
)


@contextmanager
def captured(wanted: bool) -> Iterator[list[CapturedPasses]]:
    """Let searches capture their passes or not; gives the passes that they make."""
    made: list[CapturedPasses] = []

    def make(generator: Any, subject: Any, capture: Any) -> CapturedPasses:
        made.append(CapturedPasses(generator, subject, capture if wanted else None))
        return made[-1]

    with patch.object(evaluation, "CapturedPasses", make):
        yield made


@contextmanager
def tried_kernels(wanted: bool) -> Iterator[None]:
    """Let cuDNN choose its kernels by trying them."""
    before = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = wanted
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = before


class Measurement:
    """The steps on one device.

    Args:
        folder: for what is written.
        device: on which everything runs.
        tiny: small sizes, to try the command.
    """

    def __init__(self, folder: Path, device: torch.device, *, tiny: bool) -> None:
        self.folder, self.device, self.tiny = folder, device, tiny
        self.case = cache(self.make_case)
        self.peak = cache(lambda: matrix_rate(device, "bf16"))

    def make_case(self, name: str) -> Case:
        """A case by its name; the small one for all where sizes are small."""
        return CASES["embedded" if self.tiny else name](self.device)

    def random_numbers(self) -> dict[str, Any]:
        """Compare the device's random numbers with the CPU's, and time those of 64 runs."""
        names = [("run", k, "ask") for k in range(64)]
        shape = (POPULATION, 64 if self.tiny else 4096)
        words = [torch.arange(1000) * 7919 % 2**32 for _ in range(6)]
        own = [w.to(self.device) for w in words]
        here, there = seeds.philox(words[:4], words[4:]), seeds.philox(own[:4], own[4:])

        def draw() -> torch.Tensor:
            return seeds.counted(names, shape, torch.float64, self.device, "normal")

        cpu = seeds.counted(names[:4], shape, torch.float64, torch.device("cpu"), "normal")
        gpu = draw()
        return {
            "philox_words_equal": all(
                torch.equal(a, b.cpu()) for a, b in zip(here, there, strict=True)
            ),
            "largest_difference_of_normals": float((cpu - gpu[:4].cpu()).abs().max()),
            "mean": float(gpu.mean()),
            "sd": float(gpu.std()),
            "ms_for_64_runs": 1e3 * min(seconds_of(draw, self.device) for _ in range(3)),
        }

    def original(self, name: str, generations: int) -> dict[str, Any]:
        """Time the original's way, one run at a time."""
        baseline = make_baseline(self.case(name), SearchOptions())
        baseline.generation()
        seconds = [seconds_of(baseline.generation, self.device) for _ in range(generations)]
        return {"seconds": seconds, "images_per_second": POPULATION / median(seconds)}

    def ours(
        self,
        name: str,
        runs: int,
        precision: str,
        generations: int,
        *,
        replayed: bool = True,
        compiled: bool = False,
        tried: bool = False,
        together: int = chunk.LARGEST,
        profiled: str = "",
    ) -> dict[str, Any]:
        """Time generations of many runs together, with their journals.

        Args:
            replayed: whether passes are captured.
            compiled: whether the subject is compiled.
            tried: whether cuDNN tries its kernels.
            together: the most images in a chunk.
            profiled: name of the profile of one generation.
        """
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
        case = self.case(name)
        case.subject.compiled = compiled
        options = SearchOptions(precision=precision, population=POPULATION)
        with (
            tempfile.TemporaryDirectory() as out,
            captured(replayed) as passes,
            tried_kernels(tried),
            patch.object(chunk, "LARGEST", together),
        ):
            began = time.perf_counter()
            with LockstepLoop(case, runs, Path(out), options) as ours:
                for _ in range(WARM):
                    ours.generation()
                start = time.perf_counter() - began
                seconds = [seconds_of(ours.generation, self.device) for _ in range(generations)]
                row: dict[str, Any] = {
                    "runs": runs,
                    "precision": precision,
                    "captured": [own.replays for own in passes],
                    "refusals": [why for own in passes for why in own.refusals],
                    "compiled": compiled,
                    "kernels_tried": tried,
                    "chunk": ours.evaluator.chunk,
                    "start_s": start,
                    "seconds": seconds,
                    "images_per_second": runs * POPULATION / median(seconds),
                }
                if self.device.type == "cuda":
                    row["device_mb"] = torch.cuda.max_memory_allocated(self.device) / 1e6
                if profiled:
                    row |= self.profile(ours, profiled)
        case.subject.compiled = False
        return row | self.share_of_peak(case, precision, row["images_per_second"])

    def share_of_peak(self, case: Case, precision: str, rate: float) -> dict[str, float]:
        """The networks' operations, in bf16 also as a share of a matrix product's rate."""
        flops = operations(case, precision)
        if precision != "bf16":
            return {"flops_an_image": flops}
        peak = self.peak()
        return {
            "flops_an_image": flops,
            "measured_bf16_matrix_flops": peak,
            "share_of_measured_bf16_matrix": rate * flops / peak,
            "share_of_989_tflops": rate * flops / DENSE_BF16,
        }

    def profile(self, ours: LockstepLoop, name: str) -> dict[str, Any]:
        """Profile one generation: its table as a file, its calls, the device's milliseconds."""
        kinds = [torch.profiler.ProfilerActivity.CPU]
        if self.device.type == "cuda":
            kinds.append(torch.profiler.ProfilerActivity.CUDA)
        with torch.profiler.profile(activities=kinds) as seen:
            seconds_of(ours.generation, self.device)
        keys = seen.key_averages()
        main = "self_cuda_time_total" if self.device.type == "cuda" else "self_cpu_time_total"
        table = keys.table(sort_by=main, row_limit=30, max_name_column_width=60)
        table += keys.table(sort_by="self_cpu_time_total", row_limit=20, max_name_column_width=60)
        (self.folder / f"profile_{name}.txt").write_text(table)
        calls = {k.key: k.count for k in keys if k.key in CALLS}
        calls["aten_operations"] = sum(k.count for k in keys if k.key.startswith("aten::"))
        kernels = [k for k in keys if k.device_type == torch.autograd.DeviceType.CUDA]
        by_operation = {
            k.key: k.self_device_time_total / 1e3 for k in keys if k.key.startswith("aten::")
        }
        most = sorted(by_operation, key=by_operation.__getitem__, reverse=True)[:OPERATIONS]
        kernels.sort(key=lambda k: k.self_device_time_total, reverse=True)
        return {
            "calls": calls,
            "device_ms": sum(k.self_device_time_total for k in kernels) / 1e3,
            "device_ms_by_operation": {key: by_operation[key] for key in most},
            "device_ms_by_kernel": {
                k.key[:90]: [k.count, k.self_device_time_total / 1e3] for k in kernels[:12]
            },
        }

    def networks(self) -> dict[str, Any]:
        """Train small networks together, and one after the other."""
        from networks_together import CLASSES, SIDE, images_a_second  # noqa: PLC0415

        number, recipe = (2 if self.tiny else 16), RECIPES["small"]
        images = torch.rand(number, recipe.batch, 3, SIDE, SIDE, device=self.device)
        labels = torch.randint(CLASSES, (number, recipe.batch), device=self.device)

        def classifiers() -> list[torch.nn.Module]:
            return [make_classifier("small", CLASSES, SIDE, seed=k) for k in range(number)]

        alone = [StackedTrainer([network], recipe, self.device) for network in classifiers()]
        one = images_a_second(alone, images.split(1), labels.split(1), self.device)
        del alone
        evaluator = StackedTrainer(classifiers(), recipe, self.device)
        together = images_a_second([evaluator], [images], [labels], self.device)
        return {
            "networks": number,
            "batch": recipe.batch,
            "alone": one,
            "together": together,
            "ratio": together / one,
        }

    def fronts(self, place: torch.device, precision: str, generations: int) -> list[Front]:
        """The fronts of embedded runs after some generations."""
        options = SearchOptions(precision=precision)
        with (
            tempfile.TemporaryDirectory() as out,
            LockstepLoop(CASES["embedded"](place), self.few_runs, Path(out), options) as ours,
        ):
            for _ in range(generations):
                ours.generation()
            return [outcome.front for outcome in ours.search.interrupted()]

    @property
    def few_runs(self) -> int:
        return 4 if self.tiny else 12

    def captured_equals_plain(self) -> dict[str, Any]:
        """Compare fronts after 5 generations of captured and of plain passes."""
        found = {}
        for precision in ("float32", "bf16"):
            fronts = []
            for replayed in (False, True):
                with captured(replayed) as passes:
                    fronts.append(self.fronts(self.device, precision, 5))
            pairs = list(zip(*fronts, strict=True))
            found[precision] = {
                "captured": [own.replays for own in passes],
                "refusals": [why for own in passes for why in own.refusals],
                "equal_codes": [torch.equal(a.codes, b.codes) for a, b in pairs],
                "equal_scores": [torch.equal(a.scores, b.scores) for a, b in pairs],
            }
        return found

    def found_by_runs(self, place: torch.device) -> dict[str, list[float]]:
        """The farthest stretch and the median squeeze of every run after some generations."""
        scores = [f.scores for f in self.fronts(place, "float32", 4 if self.tiny else 20)]
        return {
            "farthest_stretch": [s[:, 0].max().item() for s in scores],
            "median_squeeze": [s[:, 1].median().item() for s in scores],
        }

    def equality(self) -> dict[str, Any]:
        """Compare the same runs' findings, and the same codes' pictures, on CPU and device."""
        cpu = torch.device("cpu")
        here, there = self.found_by_runs(cpu), self.found_by_runs(self.device)
        codes = seeds.normal([("check",)], (64, 256), dtype=torch.float32)[0]
        pictures = [
            CASES["embedded"](p).generator.generate(codes).cpu() for p in (cpu, self.device)
        ]
        return {
            "cpu": here,
            "device": there,
            "ks_p": {key: float(ks_2samp(here[key], there[key]).pvalue) for key in here},
            "largest_pixel_difference": float((pictures[0] - pictures[1]).abs().max()),
            "tf32_convolutions": torch.backends.cudnn.allow_tf32,
        }

    def steps(self) -> dict[str, Callable[[], dict[str, Any]]]:
        """All steps in their order."""
        few, runs, many = (2, 4, 8) if self.tiny else (8, 64, 256)
        wide = 2048

        def timed(name: str, precision: str, generations: int = few, **how: Any) -> Any:
            return lambda: self.ours(name, runs, precision, generations, **how)

        return {
            "random_numbers": self.random_numbers,
            "captured_equals_plain": self.captured_equals_plain,
            "embedded_original": lambda: self.original("embedded", few),
            "embedded_bf16": timed("embedded", "bf16", profiled="embedded"),
            "embedded_bf16_plain": timed(
                "embedded", "bf16", replayed=False, profiled="embedded_plain"
            ),
            "embedded_float32": timed("embedded", "float32"),
            "embedded_bf16_wide": timed("embedded", "bf16", together=wide),
            "paper_original": lambda: self.original("paper", few // 2),
            "paper_bf16": timed("paper", "bf16"),
            "paper_bf16_plain": timed(
                "paper", "bf16", few // 2, replayed=False, profiled="paper_plain"
            ),
            "paper_bf16_tried": timed("paper", "bf16", few // 2, tried=True),
            "embedded_bf16_256_runs": lambda: self.ours("embedded", many, "bf16", 3),
            "networks_together": self.networks,
            "paper_float32": timed("paper", "float32", 2),
            "equality_cpu_device": self.equality,
            "paper_bf16_compiled": timed(
                "paper", "bf16", compiled=True, tried=True, profiled="paper_compiled"
            ),
            "embedded_bf16_compiled": timed("embedded", "bf16", compiled=True),
        }


def attempted(work: Callable[[], dict[str, Any]], seconds: float) -> dict[str, Any]:
    """What a step gives, or what stopped it, at the latest after some seconds."""

    def stop(number: int, frame: object) -> None:
        del number, frame
        raise TimeoutError(f"no time: stopped after {seconds:.0f} s")

    if seconds < 1:
        return {"error": "left out: no time"}
    signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        return work()
    except Exception as error:  # noqa: BLE001  (a lent GPU's minutes: the other steps still count)
        return {"error": f"{type(error).__name__}: {error}"}
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def add_ratios(found: dict[str, Any]) -> None:
    """Images a second over the original's way, where both were measured."""
    for name in ("paper", "embedded"):
        theirs = found.get(f"{name}_original", {}).get("images_per_second")
        for key, row in found.items():
            if key.startswith(f"{name}_bf16") and theirs and "images_per_second" in row:
                row["ratio"] = row["images_per_second"] / theirs


def as_row(words: str, cells: Iterable[str]) -> str:
    """A line of a Markdown table."""
    return f"| {words} | {' | '.join(cells)} |"


def as_markdown(found: dict[str, Any]) -> str:
    """The tables of the README: speed, and where the GPU's time of a generation goes.

    What was not measured again is taken from `earlier`, figures of an older build, with its mark.
    """
    names, rule = ("embedded", "paper"), "| --- | ---: | ---: |"
    earlier: dict[str, Any] = found.get("earlier", {})
    lines = [as_row("images/s", names), rule]

    def cells(way: str, key: str, form: str, times: float = 1) -> Iterator[str]:
        for name in names:
            row, old = (rows.get(f"{name}_{way}", {}) for rows in (found, earlier))
            known = row[key] if key in row else old.get(key)
            mark = "" if key in row else EARLIER
            yield "not measured" if known is None else form.format(times * known) + mark

    for way, words in WAYS.items():
        lines.append(as_row(words, cells(way, "images_per_second", "{:,.0f}")))
    for way in ("bf16_plain", "bf16", "bf16_compiled"):
        if not any("ratio" in found.get(f"{name}_{way}", {}) for name in names):
            continue
        words = WAYS[way].removeprefix("64 runs together, ")
        lines.append(as_row(f"{words}: over the original's way", cells(way, "ratio", "{:.1f} ×")))
        for key, share in SHARES.items():
            lines.append(as_row(f"{words}: {share}", cells(way, key, "{:.1f} %", 100)))
    profiled = {
        f"{name}, {words}{mark}": rows[f"{name}_{way}"]
        for name in names
        for rows, way, words, mark in (
            (earlier, "bf16_plain", "plain", EARLIER),
            (found, "bf16_plain", "plain", ""),
            (found, "bf16", "captured", ""),
        )
        if "device_ms" in rows.get(f"{name}_{way}", {})
    }
    return "\n".join([*lines, "", *time_table(profiled)]) + "\n"


def time_table(profiled: dict[str, dict[str, Any]]) -> list[str]:
    """The lines of a table of a generation's time: by the clock, of the GPU, by operation."""
    lines = [as_row("ms, a generation of 64 runs in bf16", profiled)]
    lines.append("| --- |" + " ---: |" * len(profiled))
    clocks = [1e3 * median(row["seconds"]) for row in profiled.values()]
    works = [row["device_ms"] for row in profiled.values()]
    shares = (f"{work / clock:.0%}" for work, clock in zip(works, clocks, strict=True))
    lines.append(as_row("by the clock, without the profiler", (f"{t:.1f}" for t in clocks)))
    lines.append(as_row("GPU at work", (f"{t:.1f}" for t in works)))
    lines.append(as_row("GPU at work, of the clock's time", shares))
    # A graph's kernels belong to no operation.
    times = [
        {} if any(row.get("captured", ())) else row["device_ms_by_operation"]
        for row in profiled.values()
    ]
    for key in sorted(
        {k for own in times for k in own}, key=lambda k: -max(t.get(k, 0) for t in times)
    ):
        own = (f"{known[key]:.1f}" if key in known else "–" for known in times)
        lines.append(as_row(f"`{key.removeprefix('aten::')}`", own))
    return lines


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("folder", type=Path)
    words.add_argument("--device", default="cuda")
    words.add_argument("--seconds", type=float, default=120, help="for all steps together")
    words.add_argument("--tiny", action="store_true")
    words.add_argument("--build", help="the commit that is measured, to be noted")
    asked = words.parse_args()
    device, folder = torch.device(asked.device), asked.folder
    folder.mkdir(parents=True, exist_ok=True)
    began = time.perf_counter()
    found: dict[str, Any] = {"build": asked.build, "machine": describe(device), "tiny": asked.tiny}
    for name, work in Measurement(folder, device, tiny=asked.tiny).steps().items():
        past = time.perf_counter() - began
        print(f"{past:6.1f} s  {name}", flush=True)
        found[name] = attempted(work, asked.seconds - past)
        if device.type == "cuda":
            torch.cuda.empty_cache()
        add_ratios(found)
        found["seconds"] = time.perf_counter() - began
        (folder / "engine_gpu.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
