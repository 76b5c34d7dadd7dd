#!/usr/bin/env bash
# safetensors 0.8.0: an array that is not contiguous is saved with other numbers.

# Guess: safetensors.numpy.save_file writes what the array holds, or refuses (the torch side does).
# Seen: every second number of 0 ... 9 comes back as 0, 1, 2, 3, 4, and a transposed matrix comes back
# in another order: the bytes from the first one on are written. Shape and type are right. No warning.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/python -m pip install --quiet safetensors==0.8.0 numpy==2.4.6
env/bin/python -W ignore - <<'PYTHON'
from importlib.metadata import version

import numpy as np
from safetensors.numpy import load_file, save_file

print("safetensors", version("safetensors"), "numpy", version("numpy"))
numbers = np.arange(10.0)[::2]
table = np.arange(6.0).reshape(2, 3).T
save_file({"numbers": numbers, "table": table}, "views.safetensors")
read = load_file("views.safetensors")
print("saved", numbers, "read", read["numbers"])
print("saved", table.tolist(), "read", read["table"].tolist())
assert read["numbers"].tolist() == [0.0, 1.0, 2.0, 3.0, 4.0], "views are treated otherwise now"
assert not np.array_equal(read["table"], table)
PYTHON
