"""Train the encoder once more, against the finished decoder; a processor is enough.

The decoder goes on learning after the encoder's codes are settled, so the best code of a photo is
no longer the encoder's. What random codes make stays as it is, and codes stay white.
"""

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from invariscope import seeds
from invariscope.training.critics import Eyes
from invariscope.training.data import cut_windows, draw_windows, shifted_crops
from invariscope.training.whitening import Whitening, correlation
from invariscope.zoo.smooth import ColourEncoder, SmoothDecoder

SIDE = 96
FLAT = 2  # axes of a readout
REMEMBERED = 512  # codes from which a covariance is taken
OnEncoderStep = Callable[[int, dict[str, float]], None]


@dataclass(frozen=True)
class EncoderRecipe:
    """Adam with a rate that falls to nothing.

    Attributes:
        steps, batch: photos a step; half of them resized crops.
        pixel_weight, feature_weight, readout_weight: as in `GeneratorRecipe`.
        white_weight: of the distance of codes from mean 0 and covariance I.
        code_noise: SD of the noise added to a code.
    """

    steps: int = 1000
    batch: int = 40
    rate: float = 6e-4
    pixel_weight: float = 10.0
    feature_weight: float = 0.1
    readout_weight: float = 0.7
    white_weight: float = 0.3
    code_noise: float = 0.1
    smallest_crop: float = 0.6
    seed: int = 0


class EncoderTraining:
    """An encoder on its way.

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
        *,
        reader: Eyes,
        eyes: Sequence[Eyes],
        photos: Tensor,
        recipe: EncoderRecipe,
    ) -> None:
        self.encoder = copy.deepcopy(encoder).train().requires_grad_()
        self.decoder, self.reader, self.eyes = decoder, reader, eyes
        self.photos, self.recipe = photos, recipe
        self.spread = float(photos[::20].float().div(255).var(0).mean())
        self.latest: list[Tensor] = []
        self.adam = torch.optim.Adam(self.encoder.parameters(), lr=recipe.rate, betas=(0.8, 0.99))

    def _seen(self, images: Tensor) -> list[Tensor]:
        with torch.autocast(images.device.type, torch.bfloat16):
            return [m.float() for eyes in self.eyes for m in eyes(images)]

    def _codes(self, photos: Tensor) -> Tensor:
        with torch.autocast(photos.device.type, torch.bfloat16):
            return self.encoder(self.reader(photos)[-1], photos).float()

    def step(self, number: int) -> dict[str, float]:
        """Take a step; its draws follow from its number.

        Returns:
            The step's losses.
        """
        recipe = self.recipe
        rising = min(1.0, (number + 1) / 20)
        falling = 0.5 * (1 + math.cos(math.pi * number / recipe.steps))
        self.adam.param_groups[0]["lr"] = recipe.rate * rising * falling
        with seeds.torch_global("encoder", recipe.seed, number), torch.no_grad():
            photos = self._batch()
            noise = recipe.code_noise * torch.randn(recipe.batch, self.decoder.code_dim)
            aim = self._seen(photos)
        codes = self._codes(photos)
        with torch.autocast(photos.device.type, torch.bfloat16):
            back = self.decoder(codes + noise).float()
        losses = self._inversion(back, photos, aim)
        losses["white"] = recipe.white_weight * self._white(codes)
        self.adam.zero_grad(set_to_none=True)
        torch.stack(list(losses.values())).sum().backward()
        nn.utils.clip_grad_norm_(self.encoder.parameters(), 1.0)
        self.adam.step()
        return {name: float(value.detach()) for name, value in losses.items()}

    def _batch(self) -> Tensor:
        recipe = self.recipe
        images = self.photos[torch.randint(0, len(self.photos), (recipe.batch,))]
        half = recipe.batch // 2
        windows = draw_windows(half, torch.default_generator, smallest=recipe.smallest_crop)
        resized = cut_windows(images[:half], windows, SIDE)
        return torch.cat([shifted_crops(images[half:], SIDE), resized])

    def _inversion(self, back: Tensor, photos: Tensor, aim: list[Tensor]) -> dict[str, Tensor]:
        recipe = self.recipe
        feature = readout = back.new_zeros(())
        for got, wanted in zip(self._seen(back), aim, strict=True):
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

    def _white(self, codes: Tensor) -> Tensor:
        """Measure how far the latest codes are from white; the newest pass gradients."""
        self.latest = [*self.latest[-(REMEMBERED // len(codes) - 1) :], codes]
        latest = torch.cat(self.latest)
        self.latest[-1] = codes.detach()
        return correlation(latest) + latest.mean(0).square().sum()

    @torch.no_grad()
    def whitened(self) -> ColourEncoder:
        """Copy the encoder so that codes of the training photos' centres are exactly white."""
        encoder, middle = self.encoder, (self.photos.shape[-1] - SIDE) // 2
        window = slice(middle, middle + SIDE)
        parts = self.photos[..., window, window].split(256)
        whitening = Whitening(self.decoder.code_dim)
        whitening.fit(torch.cat([self._codes(part.float() / 255) for part in parts]))
        return whitening.folded_into(encoder).eval().requires_grad_(requires_grad=False)


def train_encoder(
    training: EncoderTraining, on_step: OnEncoderStep = lambda step, losses: None
) -> ColourEncoder:
    """Take all steps.

    Args:
        on_step: called after each step with its number and losses.

    Returns:
        The encoder, its codes white, for evaluation.
    """
    for number in range(training.recipe.steps):
        on_step(number, training.step(number))
    return training.whitened()
