"""Polish a trained decoder: a lattice's frequencies quieter, photos back more exactly.

Random codes go on making the images that they made, but for what these have beyond photos at a
frequency; photos come back in pixels, features and readouts. There are no critics, so a processor
is enough. The encoder, and with it the code space, stays as it is.
"""

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from invariscope import seeds
from invariscope.photos.spectrum import power
from invariscope.training.critics import Eyes
from invariscope.training.data import shifted_crops
from invariscope.training.whitening import drawn_codes
from invariscope.zoo.smooth import ColourEncoder, SmoothDecoder

SIDE, BATCH = 96, 100
QUIETEST = 0.2  # lowest factor of an amplitude
FLAT = 2  # axes of a readout


@dataclass(frozen=True)
class PolishRecipe:
    """Adam with a rate that falls to nothing.

    Attributes:
        steps, batch: photos a step, and as many random codes.
        pixel_weight, feature_weight, readout_weight: as in `GeneratorRecipe`.
        kept_weight: of the difference from the images that random codes made, relative to the
            photos' power at each frequency.
        measured: images from which spectra are taken.
    """

    steps: int = 1000
    batch: int = 40
    rate: float = 2.5e-4
    pixel_weight: float = 8.0
    feature_weight: float = 0.15
    readout_weight: float = 1.0
    kept_weight: float = 3.0
    code_noise: float = 0.1
    beyond: float = 2.0
    measured: int = 2000
    seed: int = 0


def amplitude_factors(made: Tensor, photos: Tensor) -> Tensor:
    """Find by what each frequency of made images is multiplied so that none exceeds the photos'.

    Args:
        made, photos: mean power at each frequency, `(side, side)`.

    Returns:
        Factors from `QUIETEST` to 1, `(side, side)`.
    """
    return (photos / made).sqrt().clamp(QUIETEST, 1.0)


def filtered(images: Tensor, factors: Tensor) -> Tensor:
    """Multiply the amplitude of each frequency of images, and keep them in [0, 1]."""
    return torch.fft.ifft2(torch.fft.fft2(images) * factors).real.clamp(0, 1)


def relative_difference(a: Tensor, b: Tensor, usual: Tensor) -> Tensor:
    """Average over frequencies the power of two images' difference over the photos' power."""
    return (torch.fft.fft2(a - b).abs().square() / usual).mean()


@torch.no_grad()
def _mean_power(parts: Sequence[Tensor]) -> Tensor:
    """Average the power of luminance over images."""
    return torch.stack([power(part.mean(1)).mean(0) for part in parts]).mean(0)


class Polish:
    """A decoder in its polishing.

    Args:
        encoder, decoder: trained; they are not changed.
        reader: gives the layer that the encoder reads, alone.
        eyes: frozen networks whose maps and readouts of photos have to come back.
        photos: uint8 `(n, 3, side, side)`.
    """

    def __init__(
        self,
        encoder: ColourEncoder,
        decoder: SmoothDecoder,
        reader: Eyes,
        eyes: Sequence[Eyes],
        photos: Tensor,
        recipe: PolishRecipe,
    ) -> None:
        self.encoder, self.before, self.reader = encoder, decoder, reader
        self.eyes, self.photos, self.recipe = eyes, photos, recipe
        self.decoder = copy.deepcopy(decoder).train().requires_grad_()
        stream = seeds.torch_stream("polish", "spectra")
        rows = torch.randperm(len(photos), generator=stream)[: recipe.measured]
        codes = torch.randn(recipe.measured, decoder.code_dim, generator=stream)
        middle = (photos.shape[-1] - SIDE) // 2
        window = slice(middle, middle + SIDE)
        some = photos[rows][..., window, window].float() / 255
        usual = _mean_power(some.split(BATCH))
        self.factors = amplitude_factors(
            _mean_power([self._made_before(part) for part in codes.split(BATCH)]), usual
        )
        # Power of whole images, as differences have it: without a window, floored.
        whole = torch.stack(
            [torch.fft.fft2(p).abs().square().mean((0, 1)) for p in some.split(BATCH)]
        ).mean(0)
        self.usual = whole.clamp(min=float(whole.quantile(0.05)))
        self.spread = float(some.var(0).mean())
        self.adam = torch.optim.Adam(self.decoder.parameters(), lr=recipe.rate, betas=(0.5, 0.99))

    @torch.no_grad()
    def _made_before(self, codes: Tensor) -> Tensor:
        with torch.autocast(codes.device.type, torch.bfloat16):
            return self.before(codes).float()

    def _seen(self, images: Tensor) -> list[Tensor]:
        with torch.autocast(images.device.type, torch.bfloat16):
            return [m.float() for eyes in self.eyes for m in eyes(images)]

    def step(self, number: int) -> dict[str, float]:
        """Take a step; its draws follow from its number.

        Returns:
            The step's losses.
        """
        recipe = self.recipe
        self.adam.param_groups[0]["lr"] = (
            recipe.rate * 0.5 * (1 + math.cos(math.pi * number / recipe.steps))
        )
        with seeds.torch_global("polish", recipe.seed, number), torch.no_grad():
            rows = torch.randint(0, len(self.photos), (recipe.batch,))
            photos = shifted_crops(self.photos[rows], SIDE)
            with torch.autocast(photos.device.type, torch.bfloat16):
                codes = self.encoder(self.reader(photos)[-1], photos).float()
            codes = codes + recipe.code_noise * torch.randn_like(codes)
            drawn = drawn_codes(recipe.batch, codes.shape[1], recipe.beyond, photos.device)
            wanted = filtered(self._made_before(drawn), self.factors)
            aim = self._seen(photos)
        with torch.autocast(photos.device.type, torch.bfloat16):
            made = self.decoder(torch.cat([codes, drawn])).float()
        back, random = made.split(recipe.batch)
        losses = self._inversion(back, photos, self._seen(back), aim)
        kept = relative_difference(random, wanted, self.usual)
        losses["kept"] = recipe.kept_weight * kept
        loss = torch.stack(list(losses.values())).sum()
        self.adam.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.decoder.parameters(), 1.0)
        self.adam.step()
        return {name: float(value.detach()) for name, value in losses.items()}

    def _inversion(
        self, back: Tensor, photos: Tensor, maps: list[Tensor], aim: list[Tensor]
    ) -> dict[str, Tensor]:
        recipe = self.recipe
        feature = readout = back.new_zeros(())
        for got, wanted in zip(maps, aim, strict=True):
            if wanted.ndim == FLAT:
                parts = got.log_softmax(1), wanted.log_softmax(1)
                readout = readout + F.kl_div(*parts, reduction="batchmean", log_target=True)
            else:
                feature = feature + F.mse_loss(got, wanted) / wanted.square().mean()
        return {
            "pixel": recipe.pixel_weight * F.mse_loss(back, photos) / self.spread,
            "feature": recipe.feature_weight * feature,
            "readout": recipe.readout_weight * readout,
        }


def polish_decoder(
    polish: Polish, on_step: Callable[[int, dict[str, float]], None] = lambda step, losses: None
) -> SmoothDecoder:
    """Take all steps.

    Args:
        on_step: called after each step with its number and losses.

    Returns:
        The polished decoder, for evaluation.
    """
    for number in range(polish.recipe.steps):
        on_step(number, polish.step(number))
    return polish.decoder.eval().requires_grad_(requires_grad=False)
