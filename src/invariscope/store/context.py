"""The numeric context: everything besides the settings that a result can depend on."""

import platform
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch


def _processor() -> str:
    """Name the processor's model, where known, and the instructions that torch uses."""
    model = ""
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        names = [line.partition(":")[2] for line in lines if line.startswith("model name")]
        model = names[0].strip() if names else ""
    return f"{model} {torch.backends.cpu.get_cpu_capability()}".strip()


def device_name(device: torch.device) -> str:
    """Name a device for a numeric context."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def numeric_context(device: torch.device, chunk: int, *, compiled: bool = False) -> dict[str, Any]:
    """Collect machine, device, versions, threads, chunk and compilation, as plain data."""
    return {
        "machine": platform.machine(),
        "processor": _processor(),
        "device": device_name(device),
        "invariscope": version("invariscope"),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "chunk": chunk,
        "compiled": compiled,
    }
