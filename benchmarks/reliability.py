"""What was tried to make invariscope wrong, and what came of it: docs/reliability.md's table.

Runs the tests that are marked `reliability(kind, outcome)`, heavy ones too, and the quick tests of
the files named in `FILES`, and counts their cases. It writes reliability.json and the table:

    python benchmarks/reliability.py [--quick] [--processes N]

With --quick the heavy ones are left out, and the figures say so. Each file is run in a process of
its own, N of them at a time.
"""

import argparse
import json
import multiprocessing
import sys
from collections import Counter
from collections.abc import Generator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "reliability.md"
FIGURES = ROOT / "benchmarks" / "reliability.json"
MARK = "<!-- benchmarks/reliability.json -->\n"
RIGHT, REFUSED = "right", "refused"
MARKED = [
    "tests/cli/test_bad_inputs.py",
    "tests/cli/test_mutated_tables.py",
    "tests/report/test_report.py",
    "tests/store/test_checked_folders.py",
    "tests/subjects/test_other_networks.py",
    "tests/subjects/test_printed_kinds.py",
    "tests/subjects/test_published_settings.py",
]
LONGEST = ("tests/study/test_damage.py", "tests/cli/test_bad_inputs.py")  # begun first
# What a test of a file shows where it says nothing else: the value is right, or it is refused.
FILES = {
    "places in memory and in a batch": {
        RIGHT: [
            "tests/search/test_places.py",
            "tests/search/test_reductions.py",
            "tests/experiments/test_batch_place.py",
        ]
    },
    "another network's finished runs": {
        REFUSED: [
            "tests/study/test_finished_by_another.py",
            "tests/experiments/test_another_network.py",
        ]
    },
    "answers that are no function of the image": {REFUSED: ["tests/subjects/test_trust.py"]},
    "network and generator of other sizes": {RIGHT: ["tests/subjects/test_pixels.py"]},
    "preprocessing of published networks": {
        RIGHT: ["tests/subjects/test_library_preprocessing.py"]
    },
    "units that are dead, constant, saturated, never positive": {
        RIGHT: ["tests/subjects/test_kinds.py"]
    },
    "photos and their folders": {RIGHT: ["tests/photos"]},
    "lists of faces, names of classes": {
        RIGHT: ["tests/categories/test_facescrub.py", "tests/invariance/test_classes.py"]
    },
    "files and folders of a rig, names of its units": {
        REFUSED: ["tests/rig/test_rig_faults.py", "tests/rig/test_names.py"]
    },
    "interrupted stores": {RIGHT: ["tests/store/test_faults.py"]},
    "damaged files": {REFUSED: ["tests/study/test_damage.py"]},
    "files that are not ours to overwrite": {REFUSED: ["tests/store/test_own_files.py"]},
    "packed studies": {REFUSED: ["tests/study/test_pack.py"]},
}


class Counted:
    """A pytest plugin that keeps the tests of a kind and counts what came of their cases."""

    def __init__(self, *, quick: bool) -> None:
        self.quick = quick
        self.kinds: dict[str, Counter] = {}
        self.of: dict[str, tuple[str, ...]] = {}
        self.failed: list[str] = []

    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> None:
        left_out = []
        for item in list(items):
            found = self.kind_of(item)
            if found is None:
                items.remove(item)
                left_out.append(item)
            else:
                self.of[item.nodeid] = found
        config.hook.pytest_deselected(items=left_out)

    def kind_of(self, item: pytest.Item) -> tuple[str, ...] | None:
        """Kind and outcome of a test; None for one that is not counted."""
        mark = item.get_closest_marker("reliability")
        if mark and not (self.quick and item.get_closest_marker("statistical")):
            return mark.args
        if any(item.get_closest_marker(name) for name in ("statistical", "browser", "cluster")):
            return None
        for kind, outcomes in FILES.items():
            for outcome, prefixes in outcomes.items():
                if any(item.nodeid.startswith(prefix) for prefix in prefixes):
                    return kind, outcome
        return None

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A test that cannot begin shows nothing, so it counts as wrong."""
        if report.when == "setup" and report.failed:
            self.kinds.setdefault(self.of[report.nodeid][0], Counter())["wrong"] += 1
            self.failed.append(report.nodeid)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """A test that tries many inputs counts them itself, in its module's `OUTCOMES`."""
        kind, outcome = self.of[item.nodeid]
        own = getattr(item.module, "OUTCOMES", Counter())
        own.clear()
        counts = self.kinds.setdefault(kind, Counter())
        counts["tests"] += 1
        try:
            result = yield
        except pytest.skip.Exception:
            counts["tests"] -= 1
            raise
        except BaseException:
            counts["wrong"] += 1
            self.failed.append(item.nodeid)
            raise
        counts.update(own or {outcome: 1})
        return result


def count(place: str, *, quick: bool) -> tuple[dict[str, Counter], list[str]]:
    """The cases of a file or folder of tests by their kind, and the tests that failed."""
    plugin = Counted(quick=quick)
    words = ["-q", "-p", "no:cacheprovider", "-o", "addopts=", f"--rootdir={ROOT}"]
    code = pytest.main([*words, str(ROOT / place)], plugins=[plugin])
    if code not in (0, 1, 5):
        plugin.failed.append(f"{place} (pytest ends with {code})")
        plugin.kinds.setdefault("files that cannot be run", Counter())["wrong"] += 1
    return plugin.kinds, plugin.failed


def measure(*, quick: bool, processes: int = 1) -> list[dict]:
    """Each kind's tests and cases, in the order of `FILES`, marked ones behind."""
    places = [*MARKED, *(p for o in FILES.values() for paths in o.values() for p in paths)]
    missing = [place for place in places if not (ROOT / place.split("::")[0]).exists()]
    if missing:
        raise SystemExit(f"no {', '.join(missing)}: mend FILES in {Path(__file__).name}")
    kinds: dict[str, Counter] = {}
    places = sorted(dict.fromkeys(places), key=lambda place: place not in LONGEST)
    spawned = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=spawned, max_tasks_per_child=1) as pool:
        for found, failed in pool.map(partial(count, quick=quick), places):
            for kind, counts in found.items():
                kinds.setdefault(kind, Counter()).update(counts)
            for name in failed:
                print("wrong:", name)
    rows = []
    for kind in [*FILES, *sorted(kind for kind in kinds if kind not in FILES)]:
        counts = kinds.get(kind, Counter())
        found = {key: counts[key] for key in ("wrong", REFUSED, RIGHT)}
        rows.append({"kind": kind, "tests": counts["tests"], "tried": sum(found.values()), **found})
    return rows


def as_markdown(rows: list[dict]) -> str:
    """The table of the page."""
    lines = [
        "| kind | tests | cases tried | wrong | refused | right |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for row in rows:
        numbers = (f"{row[key]:,}" for key in ("tests", "tried", "wrong", "refused", "right"))
        lines.append(f"| {row['kind']} | {' | '.join(numbers)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Count, and write figures and table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--processes", type=int, default=1)
    asked = parser.parse_args()
    quick = asked.quick
    rows = measure(quick=quick, processes=asked.processes)
    FIGURES.write_text(json.dumps({"quick": quick, "kinds": rows}, indent=1) + "\n")
    head, tail = PAGE.read_text().split(MARK, 1)
    PAGE.write_text(
        head + MARK + as_markdown(rows) + "<!-- end -->" + tail.split("<!-- end -->", 1)[1]
    )
    sys.exit(any(row["wrong"] for row in rows))


if __name__ == "__main__":
    main()
