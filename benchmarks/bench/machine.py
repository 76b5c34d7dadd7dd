"""What a measurement was made on, and how fast that multiplies matrices."""

import json
import os
import platform
import shutil
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from bench.cases import Case
from invariscope.search.precision import bf16_is_native, bulk
from invariscope.store.context import numeric_context
from invariscope.store.files import make_folder, replace_file

PACKAGES = ("numpy", "cma", "torchvision")
SIDE = {"cpu": 2048, "cuda": 8192}


def cores() -> int:
    """Processor cores that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def describe(device: torch.device) -> dict[str, Any]:
    """Machine, device and versions as plain data."""
    context = numeric_context(device, 0)
    del context["chunk"]
    return {
        **context,
        "system": platform.system(),
        "cores": cores(),
        "bf16_in_hardware": bf16_is_native(device),
        "compiler": any(shutil.which(name) for name in ("g++", "clang++", "c++")),
        **{package: _version(package) for package in PACKAGES},
    }


def matrix_rate(device: torch.device, precision: str) -> float:
    """Floating-point operations a second of a large matrix product, measured."""
    side = SIDE.get(device.type, 2048)
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    a = torch.ones(side, side, dtype=dtype, device=device)
    seconds = []
    for _ in range(6):
        _wait(device)
        began = time.perf_counter()
        torch.mm(a, a)
        _wait(device)
        seconds.append(time.perf_counter() - began)
    return 2 * side**3 / median(seconds[1:])


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def operations(case: Case, precision: str) -> float:
    """Floating-point operations that generator and subject need for one image."""
    chunk = 2
    compiled, case.subject.compiled = case.subject.compiled, False
    counter = FlopCounterMode(display=False)
    with counter, bulk(case.generator.device, precision):
        images = case.generator.generate(case.reference.expand(chunk, -1))
        case.subject.respond(images, (case.site, case.readout))
    case.subject.compiled = compiled
    return counter.get_total_flops() / chunk


def write_figures(out: Path, figures: dict[str, Any]) -> None:
    """Write all figures of a measurement to a JSON file."""
    make_folder(out.parent)
    text = json.dumps(figures, indent=1) + "\n"
    replace_file(out, lambda path: path.write_text(text))
