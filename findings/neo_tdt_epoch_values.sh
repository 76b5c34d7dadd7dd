#!/usr/bin/env bash
# neo 0.14.6: values of TDT epoch events are given as the bits of a double, so 3 is 4613937818241073152.

# Guess: the label of an event in a TDT epoch store is the value that was strobed: 1, 2, 3.
# Seen: TDT keeps the value as a 64-bit float in the index's offset field; neo gives that field as a
# whole number. Codes that name images match nothing. No warning.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/python -m pip install --quiet neo==0.14.6 quantities==0.16.4 numpy==2.4.6
env/bin/python - <<'PYTHON'
import struct
from importlib.metadata import version
from pathlib import Path

import numpy as np
from neo.rawio import TdtRawIO

print("neo", version("neo"))
row = np.dtype(
    "<i4,<i4,S4,<u2,<u2,<f8,<i8,<i4,<f4"  # size, type, store, channel, sort, time, offset, format, rate
)
values = [1.0, 2.0, 3.0]
rows = [(0, 0, b"", 0, 0, 0.0, 0, 0, 0.0), (0, 0x8801, b"\x01", 0, 0, 100.0, 0, 0, 0.0)]
for i, value in enumerate(values):
    bits = struct.unpack("<q", struct.pack("<d", value))[0]
    rows.append((10, 0x101, b"Stim", 0, 0, 101.0 + i, bits, 0, 0.0))
rows.append((0, 0x8802, b"\x02", 0, 0, 110.0, 0, 0, 0.0))
block = Path("tank") / "Block-1"
block.mkdir(parents=True)
stem = block / "tank_Block-1"
np.array(rows, row).tofile(stem.with_suffix(".tsq"))
stem.with_suffix(".tev").write_bytes(bytes(64))
stem.with_suffix(".Tdx").write_bytes(b"")
store = {
    "StoreName": "Stim", "HeadName": "Stim|", "Enabled": 1, "CircType": 0, "NumChan": 1,
    "StrobeMode": 0, "TankEvType": 0x101, "NumPoints": 1, "DataFormat": 0, "SampleFreq": 0.0,
}
text = "".join(f"NAME={key};TYPE=S;VALUE={value};\n" for key, value in store.items())
stem.with_suffix(".Tbk").write_text(text + "[STOREHDRITEM]\n[USERNOTEDELIMITER]\n")

reader = TdtRawIO("tank")
reader.parse_header()
times, _, labels = reader.get_event_timestamps(0, 0, 0)
print("strobed", values, "at", times.tolist(), "s; labels:", labels.tolist())
assert labels.tolist() != ["1", "2", "3"], "values are given as numbers now"
again = [struct.unpack("<d", struct.pack("<q", int(label)))[0] for label in labels]
assert again == values
PYTHON
