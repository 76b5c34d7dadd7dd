"""Searches on networks that were each fitted to a V4 neuron: the figures of `docs/neurons.md`.

    INVARISCOPE_V4=v4 python benchmarks/neurons.py OUT [--seconds 3600] [--session 190923]

`v4` is the unzipped v4.zip (photos, mean responses, one network a neuron; not part of the project).
Every part is kept in OUT as it ends, so the command goes on where it was broken off; after
`--seconds` it begins no further part. Writes `benchmarks/neurons.json`, from that
`docs/neurons.md`, and galleries of generated images.
"""

import argparse
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

import invariscope as iv
import neurons_page
import v4_networks
from bench.frugality import FrugalityBench
from bench.rig import Cell, RigBench
from invariscope.analysis.affine import affine_baseline, affine_distance
from invariscope.analysis.intervals import mean_interval
from invariscope.experiments.pictures import write_png
from invariscope.generators import ConstrainedGenerator, ImageConstraints
from invariscope.natural.statistics import NaturalStatistics, describe
from invariscope.recordings.arrays import read_array
from invariscope.recordings.options import RecordingOptions
from invariscope.recordings.variability import measured_variability
from invariscope.rig.simulate import SimulatedRates

ROOT = Path(__file__).resolve().parent.parent
UNIT, SITE, DEEP = "readout:0", "readout", "layers.1.relu"
WINDOW = 0.1  # seconds in which spikes were counted
MEI = iv.SearchOptions(strategy="separable", population=40, generations=30)
FAR = iv.SearchOptions(population=50, generations=30)
CONDITIONS = ("pixels", "fixed contrast", "deep", "silencing")
OFTEN = {"pixels": 6, "fixed contrast": 6, "deep": 2, "silencing": 2}  # neurons
NOISY, REPEATS, BUDGETS = 1, (2, 5), (1000, 2000, 4000)
SHOWN = 60  # photos for the twelve transformations


class Session:
    """A session's photos and responses, and the networks of its neurons."""

    def __init__(self, folder: Path, name: str, out: Path) -> None:
        files = sorted((folder / f"photos_{name}").glob("*.jpg"))
        arrays = [np.asarray(Image.open(file).convert("RGB")) for file in files]
        self.photos = torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2).float() / 255
        self.rates = np.load(folder / f"responses_mean_{name}.npy") / WINDOW
        self.numbers, self.out = list(v4_networks.files()), out
        self.folder, self.name = folder, name
        self.plain = iv.load_generator("embedded")
        self.generator = ConstrainedGenerator(self.plain, ImageConstraints(size=self.side))
        self.constraints = ImageConstraints(size=self.side, **self.usual_levels())
        self.fixed = ConstrainedGenerator(self.plain, self.constraints)

    @property
    def side(self) -> int:
        return self.photos.shape[-1]

    def usual_levels(self) -> dict[str, float]:
        """Median mean luminance and RMS contrast of the photos."""
        probe = ConstrainedGenerator(self.plain, ImageConstraints(size=self.side))
        found = probe.levels(self.photos)
        return {
            "luminance": round(float(found.luminance.median()), 3),
            "contrast": round(float(found.contrast.median()), 3),
        }


class Neuron:
    """A neuron's network in spikes per second, with its statistics over the photos."""

    def __init__(self, session: Session, number: int) -> None:
        self.session, self.number = session, number
        self.out = session.out / f"neuron{number}"
        self.subject = v4_networks.network(number, fast=True)
        self.out.mkdir(parents=True, exist_ok=True)
        raw = self._raw()
        rates = session.rates[number]
        slope, intercept = np.polyfit(raw, rates, 1)
        self.correlation = float(np.corrcoef(raw, rates)[0, 1])
        readout = self.subject.module(SITE)
        with torch.no_grad():
            readout.weight.mul_(slope)
            readout.bias.mul_(slope).add_(intercept)
        self.on_photos = slope * raw + intercept
        table = {k: np.asarray(v).reshape(-1) for k, v in describe(self.on_photos[None]).items()}
        self.subject.natural = self._natural(table)

    def _raw(self) -> np.ndarray:
        """The network's answers to the photos, from one pass that is kept."""
        path = self.out / "photos.npy"
        if not path.exists():
            parts = self.session.photos.split(50)
            answers = [self.subject.respond(part, [SITE])[SITE][:, 0] for part in parts]
            np.save(path, torch.cat(answers).numpy())
        return np.load(path).astype(float)

    def _natural(self, columns: dict[str, Any]) -> Path:
        import pandas as pd  # noqa: PLC0415

        table = pd.DataFrame(columns)
        table.insert(0, "unit", [UNIT])
        table.insert(1, "split", ["train"])
        path = self.out / "natural.parquet"
        about = {"shown": f"{len(self.session.photos)} photos of the session"}
        NaturalStatistics(table, self.subject.identity(), about).save(path)
        return path

    def part(self, name: str, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """A part's figures, from its file where it is there."""
        path = self.out / f"{name.replace(' ', '_')}.json"
        if not path.exists():
            path.write_text(json.dumps(make(), indent=1) + "\n")
        return json.loads(path.read_text())

    def activity(self, images: Tensor) -> np.ndarray:
        """Spikes per second for images."""
        padded = torch.cat([images, images[:1].expand(max(0, 32 - len(images)), -1, -1, -1)])
        return self.subject.respond(padded, [SITE])[SITE][: len(images), 0].numpy()

    def mei(self) -> iv.Reference:
        return iv.find_mei(
            self.subject, self.session.generator, UNIT, options=MEI, out=self.out / "mei"
        )

    def excitation(self) -> dict[str, Any]:
        """The MEI beside the photos."""
        found = self.mei()
        write_png(self.out / "mei.png", found.image)
        return {
            "neuron": self.number,
            "correlation": self.correlation,
            "best_photo": float(self.on_photos.max()),
            "photos_sd": float(self.on_photos.std()),
            "mei": found.activity,
            "images": MEI.population * MEI.generations,
        }

    def search(self, condition: str) -> dict[str, Any]:
        """Invariant or silencing images from the MEI, beside affine copies of it."""
        generator = self.session.fixed if condition == "fixed contrast" else self.session.generator
        found = self.mei()
        assert found.code is not None
        image = generator.generate(found.code.unsqueeze(0).expand(32, -1))[0]
        reference = iv.image_reference(image, self.session.side, found.code)
        silencing = condition == "silencing"
        result = iv.stretch_and_squeeze(
            self.subject,
            generator,
            UNIT,
            reference=reference,
            stretch=DEEP if condition == "deep" else "pixels",
            task="adversarial" if silencing else "invariance",
            direction="down" if silencing else "either",
            options=FAR,
            out=self.out / condition.replace(" ", "_"),
        )
        row = result.table().iloc[0]
        chosen = result.images()[0]
        write_png(self.out / f"{condition.replace(' ', '_')}.png", chosen)
        copies = affine_baseline(self.subject, UNIT, image, shown=generator.constrain)
        figures = {
            "neuron": self.number,
            "reference": float(row["reference"]),
            "activation": float(row["activation"]),
            "reduction": float(row["reduction"]),
            "distance": float(row["pixel_distance"]),
            "affine": affine_distance(copies, max(float(row["reduction"]), 0.0)),
        }
        if condition == "fixed contrast":
            levels = generator.levels(chosen.unsqueeze(0))
            figures |= {"luminance": float(levels.luminance), "contrast": float(levels.contrast)}
        return figures

    def noisy(self, rates: SimulatedRates) -> dict[str, Any]:
        """What noisy searches find after so many presentations, beside a noise-free one."""
        bench = RigBench(self.subject, self.session.generator, self.out / "noisy", rates)
        bench.plain = FrugalityBench(
            self.subject, self.session.generator, self.out / "plain", mei_generations=30
        )
        rows = [
            bench.run(Cell("isotropic", repeats, 0, UNIT, 0, budget))
            for repeats in REPEATS
            for budget in BUDGETS
        ]
        best = max(row["without_noise"] for row in rows)
        keys = ("repeats", "presentations", "shown", "hypervolume", "optimism_held_back")
        kept = [{key: row[key] for key in keys} for row in rows]
        kept = [{**row, "share": row["hypervolume"] / best} for row in kept]
        return {"neuron": self.number, "peak": rates.peak, "fano": rates.fano, "rows": kept}

    def transformations(self) -> dict[str, Any]:
        """Invariance to the twelve transformations over the photos that drive the neuron most."""
        best = np.argsort(-self.on_photos)[:SHOWN].copy()
        images = self.session.photos[torch.from_numpy(best)]
        found = iv.invariance_coefficient(self.subject, images, sites=[SITE], tau=0.1, top=())
        table = found.units
        return {
            "neuron": self.number,
            "h": {
                str(row["transformation"]): float(row["invariance"])
                for row in table.to_dict("records")
            },
        }


def measured_noise(session: Session, name: str) -> SimulatedRates:
    """Rates and noise of the session with single trials."""
    options = RecordingOptions(window=(0.0, 1000 * WINDOW), values="counts")
    recorded = read_array(session.folder / f"responses_trials_{name}.npy", options)
    return SimulatedRates.like(measured_variability(recorded))


def intervals(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Mean ratio of distances to those of affine copies that lose as much, over neurons."""
    logs = [np.log(r["distance"] / r["affine"]) for r in rows if r["affine"] > 0]
    mean, low, high = mean_interval(logs)
    return {
        "neurons": len(rows),
        "compared": len(logs),
        "farther": sum(r["distance"] > r["affine"] for r in rows),
        "ratio": [float(np.exp(v)) for v in (mean, low, high)],
        "kept": mean_interval([r["activation"] / r["reference"] for r in rows]),
        "distance": mean_interval([r["distance"] for r in rows]),
    }


def parts_of(session: Session, noise: SimulatedRates) -> list[tuple[int, str, Callable]]:
    """Every part in order: neuron, name, and what makes it."""
    first, last = session.numbers[:22], session.numbers[22:]
    made: list[tuple[int, str, Callable]] = [(k, "excitation", Neuron.excitation) for k in first]
    for place in range(max(OFTEN.values())):
        own = [name for name in CONDITIONS if place < OFTEN[name]]
        made += [(first[place], name, lambda n, name=name: n.search(name)) for name in own]
        if place < NOISY:
            made.append((first[place], "noisy", lambda n: n.noisy(noise)))
        made.append((first[place], "transformations", Neuron.transformations))
    return made + [(k, "excitation", Neuron.excitation) for k in last]


def figures_of(session: Session, noise: SimulatedRates) -> dict[str, Any]:
    """What is there, as `neurons.json` has it."""
    rows: dict[str, list[dict[str, Any]]] = {}
    for number, name, _ in parts_of(session, noise):
        path = session.out / f"neuron{number}" / f"{name.replace(' ', '_')}.json"
        if path.exists():
            rows.setdefault(name, []).append(json.loads(path.read_text()))
    invariant = [name for name in ("pixels", "fixed contrast") if name in rows]
    return {
        "session": session.name,
        "neurons": len(session.numbers),
        "photos": len(session.photos),
        "levels": session.usual_levels(),
        "mei_search": {"strategy": MEI.strategy, "images": MEI.population * MEI.generations},
        "search": {"strategy": FAR.strategy, "images": FAR.population * FAR.generations},
        "noise": {k: getattr(noise, k) for k in ("peak", "spontaneous", "fano", "correlation")},
        "rows": rows,
        "intervals": {name: intervals(rows[name]) for name in invariant},
    }


def main() -> None:
    """Make what is missing, then the json, the page and the galleries."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seconds", type=float, default=np.inf)
    parser.add_argument("--session", default="190923")
    parser.add_argument("--trials", default="210325")
    asked = parser.parse_args()
    session = Session(Path(os.environ["INVARISCOPE_V4"]), asked.session, asked.out)
    noise, began = measured_noise(session, asked.trials), time.monotonic()
    for number, name, make in parts_of(session, noise):
        if time.monotonic() - began > asked.seconds:
            break
        neuron = Neuron(session, number)
        found = neuron.part(name, lambda make=make, neuron=neuron: make(neuron))
        print(
            f"{time.monotonic() - began:6.0f} s  neuron {number}, {name}: {found}"[:200], flush=True
        )
    figures = figures_of(session, noise)
    target = ROOT / "benchmarks" / "neurons.json"
    target.write_text(json.dumps(figures, indent=1) + "\n")
    neurons_page.write(figures, session.out, ROOT)


if __name__ == "__main__":
    main()
