"""The architecture of the generator `embedded`: bilinear upsampling, colours by a pixel shuffle."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

FREE, HIGHEST = 1.3, 2.0  # root mean squares of a code: left alone up to, and never above


def compressed(codes: Tensor) -> Tensor:
    """Shorten codes beyond the natural length.

    A code's root mean square (1 for a natural one) is left alone up to `FREE` and approaches
    `HIGHEST` above, so that however far a search goes, the decoder sees what it was trained on.

    Args:
        codes: `(n, code_dim)`, whitened.
    """
    size = codes.square().mean(1, keepdim=True).clamp(min=1e-12).sqrt()
    room = HIGHEST - FREE
    above = (size - FREE).clamp(min=0)
    wanted = torch.minimum(size, size.new_full((), FREE)) + room * (1 - torch.exp(-above / room))
    return codes * (wanted / size)


class _SmoothUp(nn.Module):
    """A 3×3 convolution, channels scaled by the code, bilinear ×2, then a residual 3×3.

    Bilinear doubling is zero insertion and the filter 1 3 3 1: no copy of the spectrum survives it.
    """

    def __init__(self, channels_in: int, channels: int, code_dim: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels, 3, 1, 1)
        self.scale = nn.Linear(code_dim, channels)
        self.up = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1)
        self.conv3 = nn.Conv2d(channels, channels, 3, 1, 1)
        self.act = nn.LeakyReLU(0.2)
        nn.init.normal_(self.scale.weight, std=0.01)
        nn.init.zeros_(self.scale.bias)

    def forward(self, x: Tensor, codes: Tensor) -> Tensor:
        x = self.act(self.conv1(x)) * (1 + self.scale(codes))[:, :, None, None]
        x = self.up(x)
        return x + self.conv3(self.act(self.conv2(x)))


class SmoothDecoder(nn.Module):
    """Whitened code → 96 × 96 RGB image; with the defaults 2.6 M parameters, 171 M multiply-adds.

    Args:
        code_dim: length of a code.
        widths: channels at 6, 12, 24 and 48 pixels.
        fine: channels at 96 pixels, before the colours.
    """

    def __init__(
        self, code_dim: int = 384, widths: Sequence[int] = (128, 96, 64, 32), fine: int = 8
    ) -> None:
        super().__init__()
        self.code_dim, self.width0 = code_dim, widths[0]
        self.fc = nn.Linear(code_dim, widths[0] * 36)
        self.act = nn.LeakyReLU(0.2)
        self.conv1 = nn.Conv2d(widths[0], widths[0], 3, 1, 1)
        self.conv2 = nn.Conv2d(widths[0], widths[0], 3, 1, 1)
        self.ups = nn.ModuleList(_SmoothUp(a, b, code_dim) for a, b in pairwise(widths))
        self.last = nn.Conv2d(widths[-1], 4 * fine, 3, 1, 1)
        self.shuffle = nn.PixelShuffle(2)
        self.rgb = nn.Conv2d(fine, 3, 5, 1, 2)
        self._start()

    @torch.no_grad()
    def _start(self) -> None:
        """Begin with the four pixels that a shuffle spreads alike: no grid to unlearn."""
        self.last.weight.copy_(self.last.weight[::4].repeat_interleave(4, 0))
        if self.last.bias is not None:
            self.last.bias.zero_()

    def forward(self, codes: Tensor) -> Tensor:
        """Decode `(n, code_dim)` into `(n, 3, 96, 96)` in [0, 1]."""
        codes = compressed(codes)
        x = self.act(self.fc(codes)).unflatten(1, (self.width0, 6, 6))
        x = x + self.conv2(self.act(self.conv1(x)))
        for up in self.ups:
            x = up(x, codes)
        x = self.act(self.shuffle(self.last(x)))
        return torch.sigmoid(self.rgb(x))


class ColourEncoder(nn.Module):
    """`layer3` of the standard network and the photo itself → code.

    Args:
        code_dim: length of a code.
        channels: of `layer3`.
        squeezed, seen: channels at 6 pixels that come from `layer3` and from the photo.
        mixed: channels at 6 pixels before the last linear map.
    """

    def __init__(
        self,
        code_dim: int = 384,
        channels: int = 128,
        squeezed: int = 32,
        seen: int = 32,
        mixed: int = 40,
    ) -> None:
        super().__init__()
        self.act = nn.LeakyReLU(0.2)
        self.squeeze = nn.Conv2d(channels, squeezed, 1)
        self.pixels = nn.Sequential(
            nn.AvgPool2d(2),
            *(nn.Conv2d(3, 16, 3, 2, 1), self.act),
            *(nn.Conv2d(16, 32, 3, 2, 1), self.act),
            *(nn.Conv2d(32, seen, 3, 2, 1), self.act),
        )
        self.mix = nn.Conv2d(squeezed + seen, mixed, 3, 1, 1)
        self.fc = nn.Linear(mixed * 36, code_dim)

    def forward(self, features: Tensor, images: Tensor) -> Tensor:
        """Encode `(n, channels, 6, 6)` and `(n, 3, 96, 96)` in [0, 1] into `(n, code_dim)`."""
        both = [self.act(self.squeeze(features)), self.pixels(2 * images - 1)]
        return self.fc(torch.flatten(self.act(self.mix(torch.cat(both, 1))), 1))
