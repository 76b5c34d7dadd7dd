#!/usr/bin/env bash
# torch 2.13.0 (CPU): Adam(fused=True) steps wrongly, without a word, from moments with other strides.

# Guess: an optimiser's state is of positions, so moments that were stored plainly contiguous (as
# safetensors stores them) continue a channels-last network's training with or without `fused`.
# Seen: without `fused` the next steps are equal to the bit; with it, weights are 0.03 off after two
# steps at a rate of 0.01: each moment is paired with the weight at the same place in memory.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/python -m pip install --quiet torch==2.13.0 safetensors==0.8.0 numpy==2.4.6
env/bin/python -W ignore - <<'PYTHON'
import copy
from importlib.metadata import version

import torch
from safetensors.torch import load_file, save_file

print("torch", version("torch"), "safetensors", version("safetensors"))
torch.manual_seed(0)
start = torch.nn.Conv2d(4, 6, 3).to(memory_format=torch.channels_last)
batches = torch.randn(5, 2, 4, 8, 8)


def train(model, adam, some):
    for images in some:
        adam.zero_grad()
        model(images).square().mean().backward()
        adam.step()


def resumed(fused):
    """Three steps, a checkpoint of moments by safetensors, two more; and five without a stop."""
    whole, cut = copy.deepcopy(start), copy.deepcopy(start)
    train(whole, torch.optim.Adam(whole.parameters(), lr=0.01, fused=fused), batches)
    first = torch.optim.Adam(cut.parameters(), lr=0.01, fused=fused)
    train(cut, first, batches[:3])
    state = first.state_dict()
    flat = {f"{i}.{k}": v.contiguous() for i, s in state["state"].items() for k, v in s.items()}
    save_file(flat, "moments.safetensors")
    read = load_file("moments.safetensors")
    state["state"] = {i: {k: read[f"{i}.{k}"] for k in s} for i, s in state["state"].items()}
    again = torch.optim.Adam(cut.parameters(), lr=0.01, fused=fused)
    again.load_state_dict(state)
    train(cut, again, batches[3:])
    return float((cut.weight - whole.weight).detach().abs().max())


plain, fused = resumed(False), resumed(True)
print("largest difference after the resumption: plain", plain, "fused", round(fused, 3))
assert plain == 0, "the plain optimiser differs now"
assert fused > 0.005, "the fused optimiser minds strides now"
PYTHON
