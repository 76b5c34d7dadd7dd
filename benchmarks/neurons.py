"""Searches on networks that were each fitted to a V4 neuron: the figures of `docs/neurons.md`.

    INVARISCOPE_V4=v4 python benchmarks/neurons.py OUT [--seconds 3600] [--session S --trials T]

`v4` is the unzipped v4.zip (photos, mean responses, one network a neuron; not part of the project),
`S` the session with photos and networks, `T` the one with single trials. Every part is kept in OUT
as it ends, so the command goes on where it was broken off; after `--seconds` it begins no further
part. Writes `benchmarks/neurons.json`, from that `docs/neurons.md`, and galleries of generated
images.
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
from torch import Tensor

import invariscope as iv
import neurons_page
import v4_networks
from bench.frugality import FrugalityBench
from bench.rig import Cell, NoiseFree, RigBench
from invariscope.analysis.affine import affine_baseline, affine_distance
from invariscope.analysis.intervals import mean_interval
from invariscope.errors import InputError
from invariscope.experiments.pictures import write_png
from invariscope.generators import ConstrainedGenerator, ImageConstraints
from invariscope.natural.statistics import NaturalStatistics, describe
from invariscope.recordings.arrays import read_array
from invariscope.recordings.options import RecordingOptions
from invariscope.recordings.responses import RecordedResponses
from invariscope.recordings.variability import measured_variability
from invariscope.rig.simulate import SimulatedRates

ROOT = Path(__file__).resolve().parent.parent
UNIT, SITE, DEEP = "readout:0", "readout", "layers.1.relu"
MEI = iv.SearchOptions(strategy="separable", population=40, generations=30)
FAR = iv.SearchOptions(population=50, generations=30)
NEAR = iv.SearchOptions(strategy="sphere", population=50, generations=30)  # of silencing images
CONDITIONS = ("pixels", "fixed contrast", "deep", "silencing")
WATCHED = 3  # first neurons, on which strategies and sizes of the searches were chosen
FEW, MORE = 3, 8  # neurons of parts that not all have: the first ones that were not watched
STRIDE = 4  # of the order in which parts that take long go through the other neurons
NOISY = (3, 12)  # of the part under noise: the first that was not watched, and the best-fitted one
PRESENTATIONS = {2: (1000, 2000, 4000), 5: (4000, 8000), 10: (8000, 16_000)}  # by repeats
TWIN_NOISY = (3, 4, 10, 12, 18, 24, 30)  # of the part with a twin: those two, and others apart
SHOWN = 60  # photos for the twelve transformations
TRIALS = "210325"  # the session with single trials, by default


class Session:
    """A session's photos and responses, and the networks of its neurons."""

    def __init__(self, folder: Path, name: str, out: Path) -> None:
        self.photos = v4_networks.read_photos(folder / f"photos_{name}")
        self.rates = np.load(folder / f"responses_mean_{name}.npy") / v4_networks.WINDOW
        self.numbers, self.out = list(v4_networks.files(name)), out
        if len(self.photos) != self.rates.shape[1] or max(self.numbers) >= len(self.rates):
            raise InputError(
                f"session {name} has {len(self.photos)} photos, responses of shape "
                f"{self.rates.shape} and networks to number {max(self.numbers)}; expected "
                "neurons × photos of all"
            )
        self.folder, self.name = folder, name
        self._mark()
        self.plain = iv.load_generator("embedded:v1")
        self.generator = ConstrainedGenerator(self.plain, ImageConstraints(size=self.side))
        self.constraints = ImageConstraints(size=self.side, **self.usual_levels())
        self.fixed = ConstrainedGenerator(self.plain, self.constraints)

    def _mark(self) -> None:
        """Keep parts of two sessions apart."""
        mark = self.out / "session.txt"
        self.out.mkdir(parents=True, exist_ok=True)
        if mark.exists() and mark.read_text() != self.name:
            raise InputError(f"{str(self.out)!r} holds parts of session {mark.read_text()}")
        mark.write_text(self.name)

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
        self.subject = v4_networks.network(number, session.name, fast=True)
        self.out.mkdir(parents=True, exist_ok=True)
        raw = self._raw()
        rates = session.rates[number]
        self.correlation = float(np.corrcoef(raw, rates)[0, 1])
        self.on_photos = v4_networks.in_spikes(self.subject, raw, rates)
        table = {k: np.asarray(v).reshape(-1) for k, v in describe(self.on_photos[None]).items()}
        self.subject.natural = self._natural(table)

    def _raw(self) -> np.ndarray:
        """The network's answers to the photos, from one pass that is kept."""
        path = self.out / "photos.npy"
        if not path.exists():
            np.save(path, v4_networks.answers(self.subject, self.session.photos))
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
            "photos_mean": float(self.on_photos.mean()),
            "photos_sd": float(self.on_photos.std()),
            "best_photo": float(self.on_photos.max()),
            "photos_p95": float(np.percentile(self.on_photos, 95)),
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
            options=NEAR if silencing else FAR,
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
        if silencing:
            front = result.runs[0].front
            figures["lowest"] = float(front["activation"].min())
            figures["photos_mean"] = float(self.on_photos.mean())
        if condition == "fixed contrast":
            levels = generator.levels(chosen.unsqueeze(0))
            figures |= {"luminance": float(levels.luminance), "contrast": float(levels.contrast)}
        return figures

    def noisy(self, rates: SimulatedRates) -> dict[str, Any]:
        """What noisy searches find after so many presentations, beside a noise-free one."""
        budgets = [(r, budget) for r, each in PRESENTATIONS.items() for budget in each]
        return self._beside_noise_free(
            rates, [Cell(str(FAR.strategy), r, 0, UNIT, 0, budget) for r, budget in budgets]
        )

    def noisy_twin(self, rates: SimulatedRates) -> dict[str, Any]:
        """The smallest of these sessions with a twin, and beside it without."""
        repeats, (budget, *_) = next(iter(PRESENTATIONS.items()))
        names = ("twin", str(FAR.strategy))
        return self._beside_noise_free(
            rates, [Cell(name, repeats, 0, UNIT, 0, budget) for name in names]
        )

    def _beside_noise_free(self, rates: SimulatedRates, cells: list[Cell]) -> dict[str, Any]:
        beside = NoiseFree(FAR.population * FAR.generations, str(FAR.strategy))
        bench = RigBench(self.subject, self.session.generator, self.out / "noisy", rates, beside)
        bench.plain = FrugalityBench(
            self.subject, self.session.generator, self.out / "plain", mei_generations=30
        )
        keys = ("strategy", "repeats", "presentations", "shown", "hypervolume", "share")
        keys += ("optimism_selected", "optimism_held_back", "tested", "true", "hold", "false")
        rows = [bench.run(cell) for cell in cells]
        return {"neuron": self.number, "rows": [{key: row[key] for key in keys} for row in rows]}

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


def single_trials(session: Session, trials: str) -> RecordedResponses:
    """Read the session with single trials, as `invariscope recording` does."""
    options = RecordingOptions(window=(0.0, 1000 * v4_networks.WINDOW), values="counts")
    return read_array(session.folder / f"responses_trials_{trials}.npy", options)


def importer_errors(session: Session, trials: RecordedResponses) -> dict[str, float]:
    """Largest difference of the importer's means from the published ones, in spikes."""
    found = {}
    of_trials = trials.name.rpartition("_")[2]
    for name in (session.name, of_trials):
        path = session.folder / f"responses_mean_{name}.npy"
        means = trials if name == of_trials else read_array(path, RecordingOptions())
        found[name] = float(np.abs(means.means.T - np.load(path)).max())
    return found


def excitation_counts(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Count the neurons whose MEI is above their best photo; median ratio of the two."""
    ratios = [row["mei"] / row["best_photo"] for row in rows]
    above = sum(row["mei"] > row["best_photo"] for row in rows)
    return {"neurons": len(rows), "above": above, "ratio": float(np.median(ratios))}


def distance_intervals(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Mean ratio of distances to those of affine copies that lose as much, over neurons."""
    compared = [r for r in rows if r["affine"] >= neurons_page.LEAST]
    logs = [np.log(r["distance"] / r["affine"]) for r in compared]
    mean, low, high = mean_interval(logs)
    return {
        "neurons": len(rows),
        "compared": len(logs),
        "farther": sum(r["distance"] > r["affine"] for r in rows),
        "ratio": [float(np.exp(v)) for v in (mean, low, high)],
    }


def spread(numbers: list[int]) -> list[int]:
    """Order neurons so that the first ones lie all over the list, not at its start."""
    return [number for first in range(STRIDE) for number in numbers[first::STRIDE]]


def parts_of(session: Session, noise: SimulatedRates) -> list[tuple[int, str, Callable]]:
    """List every part in order: neuron, name, and what makes it."""
    order = session.numbers[WATCHED:] + session.numbers[:WATCHED]
    names = [(k, "excitation") for k in session.numbers]
    first = (*CONDITIONS[:3], "transformations")
    names += [(k, name) for k in order[:FEW] for name in first]
    names += [(k, "noisy") for k in NOISY if k in order]
    names += [(k, "noisy twin") for k in TWIN_NOISY if k in order]
    names += [(k, name) for k in order[FEW:MORE] for name in CONDITIONS[:2]]
    names += [(k, "pixels") for k in order[MORE:]]
    names += [(k, "transformations") for k in order[FEW:]]
    names += [(k, "silencing") for k in spread(order)]
    names += [(k, name) for k in spread(order[FEW:]) for name in ("deep", "fixed contrast")]
    other = {
        "excitation": Neuron.excitation,
        "noisy": lambda neuron: neuron.noisy(noise),
        "noisy twin": lambda neuron: neuron.noisy_twin(noise),
        "transformations": Neuron.transformations,
    }
    return [
        (k, name, other.get(name) or (lambda n, name=name: n.search(name)))
        for k, name in dict.fromkeys(names)
    ]


def figures_of(session: Session, trials: RecordedResponses, noise: SimulatedRates) -> dict:
    """Collect what is there, as `neurons.json` has it."""
    rows: dict[str, list[dict[str, Any]]] = {}
    for number, name, _ in parts_of(session, noise):
        path = session.out / f"neuron{number}" / f"{name.replace(' ', '_')}.json"
        if path.exists():
            rows.setdefault(name, []).append(json.loads(path.read_text()))
    for own in rows.values():
        own.sort(key=lambda row: row["neuron"])
    invariant = [name for name in ("pixels", "fixed contrast") if name in rows]
    watched = set(session.numbers[:WATCHED])
    groups = {"all": set(), "not watched": watched}
    kept = {
        group: {name: [r for r in own if r["neuron"] not in without] for name, own in rows.items()}
        for group, without in groups.items()
    }
    return {
        "session": session.name,
        "trials": trials.name.rpartition("_")[2],
        "neurons": len(session.numbers),
        "watched": sorted(watched),
        "photos": len(session.photos),
        "importer": importer_errors(session, trials),
        "levels": session.usual_levels(),
        "mei_search": {"strategy": MEI.strategy, "images": MEI.population * MEI.generations},
        "search": {"strategy": FAR.strategy, "images": FAR.population * FAR.generations},
        "silencing_search": {
            "strategy": NEAR.strategy,
            "images": NEAR.population * NEAR.generations,
        },
        "noise": {k: getattr(noise, k) for k in ("peak", "spontaneous", "fano", "correlation")},
        "rows": rows,
        "excitation": {group: excitation_counts(own["excitation"]) for group, own in kept.items()},
        "intervals": {
            group: {name: distance_intervals(own[name]) for name in invariant if own[name]}
            for group, own in kept.items()
        },
    }


def main() -> None:
    """Make what is missing, then the json, the page and the galleries."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seconds", type=float, default=np.inf)
    parser.add_argument("--session", default="190923")
    parser.add_argument("--trials", default=TRIALS)
    asked = parser.parse_args()
    session = Session(Path(os.environ["INVARISCOPE_V4"]), asked.session, asked.out)
    trials, began = single_trials(session, asked.trials), time.monotonic()
    noise = SimulatedRates.like(measured_variability(trials))
    for number, name, make in parts_of(session, noise):
        if time.monotonic() - began > asked.seconds:
            break
        if (session.out / f"neuron{number}" / f"{name.replace(' ', '_')}.json").exists():
            continue
        neuron = Neuron(session, number)
        found = neuron.part(name, lambda make=make, neuron=neuron: make(neuron))
        spent = time.monotonic() - began
        print(f"{spent:6.0f} s  neuron {number}, {name}: {found}"[:200], flush=True)
    figures = figures_of(session, trials, noise)
    target = ROOT / "benchmarks" / "neurons.json"
    target.write_text(json.dumps(figures, indent=1) + "\n")
    neurons_page.write(figures, session.out)


if __name__ == "__main__":
    main()
