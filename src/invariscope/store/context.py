"""The numeric context: what besides the settings a result can depend on."""

import platform
from importlib.metadata import version
from typing import Any

import torch


def numeric_context(device: torch.device, chunk: int) -> dict[str, Any]:
    """Machine type, device, versions, threads and chunk shape, as plain data."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    return {
        "machine": platform.machine(),
        "device": name,
        "invariscope": version("invariscope"),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "chunk": chunk,
    }
