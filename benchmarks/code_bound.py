"""What the bound on the codes of `embedded` costs: distances with it and without (resumable).

    python benchmarks/code_bound.py --out FOLDER

Ten readout units of `embedded:standard` and `embedded:robust`: the most exciting image, invariance
searches at the pixels and at a deep site, a silencing search; 150 generations of 50 each, one seed,
no stopping. Writes `benchmarks/code_bound.json` and its tables in `docs/measured.md`.
"""

import argparse
import json
import math
from pathlib import Path
from typing import Any

import torch

import invariscope as iv
from bench.machine import describe
from first_run import fill
from invariscope.analysis.intervals import ratio_interval
from invariscope.analysis.losses import member_at_loss
from invariscope.generators.embedded import EmbeddedGenerator
from invariscope.markup import markdown_table
from invariscope.memory import keep_freed_memory
from invariscope.store.files import make_folder, replace_file
from invariscope.subjects.pixels import saturation

HERE = Path(__file__).parent
SUBJECTS = ("embedded:robust", "embedded:standard")
UNITS = ("fc:0", "fc:3", "fc:5", "fc:7", "fc:9")
SITES = ("pixels", "layer4.1.conv1")
LOSSES = (10, 25, 50)
ALL = 100  # percent of activity lost
OPTIONS = iv.SearchOptions(generations=150, stop=False)


def generator_of(*, bounded: bool) -> EmbeddedGenerator:
    """Load `embedded`, with its bound or without."""
    generator = iv.load_generator("embedded")
    assert isinstance(generator, EmbeddedGenerator)
    if not bounded:
        generator.longest = None
    return generator


def measure(address: str, unit: str, *, bounded: bool) -> dict[str, Any]:
    """Search for everything that a unit's row needs."""
    subject, generator = iv.load_subject(address), generator_of(bounded=bounded)
    mei = iv.find_mei(subject, generator, unit, options=OPTIONS, progress=False)
    assert mei.activity is not None
    assert mei.code is not None
    found: dict[str, Any] = {
        "subject": address,
        "unit": unit,
        "bounded": bounded,
        "mei": mei.activity,
        "mei_saturation": float(saturation(mei.image[None])),
        "mei_code_norm": float(generator.bounded(mei.code[None]).norm()),
    }
    for site in (*SITES, None):
        task = "invariance" if site else "adversarial"
        front = iv.stretch_and_squeeze(
            subject,
            generator,
            unit,
            task=task,
            stretch=site or "pixels",
            reference=mei,
            options=OPTIONS,
            progress=False,
        ).front
        rows = {loss: member_at_loss(front, mei.activity, loss, task) for loss in (*LOSSES, ALL)}
        found[site or "silencing"] = {
            str(loss): None if row is None else float(front["stretch"].iloc[row])
            for loss, row in rows.items()
        } | {"saturation": float(front["saturation"].median())}
    return found


def ratio(rows: list[dict[str, Any]], site: str, loss: int) -> dict[str, Any]:
    """Distance with the bound over that without it, over units that reach the loss in both."""
    free, held = (
        {(r["subject"], r["unit"]): r for r in rows if r["bounded"] is b} for b in (False, True)
    )
    pairs = [
        (held[key][site][str(loss)], free[key][site][str(loss)])
        for key in held
        if key in free and None not in (held[key][site][str(loss)], free[key][site][str(loss)])
    ]
    if len(pairs) < 2:
        return {"units": len(pairs), "ratio": None}
    mean = ratio_interval(*zip(*pairs, strict=True))
    return {"units": len(pairs), "ratio": [round(float(x), 3) for x in mean]}


def figures(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Medians and ratios of all rows."""
    found: dict[str, Any] = {
        f"{site} {loss}": ratio(rows, site, loss) for site in SITES for loss in LOSSES
    }
    found[f"silencing {ALL}"] = ratio(rows, "silencing", ALL)
    keys = sorted({(r["subject"], r["unit"]) for r in rows})
    own = {(r["subject"], r["unit"], r["bounded"]): r for r in rows}
    pairs = [(own[*k, True]["mei"], own[*k, False]["mei"]) for k in keys if (*k, True) in own
             and (*k, False) in own]  # fmt: skip
    mean = ratio_interval(*zip(*pairs, strict=True))
    found["mei"] = {"units": len(pairs), "ratio": [round(float(x), 3) for x in mean]}
    for name, bounded in (("free", False), ("bounded", True)):
        held = [r for r in rows if r["bounded"] is bounded]
        found[name] = {
            "silenced": sum(r["silencing"][str(ALL)] is not None for r in held),
            "of": len(held),
            "mei_code_norm": _median([r["mei_code_norm"] for r in held]),
            "saturation": {
                "MEIs": _median([r["mei_saturation"] for r in held]),
                **{site: _median([r[site]["saturation"] for r in held]) for site in SITES},
            },
        }
    return found


def _median(values: list[float]) -> float:
    return round(float(torch.tensor(values, dtype=torch.float64).median()), 4)


def as_markdown(found: dict[str, Any]) -> str:
    """Make the table."""
    words = {"mei": "activity of the most exciting image", f"silencing {ALL}": "silencing images"}
    for site in SITES:
        for loss in LOSSES:
            words[f"{site} {loss}"] = f"stretched at `{site}`, at most {loss} % lost"
    lines = [
        [words[name], str(found[name]["units"]), _interval(found[name]["ratio"])] for name in words
    ]
    heads = ["with the bound over without it", "units that have both", "ratio of means, 95 %"]
    text = markdown_table(heads, lines)
    rows = [
        [
            name,
            f"{own['mei_code_norm']:.1f}",
            *(f"{100 * share:.0f} %" for share in own["saturation"].values()),
            f"{own['silenced']} of {own['of']}",
        ]
        for name, own in ((name, found[name]) for name in ("free", "bounded"))
    ]
    heads = ["codes", "code norm of MEIs", "values at 0 or 1: MEIs"]
    heads += [f"accepted, `{site}`" for site in SITES] + ["units silenced (all activity lost)"]
    return text + "\n\n" + markdown_table(heads, rows) + "\n"


def _interval(mean: list[float] | None) -> str:
    if mean is None or any(math.isnan(x) for x in mean):
        return "–"
    return f"{mean[0]:.2f} [{mean[1]:.2f}, {mean[2]:.2f}]"


def main() -> None:
    """Measure what is missing, then write the figures and the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    out = make_folder(parser.parse_args().out)
    torch.set_num_threads(1)
    keep_freed_memory()
    rows = []
    for unit in UNITS:
        for address in SUBJECTS:
            for bounded in (True, False):
                name = f"{address}-{unit}-{'bounded' if bounded else 'free'}".replace(":", ".")
                path = out / f"{name}.json"
                if not path.exists():
                    text = json.dumps(measure(address, unit, bounded=bounded)) + "\n"
                    replace_file(path, lambda part, t=text: part.write_text(t))
                rows.append(json.loads(path.read_text()))
    found = {"machine": describe(torch.device("cpu")), **figures(rows), "rows": rows}
    (HERE / "code_bound.json").write_text(json.dumps(found, indent=1) + "\n")
    page = HERE.parent / "docs" / "measured.md"
    page.write_text(fill(page.read_text(), "benchmarks/code_bound.json", as_markdown(found)))


if __name__ == "__main__":
    main()
