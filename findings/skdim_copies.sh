#!/usr/bin/env bash
# scikit-dimension 0.5.0: a tenth of copied rows makes the maximum-likelihood dimension 0.

# Guess: copies change an estimate a little, as they change a mean.
# Seen: 300 points of a 5-dimensional normal give 4.8; with 30 of them copied, MLE().dimension_ is 0.0
# (a logarithm of a zero distance), while the correlation integral stays at 4.1. No warning.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/python -m pip install --quiet scikit-dimension==0.5.0 numpy==2.4.6
env/bin/python -W ignore - <<'PYTHON'
from importlib.metadata import version

import numpy as np
import skdim

print("scikit-dimension", version("scikit-dimension"))
points = np.random.default_rng(0).normal(size=(300, 5))
copied = np.concatenate([points, points[:30]])
found = {
    name: [round(float(kind().fit(rows).dimension_), 2) for rows in (points, copied)]
    for name, kind in {"MLE": skdim.id.MLE, "CorrInt": skdim.id.CorrInt}.items()
}
print("dimension without and with 30 copies:", found)
assert found["MLE"][0] > 4 and found["MLE"][1] == 0.0, "copies are treated otherwise now"
assert abs(found["CorrInt"][1] - found["CorrInt"][0]) < 0.5
PYTHON
