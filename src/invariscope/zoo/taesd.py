"""The tiny autoencoder of natural images: taesd and its siblings, with their own names of layers.

Bohan, Tiny AutoEncoder for Stable Diffusion (github.com/madebyollin/taesd, MIT). Latents have
an eighth of the image's height and width. Blocks at the smallest side may have a normalised branch
before them (`pool`), as in the sibling with 32 channels; whether they do, and how many channels
the latents have, follows from the weights.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from invariscope.errors import InputError
from invariscope.zoo.weight_file import check_state

WIDTH = 64
FACTOR = 8
GROUPS = 4
MAGNITUDE = 3.0  # latents are bent into [-3, 3] before they are decoded


class TaesdBlock(nn.Module):
    """Three convolutions beside the input, after a normalised branch in some variants."""

    def __init__(self, *, pooled: bool) -> None:
        super().__init__()
        self.conv = nn.Sequential(_conv(), nn.ReLU(), _conv(), nn.ReLU(), _conv())
        self.pool = None
        if pooled:
            wide = GROUPS * WIDTH
            self.pool = nn.Sequential(
                nn.Conv2d(WIDTH, wide, 1, bias=False),
                nn.GroupNorm(GROUPS, wide),
                nn.ReLU(),
                nn.Conv2d(wide, WIDTH, 1, bias=False),
            )

    def forward(self, x: Tensor) -> Tensor:
        if self.pool is not None:
            x = x + self.pool(x)
        return torch.relu(self.conv(x) + x)


class _Bend(nn.Module):
    def forward(self, latents: Tensor) -> Tensor:
        return torch.tanh(latents / MAGNITUDE) * MAGNITUDE


def _conv(into: int = WIDTH, out: int = WIDTH, *, stride: int = 1, bias: bool = True) -> nn.Conv2d:
    return nn.Conv2d(into, out, 3, stride, 1, bias=bias)


def tiny_encoder(channels: int, *, pooled: bool) -> nn.Sequential:
    """Build the encoder: `(n, 3, s, s)` in [0, 1] → latents `(n, channels, s/8, s/8)`."""
    layers: list[nn.Module] = [_conv(3), TaesdBlock(pooled=False)]
    for stage in range(3):
        layers.append(_conv(stride=2, bias=False))
        layers += [TaesdBlock(pooled=pooled and stage == 2) for _ in range(3)]
    return nn.Sequential(*layers, _conv(out=channels))


def tiny_decoder(channels: int, *, pooled: bool) -> nn.Sequential:
    """Build the decoder: latents `(n, channels, s/8, s/8)` → `(n, 3, s, s)`, about in [0, 1]."""
    layers: list[nn.Module] = [_Bend(), _conv(channels), nn.ReLU()]
    for stage in range(3):
        layers += [TaesdBlock(pooled=pooled and stage == 0) for _ in range(3)]
        layers += [nn.Upsample(scale_factor=2), _conv(bias=False)]
    return nn.Sequential(*layers, TaesdBlock(pooled=False), _conv(out=3))


def tiny_autoencoder(
    encoder: Mapping[str, Tensor], decoder: Mapping[str, Tensor], source: str
) -> tuple[nn.Sequential, nn.Sequential]:
    """Encoder and decoder with weights under the names of their authors.

    Args:
        encoder, decoder: the weights; `0.weight` … `14.bias` and `1.weight` … `19.bias`.
        source: what they are from, for messages.

    Raises:
        InputError: weights that are not of this architecture.
    """
    first = decoder.get("1.weight")
    if first is None or first.ndim != 4:
        raise InputError(
            f"{source} does not hold the weights of a tiny autoencoder; its decoder has no "
            "convolution '1.weight'"
        )
    pooled = any(".pool." in name for name in decoder)
    parts = tiny_encoder(first.shape[1], pooled=pooled), tiny_decoder(first.shape[1], pooled=pooled)
    for part, state in zip(parts, (encoder, decoder), strict=True):
        check_state(state, part.state_dict(), source)
        part.load_state_dict({name: tensor.float() for name, tensor in state.items()})
    return parts
