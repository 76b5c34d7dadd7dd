#!/usr/bin/env bash
# rsatoolbox 0.3.2: the method "euclidean" is the squared distance divided by the number of channels.

# Guess: calc_rdm(method="euclidean") gives Euclidean distances (5 for 0 and (3, 4)).
# Seen: 6.25 for four channels, which is 25 / 4. Two sites of different size are thus compared on a
# scale that their size has been taken out of, and a ratio of distances is the square of what one
# thinks; rank comparisons do not notice.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/python -m pip install --quiet rsatoolbox==0.3.2 numpy==2.4.6
env/bin/python -W ignore - <<'PYTHON'
from importlib.metadata import version

import numpy as np
from rsatoolbox.data import Dataset
from rsatoolbox.rdm import calc_rdm

print("rsatoolbox", version("rsatoolbox"))
found = {
    channels: float(
        calc_rdm(
            Dataset(np.pad([[0.0, 0.0], [3.0, 4.0]], [(0, 0), (0, channels - 2)])),
            method="euclidean",
        ).dissimilarities[0, 0]
    )
    for channels in (2, 4, 100)
}
print("distance of 0 and (3, 4, 0, ...) by number of channels:", found)
assert found == {2: 12.5, 4: 6.25, 100: 0.25}, "no longer the squared distance over channels"
PYTHON
