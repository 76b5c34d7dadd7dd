"""What adversarial training changes: the table of the embedded pair.

Runs the study `configs/embedded/pair.toml` (what is done is not done again) and writes
`benchmarks/pair.json` and the table, `benchmarks/pair.md`.

    python benchmarks/pair.py STORE [FILE]

FILE is another study file of the same form, such as a smaller one.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

import invariscope as iv
from bench.machine import describe
from bench.matched import matched_affine
from invariscope import seeds
from invariscope.analysis.grouping import Rows, groups_by, rows_where
from invariscope.analysis.intervals import share_interval
from invariscope.markup import markdown_table

ROOT = Path(__file__).resolve().parent.parent
STUDY = ROOT / "configs" / "embedded" / "pair.toml"
DRAWS = 10_000


def median(values: Any, name: str) -> list[float] | None:
    """The median over units, with a 95 % bootstrap interval over units; None without any."""
    own = np.asarray(values, float)
    own = own[np.isfinite(own)]
    if len(own) == 0:
        return None
    stream = seeds.numpy_stream("pair", name)
    drawn = np.median(own[stream.integers(0, len(own), (DRAWS, len(own)))], axis=1)
    ends = np.quantile(drawn, (0.025, 0.975))
    return [round(float(x), 3) for x in (np.median(own), *ends)]


def share(successes: int, of: int) -> dict[str, Any]:
    low, high = share_interval(successes, of)
    return {"count": successes, "of": of, "low": round(low, 3), "high": round(high, 3)}


def by_unit(table: Rows, column: str) -> pd.Series:
    return table.groupby("unit")[column].median()


def figures_of(subject: str, table: Rows, matched: Rows) -> dict[str, Any]:
    """One network's figures; medians are of each unit's median over its runs."""
    invariant = rows_where(table, table["task"] == "invariance")
    recorded = table.dropna(subset=["bf16_generations"])
    silent = rows_where(table, table["task"] == "adversarial")
    units = table.drop_duplicates("unit")
    ratio = (by_unit(silent, "pixel_distance") / by_unit(invariant, "pixel_distance")).dropna()
    lost = by_unit(silent, "reduction")
    both = (lost >= 100) & (ratio.reindex(lost.index) < 0.5)
    far = rows_where(matched, matched["why_not"] == "")
    return {
        "subject": subject,
        "runs": len(table),
        "runs_that_tell_their_precision": len(recorded),
        "of_them_in_float32_alone": int((recorded["bf16_generations"] == 0).sum()),
        "their_generations_in_bf16": round(
            float(recorded["bf16_generations"].sum() / max(1, recorded["generations"].sum())), 3
        ),
        "invariance_goal_met": share(int(invariant["converged"].sum()), len(invariant)),
        "invariance_generations": median(invariant["generations"], "generations"),
        "adversarial_goal_met": share(int(silent["converged"].sum()), len(silent)),
        "mei_above_natural_maximum": share(
            int((units["reference_activity"] > units["natural_maximum"]).sum()), len(units)
        ),
        "invariant_distance": median(by_unit(invariant, "pixel_distance"), "distance"),
        "invariant_reduction": median(by_unit(invariant, "reduction"), "reduction"),
        "affine_distance_at_that_reduction": median(by_unit(matched, "affine"), "affine"),
        "ratio_to_affine": median(by_unit(matched, "ratio"), "ratio"),
        "runs_without_such_a_copy": int((matched["why"] != "").sum()),
        "affine_reduction_at_that_distance": median(
            by_unit(far, "affine_reduction"), "affine_reduction"
        ),
        "runs_without_a_copy_as_far": int((matched["why_not"] != "").sum()),
        "silencing_distance": median(by_unit(silent, "pixel_distance"), "silencing"),
        "silencing_reduction": median(lost, "silencing_reduction"),
        "silenced_nearer_than_half": share(int(both.sum()), len(both)),
        "units": {
            str(unit): {
                "invariance_goal_met": int(own["converged"].sum()),
                "silencing_reduction": round(float(lost[unit]), 1),
            }
            for unit, own in invariant.groupby("unit")
        },
    }


def _range(values: list[float] | None, digits: int = 0) -> str:
    if values is None:
        return "no copy is as far"
    return f"{values[0]:.{digits}f} [{values[1]:.{digits}f}, {values[2]:.{digits}f}]"


def _share(found: dict[str, Any]) -> str:
    return f"{found['count']} of {found['of']}"


ROWS = (
    ("invariance searches at pixels that met their goal", "invariance_goal_met", _share),
    ("units whose MEI beats every photo", "mei_above_natural_maximum", _share),
    ("invariant images: distance", "invariant_distance", _range),
    ("activity they lose, %", "invariant_reduction", _range),
    ("affine copies of that loss: distance", "affine_distance_at_that_reduction", _range),
    ("ratio of the two", "ratio_to_affine", lambda v: _range(v, 2)),
    ("affine copies at that distance: least activity lost, %", "affine_reduction_at_that_distance",
     _range),
    ("silencing searches that met their goal", "adversarial_goal_met", _share),
    ("silencing images: distance", "silencing_distance", _range),
    ("activity they lose, %", "silencing_reduction", _range),
    ("units silenced (≥ 100 %) at under half the distance", "silenced_nearer_than_half", _share),
)  # fmt: skip


def as_markdown(figures: dict[str, Any]) -> str:
    """Make the table of `docs/measured.md`."""
    own = figures["subjects"]
    lines = [[words, *(say(one[key]) for one in own)] for words, key, say in ROWS]
    return markdown_table(["", *(f"`{one['subject']}`" for one in own)], lines) + "\n"


def main(store: Path, file: Path = STUDY) -> None:
    program = "from invariscope.cli import main; main()"
    words = ["study", "run", str(file), "--out", str(store)]
    subprocess.run([sys.executable, "-c", program, *words], check=True)  # noqa: S603
    study = iv.load_study(store / "studies" / file.stem)
    table, affine = study.table(), study.affine()
    table = rows_where(table, table["task"] != "excitation")
    matched = matched_affine(table, affine)
    figures = {
        "command": f"python benchmarks/pair.py STORE {'' if file == STUDY else file.name}".strip(),
        "machine": describe(torch.device("cpu")),
        "generations": int(table["most_generations"].max()),
        "seeds": int(table["seed"].nunique()),
        "images": int(table["images"].sum()),
        "subjects": [
            figures_of(
                key["subject"], own, rows_where(matched, matched["subject"] == key["subject"])
            )
            for key, own in groups_by(table, ["subject"])
        ],
    }
    out = ROOT / "benchmarks" if file == STUDY else store
    (out / "pair.json").write_text(json.dumps(figures, indent=1) + "\n")
    (out / "pair.md").write_text(as_markdown(figures))
    print(as_markdown(figures))


if __name__ == "__main__":
    given = [Path(word).resolve() for word in sys.argv[1:]]
    main(*given)
