"""Measure the packaged networks and generator, and write their model cards."""

import json
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from invariscope import seeds
from invariscope.generators.embedded import EmbeddedGenerator
from invariscope.store.files import replace_file
from invariscope.subjects.base import Subject
from invariscope.training import checkpoint
from invariscope.training.classifier import SIDE
from invariscope.training.data import Photos, centre_crop
from invariscope.zoo import registry

BATCH = 256
COMMAND = "python -m invariscope.training cards DATA --work WORK"


def top1(subject: Subject, photos: Photos) -> float:
    """Top-1 accuracy of the packaged subject on centre crops, float32, in [0, 1]."""
    readout = list(subject.sites())[-1]
    right = 0
    for images, labels in zip(photos.images.split(BATCH), photos.labels.split(BATCH), strict=True):
        answers = subject.respond(centre_crop(images, SIDE), [readout])[readout].argmax(1)
        right += int((answers == labels).sum())
    return right / len(photos)


def _blurred(images: Tensor) -> Tensor:
    """Images averaged over 8 × 8 pixels: what a code of low-pass pixels would give back."""
    return F.interpolate(F.avg_pool2d(images, 8), (SIDE, SIDE), mode="bilinear")


def generator_figures(subject: Subject, val: Photos) -> dict[str, Any]:
    """How well the generator brings back val photos, and how varied its random images are."""
    entry = registry.find("embedded", "generator")
    generator = EmbeddedGenerator(entry, subject.device)
    photos = torch.cat([centre_crop(part, SIDE) for part in val.images.split(BATCH)])[:1024]
    readout = list(subject.sites())[-1]
    codes = generator.encode(photos)
    made = generator.generate(codes)
    blurred = _blurred(photos)
    draws = seeds.normal([("card", "random codes")], (1024, generator.code_dim))[0]
    random = generator.generate(draws)
    answer = subject.respond(photos, [readout])[readout].argmax(1)

    def agrees(images: Tensor) -> float:
        return float(
            (subject.respond(images, [readout])[readout].argmax(1) == answer).float().mean()
        )

    def psnr(images: Tensor) -> float:
        return float(-10 * (images - photos).square().mean((1, 2, 3)).log10().mean())

    def spread(images: Tensor) -> float:
        half = len(images) // 2
        return float((images[:half] - images[half:]).flatten(1).norm(dim=1).mean())

    return {
        "code_dim": generator.code_dim,
        "psnr_reconstruction_db": psnr(made),
        "psnr_8x8_average_db": psnr(blurred),
        "same_class_reconstruction": agrees(made),
        "same_class_8x8_average": agrees(blurred),
        "pixel_distance_photos": spread(photos),
        "pixel_distance_reconstructions": spread(made),
        "pixel_distance_random_codes": spread(random),
        "code_sd_val": float(codes.std(0).mean()),
    }


def _card(title: str, words: str, figures: dict[str, Any], recipe: dict[str, Any]) -> str:
    rows = "\n".join(
        f"| {k} | {v:.4g} |" if isinstance(v, float) else f"| {k} | {v} |"
        for k, v in figures.items()
    )
    return (
        f"# {title}\n\n{words}\n\n"
        f"Measured by `{COMMAND}`:\n\n| figure | value |\n| --- | --- |\n{rows}\n\n"
        f"Recipe: `{json.dumps(recipe)}`\n"
    )


def write_cards(subject: Subject, train: Photos, val: Photos, work: Path, into: Path) -> list[Path]:
    """Write `standard.md`, `generator.md` and `figures.json` beside the weights."""
    name = subject.name.split(":")[-1]
    network = {
        "val_top1": top1(subject, val),
        "train_top1": top1(subject, train),
        "val_photos": len(val),
        "train_photos": len(train),
    }
    made = generator_figures(subject, val)
    recipes = {
        part: (checkpoint.load(work / f"{part}.safetensors") or {}).get("recipe", {})
        for part in ("classifier", "decoder")
    }
    cards = {
        f"{name}.md": _card(
            f"embedded:{name}",
            "A residual network for 96 × 96 RGB photos, trained from scratch on the 10 classes of "
            "Imagenette (research use of ImageNet photos; no photo is shipped). Images in [0, 1] "
            "are standardised inside the subject. MIT.",
            network,
            recipes["classifier"],
        ),
        "generator.md": _card(
            "embedded (generator)",
            "A decoder of whitened codes that inverts `layer3` of embedded:standard with pixel "
            "and feature losses, on the training photos of Imagenette. Codes of training photos "
            "have mean 0 and covariance I. Photos are inverted by the encoder in the same file. "
            "'Same class' is the share of val photos whose class, by embedded:standard, "
            "survives. MIT.",
            made,
            recipes["decoder"],
        ),
        "figures.json": json.dumps({name: network, "generator": made}, indent=1) + "\n",
    }
    for file, text in cards.items():
        replace_file(into / file, lambda path, text=text: path.write_text(text))
    return [into / file for file in cards]
