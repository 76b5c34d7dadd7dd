"""What the engine is held to, beside what was measured."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from invariscope.markup import markdown_table

PARTS = ("strategy", "generator", "subject", "objectives", "ranking", "archive", "store", "rest")
LOOP = ("strategy", "ranking", "archive", "store", "rest")
FLAT = 1.1  # a tenth more counts as flat: two measurements of one thing differ by that


@dataclass(frozen=True)
class PerformanceTarget:
    """One figure and its bound; `at_least` or the most."""

    name: str
    measured: float
    limit: float
    at_least: bool
    unit: str = ""

    @property
    def met(self) -> bool:
        """Whether the figure keeps to its bound."""
        return self.measured >= self.limit if self.at_least else self.measured <= self.limit


def loop_share(split: Mapping[str, float]) -> float:
    """The share, in percent, of a generation outside networks and objectives."""
    return 100 * sum(split.get(part, 0.0) for part in LOOP) / sum(split.values())


def _of_paper(paper: Mapping[str, Any], machine: Mapping[str, Any]) -> Iterator[PerformanceTarget]:
    ours, dims = paper["ours"], f"n = {paper['code_dim']}"
    if machine["device"] == "cpu":
        least = 5.0 if machine["compiler"] else 4.0
        name = f"paper: images/s over the baseline's ({machine['cores']} cores; stated for 2)"
        yield PerformanceTarget(name, paper["ratio"], least, at_least=True, unit="×")
    else:
        name = "paper: images/s over the baseline's on this machine"
        yield PerformanceTarget(name, paper["ratio"], 100.0, at_least=True, unit="×")
        seconds = 25_000 / ours["images_per_second"]
        yield PerformanceTarget(
            "paper: a 25,000-image run (stated for an H200)", seconds, 2.5, at_least=False, unit="s"
        )
    share = loop_share(ours["split_ms"])
    yield PerformanceTarget(
        f"strategy + ranking + store of a generation, {dims}", share, 3.0, at_least=False, unit="%"
    )
    state = ours["state_bytes_a_run"] / 1e6
    yield PerformanceTarget(
        f"state a run without the archive, {dims}", state, 2.0, at_least=False, unit="MB"
    )


def targets(figures: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Each target that the figures speak to, with what was measured and whether it is met."""
    found: list[PerformanceTarget] = []
    if "paper" in figures["cases"]:
        found += _of_paper(figures["cases"]["paper"], figures["machine"])
    if rows := figures.get("sweep", {}).get("runs"):
        rise = max(row["ms_a_run"] for row in rows[1:]) / rows[0]["ms_a_run"] if rows[1:] else 1.0
        name = f"cost a run, {rows[0]['runs']} to {rows[-1]['runs']} runs: largest over the first"
        found.append(PerformanceTarget(name, rise, FLAT, at_least=False, unit="×"))
    return [{**asdict(target), "met": target.met} for target in found]


def as_markdown(figures: Mapping[str, Any]) -> str:
    """The cases side by side, then the targets: the two tables of `benchmarks/README.md`."""
    cases = figures["cases"]
    heads = [f"{name}, {side}" for name in cases for side in ("original's way", "ours")]
    measured = [[label, *cells] for label, cells in _rows(cases)]
    lines = []
    for row in figures["targets"]:
        bound = f"{'≥' if row['at_least'] else '≤'} {row['limit']:g} {row['unit']}"
        met = "yes" if row["met"] else "**no**"
        lines.append([row["name"], f"{row['measured']:.3g} {row['unit']}", bound, met])
    first = markdown_table(["", *heads], measured, ("---", "---:"))
    titles = ["target", "measured", "bound", "met"]
    second = markdown_table(titles, lines, ("---", "---:", "---:", "---"))
    return f"{first}\n\n{second}\n"


def _rows(cases: Mapping[str, Any]) -> Iterator[tuple[str, list[str]]]:
    """Each row of the cases' table: its name, and for each case both sides' figures."""
    sides = [(case, case[side]) for case in cases.values() for side in ("baseline", "ours")]
    yield "images/s", [f"{side['images_per_second']:.1f}" for _, side in sides]
    for part in PARTS:
        yield f"ms of 50 images: {part}", [ms_of_50(case, side, part) for case, side in sides]
    yield "peak MB, process", [f"{side['peak']['process_mb']:.0f}" for _, side in sides]
    sizes = [f"{side['checkpoint_bytes_a_run'] / 1e6:.2f}" for _, side in sides]
    yield "checkpoint MB a run", sizes


def ms_of_50(case: Mapping[str, Any], side: Mapping[str, Any], part: str) -> str:
    """What a part of a generation takes of one side, for 50 images; a dash where it has none."""
    if part not in side["split_ms"]:
        return "–"
    images = case["population"] * (1 if side is case["baseline"] else case["runs"])
    return f"{side['split_ms'][part] * 50 / images:.1f}"
