"""Bilinear doubling and a convolution as one convolution before the doubling: fewer, fuller passes.

A convolution to three colours at full size fills a fraction of a processor's lanes. Doubling is
linear, so both together are a convolution of the small maps to 2 × 2 phases of each colour, which
a pixel shuffle puts in their places.
"""

from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional

SCALE = 2


def _doubling_taps(size: int) -> Tensor:
    """Give the share of each small-row entry in each tap, `(2 phases, size, size offsets)`.

    Doubled, entry `2i` is `¼ x[i−1] + ¾ x[i]` and entry `2i + 1` is `¾ x[i] + ¼ x[i+1]`. Tap `k`
    of phase `p` reads entry `2i + p + k − size // 2`; offsets count from `i − size // 2`.
    """
    half = size // 2
    taps = torch.zeros(SCALE, size, size + 2, dtype=torch.float64)
    for phase in range(SCALE):
        for tap in range(size):
            place, odd = divmod(phase + tap - half, SCALE)
            low, high = (0.75, 0.25) if odd else (0.25, 0.75)
            first = place + half + odd  # one more, so that the first offset is at least 0
            taps[phase, tap, first] += low
            taps[phase, tap, first + 1] += high
    return taps[..., 1:-1]


def _outside(size: int) -> tuple[Tensor, Tensor]:
    """Tell the taps of each phase that lie before a row's first entry, and behind its last."""
    half = size // 2
    at = torch.arange(SCALE).unsqueeze(1) + torch.arange(size) - half
    return (at < 0).double(), (at >= SCALE).double()


@final
class FoldedUpsampling(nn.Module):
    """Bilinear ×2 (`align_corners=False`), then a convolution that keeps the size, in one pass.

    Equal to both in turn but for rounding (below 1e-6 where outputs are of the order of 1). Beyond
    the border the doubled map counts as 0, as in the convolution that it replaces: the border's
    own share is computed along the edges and taken away.

    Args:
        convolution: of 3 × 3 or 5 × 5, stride 1, padded by half the kernel.

    Raises:
        ValueError: a convolution of another kind.
    """

    inner: Tensor
    bias: Tensor | None

    def __init__(self, convolution: nn.Conv2d) -> None:
        super().__init__()
        size = convolution.kernel_size[0]
        plain = convolution.stride == (1, 1) and convolution.groups == 1
        if size not in (3, 5) or convolution.padding != (size // 2,) * 2 or not plain:
            raise ValueError(f"cannot fold {convolution}; expected 3 × 3 or 5 × 5 that keeps sizes")
        self.margin = size // 2
        own = convolution.weight.detach().double().cpu()
        taps, (before, behind) = _doubling_taps(size), _outside(size)

        def fold(rows: str, down: Tensor, columns: str, across: Tensor) -> Tensor:
            """Fold weights into `(colours × 4 phases, channels, …)`, each phase by its taps."""
            kernel = f"ockl,p{rows},q{columns}->opqc{rows[1:]}{columns[1:]}"
            return torch.einsum(kernel, own, down, across).flatten(0, 2)

        self._keep("inner", fold("ky", taps, "lx", taps), convolution)
        for name, edge in (("top", before), ("bottom", behind)):
            self._keep(name, fold("k", edge, "lx", taps).unsqueeze(2), convolution)
        for name, edge in (("left", before), ("right", behind)):
            self._keep(name, fold("ky", taps, "l", edge).unsqueeze(3), convolution)
        for row, down in ((0, before), (-1, behind)):
            for column, across in ((0, before), (-1, behind)):
                corner = fold("k", down, "l", across)
                self._keep(f"corner{-row}{-column}", corner, convolution)
        bias = convolution.bias
        self.register_buffer(
            "bias", None if bias is None else bias.detach().repeat_interleave(SCALE * SCALE)
        )

    def _keep(self, name: str, weight: Tensor, convolution: nn.Conv2d) -> None:
        self.register_buffer(name, weight.to(convolution.weight))

    def forward(self, x: Tensor) -> Tensor:
        """Convolve `(n, channels, h, w)` into `(n, colours, 2h, 2w)`."""
        half = self.margin
        with torch.autocast(x.device.type, enabled=False):  # it would pad in float32, then cast
            wide = functional.pad(x, [half] * 4, mode="replicate")
        made = functional.conv2d(wide, self.inner, self.bias)
        # An edge is taken by `narrow`: for a list of one row, a GPU would wait. Its
        # order of axes decides the last digits.
        for row, name in ((0, "top"), (-1, "bottom")):
            edge = wide.narrow(2, half if row == 0 else wide.shape[2] - half - 1, 1).contiguous()
            made[:, :, row] -= functional.conv2d(edge, self.get_buffer(name))[:, :, 0]
        for column, name in ((0, "left"), (-1, "right")):
            place = half if column == 0 else wide.shape[3] - half - 1
            edge = wide.narrow(3, place, 1).contiguous()
            made[..., column] -= functional.conv2d(edge, self.get_buffer(name))[..., 0]
        for row in (0, -1):
            for column in (0, -1):
                corner = self.get_buffer(f"corner{-row}{-column}")
                made[:, :, row, column] += functional.linear(x[:, :, row, column], corner)
        return functional.pixel_shuffle(made, SCALE)


def fold_last_upsampling(decoder: nn.Module) -> nn.Module:
    """Fold a decoder's last two layers, `smooth` (bilinear ×2) and `rgb` (a convolution).

    The decoder is changed; one that ends otherwise stays as it is. Only for evaluation: folded
    weights are not trained.
    """
    smooth, rgb = getattr(decoder, "smooth", None), getattr(decoder, "rgb", None)
    if not isinstance(smooth, nn.Upsample) or not isinstance(rgb, nn.Conv2d):
        return decoder
    if smooth.mode == "bilinear" and smooth.scale_factor == SCALE:
        decoder.add_module("smooth", nn.Identity())
        decoder.add_module("rgb", FoldedUpsampling(rgb))
    return decoder
