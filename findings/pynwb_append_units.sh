#!/usr/bin/env bash
# pynwb 4.2.0: a file that is opened again takes another unit only up to 255 spikes in all.

# Guess: a file that is opened with mode "r+" takes another unit, as it does before it is written.
# Seen: it does while all units together have at most 255 spikes; beyond, adding a unit is refused with
# "cannot adjust precision", whatever width the file's index has.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/python -m pip install --quiet pynwb==4.2.0 hdmf==6.2.0 numpy==2.4.6
env/bin/python - <<'PYTHON'
from datetime import datetime, timezone
from importlib.metadata import version

import numpy as np
from pynwb import NWBHDF5IO, NWBFile

print("pynwb", version("pynwb"))


def grow(first, second):
    """Write a unit, open the file again and add one; what came of it."""
    file = NWBFile("a session", "id", datetime(2026, 1, 1, tzinfo=timezone.utc))
    file.add_unit(spike_times=np.arange(float(first)))
    with NWBHDF5IO("a.nwb", "w") as io:
        io.write(file)
    with NWBHDF5IO("a.nwb", "r+") as io:
        again = io.read()
        try:
            again.add_unit(spike_times=np.arange(float(second)))
        except ValueError as error:
            return f"refused: {error}"
        io.write(again)
    return "grown"


few, more, many = grow(10, 20), grow(10, 400), grow(300, 10)
print("10 spikes, then 20:", few)
print("10 spikes, then 400:", more)
print("300 spikes, then 10:", many)
assert few == "grown"
assert more.startswith("refused") and many.startswith("refused"), "tables grow now"
PYTHON
