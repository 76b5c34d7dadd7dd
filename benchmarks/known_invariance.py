"""Does a search find an invariance that is known exactly? The instrument, calibrated.

A fixed layer before a network removes something, and nothing of it can reach the unit: the colour,
the blue channel, what is finer than 12 cycles an image, the difference of left and right, or the
phases. The displacement of an invariant image from its reference has then a known part that no
unit sees. Its share is set beside that of the same network without the layer, and of random images
of the generator:

    python benchmarks/known_invariance.py FOLDER [--units 4] [--seeds 1] [--generations 100]
    python benchmarks/known_invariance.py --write   # table and picture from the stored figures

Runs are in FOLDER, and one that has ended is not done again. Writes known_invariance.json, the
table of `docs/measured.md` and its picture.
"""

import argparse
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from torch import Tensor, nn

import invariscope as iv
from bench.machine import describe
from first_run import fill
from invariscope.analysis.intervals import mean_interval
from invariscope.generators import EmbeddedGenerator
from invariscope.plot.axes import COLOURS, new_axes
from invariscope.subjects import NetworkSubject
from invariscope.training.evaluate import random_images

ROOT = Path(__file__).resolve().parent.parent
FIGURES = ROOT / "benchmarks" / "known_invariance.json"
PICTURE = ROOT / "docs" / "images" / "known_invariance.png"
NETWORK = "embedded:robust"
POPULATION = 50
KEPT = 0.75  # of the reference's activity, by the member that is judged
FINEST = 12  # cycles an image that the low-pass filter lets through
RANDOM = 500
Pairs = list[tuple[Tensor, Tensor, float]]  # reference, image, kept activity of each search


class Grey(nn.Module):
    """Replaces every channel by the channels' mean."""

    def forward(self, images: Tensor) -> Tensor:
        """Filter images `(n, 3, side, side)`."""
        return images.mean(1, keepdim=True).expand_as(images)


class NoBlue(nn.Module):
    """Sets the blue channel to one half."""

    def forward(self, images: Tensor) -> Tensor:
        """Filter images `(n, 3, side, side)`."""
        return torch.cat([images[:, :2], torch.full_like(images[:, 2:], 0.5)], 1)


class LowPass(nn.Module):
    """Removes what is finer than 12 cycles an image, in Fourier space."""

    def forward(self, images: Tensor) -> Tensor:
        """Filter images `(n, 3, side, side)`."""
        side = images.shape[-1]
        down, across = torch.fft.fftfreq(side) * side, torch.fft.rfftfreq(side) * side
        passed = down[:, None].square() + across.square() <= FINEST**2
        return torch.fft.irfft2(torch.fft.rfft2(images) * passed, s=(side, side))


class Fold(nn.Module):
    """Averages an image and its mirror image."""

    def forward(self, images: Tensor) -> Tensor:
        """Filter images `(n, 3, side, side)`."""
        return (images + images.flip(-1)) / 2


class NoPhase(nn.Module):
    """Gives an image's amplitudes the phases of one image of noise."""

    def forward(self, images: Tensor) -> Tensor:
        """Filter images `(n, 3, side, side)`."""
        side = images.shape[-1]
        noise = torch.rand(side, side, generator=torch.Generator().manual_seed(0))
        phases = torch.fft.rfft2(noise).sgn()
        return torch.fft.irfft2(torch.fft.rfft2(images).abs() * phases, s=(side, side))


LAYERS: dict[str, type[nn.Module]] = {
    "grey": Grey,
    "no blue": NoBlue,
    "low pass": LowPass,
    "folded": Fold,
    "no phase": NoPhase,
}


def share_unseen(layer: nn.Module, images: Tensor, reference: Tensor) -> Tensor:
    """Measure the share of each displacement's squared length that the layer removes, `(n,)`.

    The linear layers are orthogonal projections, up to a constant image. Without phases the seen
    part is the distance of the amplitudes, which is never more than the whole, in Fourier space
    and by Parseval's theorem in pixels.
    """
    whole = (images - reference).double().square().flatten(1).sum(1)
    if isinstance(layer, NoPhase):
        spectra = [torch.fft.fft2(x.double()).abs() for x in (images, reference[None])]
        seen = (spectra[0] - spectra[1]).square().flatten(1).sum(1) / images.shape[-1] ** 2
    else:
        seen = (layer(images) - layer(reference[None])).double().square().flatten(1).sum(1)
    return 1 - seen / whole


def subject_behind(layer: nn.Module | None) -> NetworkSubject:
    """Make the network with a layer before it; None: as it is."""
    plain = iv.load_subject(NETWORK)
    assert isinstance(plain, NetworkSubject)
    own = plain.preprocessing
    inside = nn.Sequential(layer or nn.Identity(), _Standardised(own.mean, own.std), plain.model)
    name = type(layer).__name__ if layer else "as it is"
    return NetworkSubject(inside.eval(), image_size=plain.image_size, mean=0, std=1, name=name)


class _Standardised(nn.Module):
    mean: Tensor
    std: Tensor

    def __init__(self, mean: Tensor, std: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean.clone())
        self.register_buffer("std", std.clone())

    def forward(self, images: Tensor) -> Tensor:
        return (images - self.mean) / self.std


def farthest(result: iv.Result) -> Pairs:
    """Find reference, image and kept activity of each run's farthest member that keeps enough."""
    found = []
    for record in result.runs:
        own = float(record.tensors["reference_activity"].mean())
        front = record.front
        kept = front["activation"].to_numpy(float) / own
        stretch = np.where(kept >= KEPT, front["stretch"].to_numpy(float), -1)
        best = int(stretch.argmax())
        if stretch[best] <= 0:
            continue
        assert result.generator is not None
        image = result.generator.generate(record.tensors["codes"][best][None])[0]
        found.append((record.tensors["reference_image"], image, float(kept[best])))
    return found


def search(subject: NetworkSubject, unit: str, out: Path, asked: argparse.Namespace) -> Any:
    """Search a unit's MEI, and from there its invariant images at pixels."""
    condition = iv.ExperimentCondition("invariance", "pixels", seeds=tuple(range(asked.seeds)))
    options = iv.SearchOptions(
        population=POPULATION, generations=asked.generations, stop=False, precision="float32"
    )
    generator = iv.load_generator("embedded:v1")
    return iv.run_experiment(subject, generator, unit, [condition], out=out, options=options)


def interval(values: list[list[float]]) -> list[float]:
    """Average over units, of which each has several seeds, with Student's 95 % interval."""
    mean, low, high = mean_interval([np.mean(own) for own in values if own])
    known = [mean] if math.isfinite(mean) else []
    return [mean, low, high] if math.isfinite(low) else known


def main() -> None:
    """Search with and without every layer, and write the shares."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--units", type=int, default=8)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--generations", type=int, default=100)
    asked = parser.parse_args()
    if asked.write:
        write_page(json.loads(FIGURES.read_text()))
        return
    if asked.folder is None:
        parser.error("expected a FOLDER for the runs, or --write")
    units = [f"2.fc:{k}" for k in np.linspace(0, 8, asked.units).astype(int)]
    found: dict[str, list[Pairs]] = {}
    for name in ("as it is", *LAYERS):
        subject = subject_behind(LAYERS[name]() if name in LAYERS else None)
        out = asked.folder / name.replace(" ", "_")
        found[name] = [
            farthest(search(subject, unit, out / unit.replace(":", "_"), asked)) for unit in units
        ]
        print(name, [len(own) for own in found[name]], flush=True)
    generator = iv.load_generator("embedded:v1")
    assert isinstance(generator, EmbeddedGenerator)
    random = random_images(generator, RANDOM)
    rows = []
    for name, kind in LAYERS.items():
        layer = kind()

        def shares(pairs: Pairs, layer: nn.Module = layer) -> Any:
            return [float(share_unseen(layer, image[None], own)) for own, image, _ in pairs]

        chance = [
            float(share_unseen(layer, random, pairs[0][0]).mean()) for pairs in found[name] if pairs
        ]
        rows.append(
            {
                "layer": name,
                "share": interval([shares(pairs) for pairs in found[name]]),
                "share_without_the_layer": interval([shares(pairs) for pairs in found["as it is"]]),
                "share_of_random_images": interval([[value] for value in chance]),
                "distance": interval([[_far(p) for p in pairs] for pairs in found[name]]),
                "distance_without": interval(
                    [[_far(p) for p in pairs] for pairs in found["as it is"]]
                ),
                "kept": interval([[p[2] for p in pairs] for pairs in found[name]]),
                "units": sum(bool(pairs) for pairs in found[name]),
            }
        )
    whole = {
        "machine": describe(torch.device("cpu")),
        "network": NETWORK,
        "units": units,
        "seeds": asked.seeds,
        "member": f"the farthest that keeps {KEPT:.0%} of the reference's activity",
        "images_a_search": POPULATION * asked.generations,
        "rows": rows,
    }
    FIGURES.write_text(json.dumps(whole, indent=1) + "\n")
    write_page(whole)
    print(json.dumps(rows, indent=1))


def write_page(found: dict[str, Any]) -> None:
    """Put the table into `docs/measured.md`, and draw its picture."""
    block = (
        "| the layer | unseen share with it | the network without it | random images | distance "
        "with it | without it |\n| --- | --- | --- | --- | --- | --- |\n"
    )
    for row in found["rows"]:
        shares = ("share", "share_without_the_layer", "share_of_random_images")
        cells = [_cell([100 * x for x in row[key]], " %") for key in shares]
        cells += [_cell(row[key], "") for key in ("distance", "distance_without")]
        block += f"| {row['layer']} | {' | '.join(cells)} |\n"
    path = ROOT / "docs" / "measured.md"
    text = fill(path.read_text(encoding="utf-8"), "benchmarks/known_invariance.json", block)
    path.write_text(text, encoding="utf-8")
    axes = draw(found)
    axes.figure.savefig(PICTURE, dpi=110, bbox_inches="tight", metadata={})


def draw(found: dict[str, Any]) -> Axes:
    """Draw the unseen share of each layer beside that without it and of random images."""
    axes = new_axes(None, (6.4, 3.0))
    bars = (
        ("share", "invariant images, with the layer"),
        ("share_without_the_layer", "invariant images, without the layer"),
        ("share_of_random_images", "random images"),
    )
    for number, (key, words) in enumerate(bars):
        for place, row in enumerate(found["rows"]):
            if not row[key]:
                continue
            mean, *ends = (100 * value for value in row[key])
            x = place + (number - 1) * 0.26
            label = words if place == 0 else None
            axes.bar(x, mean, 0.24, color=COLOURS[number], label=label)
            if ends:
                axes.plot([x, x], ends, color="0.2", linewidth=1)
    axes.set_xticks(range(len(found["rows"])), [row["layer"] for row in found["rows"]])
    axes.set_ylabel("share of the displacement\nthat no unit sees (%)")
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False, fontsize=8)
    return axes


def _cell(values: list[float], unit: str) -> str:
    if not values:
        return "–"
    mean, *ends = (f"{value:.0f}" for value in values)
    return f"{mean}{unit}" + (f" [{', '.join(ends)}]" if ends else "")


def _far(pair: tuple[Tensor, Tensor, float]) -> float:
    return float((pair[1] - pair[0]).double().norm())


if __name__ == "__main__":
    main()
