"""Write the README's table from the figures that other commands stored.

python benchmarks/readme.py
"""

import json
from pathlib import Path
from typing import Any

from first_run import fill
from invariscope.analysis.intervals import Interval, mean_interval

ROOT = Path(__file__).resolve().parent.parent
MARK = "benchmarks/readme.py"
SIZES = ("embedded", "paper")


def stored(name: str) -> dict[str, Any]:
    """Read the figures of one benchmark."""
    return json.loads((ROOT / f"benchmarks/{name}.json").read_text())


def interval(values: list[float]) -> str:
    """Write a median and its 95 % interval as text."""
    middle, low, high = values
    return f"{middle:.2f} × [{low:.2f}, {high:.2f}]"


def share(found: Interval) -> str:
    """Write a mean share and its 95 % interval in percent."""
    middle, low, high = (100 * end for end in found)
    return f"{middle:.0f} % [{low:.0f}, {high:.0f}]"


def as_markdown() -> str:
    """Make the table: what was measured, the figure, and the conditions."""
    standard, robust = stored("pair")["subjects"]
    generations = stored("pair")["generations"]
    processor, gpu = stored("engine_processor"), stored("engine_gpu")
    paper, theirs = (gpu[f"paper_{way}"]["images_per_second"] for way in ("bf16", "original"))
    times, before = paper / theirs, gpu["earlier"]["paper_bf16_plain"]["ratio"]
    original = [processor[case]["ratios"]["images over original"] for case in SIZES]
    alike = [processor[case]["ratios"]["images over original, malloc"] for case in SIZES]
    noiseless = stored("neurons")["search"]
    reliable = stored("reliability")["kinds"]
    tried, wrong = (sum(kind[word] for kind in reliable) for word in ("tried", "wrong"))
    neurons = [row["rows"] for row in stored("neurons")["rows"]["noisy twin"]]
    shares = {
        name: mean_interval([c["share"] for row in neurons for c in row if c["strategy"] == name])
        for name in ("twin", "isotropic")
    }
    rows = [
        (
            "distance of invariant images over that of affine copies of the same loss",
            (
                f"{interval(standard['ratio_to_affine'])} standard, "
                f"{interval(robust['ratio_to_affine'])} robust"
            ),
            (
                "10 readout units × 5 seeds, `embedded:v1`, pixels, the farthest member that beats "
                "every photo (where none does, the front's knee), all runs, at most "
                f"{generations} generations of 50; median over units, 95 % interval"
            ),
        ),
        (
            "front after 1,000 noisy presentations, of that of a search without noise",
            f"{share(shares['twin'])} by `twin`, {share(shares['isotropic'])} without",
            (
                f"{len(neurons)} networks fitted to V4 neurons (two of them watched while the twin "
                "was built), a recording's noise, 2 repeats, controls and held-back repeats "
                "counted, one seed; mean, 95 % interval over networks; the other search: "
                f"`{noiseless['strategy']}`, {noiseless['images']:,} images"
            ),
        ),
        (
            "images a processor second beside the original code's way",
            f"{original[0]:.1f} × (96 px), {original[1]:.1f} × (the paper's sizes)",
            (
                "one thread of a CPU with bf16, each size side by side in one run of its build; "
                f"{alike[0]:.1f} × and {alike[1]:.1f} × where the original has our malloc setting"
            ),
        ),
        (
            "images a second on one H100, the paper's sizes",
            f"{paper:,.0f}, {times:.0f} × the original code's way",
            (
                f"{gpu['paper_bf16']['runs']} runs together, the same card; {before:.0f} × in an "
                "earlier run, in which the original's way was faster"
            ),
        ),
        (
            "wrong answers without a word",
            f"{wrong} of {tried:,}",
            "cases of what users bring: networks, photos, disks, files, arguments",
        ),
    ]
    lines = ["| | figure | conditions |", "| --- | --- | --- |"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)]) + "\n"


def main() -> None:
    """Put the table into the README."""
    path = ROOT / "README.md"
    path.write_text(fill(path.read_text(), MARK, as_markdown()))


if __name__ == "__main__":
    main()
