"""What a twin gains on a rig from the images of the search for its reference.

    python benchmarks/rig_teaching.py --out FOLDER

A simulated brain: the most exciting image is searched for, then images far from it, once taught
and once not, in one session. What was shown is scored without noise. Resumable;
`rig_teaching.json` and the table in `docs/rig.md` are written at the end.
"""

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench.frugality import NoiselessScores, hypervolume
from bench.machine import describe, write_figures
from first_run import fill
from invariscope import seeds
from invariscope.experiments.evaluator import Evaluator
from invariscope.experiments.plan import SearchOptions, plan
from invariscope.experiments.reference import Reference
from invariscope.generators import Generator, load_generator
from invariscope.markup import markdown_table
from invariscope.rig.file import SessionFile
from invariscope.rig.session import RigSession
from invariscope.rig.simulate import DirectLink, SimulatedBrain, SimulatedRates
from invariscope.store.record import RunRecord
from invariscope.subjects import Subject, load_subject

SUBJECT, GENERATOR = "embedded:robust", "embedded"
UNITS = ["fc:0", "layer3.0.conv1:10", "fc:2", "layer3.1.conv1:40"]
PEAK, BATCH, PHOTOS = 50.0, 50, 40
MEI_GENERATIONS, GENERATIONS, REPEATS = 10, 6, 2
KINDS = ("taught", "untaught")


def asked(unit: str) -> SessionFile:
    search = {
        "targets": ["unit"],
        "strategy": "twin:embedded:plain-robust",
        "population": BATCH,
        "repeats": REPEATS,
        "mei_generations": MEI_GENERATIONS,
        "generations": GENERATIONS,
        "stop": False,
    }
    rig = {"name": f"teaching {unit}", "units": ["unit"]}
    return SessionFile.model_validate({"rig": rig, "range": {"photos": ""}, "search": search})


def measure(subject: Subject, generator: Generator, unit: str, out: Path) -> dict[str, Any]:
    """Run one session with both searches, and score each without noise."""
    brain = SimulatedBrain(subject, [unit], ("unit",), cortex=SimulatedRates(peak=PEAK), seed=0)
    session = RigSession(asked(unit), out / "session", DirectLink(brain), generator=generator)
    codes = seeds.normal([("range", unit)], (PHOTOS, generator.code_dim))[0]
    block_plan = session.block_plan(0, session.measure_range(generator.generate(codes)))
    reference = session.reference(0, session.presenter.measured("range"), block_plan)
    found: dict[str, Any] = {"unit": unit}
    for kind in KINDS:
        # A reference whose search is not told teaches nothing.
        own = reference if kind == "taught" else replace(reference, recipe={"kind": "mei"})
        began = time.process_time()
        record = session.search(0, own, 0, block_plan)
        seconds = (time.process_time() - began) / GENERATIONS
        assert ("taught" in record.settings.strategy) == (kind == "taught")
        found[kind] = figures(session, record, reference, subject, unit)
        found[kind]["processor_seconds_a_batch"] = round(seconds, 1)
    session.close()
    return found


def figures(
    session: RigSession, record: RunRecord, reference: Reference, subject: Subject, unit: str
) -> dict[str, Any]:
    """The area of what was shown after each generation, and of the front that the run reports."""
    options = SearchOptions(precision="float32")
    plain = Reference(reference.image, reference.code)
    words = {"task": "invariance", "reference": plain, "options": options}
    (planned,) = plan(subject, session.generator, unit, **words)
    exact = NoiselessScores(Evaluator(subject, session.generator, options, BATCH), planned)
    keys = [f"{record.name[:12]}/{g:04d}" for g in range(1, GENERATIONS + 1)]
    shown = [session.presenter.codes(key) for key in keys]
    areas = [hypervolume(exact.points(torch.cat(shown[: g + 1]))) for g in range(GENERATIONS)]
    front = hypervolume(exact.points(record.tensors["codes"]))
    return {"shown": [round(a, 4) for a in areas], "reported": round(front, 4)}


def as_markdown(rows: list[dict[str, Any]]) -> str:
    lines = [
        [f"`{row['unit']}`", kind, *row[kind]["shown"], row[kind]["reported"]]
        for row in rows
        for kind in KINDS
    ]
    for kind in KINDS:
        own = [line[2:] for line in lines if line[1] == kind]
        lines.append(["mean", kind, *np.mean(own, 0)])
    cells = [[*line[:2], *(f"{area:.2f}" for area in line[2:])] for line in lines]
    heads = ["unit", "search", *(f"{BATCH * (g + 1)} images" for g in range(GENERATIONS))]
    return markdown_table([*heads, "reported front"], cells) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    out = parser.parse_args().out
    subject, generator = load_subject(SUBJECT), load_generator(GENERATOR)
    rows = []
    for unit in UNITS:
        path = out / unit.replace(":", ".") / "result.json"
        if not path.exists():
            write_figures(path, measure(subject, generator, unit, path.parent))
        rows.append(json.loads(path.read_text()))
    about = {"subject": SUBJECT, "generator": GENERATOR, "peak": PEAK, "repeats": REPEATS}
    about |= {
        "mei_generations": MEI_GENERATIONS,
        "batch": BATCH,
        "machine": describe(generator.device),
    }
    here = Path(__file__).parent
    write_figures(here / "rig_teaching.json", about | {"rows": rows})
    page = here.parent / "docs" / "rig.md"
    page.write_text(fill(page.read_text(), "benchmarks/rig_teaching.json", as_markdown(rows)))


if __name__ == "__main__":
    main()
