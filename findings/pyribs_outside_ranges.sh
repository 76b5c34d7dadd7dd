#!/usr/bin/env bash
# pyribs 0.12.0: a solution whose measures lie outside an archive's ranges is put into the edge cell.

# Guess: it is refused, or not added, since no cell of the grid holds it.
# Seen: GridArchive.add reports it as new, and the archive keeps the true measures in a cell at the
# edge. What is far outside thus competes with, and can displace, what belongs there; coverage counts
# it. No warning.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/python -m pip install --quiet ribs==0.12.0 numpy==2.4.6
env/bin/python -W ignore - <<'PYTHON'
from importlib.metadata import version

import numpy as np
from ribs.archives import GridArchive

print("ribs", version("ribs"))
archive = GridArchive(solution_dim=1, dims=[4, 4], ranges=[(0, 1), (0, 1)])
archive.add([[1.0]], [1.0], [[0.99, 0.5]])
status = archive.add([[2.0]], [2.0], [[500.0, 0.5]])["status"]
kept = archive.data(["solution", "measures"])
print("status", status, "kept", kept, "coverage", archive.stats.coverage)
assert status[0] == 1, "the far one no longer displaces the near one"
assert np.allclose(kept["measures"], [[500.0, 0.5]])
PYTHON
