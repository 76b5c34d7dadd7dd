#!/usr/bin/env bash
# spikeinterface 0.105.3: read_kilosort(keep_good_only=True) keeps units that a person called noise.

# Guess: a folder that was curated by hand (cluster_group.tsv) is read by the person's labels.
# Seen: the sorter's own label (cluster_KSLabel.tsv) decides: a unit that the person marked as noise
# is among the good ones, and one that the person marked as good is missing. No warning.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/python -m pip install --quiet spikeinterface==0.105.3 pandas==3.1.1 numpy==2.4.6
env/bin/python -W ignore - <<'PYTHON'
from importlib.metadata import version
from pathlib import Path

import numpy as np
from spikeinterface.extractors import read_kilosort

print("spikeinterface", version("spikeinterface"))
folder = Path("sorted")
folder.mkdir()
np.save(folder / "spike_times.npy", np.arange(30, dtype=np.int64) * 100)
np.save(folder / "spike_clusters.npy", np.tile([0, 1, 2], 10).astype(np.int32))
(folder / "params.py").write_text(
    "dat_path = 'raw.bin'\nn_channels_dat = 4\ndtype = 'int16'\noffset = 0\n"
    "sample_rate = 30000.\nhp_filtered = False\n"
)
(folder / "cluster_KSLabel.tsv").write_text("cluster_id\tKSLabel\n0\tgood\n1\tgood\n2\tmua\n")
(folder / "cluster_group.tsv").write_text("cluster_id\tgroup\n0\tgood\n1\tnoise\n2\tgood\n")
kept = [int(unit) for unit in read_kilosort(folder, keep_good_only=True).unit_ids]
print("the person: 0 good, 1 noise, 2 good; kept as good:", kept)
assert kept == [0, 1], "a person's labels decide now"
PYTHON
