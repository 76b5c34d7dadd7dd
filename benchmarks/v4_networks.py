"""Small networks that were each fitted to one V4 neuron (Cowley et al. 2023), as subjects.

    invariscope units benchmarks/v4_networks.py:network(5) --allow-code
    invariscope natural benchmarks/v4_networks.py:group() --allow-code …

The weights are not part of the project. They are looked for in the folder that the environment
variable INVARISCOPE_V4 names: the unzipped v4.zip, with `twins/SESSION_neuronK.safetensors`.
"""

import os
import re
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

import invariscope as iv
from invariscope.errors import InputError

SIDE = 112
WINDOW = 0.1  # seconds in which spikes were counted
MEAN = (116.222, 109.270, 100.381)  # of R, G and B, values from 0 to 255
FILE = re.compile(r"(?P<session>.+)_neuron(?P<number>\d+)\.safetensors")
PREFIX = "layers."


class Layer(nn.Module):
    """Depthwise 5 × 5, pointwise 1 × 1, batch norm, ReLU."""

    def __init__(self, wide: int, channels: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.padded = (1, 2, 1, 2) if stride == 2 else (0, 0, 0, 0)  # TensorFlow's "same"
        padding = 0 if stride == 2 else 2
        self.conv_depth = nn.Conv2d(wide, wide, 5, stride, padding, groups=wide, bias=False)
        self.conv_point = nn.Conv2d(wide, channels, 1)
        self.bn, self.relu = nn.BatchNorm2d(channels), nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        if any(self.padded):
            x = F.pad(x, self.padded)
        return self.relu(self.bn(self.conv_point(self.conv_depth(x))))


class NeuronNetwork(nn.Module):
    """Five layers and a linear readout over places and channels, channels last.

    Args:
        channels: of the five layers.
        side: of the images, divisible by 4.
    """

    def __init__(self, channels: tuple[int, ...], side: int = SIDE) -> None:
        super().__init__()
        first, *rest = channels
        self.conv, self.bn = nn.Conv2d(3, first, 5, padding=2), nn.BatchNorm2d(first)
        self.relu = nn.ReLU(inplace=True)
        wide = (first, *rest[:-1])
        strides = (2, 2, 1, 1)
        sizes = zip(wide, rest, strides, strict=True)
        self.layers = nn.ModuleList([Layer(a, b, stride) for a, b, stride in sizes])
        self.readout = nn.Linear((side // 4) ** 2 * channels[-1], 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.bn(self.conv(x)))
        for layer in self.layers:
            x = layer(x)
        return self.readout(x.permute(0, 2, 3, 1).flatten(1))


def renamed(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The weights of a published file under this module's names."""
    found = {}
    for key, value in state.items():
        name = key.removeprefix(PREFIX).replace("layer0_", "").replace("Beta", "readout")
        name = re.sub(r"layer([1-4])_", lambda m: f"layers.{int(m[1]) - 1}.", name)
        found[name] = value
    return found


def read(path: Path) -> nn.Module:
    """The network in a file, in eval mode."""
    state = renamed(load_file(path))
    keys = ["conv.weight", *(f"layers.{i}.conv_point.weight" for i in range(4))]
    try:
        channels = tuple(len(state[key]) for key in keys)
        side = 4 * round((state["readout.weight"].shape[1] / channels[-1]) ** 0.5)
        network = NeuronNetwork(channels, side)
        network.load_state_dict(state)
    except (KeyError, RuntimeError) as error:
        raise InputError(f"{str(path)!r} holds no network of this layout") from error
    return network.eval()


def quickened(network: NeuronNetwork) -> NeuronNetwork:
    """The same function in a quarter of the time; last digits differ.

    Batch norms go into the convolutions before them, and padding that is uneven into a kernel with
    a first row and column of zeros; channels come last in memory.
    """
    network.conv, network.bn = fuse_conv_bn_eval(network.conv, network.bn), nn.Identity()
    for layer in network.layers:
        layer.conv_point = fuse_conv_bn_eval(layer.conv_point, layer.bn)
        layer.bn = nn.Identity()
        if layer.stride == 2:
            weight = layer.conv_depth.weight.detach()
            wide = len(weight)
            layer.conv_depth = nn.Conv2d(wide, wide, 6, 2, padding=2, groups=wide, bias=False)
            layer.conv_depth.weight = nn.Parameter(F.pad(weight, (1, 0, 1, 0)))
            layer.padded = (0, 0, 0, 0)
    return network.eval().to(memory_format=torch.channels_last)


def files(session: str | None = None) -> dict[int, Path]:
    """The networks' files by their neurons' numbers.

    Args:
        session: whose neurons; None: of the only session there is.
    """
    folder = data_folder() / "twins"
    found = [(m, p) for p in folder.glob("*") if (m := FILE.fullmatch(p.name))]
    sessions = sorted({match["session"] for match, _ in found})
    if session is None and len(sessions) > 1:
        raise InputError(f"there are networks of {', '.join(sessions)}; say which session")
    every = {int(m["number"]): p for m, p in found if session in (None, m["session"])}
    if not every:
        of = f" of session {session}" if session else ""
        raise InputError(
            f"no networks{of} in {str(folder)!r}; set INVARISCOPE_V4 to the unzipped data"
        )
    return dict(sorted(every.items()))


def network(number: int, session: str | None = None, *, fast: bool = False) -> iv.NetworkSubject:
    """The network of one neuron.

    Args:
        session: as for `files`.
        fast: in a quarter of the time; last digits differ.
    """
    every = files(session)
    if number not in every:
        raise InputError(f"no network of neuron {number}; there are {', '.join(map(str, every))}")
    model = read(every[number])
    side = 4 * round((model.readout.in_features / model.layers[-1].conv_point.out_channels) ** 0.5)
    model = quickened(model) if fast else model
    return iv.NetworkSubject(
        model, image_size=side, mean=MEAN, std=1, value_range=255, name=f"V4 neuron {number}"
    )


def in_spikes(subject: iv.NetworkSubject, raw: np.ndarray, rates: np.ndarray) -> np.ndarray:
    """Scale a network's readout to its neuron's spikes/s by least squares; its answers then.

    Args:
        raw: `(photos,)` the network's own answers.
        rates: `(photos,)` the neuron's spikes/s for the same photos.
    """
    slope, intercept = np.polyfit(raw, rates, 1)
    readout = subject.module("readout")
    with torch.no_grad():
        readout.weight.mul_(slope)
        readout.bias.mul_(slope).add_(intercept)
    return slope * raw + intercept


def answers(subject: iv.NetworkSubject, photos: Tensor) -> np.ndarray:
    """A network's answers to photos `(n, 3, side, side)` in [0, 1]."""
    parts = [subject.respond(part, ["readout"])["readout"][:, 0] for part in photos.split(50)]
    return torch.cat(parts).numpy()


def fitted(number: int, session: str = "190923") -> iv.NetworkSubject:
    """The network of one neuron in spikes/s, scaled over the session's photos."""
    subject, folder = network(number, session, fast=True), data_folder()
    rates = np.load(folder / f"responses_mean_{session}.npy")[number] / WINDOW
    in_spikes(subject, answers(subject, read_photos(folder / f"photos_{session}")), rates)
    return subject


def read_photos(folder: Path) -> Tensor:
    """The session's photos, `(n, 3, side, side)` in [0, 1]."""
    files = sorted(folder.glob("*.jpg"))
    arrays = [np.asarray(Image.open(file).convert("RGB")) for file in files]
    return torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2).float() / 255


def data_folder() -> Path:
    """Where the data are."""
    return Path(os.environ.get("INVARISCOPE_V4", "v4"))


def group(session: str | None = None) -> iv.NetworkSubject:
    """All neurons of a session as one subject."""
    networks = {f"n{k}": network(k, session) for k in files(session)}
    return iv.group_networks(networks, name="V4 neurons")
