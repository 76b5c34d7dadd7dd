"""Run the study of Figs 2–3 at embedded size with one command, killed and resumed on the way.

Starts `invariscope study run FILE --out STORE`, kills it (SIGKILL) when thirds of its runs are
done, starts the same command again each time, and states the figures from the study's table
alone. Writes `benchmarks/readout_study.json` and `.md`.

    python benchmarks/readout_study.py STORE [FILE [KILLS]]
"""

import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from invariscope import __version__, load_study
from invariscope.study.index import FILE as INDEX

ROOT = Path(__file__).resolve().parent.parent
STUDY = ROOT / "configs" / "embedded" / "readout.toml"
MOST_MINUTES = 90


def command(file: Path, store: Path) -> subprocess.Popen:
    words = ["study", "run", str(file), "--out", str(store)]
    program = "from invariscope.cli import main; main()"
    return subprocess.Popen([sys.executable, "-c", program, *words])  # noqa: S603


def done(store: Path) -> int:
    """Lines of the index: runs that have ended."""
    path = store / "runs" / INDEX
    return path.read_bytes().count(b"\n") if path.exists() else 0


def run_and_kill(file: Path, store: Path, kills: int) -> dict[str, Any]:
    """Work on the study to its end, and kill it so many times on the way."""
    began, killed = time.monotonic(), []
    while True:
        process = command(file, store)
        while process.poll() is None:
            time.sleep(0.5)
            wanted = store / "studies" / file.stem / "runs.jsonl"
            whole = wanted.read_bytes().count(b"\n") if wanted.exists() else None
            if (
                whole
                and len(killed) < kills
                and done(store) >= whole * (len(killed) + 1) / (kills + 1)
            ):
                process.kill()
                process.wait()
                killed.append({"runs_done": done(store), "of": whole})
                break
        else:
            seconds = time.monotonic() - began
            return {"exit_code": process.returncode, "seconds": round(seconds, 1), "kills": killed}


def over_units(table: pd.DataFrame, column: str) -> dict[str, float]:
    """Mean and SD over units, of each unit's mean over its runs (PAPERS §1, row 1)."""
    means = table.groupby(["subject", "unit"])[column].mean().dropna()
    return {"mean": round(float(means.mean()), 2), "sd": round(float(means.std()), 2)}


def figures_of(store: Path, name: str) -> dict[str, Any]:
    """What the study found, from its table and the table of affine copies."""
    study = load_study(store / "studies" / name)
    table = study.table()
    searches = table[table["task"] != "excitation"]
    keys = ["subject", "task", "site"]
    conditions = []
    for key, runs in searches.groupby(keys, sort=False):
        in_float32 = (runs["precision"] == "float32") | (runs["bf16_generations"] == 0)
        conditions.append(
            {
                **dict(zip(keys, key, strict=True)),
                "runs": len(runs),
                "stopped": round(float(runs["converged"].mean()), 3),
                "milestone": round(float(runs["milestone"].mean()), 3),
                "in_float32": int(in_float32.sum()),
                "generations": round(float(runs["generations"].mean()), 1),
                "pixel_distance": over_units(runs, "pixel_distance"),
                "reduction": over_units(runs, "reduction"),
            }
        )
    copies = study.affine().groupby(["subject", "kind", "strength"])[["distance", "reduction"]]
    return {
        "runs": len(searches),
        "meis": len(table) - len(searches),
        "images": int(table["images"].sum()),
        "bytes": int(table["bytes"].sum()),
        "bytes_a_run": round(float(searches["bytes"].mean())),
        "context_changes": int(table["context_changes"].sum()),
        "conditions": conditions,
        "affine": copies.mean().round(2).reset_index().to_dict("records"),
    }


def page(figures: dict[str, Any]) -> str:
    """The figures as a table for people."""
    columns = "network, task, stretched at, runs, in float32, goal met, 25 of 50, generations"
    names = [*columns.split(", "), "pixel distance", "activity lost, %"]
    lines = ["| " + " | ".join(names) + " |", "|" + " --- |" * len(names)]
    for row in figures["conditions"]:
        measured = (
            f"{row[key]['mean']:.0f} ± {row[key]['sd']:.0f}"
            for key in ("pixel_distance", "reduction")
        )
        words = [row["subject"], row["task"], row["site"], row["runs"], row["in_float32"]]
        words += [
            f"{row['stopped']:.0%}",
            f"{row['milestone']:.0%}",
            row["generations"],
            *measured,
        ]
        lines.append("| " + " | ".join(map(str, words)) + " |")
    took = figures["run"]
    said = (
        f"{figures['runs']} runs and {figures['meis']} MEIs, {figures['images']:,} images in "
        f"{took['seconds'] / 60:.1f} min ({figures['images_per_second']:.0f} images/s on "
        f"{figures['machine']['cores']} cores), killed and resumed {len(took['kills'])} times."
    )
    return "\n".join([*lines, "", said]) + "\n"


def main(store: Path, file: Path = STUDY, kills: int = 2) -> None:
    run = run_and_kill(file, store, kills)
    if run["exit_code"]:
        sys.exit(run["exit_code"])
    figures = figures_of(store, file.stem) | {
        "run": run,
        "machine": {
            "processor": platform.machine(),
            "cores": os.cpu_count(),
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
            "invariscope": __version__,
        },
    }
    figures["images_per_second"] = round(figures["images"] / run["seconds"], 1)
    figures["within_target"] = run["seconds"] <= MOST_MINUTES * 60
    out = ROOT / "benchmarks" if file == STUDY else store
    (out / "readout_study.json").write_text(json.dumps(figures, indent=1) + "\n")
    (out / "readout_study.md").write_text(page(figures))
    print(page(figures))


if __name__ == "__main__":
    given = sys.argv[1:]
    main(
        Path(given[0]).resolve(),
        Path(given[1]).resolve() if len(given) > 1 else STUDY,
        int(given[2]) if len(given) > 2 else 2,
    )
