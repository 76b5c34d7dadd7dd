"""Measure the packaged networks and generator, and write their model cards."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from invariscope import seeds
from invariscope.experiments.mei import find_mei
from invariscope.experiments.plan import SearchOptions
from invariscope.experiments.stretch_squeeze import stretch_and_squeeze
from invariscope.generators.embedded import EmbeddedGenerator
from invariscope.photos.spectrum import slopes
from invariscope.store.files import replace_file
from invariscope.subjects.base import Subject
from invariscope.subjects.network import NetworkSubject
from invariscope.subjects.pixels import saturation
from invariscope.training.attack import survivors
from invariscope.training.classifier import SIDE, standardise
from invariscope.training.data import Photos, centre_crop
from invariscope.training.quality import frechet, grid_peaks, judged, nearest
from invariscope.training.recipes import RADIUS

BATCH = 256
COMMAND = "python -m invariscope.training measure NAME DATA"
ATTACKED, STEPS, RESTARTS = 1000, 20, 5
DRAWN = 2000  # images of random codes, and photos brought back
INVERTED = 64  # photos whose codes are sought by gradient, from the encoder's
FOUND_UNITS, FOUND_SITES = ("fc:0", "fc:2", "fc:4", "fc:6", "fc:8"), ("pixels", "layer3.0.conv1")
FOUND_GENERATIONS = 100


def crops_of(photos: Photos, rows: slice | Tensor = slice(None)) -> Tensor:
    """Cut centre crops of photos, `(n, 3, 96, 96)` in [0, 1]."""
    return torch.cat([centre_crop(part, SIDE) for part in photos.images[rows].split(BATCH)])


def readout(subject: Subject, images: Tensor) -> Tensor:
    """Compute the subject's readout `(n, classes)` for images in [0, 1]."""
    site = list(subject.sites())[-1]
    return torch.cat([subject.respond(part, [site])[site] for part in images.split(BATCH)])


def top1(subject: Subject, photos: Photos) -> float:
    """Top-1 accuracy of the packaged subject on centre crops, float32, in [0, 1]."""
    right = 0
    for images, labels in zip(photos.images.split(BATCH), photos.labels.split(BATCH), strict=True):
        answers = readout(subject, centre_crop(images, SIDE))
        right += int((answers.argmax(1) == labels).sum())
    return right / len(photos)


def top1_attacked(subject: NetworkSubject, photos: Photos) -> float:
    """Share of evenly chosen photos that keep their class under every attack, in [0, 1].

    L2, radius 1.3 in pixels of [0, 1], 20 steps, 5 random restarts, on 1,000 photos; see
    `survivors`.
    """
    network = subject.model
    rows = torch.linspace(0, len(photos) - 1, ATTACKED).long()
    stream = seeds.torch_stream("card", "attack")
    kept = 0
    for some in rows.split(BATCH):
        kept += int(
            survivors(
                lambda images: network(standardise(images)),
                crops_of(photos, some),
                photos.labels[some],
                radius=RADIUS,
                steps=STEPS,
                restarts=RESTARTS,
                stream=stream,
            ).sum()
        )
    return kept / ATTACKED


def network_figures(subject: NetworkSubject, train: Photos, val: Photos) -> dict[str, Any]:
    """Measure the figures of a network's card."""
    return {
        "val_top1": top1(subject, val),
        "train_top1": top1(subject, train),
        "val_photos": len(val),
        "train_photos": len(train),
        "parameters": sum(p.numel() for p in subject.model.parameters()),
        f"val_top1_under_attack_{RADIUS}": top1_attacked(subject, val),
        "attacked_photos": ATTACKED,
    }


def _blurred(images: Tensor) -> Tensor:
    """Average images over 8 × 8 pixels, as a code of low-pass pixels would."""
    return F.interpolate(F.avg_pool2d(images, 8), (SIDE, SIDE), mode="bilinear")


def inversion_figures(
    generator: EmbeddedGenerator, subject: Subject, photos: Tensor
) -> dict[str, Any]:
    """Measure how well photos come back, and how often their class survives.

    Args:
        subject: says what a photo shows.
        photos: `(n, 3, 96, 96)` in [0, 1].
    """
    codes = generator.encode(photos)
    made, blurred = generator.generate(codes), _blurred(photos)
    some = torch.linspace(0, len(photos) - 1, INVERTED).long()
    sought = generator.invert(photos[some], how="gradient")
    answer = readout(subject, photos).argmax(1)

    def agrees(images: Tensor, rows: Tensor | slice = slice(None)) -> float:
        return float((readout(subject, images).argmax(1) == answer[rows]).float().mean())

    def psnr(images: Tensor) -> float:
        return float(-10 * (images - photos).square().mean((1, 2, 3)).log10().mean())

    return {
        "code_dim": generator.code_dim,
        "psnr_reconstruction_db": psnr(made),
        "psnr_8x8_average_db": psnr(blurred),
        "same_class_reconstruction": agrees(made),
        "same_class_8x8_average": agrees(blurred),
        "psnr_inverted_by_gradient_db": float(sought.psnr.mean()),
        "same_class_inverted_by_gradient": agrees(sought.images, some),
        "code_sd_val": float(codes.std(0).mean()),
    }


def random_images(generator: EmbeddedGenerator, number: int = DRAWN) -> Tensor:
    """Make images of random natural codes, always the same."""
    draws = seeds.normal([("card", "random codes")], (number, generator.code_dim))[0]
    return torch.cat([generator.generate(part.float()) for part in draws.split(BATCH)])


def _spread(images: Tensor) -> float:
    half = len(images) // 2
    return float((images[:half] - images[half : 2 * half]).flatten(1).norm(dim=1).mean())


def judged_figures(
    generator: EmbeddedGenerator, judge: Subject, site: str, train: Photos, val: Photos
) -> dict[str, Any]:
    """Compare images of random codes with photos, by a network not used in training.

    Args:
        judge: that network; `site` is where its features are read.
    """
    photos, rows = crops_of(val), torch.linspace(0, len(val) - 1, DRAWN).long()
    some, random = photos[rows], random_images(generator)
    real = judged(judge, site, photos)

    def apart(images: Tensor) -> float:
        return frechet(judged(judge, site, images), real)

    seen = torch.linspace(0, len(train) - 1, DRAWN).long()
    natural, own = slopes(photos.mean(1)), slopes(random.mean(1))
    low, high = (float(natural.quantile(q)) for q in (0.05, 0.95))
    peaks, usual = grid_peaks(random), grid_peaks(photos)
    known = crops_of(train)
    return {
        "judge": judge.name,
        "frechet_random_codes": apart(random),
        "frechet_reconstructions": apart(
            torch.cat([generator.generate(generator.encode(p)) for p in some.split(BATCH)])
        ),
        "frechet_8x8_average": apart(_blurred(some)),
        "frechet_train_photos": apart(crops_of(train, seen)),
        "slope_photos_5_95": f"{low:.2f} … {high:.2f}",
        "slope_random_codes": float(own.mean()),
        "slope_random_codes_share_within": float(((own > low) & (own < high)).float().mean()),
        **{f"grid_peak_{k}px_random_over_photos": peaks[k] / usual[k] for k in peaks},
        "pixel_distance_photos": _spread(photos),
        "pixel_distance_random_codes": _spread(random),
        "nearest_training_photo_random_codes": nearest(random[:500], known).median().item(),
        "nearest_training_photo_val_photos": nearest(some[::4], known).median().item(),
    }


def found_figures(generator: EmbeddedGenerator, subject: Subject) -> dict[str, Any]:
    """Measure the saturation and the code lengths of images that searches find.

    Medians over five readout units; of the accepted images, over the members of each front.
    """
    options = SearchOptions(generations=FOUND_GENERATIONS)
    found: dict[str, list[float]] = {}
    for unit in FOUND_UNITS:
        mei = find_mei(subject, generator, unit, options=options, progress=False)
        found.setdefault("saturation_mei", []).append(float(saturation(mei.image[None])))
        for site in FOUND_SITES:
            front = stretch_and_squeeze(
                subject, generator, unit, stretch=site, reference=mei, options=options,
                progress=False,
            ).front  # fmt: skip
            for name in ("saturation", "code_norm"):
                middle = float(np.median(front[name].to_numpy(float)))
                found.setdefault(f"{name}_accepted_{site}", []).append(middle)
    return {name: float(torch.tensor(values).median()) for name, values in found.items()} | {
        "found_by": f"isotropic, {FOUND_GENERATIONS} × 50 images a search, {', '.join(FOUND_UNITS)}"
    }


def picture(generator: EmbeddedGenerator, photos: Tensor, path: Path) -> None:
    """64 random images, and 32 photos brought back, as one picture.

    Args:
        photos: 32 of them, `(32, 3, 96, 96)` in [0, 1].
    """
    made = torch.cat([random_images(generator, 64), generator.generate(generator.encode(photos))])
    tiles = F.pad(made, (2, 2, 2, 2), value=1.0).unflatten(0, (-1, 16)).permute(0, 3, 1, 4, 2)
    grid = (tiles.flatten(2, 3).flatten(0, 1) * 255).round().byte().cpu().numpy()
    replace_file(path, lambda part: Image.fromarray(grid).save(part, format="JPEG", quality=88))


def write_card(
    name: str, words: str, figures: dict[str, Any], recipe: dict[str, Any], into: Path
) -> Path:
    """Write `NAME.md` beside the weights, and the figures to `figures.json`."""
    rows = "\n".join(
        f"| {k} | {v:.4g} |" if isinstance(v, float) else f"| {k} | {v} |"
        for k, v in figures.items()
    )
    text = (
        f"# {name}\n\n{words}\n\n"
        f"Measured by `{COMMAND}`:\n\n| figure | value |\n| --- | --- |\n{rows}\n\n"
        f"Recipe: `{json.dumps(recipe)}`\n"
    )
    short = name.rsplit(":", maxsplit=1)[-1] if ":" in name else "generator"
    replace_file(into / f"{short}.md", lambda path: path.write_text(text))
    known = into / "figures.json"
    every = json.loads(known.read_text()) if known.exists() else {}
    every = dict(sorted({**every, short: figures}.items()))
    replace_file(known, lambda path: path.write_text(json.dumps(every, indent=1) + "\n"))
    return into / f"{short}.md"
