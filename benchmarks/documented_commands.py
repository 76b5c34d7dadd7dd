"""Run every command line of README and docs in a fresh clone, long ones with reduced settings.

Clones the repository into a temporary folder, makes the small files that the lines speak of (photos
that the shipped network recognises, a study, a rig's session), and runs line after line there. What
cannot be tried has its reason (`bench/documented.py`). Writes `documented_commands.json` beside
itself (with PAGEs theirs alone are tried, and the others' outcomes stay); ends with 1 if a line
failed. About ten minutes on two cores.

    python benchmarks/documented_commands.py [PAGE…]
"""

import json
import os
import shlex
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import torch

import invariscope as iv
from bench.documented import DocumentedCommand, documented_commands
from bench.practice import SESSION
from invariscope import seeds
from invariscope.experiments.pictures import write_png

ROOT = Path(__file__).resolve().parent.parent
CODES, FEWEST, MOST = 1500, 3, 8  # generated images, and photos of a class
# Reads command lines as JSON, runs each, and answers with exit status and the last line said.
DRIVER = """
import contextlib, io, json, sys, traceback
from invariscope.cli.app import run
for text in sys.stdin:
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            status = run(json.loads(text))
        except SystemExit as end:
            status = end.code or 0
        except BaseException:
            status = 1
            traceback.print_exc()
    words = said.getvalue().strip().splitlines()
    print(json.dumps([status, words[-1] if words else ""]), flush=True)
"""
STUDY = """title = "Small"

[shared]
subjects = ["embedded:standard"]
units = {units}
generations = 3
population = 10
seeds = 2

[conditions.invariance]
stretch = ["pixels", "layer3.0.conv1"]

[conditions.adversarial]
tasks = "adversarial"
"""
CATEGORIES = """title = "Tiny"
network = "small"
counts = [1, 2]
seeds = 1
tau = 0.1
transformations = ["inversion"]

[data]
folder = "../pictures"
side = 16

[recipe]
like = "small"
epochs = 1
"""


def make_photos(work: Path) -> list[str]:
    """Generate images, and sort those that the shipped network is surest of by its answer."""
    subject, generator = iv.load_subject("embedded:standard"), iv.load_generator("embedded")
    codes = seeds.normal([("documented",)], (CODES, generator.code_dim))[0].float()
    images = torch.cat([generator.generate(part) for part in codes.split(100)])
    parts = [subject.respond(part, ["fc"])["fc"] for part in images.split(100)]
    chance = torch.cat(parts).softmax(1)
    answers = chance.argmax(1)
    known = []
    for unit, name in enumerate(subject.classes):
        own = torch.nonzero(answers == unit).flatten()
        own = own[chance[own, unit].argsort(descending=True)][:MOST].tolist()
        if len(own) < FEWEST:
            continue
        known.append(f"fc:{unit}")
        folder = work / "PHOTOS" / name
        folder.mkdir(parents=True)
        for number in own:
            write_png(folder / f"{number}.png", images[number])
    return known


def prepare(work: Path) -> None:
    """Make the files that the lines speak of."""
    units = make_photos(work)
    every = sorted((work / "PHOTOS").glob("*/*.png"))
    (work / "photos").mkdir()
    for number, photo in enumerate(every[:6]):
        (work / "photos" / f"{number}.png").write_bytes(photo.read_bytes())
    for name in ("photo.png", "photo.jpg"):
        (work / name).write_bytes(every[0].read_bytes())
    for kind in ("train", "val"):
        for photo in every:
            place = work / "pictures" / kind / photo.parent.name / photo.name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(photo.read_bytes())
    (work / "small").mkdir()
    (work / "small" / "readout.toml").write_text(STUDY.format(units=json.dumps(units[:4])))
    (work / "small" / "tiny.toml").write_text(CATEGORIES)
    (work / "session.toml").write_text(SESSION)


def filled(line: str, work: Path) -> str:
    """Put in what earlier lines made: a trained network, natural statistics."""
    network = next(iter(sorted((work / "store/categories/tiny/networks").glob("*"))), Path("none"))
    natural = next(iter(sorted(work.glob("runs/*natural*/natural.parquet"))), Path("none"))
    return line.format(network=network, natural=natural)


class Shell:
    """Runs `invariscope` lines one after the other in one process of the clone's package.

    Args:
        work: the folder in which they run.
        clone: the fresh clone.
    """

    def __init__(self, work: Path, clone: Path) -> None:
        self._work = work
        self._environment = {**os.environ, "PYTHONPATH": str(clone / "src")}
        self._process: subprocess.Popen[str] | None = None

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start a process of its own there."""
        return subprocess.Popen(  # noqa: S603
            [sys.executable, *words],
            cwd=self._work,
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def run(self, line: str) -> tuple[int, str]:
        """Run a line; give its exit status and the last line of what it said."""
        if self._process is None or self._process.poll() is not None:
            self._process = self.start("-u", "-c", DRIVER)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(shlex.split(line)[1:]) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        return tuple(json.loads(answer)) if answer else (1, "the process ended")

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait()


def beside(one: DocumentedCommand, lines: list[DocumentedCommand]) -> str:
    """Give the line that must run beside another: a rig's brain beside its session."""
    if not one.text.startswith("invariscope rig serve"):
        return ""
    own = [x.tried for x in lines if x.text.startswith("invariscope rig simulate")]
    return f"{own[0]} --idle 60" if own else ""


def try_line(
    one: DocumentedCommand, lines: list[DocumentedCommand], work: Path, shell: Shell
) -> dict:
    """Run a line, and what it needs beside it."""
    line, other = filled(one.tried, work), beside(one, lines)
    helper = None
    if other:
        program = "from invariscope.cli import main; main()"
        helper = shell.start("-c", program, *shlex.split(other)[1:])
    status, said = shell.run(line)
    if helper:
        helper.terminate()
        helper.wait()
    outcome = "ran" if status == 0 else "failed"
    return {"tried": line, "outcome": outcome} | ({} if status == 0 else {"said": said})


def main(pages: list[str]) -> int:
    """Try every line, tell each, and keep the outcome."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        clone, work = Path(folder) / "invariscope", Path(folder) / "work"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)  # noqa: S603, S607
        work.mkdir()
        prepare(work)
        shell = Shell(work, clone)
        lines = documented_commands(clone)
        for one in lines:
            if pages and one.page not in pages:
                continue
            row = {"page": one.page, "line": one.text}
            if one.reason:
                row |= {"outcome": "not tried", "reason": one.reason}
            elif "rig simulate" in one.text:
                row |= {"outcome": "ran", "tried": "beside the session"}
            else:
                row |= try_line(one, lines, work, shell)
            said = row.get("reason") or row.get("said") or ""
            print(f"{row['outcome']:9} {one.page}: {one.text}  {said}", flush=True)
            rows.append(row)
        shell.close()
    return keep(rows, work)


def keep(rows: list[dict], work: Path) -> int:
    """Write the outcomes, of pages that were not tried those of before; give the exit status."""
    path = ROOT / "benchmarks" / "documented_commands.json"
    tried = {row["page"] for row in rows}
    before = json.loads(path.read_text())["lines"] if path.exists() else []
    rows = [*rows, *(row for row in before if row["page"] not in tried)]
    rows.sort(key=lambda row: row["page"])
    counted = Counter(row["outcome"] for row in rows)
    print(dict(counted))
    text = json.dumps({"outcomes": counted, "lines": rows}, indent=1, ensure_ascii=False)
    path.write_text(text.replace(f"{work}/", "") + "\n")
    return int(counted["failed"] > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
