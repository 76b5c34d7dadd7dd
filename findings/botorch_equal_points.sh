#!/usr/bin/env bash
# botorch 0.18.1: of equal points is_non_dominated calls one non-dominated and the others dominated.

# Guess: neither of two equal points dominates the other, so both are on the front (pymoo says so).
# Seen: by default only the first copy is True; `deduplicate=False` gives both. A mask used to count
# how often the front was met counts a copy as a loser.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/python -m pip install --quiet botorch==0.18.1 torch==2.11.0 pymoo==0.6.2 numpy==2.4.6
env/bin/python -W ignore - <<'PYTHON'
from importlib.metadata import version

import numpy as np
import torch
from botorch.utils.multi_objective.pareto import is_non_dominated
from pymoo.util.nds.non_dominated_sorting import NonDominatedSorting

print("botorch", version("botorch"), "pymoo", version("pymoo"))
points = torch.tensor([[1.0, 1.0], [1.0, 1.0], [0.0, 2.0]])
default = is_non_dominated(points).tolist()
every = is_non_dominated(points, deduplicate=False).tolist()
front = sorted(int(i) for i in NonDominatedSorting().do(-points.numpy(), only_non_dominated_front=True))
print("botorch:", default, "without deduplication:", every, "pymoo's front:", front)
assert default == [True, False, True], "equal points are treated otherwise now"
assert every == [True, True, True] and front == [0, 1, 2]
PYTHON
