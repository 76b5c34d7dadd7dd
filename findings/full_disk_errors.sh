#!/usr/bin/env bash
# safetensors 0.8.0, numpy 2.4.2: two writers on a disk that is full (here: a limit on the size of a file).
#
# Guess: whatever cannot be written raises an OSError that names the reason, so `except
# OSError` looks after a full disk.
# Seen: safetensors raises an error that is no OSError (the
# system's words stand in its text alone, and no file is left); numpy's `save` raises an OSError
# without a number or a reason ("N requested and M written") and leaves a shortened file under the
# name that was asked for. What to do: make the bytes in memory and write them with Python, under
# another name, and rename.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet safetensors==0.8.0 numpy==2.4.2
cd "$folder"
venv/bin/python - <<'PYTHON'
import os
import resource

import numpy
import safetensors
from safetensors.numpy import save_file

print("safetensors", safetensors.__version__, "numpy", numpy.__version__)
values = numpy.arange(100_000.0)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))


def error_of(write):
    try:
        write()
    except Exception as error:
        print(f"{type(error).__name__}: {error}")
        return error
    raise SystemExit("it was written: this changed")


tensors = error_of(lambda: save_file({"a": values}, "a.safetensors"))
array = error_of(lambda: numpy.save("a.npy", values))
left = {name: os.path.getsize(name) for name in ("a.safetensors", "a.npy") if os.path.exists(name)}
print("left behind:", left)
seen = (isinstance(tensors, OSError), isinstance(array, OSError), array.errno, left)
raise SystemExit(seen != (False, True, None, {"a.npy": 100_000}))
PYTHON
