"""The engine on one GPU: images a second beside the original's way, profile, equality, networks.

python benchmarks/engine_gpu.py FOLDER [--device cuda] [--tiny] [--build COMMIT]

Writes FOLDER/engine_gpu.json after every step, and the profiles of one generation as text. A step
that fails is noted there and the others go on. All steps take 80 s on an H100; `--tiny` with
`--device cpu` shows in a minute that the command works.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import median
from typing import Any

import torch
from scipy.stats import ks_2samp

from bench.cases import CASES, Case
from bench.machine import describe, matrix_rate, operations
from bench.ours import LockstepLoop
from bench.pair import make_baseline, seconds_of
from invariscope import seeds
from invariscope.categories.plan import RECIPES
from invariscope.categories.stacked_trainer import StackedTrainer
from invariscope.experiments.plan import SearchOptions
from invariscope.zoo.classifiers import make_classifier

LIMIT = 160  # seconds after which no step begins
POPULATION, WARM, OPERATIONS = 50, 2, 8
DENSE_BF16 = 989e12  # operations a second, as the maker states them for an H100 SXM
WAYS = {
    "original": "the original's way",
    "float32": "64 runs together, float32",
    "bf16": "64 runs together, bf16",
}
SHARES = {
    "share_of_measured_bf16_matrix": "bf16: share of a matrix product's measured rate",
    "share_of_989_tflops": "bf16: share of 989 TFLOP/s (the maker's figure)",
}
CALLS = (
    "cudaLaunchKernel",
    "cudaLaunchKernelExC",
    "cuLaunchKernel",
    "cuLaunchKernelEx",
    "cudaMemcpyAsync",
    "cudaStreamSynchronize",
    "cudaDeviceSynchronize",
    "aten::item",
)


class Measurement:
    """The steps on one device.

    Args:
        folder: for what is written.
        device: on which everything runs.
        tiny: small sizes, to try the command.
    """

    def __init__(self, folder: Path, device: torch.device, *, tiny: bool) -> None:
        self.folder, self.device, self.tiny = folder, device, tiny

    def case(self, name: str) -> Case:
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
        self, name: str, runs: int, precision: str, generations: int, *, profiled: bool = False
    ) -> dict[str, Any]:
        """Time generations of many runs together, uncompiled, with their journals."""
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
        case = self.case(name)
        case.subject.compiled = False
        options = SearchOptions(precision=precision, population=POPULATION)
        with tempfile.TemporaryDirectory() as out:
            began = time.perf_counter()
            with LockstepLoop(case, runs, Path(out), options) as ours:
                start = time.perf_counter() - began
                for _ in range(WARM):
                    ours.generation()
                seconds = [seconds_of(ours.generation, self.device) for _ in range(generations)]
                row = {
                    "runs": runs,
                    "precision": precision,
                    "compiled": False,
                    "chunk": ours.evaluator.chunk,
                    "start_s": start,
                    "seconds": seconds,
                    "images_per_second": runs * POPULATION / median(seconds),
                }
                row |= self.share_of_peak(case, precision, row["images_per_second"])
                if profiled:
                    row |= self.profile(ours, name)
        if self.device.type == "cuda":
            row["device_mb"] = torch.cuda.max_memory_allocated(self.device) / 1e6
        return row

    def share_of_peak(self, case: Case, precision: str, rate: float) -> dict[str, float]:
        """The networks' operations, in bf16 also as a share of a matrix product's rate."""
        flops = operations(case, precision)
        if precision != "bf16":
            return {"flops_an_image": flops}
        peak = matrix_rate(self.device, "bf16")
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
        return {
            "calls": calls,
            "device_ms": sum(k.self_device_time_total for k in kernels) / 1e3,
            "device_ms_by_operation": {key: by_operation[key] for key in most},
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

    def found_by_runs(self, place: torch.device) -> dict[str, list[float]]:
        """The farthest stretch and the median squeeze of every run after some generations."""
        runs, generations = (4, 4) if self.tiny else (16, 30)
        options = SearchOptions(precision="float32")
        with (
            tempfile.TemporaryDirectory() as out,
            LockstepLoop(CASES["embedded"](place), runs, Path(out), options) as ours,
        ):
            for _ in range(generations):
                ours.generation()
            fronts = [o.front.scores for o in ours.search.interrupted()]
        return {
            "farthest_stretch": [s[:, 0].max().item() for s in fronts],
            "median_squeeze": [s[:, 1].median().item() for s in fronts],
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
        return {
            "random_numbers": self.random_numbers,
            "paper_original": lambda: self.original("paper", few // 2),
            "paper_bf16": lambda: self.ours("paper", runs, "bf16", few, profiled=True),
            "embedded_original": lambda: self.original("embedded", few),
            "embedded_bf16": lambda: self.ours("embedded", runs, "bf16", few, profiled=True),
            "paper_float32": lambda: self.ours("paper", runs, "float32", 2),
            "networks_together": self.networks,
            "equality_cpu_device": self.equality,
            "embedded_float32": lambda: self.ours("embedded", runs, "float32", few),
            "embedded_bf16_256_runs": lambda: self.ours("embedded", many, "bf16", 3),
        }


def attempted(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What a step gives, or what stopped it."""
    try:
        return work()
    except Exception as error:  # noqa: BLE001  (a lent GPU's minutes: the other steps still count)
        return {"error": f"{type(error).__name__}: {error}"}


def add_ratios(found: dict[str, Any]) -> None:
    """Images a second over the original's way, where both were measured."""
    for name in ("paper", "embedded"):
        theirs, own = (found.get(f"{name}_{way}", {}) for way in ("original", "bf16"))
        if "images_per_second" in theirs and "images_per_second" in own:
            found[f"{name}_ratio"] = own["images_per_second"] / theirs["images_per_second"]


def as_row(words: str, cells: Iterable[str]) -> str:
    """A line of a Markdown table."""
    return f"| {words} | {' | '.join(cells)} |"


def as_markdown(found: dict[str, Any]) -> str:
    """The tables of the README: speed, and where the GPU's time of a generation goes."""
    names, rule = ("embedded", "paper"), "| --- | ---: | ---: |"
    lines = [as_row("images/s", names), rule]
    for key, words in WAYS.items():
        cells = (f"{found[f'{name}_{key}']['images_per_second']:,.0f}" for name in names)
        lines.append(as_row(words, cells))
    ratios = (f"{found[f'{name}_ratio']:.1f} ×" for name in names)
    lines.append(as_row("bf16 over the original's way", ratios))
    rows = [found[f"{name}_bf16"] for name in names]
    for key, words in SHARES.items():
        lines.append(as_row(words, (f"{100 * row[key]:.1f} %" for row in rows)))
    lines += ["", as_row("ms, a generation of 64 runs in bf16", names), rule]
    clock = (f"{1e3 * median(row['seconds']):.1f}" for row in rows)
    lines.append(as_row("by the clock, without the profiler", clock))
    lines.append(as_row("GPU at work", (f"{row['device_ms']:.1f}" for row in rows)))
    times = [row["device_ms_by_operation"] for row in rows]
    for key in dict.fromkeys([*times[1], *times[0]]):
        cells = (f"{own[key]:.1f}" if key in own else "–" for own in times)
        lines.append(as_row(f"`{key.removeprefix('aten::')}`", cells))
    return "\n".join(lines) + "\n"


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("folder", type=Path)
    words.add_argument("--device", default="cuda")
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
        found[name] = attempted(work) if past < LIMIT else {"error": "left out: no time"}
        if device.type == "cuda":
            torch.cuda.empty_cache()
        add_ratios(found)
        found["seconds"] = time.perf_counter() - began
        (folder / "engine_gpu.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
