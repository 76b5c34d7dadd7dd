"""Images brought to one mean luminance and one RMS contrast, through clipping, with gradients.

Each image's light l becomes `m + w·(clip(m + a·(l − μ) + b) − m)` with the aperture's weights w;
a and b are found for each image so that the shown luminance has mean m and SD s over the aperture.
Without clipping they follow from the image's own mean and SD; with it Newton's method finds them,
and bisection where that fails. Gradients are those of the implicit function.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from invariscope.generators.constraints import luminance

UNIFORM = 1e-4  # SD, as a share of the display's span, below which an image is uniform
ENOUGH = 1e-7  # how close mean and SD come, as shares of the span
NEWTON, BISECT = 25, 45
STEEPEST = 50.0  # SD, as shares of the most light, to which an image is stretched before clipping


@dataclass(frozen=True)
class Levels:
    """The levels of luminance and contrast that shown images are brought to.

    Attributes:
        mean: luminance over the aperture, as a share of the most that can be shown.
        sd: of luminance over the aperture, the same; None where contrast is left as it is.
        low: the least light, the same share; the most is 1.
        seen: `(h, w)` weights of the aperture.
        weights: shares of R, G and B in luminance; a single channel is luminance.
    """

    mean: float
    sd: float | None
    low: float
    seen: Tensor
    weights: tuple[float, float, float]

    def luminance(self, light: Tensor) -> Tensor:
        """Luminance `(n, h, w)` of `(n, 1 or 3, h, w)`."""
        return light[:, 0] if light.shape[1] == 1 else luminance(light, self.weights)

    def average(self, values: Tensor) -> Tensor:
        """Average `(n, h, w)` over the aperture, in double precision where the device can."""
        inside = self.seen > 0
        wide = values.dtype if values.device.type == "mps" else torch.float64
        return (values * inside).sum((1, 2), dtype=wide) / inside.sum()


def at_levels(light: Tensor, levels: Levels) -> Tensor:
    """Bring images to a mean luminance and, where asked for, an SD.

    An image without contrast of its own is shown uniform; one that cannot have the contrast (few
    levels, or colours that clip before their luminance does) as much as it can, at the mean.

    Args:
        light: `(n, 1 or 3, h, w)` float32, as shares of the most light.

    Returns:
        The same shape, the aperture's surround at the mean.
    """
    centre = _centre(light.detach(), levels)
    with torch.no_grad():
        gain, shift = _solved(*_cropped(light.detach() - centre, levels))
    offset = light - centre
    if torch.is_grad_enabled() and light.requires_grad:
        gain, shift = _with_gradients(offset, gain, shift, levels)
    return (levels.mean + _deviation(offset, gain, shift, levels)).to(light.dtype)


def _centre(light: Tensor, levels: Levels) -> Tensor:
    """Measure the mean luminance of the visible part, `(n, 1, 1, 1)`."""
    seen = levels.luminance(light) * levels.seen
    mean = levels.average(seen) / levels.average(levels.seen.unsqueeze(0))
    return mean.float().view(-1, 1, 1, 1)


def _cropped(offset: Tensor, levels: Levels) -> tuple[Tensor, Levels]:
    """Crop to the aperture's box: nothing around the aperture counts."""
    rows = (levels.seen > 0).any(1).nonzero().flatten()
    columns = (levels.seen > 0).any(0).nonzero().flatten()
    window = (slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1))
    seen = levels.seen[window].contiguous()
    return offset[:, :, *window].contiguous(), replace(levels, seen=seen)


def _deviation(offset: Tensor, gain: Tensor, shift: Tensor, levels: Levels) -> Tensor:
    """Subtract the mean from the visible part, in gain's precision.

    A steep gain and its shift nearly cancel, so that float32 would miss the mean by some 1e-6.
    """
    change = gain.view(-1, 1, 1, 1) * offset + shift.view(-1, 1, 1, 1)
    return levels.seen * change.clamp(levels.low - levels.mean, 1 - levels.mean)


def _errors(
    offset: Tensor, gain: Tensor, shift: Tensor, levels: Levels
) -> tuple[Tensor, Tensor, Tensor]:
    """By how much mean and mean square miss, each `(n,)`, and the luminance's deviation."""
    shown = levels.luminance(_deviation(offset, gain, shift, levels))
    square = 0.0 if levels.sd is None else levels.sd**2
    return levels.average(shown), levels.average(shown.square()) - square, shown


def _jacobian(
    offset: Tensor, gain: Tensor, shift: Tensor, shown: Tensor, levels: Levels
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Differentiate both errors by gain and shift, each `(n,)`."""
    change = gain.view(-1, 1, 1, 1) * offset + shift.view(-1, 1, 1, 1)
    free = (change > levels.low - levels.mean) & (change < 1 - levels.mean)
    by_gain = levels.seen * levels.luminance(torch.where(free, offset, 0.0))
    by_shift = levels.seen * levels.luminance(free.to(change.dtype))
    average = levels.average
    return (
        average(by_gain),
        average(by_shift),
        average(2 * shown * by_gain),
        average(2 * shown * by_shift),
    )


def _step(
    errors: tuple[Tensor, Tensor], slopes: tuple[Tensor, ...], levels: Levels
) -> tuple[Tensor, Tensor]:
    """Newton's step in gain and shift."""
    mean, square = errors
    a, b, c, d = slopes
    if levels.sd is None:
        return torch.zeros_like(mean), -mean / b.clamp(min=1e-12)
    determinant = a * d - b * c
    determinant = torch.where(determinant.abs() < 1e-18, -1e-18, determinant)
    return (b * square - d * mean) / determinant, (c * mean - a * square) / determinant


def _missed(mean: Tensor, square: Tensor, levels: Levels) -> Tensor:
    """Measure how far an image is from its levels, as shares of the span, `(n,)`."""
    if levels.sd is None:
        return mean.abs()
    return torch.maximum(mean.abs(), square.abs() / (2 * levels.sd))


def _solved(offset: Tensor, levels: Levels) -> tuple[Tensor, Tensor]:
    """Gain and shift of each image, each `(n,)`."""
    own = levels.average((levels.seen * levels.luminance(offset)).square()).sqrt()
    shift = torch.zeros_like(own)
    if levels.sd is None:
        gain, rows = torch.ones_like(own), torch.arange(len(own), device=own.device)
    else:
        flat = own < UNIFORM * (1 - levels.low)
        gain = torch.where(flat, 0.0, levels.sd / own.clamp(min=1e-12))
        rows = (~flat).nonzero().flatten()
    for _ in range(NEWTON):
        now, own_gain, own_shift = offset[rows], gain[rows], shift[rows]
        mean, square, shown = _errors(now, own_gain, own_shift, levels)
        left = _missed(mean, square, levels) > ENOUGH
        if not bool(left.any()):
            return gain, shift
        rows, now, shown = rows[left], now[left], shown[left]
        own_gain, own_shift = own_gain[left], own_shift[left]
        slopes = _jacobian(now, own_gain, own_shift, shown, levels)
        more, beside = _step((mean[left], square[left]), slopes, levels)
        stepped = (own_gain + more).clamp(min=own_gain / 3, max=own_gain * 3)
        gain[rows] = torch.minimum(stepped, STEEPEST / own[rows])
        shift[rows] = own_shift + beside.clamp(-0.3, 0.3)
    gain[rows], shift[rows] = _bisected(offset[rows], own[rows], levels)
    return gain, shift


def _bisected(offset: Tensor, own: Tensor, levels: Levels) -> tuple[Tensor, Tensor]:
    """Solve the slow, sure way: the SD grows with the gain, and each gain has a shift for the mean.

    An image that cannot have the contrast gets as much as it can, at the mean asked for.
    """
    if levels.sd is None:
        gain = torch.ones_like(own)
        return gain, _shift_for(offset, gain, levels)
    low, high = (levels.sd / own).log(), (STEEPEST / own).log()
    for _ in range(BISECT):
        middle = (low + high) / 2
        square = _errors(offset, middle.exp(), _shift_for(offset, middle.exp(), levels), levels)[1]
        low, high = torch.where(square < 0, middle, low), torch.where(square < 0, high, middle)
    gain = ((low + high) / 2).exp()
    return gain, _shift_for(offset, gain, levels)


def _shift_for(offset: Tensor, gain: Tensor, levels: Levels) -> Tensor:
    """Solve for the shift that gives an image of a given gain the mean."""
    most = 1 + gain * offset.abs().amax((1, 2, 3))
    low, high = -most, most
    for _ in range(BISECT):
        middle = (low + high) / 2
        above = _errors(offset, gain, middle, levels)[0] > 0
        low, high = torch.where(above, low, middle), torch.where(above, middle, high)
    return (low + high) / 2


def _with_gradients(
    offset: Tensor, gain: Tensor, shift: Tensor, levels: Levels
) -> tuple[Tensor, Tensor]:
    """Give gain and shift with gradients: one step of Newton's at the solution.

    Its value is that of the solution and its derivative that of the implicit function.
    """
    with torch.no_grad():
        _, _, shown = _errors(offset, gain, shift, levels)
        slopes = _jacobian(offset, gain, shift, shown, levels)
    mean, square, _ = _errors(offset, gain, shift, levels)
    more, beside = _step((mean - mean.detach(), square - square.detach()), slopes, levels)
    live = gain > 0
    return gain + torch.where(live, more, 0.0), shift + torch.where(live, beside, 0.0)
