"""The architecture of the DeePSiM generators that invert fully connected layers.

Dosovitskiy and Brox, Generating Images with Perceptual Similarity Metrics based on Deep
Networks (arXiv 1602.02644). Layers have the names that they have in the published weights.
"""

from collections import OrderedDict

from torch import nn

SLOPE = 0.3
SIDE, CHANNELS = 4, 256  # of the first map
# Name, channels out, and whether the map's side doubles.
UPWARD = (
    ("deconv5", 256, True),
    ("conv5_1", 512, False),
    ("deconv4", 256, True),
    ("conv4_1", 256, False),
    ("deconv3", 128, True),
    ("conv3_1", 128, False),
    ("deconv2", 64, True),
    ("deconv1", 32, True),
    ("deconv0", 3, True),
)


def _layers(code_dim: int, width: int, narrow: int) -> OrderedDict[str, nn.Module]:
    channels = CHANNELS // narrow
    flat = channels * SIDE * SIDE
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for name, a, b in (("defc7", code_dim, width), ("defc6", width, width), ("defc5", width, flat)):
        layers[name] = nn.Linear(a, b)
        layers[f"relu_{name}"] = nn.LeakyReLU(SLOPE, inplace=True)
    layers["reshape"] = nn.Unflatten(1, (channels, SIDE, SIDE))
    last = UPWARD[-1][0]
    for name, full, doubles in UPWARD:
        out = full if name == last else full // narrow
        size, stride = (4, 2) if doubles else (3, 1)
        layers[name] = nn.ConvTranspose2d(channels, out, size, stride, 1)
        if name != last:
            layers[f"relu_{name}"] = nn.LeakyReLU(SLOPE, inplace=True)
        channels = out
    return layers


class DeepsimNetwork(nn.Sequential):
    """Code `(n, code_dim)` → `(n, 3, 256, 256)`: BGR in 0 … 255 less its mean, unbounded.

    `defc7, defc6, defc5, deconv5, conv5_1, …, deconv0`, each but the last followed by a leaky
    ReLU. `fc6` and `fc7` are alike.

    Args:
        code_dim: length of a code.
        width: of the hidden fully connected layers.
        narrow: what every number of channels but the colours' is divided by.
    """

    def __init__(self, code_dim: int = 4096, width: int = 4096, narrow: int = 1) -> None:
        super().__init__(_layers(code_dim, width, narrow))
        self.code_dim = code_dim
