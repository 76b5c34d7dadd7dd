"""Code spaces of photos that were tried at 224 px, by what they keep of photos not seen."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

import invariscope as iv
from invariscope.analysis.appearance import luma
from invariscope.generators import CodeSpace, Generator
from invariscope.photos import PhotoFolder, PhotoRule, batches
from invariscope.photos.spectrum import frequencies, power
from invariscope.search.precision import bulk
from invariscope.store.files import replace_file
from invariscope.subjects import Subject
from invariscope.subjects.pixels import resize_images

SIDE = 224
EVERY = 5  # one photo of so many is held back
PARTS = 4  # of a photo, beside the whole and its mirror image
SMALLEST_PART = 0.6  # of a side
COARSE, FINE = (4, 32), (32, 112)  # cycles an image, of detail at 224 px
AT_ONCE = 20


@dataclass(frozen=True)
class SpaceTrial:
    """A code space to try.

    Attributes:
        side: of its images, which the network enlarges to 224.
        dims: of a code; of local codes those of one block.
        views: whether it is fitted to parts of the photos, else to the larger folder.
        block: of latents, a side: local codes, the same directions in every block; 0: whole images.
    """

    side: int
    dims: int
    views: bool = False
    block: int = 0

    @property
    def words(self) -> str:
        """What it is, for a table."""
        source = "photos of 224 px and parts of them" if self.views else "more photos, of 104 px"
        local = f", {self.dims} for each {8 * self.block} px" if self.block else ""
        return f"{self.side} px, {source}{local}"


SPACES = {
    "224_256": SpaceTrial(224, 256, views=True),
    "224_900": SpaceTrial(224, 900, views=True),
    "224_local": SpaceTrial(224, 16, views=True, block=4),
    "128_256": SpaceTrial(128, 256, views=True),
    "128_local": SpaceTrial(128, 48, views=True, block=4),
    "96_256": SpaceTrial(96, 256),
    "96_512": SpaceTrial(96, 512),
    "96_2000": SpaceTrial(96, 2000),
    "64_256": SpaceTrial(64, 256),
    "64_512": SpaceTrial(64, 512),
    "64_1024": SpaceTrial(64, 1024),
}


@dataclass
class SpaceBench:
    """What trials are measured with.

    Attributes:
        subject: recognises reconstructions.
        readout: its site.
        weights: of the tiny autoencoder, an address.
        photos: at 224 px, of which every fifth is held back.
        larger: more photos, which may be smaller.
        labels: of the photos, units of the readout.
        out: keeps latents and spaces.
    """

    subject: Subject
    readout: str
    weights: str
    photos: Tensor
    larger: PhotoFolder
    labels: Tensor
    out: Path
    held: Tensor = field(init=False)

    def __post_init__(self) -> None:
        self.held = torch.arange(len(self.photos)) % EVERY == 0

    def latents(self, trial: SpaceTrial) -> Tensor:
        """Encode what a trial is fitted to, once."""
        path = self.out / f"latents_{trial.side}_{'views' if trial.views else 'larger'}.pt"
        if not path.exists():
            self.out.mkdir(parents=True, exist_ok=True)
            found = self._encoded(trial)
            replace_file(path, lambda part: torch.save(found, part))
        return torch.load(path, weights_only=True)

    def _encoded(self, trial: SpaceTrial) -> Tensor:
        coder = iv.load_autoencoder(self.weights)
        parts = (
            views(self.photos[~self.held]).split(32)
            if trial.views
            else (b.images for b in batches(self.larger, side=96, rule=PhotoRule(104), batch=50))
        )
        with torch.no_grad(), bulk(torch.device("cpu"), "bf16"):
            return torch.cat([coder.encode(resize(p, trial.side)).float() for p in parts])

    def space(self, name: str) -> CodeSpace:
        """Fit a space."""
        trial = SPACES[name]
        mean, directions, sd = fit(self.latents(trial), trial.dims, trial.block)
        coder = iv.load_autoencoder(self.weights)
        return CodeSpace(coder, trial.side, mean=mean, directions=directions, sd=sd)

    def measure(self, generator: Generator) -> dict[str, Any]:
        """Measure what a generator keeps of the photos that were held back."""
        held = self.photos[self.held]
        with torch.no_grad():
            codes = generator.encode(resize(held, generator.image_size)).float()
            self._made(generator, codes[:AT_ONCE])  # libraries take their workspaces once
            began = time.process_time()
            made = self._made(generator, codes)
            seconds = time.process_time() - began
        noise = (made - held).square().mean((1, 2, 3))
        return {
            "code": generator.code_dim,
            "side": generator.image_size,
            "held_back": len(held),
            "psnr": float((-10 * noise.log10()).mean()),
            "recognised": self._right(made),
            "coarse": detail(made, COARSE) / detail(held, COARSE),
            "fine": detail(made, FINE) / detail(held, FINE),
            "milliseconds": 1e3 * seconds / len(held),
        }

    def _made(self, generator: Generator, codes: Tensor) -> Tensor:
        parts = [generator.generate(part).float() for part in codes.split(AT_ONCE)]
        return resize_images(torch.cat(parts), SIDE)

    def _right(self, images: Tensor) -> float:
        answers = self.subject.respond(images, [self.readout])[self.readout].flatten(1)
        return float((answers.argmax(1) == self.labels[self.held]).float().mean())

    def photos_recognised(self) -> float:
        """Share of the photos held back that the network recognises, of all its classes."""
        return self._right(self.photos[self.held])


def resize(images: Tensor, side: int) -> Tensor:
    """Make images smaller, bicubic."""
    if images.shape[-1] == side:
        return images
    return F.interpolate(images, size=side, mode="bicubic", antialias=True).clamp(0, 1)


def views(photos: Tensor) -> Tensor:
    """Take each photo, its mirror image, and `PARTS` parts of it at random, some mirrored."""
    stream = torch.Generator().manual_seed(0)

    def drawn(most: int) -> int:
        return int(torch.randint(0, most + 1, (1,), generator=stream))

    found, side = [photos, photos.flip(3)], photos.shape[-1]
    for _ in range(PARTS):
        for photo in photos:
            share = SMALLEST_PART + (1 - SMALLEST_PART) * torch.rand(1, generator=stream)
            size = int(share * side)
            y, x = drawn(side - size), drawn(side - size)
            part = photo[None, :, y : y + size, x : x + size]
            if torch.rand(1, generator=stream) < 0.5:
                part = part.flip(3)
            found.append(F.interpolate(part, size=side, mode="bicubic", antialias=True).clamp(0, 1))
    return torch.cat(found)


def fit(latents: Tensor, dims: int, block: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Find the widest directions of latents, of whole images or alike in every block.

    Args:
        latents: `(n, channels, side, side)`.
        dims: how many; of local codes in each block.
        block: a side of the blocks, which divides that of the latents; 0: whole images.

    Returns:
        Mean `(latents,)`, orthonormal directions `(codes, latents)` and the SD along each.
    """
    mean = latents.mean(0)
    away = latents - mean
    if not block:
        rows = away.flatten(1).double()
        variances, turns = torch.linalg.eigh(rows @ rows.T / len(rows))
        sd = variances[-dims:].clamp_min(1e-12).sqrt()
        directions = (rows.T @ turns[:, -dims:] / (sd * len(rows) ** 0.5)).T
        return mean.flatten(), directions.flip(0).float(), sd.flip(0).float()
    across = latents.shape[-1] // block
    cut = away.unflatten(2, (across, block)).unflatten(4, (across, block))
    rows = cut.permute(0, 2, 4, 1, 3, 5).flatten(3).flatten(0, 2).double()
    variances, turns = torch.linalg.eigh(rows.T @ rows / len(rows))
    own = turns[:, -dims:].T.flip(0).float().unflatten(1, (latents.shape[1], block, block))
    directions = torch.zeros(across, across, dims, *latents.shape[1:])
    for y in range(across):
        for x in range(across):
            place = (slice(y * block, (y + 1) * block), slice(x * block, (x + 1) * block))
            directions[y, x, :, :, place[0], place[1]] = own
    sd = variances[-dims:].clamp_min(1e-12).sqrt().flip(0).float().repeat(across**2)
    return mean.flatten(), directions.flatten(0, 2).flatten(1), sd


def detail(images: Tensor, band: tuple[int, int]) -> float:
    """Power of luma between two frequencies in cycles an image, the mean over images."""
    down, across = frequencies(images.shape[-1], images.device)
    frequency = (down.square() + across.square()).sqrt()
    spectrum = power(luma(images)).mean(0)
    return float(spectrum[(frequency >= band[0]) & (frequency < band[1])].sum())


def try_spaces(
    bench: SpaceBench, kept: Callable[[str, Callable[[], dict[str, Any]]], dict[str, Any]]
) -> dict[str, Any]:
    """Measure every space and the embedded generator.

    Args:
        kept: reads a trial's figures from its file, or makes and writes them.
    """
    found = {"photos": kept("photos", lambda: {"recognised": bench.photos_recognised()})}
    found["embedded"] = kept("embedded", lambda: bench.measure(iv.load_generator("embedded")))
    for name in SPACES:
        found[name] = kept(name, lambda name=name: bench.measure(bench.space(name)))
    return found
