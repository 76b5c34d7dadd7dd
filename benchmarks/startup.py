"""Measure the start of the command in processor seconds: `--help`, `units`, `import invariscope`.

Each is the smallest of several runs in a process of its own, of this checkout and of a revision
before it; `import torch` alone stands beside them, since nothing that loads a network can be
quicker. Writes `benchmarks/startup.json`.

    python benchmarks/startup.py [REVISION]
"""

import io
import json
import os
import platform
import resource
import subprocess
import sys
import tarfile
import tempfile
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BEFORE = "a15fb08"  # the last revision that imported everything at its start
RUNS = 5
MAIN = "from invariscope.cli import main; main()"
CASES = {
    "import torch": ["import torch"],
    "import invariscope": ["import invariscope"],
    "invariscope --help": [MAIN, "--help"],
    "invariscope units embedded:standard": [MAIN, "units", "embedded:standard"],
}


def seconds(words: list[str], source: Path) -> float:
    """Processor seconds of a Python process with its children; the first run is not counted."""
    found = []
    env = os.environ | {"PYTHONPATH": str(source), "OMP_NUM_THREADS": "1"}
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    for _ in range(RUNS + 1):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        command = [sys.executable, "-c", *words]
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True, env=env)  # noqa: S603
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        found.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return round(min(found[1:]), 2)


def main() -> None:
    """Measure both revisions and write the figures."""
    revision = sys.argv[1] if len(sys.argv) > 1 else BEFORE
    with tempfile.TemporaryDirectory() as folder:
        packed = subprocess.run(  # noqa: S603
            ["git", "archive", revision, "src"],  # noqa: S607
            check=True,
            capture_output=True,
            cwd=ROOT,
        ).stdout
        with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
            archive.extractall(folder, filter="data")
        sources = {revision: Path(folder) / "src", "now": ROOT / "src"}
        found = {
            name: {which: seconds(words, source) for which, source in sources.items()}
            for name, words in CASES.items()
        }
    figures = {
        "command": f"python benchmarks/startup.py {revision}",
        "unit": f"processor seconds, the smallest of {RUNS} runs",
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        **{name: version(name) for name in ("torch", "cyclopts")},
        "python": platform.python_version(),
        "seconds": found,
    }
    text = json.dumps(figures, indent=1) + "\n"
    (ROOT / "benchmarks" / "startup.json").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
