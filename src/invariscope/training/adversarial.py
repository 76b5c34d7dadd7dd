"""The generator's second half: the decoder learns to make images that pass for photos.

The encoder and with it the code space stay as they are. Reconstructions and images of random
codes are held against photos by small critics on pixels and on the robust network's features
(Sauer et al. 2021, arXiv 2111.01007), with hinge losses (Lim & Ye 2017, arXiv 1705.02894). What a
robust network sees is what people see (Engstrom et al. 2019, arXiv 1906.00945): features of the
standard one can be matched by a woven texture that no photo has.
"""

import copy
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from invariscope import seeds
from invariscope.devices import place
from invariscope.training.classifier import SIDE
from invariscope.training.data import Photos, random_crop
from invariscope.training.decoder import GRID, features, inversion_loss
from invariscope.training.epochs import EpochTraining, OnEpoch, OnStep, Stateful
from invariscope.zoo.embedded import EmbeddedDecoder, EmbeddedEncoder, EmbeddedResNet


@dataclass(frozen=True)
class AdversarialRecipe:
    """Adam for decoder and critics, a rate that falls linearly, an average of the decoder.

    Attributes:
        adversarial_weight: of the critics' verdict on reconstructions and on random codes.
        pixel_weight, feature_weights: of the inversion, as in `DecoderRecipe`.
        average: share of the averaged decoder that a step keeps.
    """

    epochs: int = 20
    batch: int = 48
    rate: float = 3e-4
    critic_rate: float = 3e-4
    adversarial_weight: float = 0.15
    pixel_weight: float = 2.0
    feature_weights: tuple[float, ...] = (0.5, 0.7, 1.0)
    smallest_crop: float = 0.6
    average: float = 0.998
    seed: int = 0


def _conv(channels_in: int, channels: int, side: int = 3, stride: int = 1) -> nn.Module:
    return spectral_norm(nn.Conv2d(channels_in, channels, side, stride, side // 2))


class Critics(nn.Module):
    """Critics of patches: of pixels, and of each of three feature maps."""

    def __init__(self, channels: tuple[int, ...]) -> None:
        super().__init__()
        act = nn.LeakyReLU(0.2)
        self.pixels = nn.Sequential(
            *(_conv(3, 32, 4, 2), act, _conv(32, 64, 4, 2), act),
            *(_conv(64, 96, 4, 2), act, _conv(96, 1)),
        )
        self.maps = nn.ModuleList(
            nn.Sequential(_conv(c, 64, 1), act, _conv(64, 64, 3, 2 if i < 2 else 1), act)
            for i, c in enumerate(channels)
        )
        self.heads = nn.ModuleList(_conv(64, 1) for _ in channels)

    def forward(self, images: Tensor, maps: list[Tensor]) -> list[Tensor]:
        """Give verdicts `(n, 1, h, w)` of each critic, above 0 for a photo."""
        own = [self.pixels(2 * images - 1)]
        for map_, trunk, head in zip(maps, self.maps, self.heads, strict=True):
            own.append(head(trunk(map_ / (map_.detach().float().std() + 1e-6).to(map_))))
        return own


class _AdversarialTraining(EpochTraining):
    """Decoder, its average and critics in training, with their optimisers."""

    stream = "adversarial"

    def __init__(
        self,
        network: EmbeddedResNet,
        eyes: EmbeddedResNet,
        halves: tuple[EmbeddedEncoder, EmbeddedDecoder],
        train: Photos,
        recipe: AdversarialRecipe,
    ) -> None:
        super().__init__(train, recipe)
        self.network, self.eyes, self.recipe = network, eyes, recipe
        self.encoder, decoder = halves
        device = train.images.device
        with torch.random.fork_rng([]):
            torch.manual_seed(seeds.integer("critics", recipe.seed))
            critics = Critics((eyes.widths[0], eyes.widths[1], eyes.widths[2]))
        self.modules = nn.ModuleDict(
            {"decoder": copy.deepcopy(decoder), "average": decoder, "critics": critics}
        )
        place(self.modules, device).train().requires_grad_(requires_grad=True)
        self.decoder, self.critics = self.modules["decoder"], self.modules["critics"]
        self.average = self.modules["average"].requires_grad_(requires_grad=False)
        betas = (0.0, 0.99)
        self.adam = torch.optim.Adam(self.decoder.parameters(), lr=recipe.rate, betas=betas)
        self.critic_adam = torch.optim.Adam(
            self.critics.parameters(), lr=recipe.critic_rate, betas=betas
        )

    def parts(self) -> dict[str, Stateful]:
        return {
            "modules": self.modules,
            "encoder": self.encoder,
            "adam": self.adam,
            "critic_adam": self.critic_adam,
        }

    def step(self, step: int, rows: Tensor, stream: torch.Generator) -> float:
        recipe = self.recipe
        left = 1 - (self.epoch * self.steps + step) / (recipe.epochs * self.steps)
        for adam, rate in ((self.adam, recipe.rate), (self.critic_adam, recipe.critic_rate)):
            adam.param_groups[0]["lr"] = rate * left
        photos = random_crop(self.train.images[rows], SIDE, stream, smallest=recipe.smallest_crop)
        return self._step(photos, stream)

    def _step(self, photos: Tensor, stream: torch.Generator) -> float:
        recipe, kind = self.recipe, photos.device.type
        shift = torch.randint(0, GRID, (2,), generator=stream).tolist()

        def seen(images: Tensor) -> tuple[Tensor, list[Tensor]]:
            rolled = images.roll(shift, (2, 3))
            return rolled, features(self.eyes, rolled)

        with torch.autocast(kind, torch.bfloat16):
            with torch.no_grad():
                codes = self.encoder(features(self.network, photos)[-1])
                real, aim = seen(photos)
            drawn = torch.randn(codes.shape, generator=stream).to(codes.device, torch.float32)
            made = self.decoder(torch.cat([codes.float(), drawn])).float()
            rolled, got = seen(made)
            few = len(photos)
            inverted = inversion_loss(rolled[:few], real, [g[:few] for g in got], aim, recipe)
            self.critics.requires_grad_(requires_grad=False)
            verdicts = self.critics(rolled, got)
            fooled = -sum(v.float().mean() for v in verdicts) / len(verdicts)
            loss = inverted + recipe.adversarial_weight * fooled
        self.adam.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.decoder.parameters(), 1.0)
        self.adam.step()
        self.critics.requires_grad_(requires_grad=True)
        with torch.autocast(kind, torch.bfloat16):
            fake = self.critics(rolled.detach(), [g.detach() for g in got])
            true = self.critics(real, aim)
            wrong = sum(
                F.relu(1 - t.float()).mean() + F.relu(1 + f.float()).mean()
                for t, f in zip(true, fake, strict=True)
            )
        self.critic_adam.zero_grad(set_to_none=True)
        torch.as_tensor(wrong).backward()
        self.critic_adam.step()
        with torch.no_grad():
            pairs = zip(self.average.parameters(), self.decoder.parameters(), strict=True)
            for mean, value in pairs:
                mean.lerp_(value, 1 - recipe.average)
        return float(inverted.detach())


def train_adversarial(  # noqa: PLR0917
    network: EmbeddedResNet,
    eyes: EmbeddedResNet,
    halves: tuple[EmbeddedEncoder, EmbeddedDecoder],
    train: Photos,
    recipe: AdversarialRecipe,
    path: Path,
    *,
    on_step: OnStep = lambda epoch, step, loss: None,
    on_epoch: OnEpoch = lambda epoch, loss: None,
) -> tuple[EmbeddedEncoder, EmbeddedDecoder]:
    """Train the decoder against critics, or go on from the checkpoint at `path`.

    Args:
        network: the standard classifier, whose features are encoded; it is not changed.
        eyes: the robust classifier, whose features are compared; it is not changed.
        halves: encoder and decoder of `train_decoder`, whitened.
        on_epoch: called with the epoch and its mean inversion loss.

    Returns:
        The encoder as it was, and the average of the decoder's weights.

    Raises:
        StoreError: the checkpoint is of another recipe.
    """
    for classifier in (network, eyes):
        classifier.eval().requires_grad_(requires_grad=False)
    training = _AdversarialTraining(network, eyes, halves, train, recipe)
    training.run(path, on_step, on_epoch)
    average = training.average.eval()
    assert isinstance(average, EmbeddedDecoder)
    return training.encoder.eval(), average
