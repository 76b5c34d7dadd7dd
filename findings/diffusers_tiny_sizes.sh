#!/usr/bin/env bash
# diffusers 0.42.1: AutoencoderTiny gives an image of another size back, without a word.

# Guess: a size that is no multiple of 8 is refused, or the image comes back at its own size.
# Seen: 97, 100 and 103 pixels all come back as 104. A distance between an image and its
# reconstruction then fails or, after a resize, measures the shift.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/python -m pip install --quiet diffusers==0.42.1 torch==2.11.0 numpy==2.4.6
env/bin/python -W ignore - <<'PYTHON'
from importlib.metadata import version

import torch
from diffusers import AutoencoderTiny

print("diffusers", version("diffusers"), "torch", version("torch"))
model = AutoencoderTiny().eval()
with torch.no_grad():
    sizes = {s: model(torch.rand(1, 3, s, s)).sample.shape[-1] for s in (96, 97, 100, 103)}
print("size in: size out:", sizes)
assert sizes == {96: 96, 97: 104, 100: 104, 103: 104}, "sizes are treated otherwise now"
PYTHON
