#!/usr/bin/env bash
# pynwb 4.2.0, hdmf 6.2.0: the first value of a trial column decides the type of all: 2.75 is written as 2.

# Guess: a column that is given 1, 2 and 2.75 is written as 1.0, 2.0 and 2.75.
# Seen: in memory it holds 2.75; the file holds the whole numbers 1, 2, 2. No warning. With 1.0 first
# the same values are kept. A NaN behind a whole number is refused.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/python -m pip install --quiet pynwb==4.2.0 hdmf==6.2.0 numpy==2.4.6
env/bin/python -W error::UserWarning - <<'PYTHON'
from datetime import datetime, timezone
from importlib.metadata import version

from pynwb import NWBHDF5IO, NWBFile

print("pynwb", version("pynwb"), "hdmf", version("hdmf"))


def written(values):
    file = NWBFile("a session", "id", datetime(2026, 1, 1, tzinfo=timezone.utc))
    file.add_trial_column("latency", "in ms")
    for i, value in enumerate(values):
        file.add_trial(start_time=float(i), stop_time=i + 0.5, latency=value)
    assert list(file.trials["latency"].data) == values
    with NWBHDF5IO("a.nwb", "w") as io:
        io.write(file)
    with NWBHDF5IO("a.nwb", "r") as io:
        return io.read().trials["latency"][:].tolist()


whole_first, float_first = written([1, 2, 2.75]), written([1.0, 2, 2.75])
print("1, 2, 2.75 is read back as", whole_first)
print("1.0, 2, 2.75 is read back as", float_first)
assert whole_first == [1, 2, 2], "all values decide now"
assert float_first == [1.0, 2.0, 2.75]
PYTHON
