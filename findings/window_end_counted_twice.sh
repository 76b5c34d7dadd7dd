#!/usr/bin/env bash
# neo 0.14.6 and pynwb 4.2.0: spike windows include their end; the same library's signals do not.

# Guess: a window from a to b is half open, as slices are, so that adjoining windows share no spike.
# Seen: SpikeTrain.time_slice(1 s, 3 s) holds a spike at 3 s (AnalogSignal.time_slice of the same
# window ends before the sample at 3 s), and units.get_unit_spike_times(in_interval=(1, 3)) holds it
# too. Counts in adjoining windows add up to more spikes than there are wherever times are rounded
# to samples or milliseconds.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/python -m pip install --quiet neo==0.14.6 pynwb==4.2.0 quantities==0.16.4 numpy==2.4.6
env/bin/python -W ignore - <<'PYTHON'
from datetime import datetime, timezone
from importlib.metadata import version

import neo
import numpy as np
import quantities as pq
from pynwb import NWBFile

print("neo", version("neo"), "pynwb", version("pynwb"))
times = [1.0, 2.0, 3.0]
windows = [(1.0, 2.0), (2.0, 3.0), (3.0, 4.0)]
train = neo.SpikeTrain(times * pq.s, t_start=0 * pq.s, t_stop=4 * pq.s)
signal = neo.AnalogSignal(np.arange(5.0).reshape(-1, 1) * pq.mV, sampling_rate=1 * pq.Hz)
by_neo = [len(train.time_slice(a * pq.s, b * pq.s)) for a, b in windows]
samples = [len(signal.time_slice(a * pq.s, b * pq.s)) for a, b in windows]
file = NWBFile("spikes", "one", datetime(2020, 1, 1, tzinfo=timezone.utc))
file.add_unit(spike_times=times)
by_pynwb = [len(file.units.get_unit_spike_times(0, in_interval=window)) for window in windows]
print("three spikes at", times, "in windows", windows)
print("spikes by neo:", by_neo, "by pynwb:", by_pynwb, "samples by neo:", samples)
assert by_neo == by_pynwb == [2, 2, 1], "windows are half open now"
assert samples == [1, 1, 1]
PYTHON
