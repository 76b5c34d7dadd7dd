"""Turn training checkpoints into the files that the package ships."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn

from invariscope.generators.base import CodeStatistics
from invariscope.natural.statistics import NaturalStatistics, measure_natural
from invariscope.store.files import replace_file, replace_tensors
from invariscope.subjects.base import Subject
from invariscope.training.classifier import MEAN, SIDE, STD
from invariscope.training.data import Photos, centre_crop
from invariscope.zoo.embedded import EmbeddedNetwork, network_metadata
from invariscope.zoo.registry import WeightEntry, entries, file_hash
from invariscope.zoo.smooth import ColourEncoder, SmoothDecoder
from invariscope.zoo.weight_file import ROW_SCALE

LICENCE = "MIT"
LONGEST = 99  # percentile of random codes' lengths that the generator's codes are held to
BATCH = 256


def half(module: nn.Module) -> dict[str, Tensor]:
    """Copy a module's state to the CPU, with floats as float16."""
    state = module.state_dict()
    return {
        k: (v.half() if v.is_floating_point() else v).cpu().contiguous() for k, v in state.items()
    }


def _register(folder: Path, entry: WeightEntry) -> None:
    path = folder / "index.json"
    known = json.loads(path.read_text()) if path.exists() else []
    others = [item for item in known if item["name"] != entry.name]
    index = sorted([*others, _kept(entry)], key=lambda item: item["name"])
    replace_file(path, lambda p: p.write_text(json.dumps(index, indent=1) + "\n"))
    entries.cache_clear()


def _kept(entry: WeightEntry) -> dict[str, str]:
    return {key: value for key, value in asdict(entry).items() if value}


def _save(  # noqa: PLR0917
    folder: Path, name: str, kind: str, file: str, state: dict[str, Tensor], meta: dict[str, Any]
) -> WeightEntry:
    path = folder / f"{file}.safetensors"
    replace_tensors(path, state, {"invariscope": json.dumps(meta)})
    entry = WeightEntry(name, kind, path.name, file_hash(path), LICENCE, f"{file}.md")
    _register(folder, entry)
    return entry


def package_classifier(
    network: EmbeddedNetwork, name: str, classes: tuple[str, ...], folder: Path
) -> WeightEntry:
    """Write `embedded:NAME` to the package's weights and its index.

    Args:
        classes: names of the readout units, in order.
        folder: the package's `zoo/weights`.
    """
    meta = {
        "classes": list(classes),
        **network_metadata(network),
        "image_size": SIDE,
        "mean": MEAN,
        "std": STD,
    }
    return _save(folder, f"embedded:{name}", "classifier", name, half(network), meta)


def in_bytes(module: nn.Module) -> dict[str, Tensor]:
    """Copy a module's state with weights as int8 and a float16 scale a row, biases as float16.

    A row is what one output of a layer reads; its largest weight becomes 127.
    """
    state: dict[str, Tensor] = {}
    for name, tensor in half(module).items():
        if tensor.ndim < 2:
            state[name] = tensor
            continue
        rows = module.state_dict()[name].float().cpu()
        scale = (rows.flatten(1).abs().amax(1) / 127).clamp(min=6e-8).half()
        wide = scale.float().view(-1, *(1,) * (rows.ndim - 1))
        state[name] = (rows / wide).round().clamp(-127, 127).to(torch.int8).contiguous()
        state[name + ROW_SCALE] = scale
    return state


def package_generator(
    encoder: ColourEncoder, decoder: SmoothDecoder, training: dict[str, Any], folder: Path
) -> WeightEntry:
    """Write the generator `embedded` to the package's weights and its index.

    The decoder's weights are kept as bytes; the encoder's, which whitening makes sensitive, as
    float16. Codes longer than the 99th percentile of random ones are drawn back to it.

    Args:
        training: what the file notes of it, for the card.
    """
    state = {f"encoder.{k}": v for k, v in half(encoder).items()}
    state |= {f"decoder.{k}": v for k, v in in_bytes(decoder).items()}
    meta = {
        "architecture": "smooth",
        "code_dim": decoder.code_dim,
        "encodes": "embedded:standard layer3",
        "longest_code": CodeStatistics.standard(decoder.code_dim).radius(LONGEST),
        "training": training,
    }
    return _save(folder, "embedded", "generator", "generator", state, meta)


def natural_sites(subject: Subject) -> list[str]:
    """List the sites for natural statistics: convolutions, layers, blocks and the readout."""
    return [
        site
        for site, shape in subject.sites().items()
        if site != "pixels"
        and (len(shape) == 3 or site == "fc")
        and not any(word in site for word in ("bn", "relu", "downsample", "avgpool"))
    ]


def package_natural(
    subject: Subject, sites: list[str], splits: dict[str, Photos], name: str, folder: Path
) -> WeightEntry:
    """Write the natural statistics of `embedded:NAME` to the package's weights and its index.

    Args:
        sites: whose units are described.
        splits: `train` and `val` photos.
    """
    tables = []
    for split, photos in splits.items():
        batches = (centre_crop(images, SIDE) for images in photos.images.split(BATCH))
        tables.append(measure_natural(subject, batches, sites, split).table)
    table = pd.concat(tables, ignore_index=True)
    floats = table.select_dtypes("float64").columns
    table = table.astype(dict.fromkeys(floats, "float32") | {"split": "category"})
    path = folder / f"{name}_natural.parquet"
    NaturalStatistics(table, subject.identity()).save(path)
    entry_name = f"embedded:{name} natural"
    entry = WeightEntry(entry_name, "natural", path.name, file_hash(path), LICENCE, f"{name}.md")
    _register(folder, entry)
    return entry
