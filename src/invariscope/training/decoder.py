"""Train the embedded generator: a decoder that inverts features of the standard network.

In the manner of DeePSiM (Dosovitskiy & Brox 2016): a code is a learned projection of the
network's `layer3`; the decoder brings pixels and features of the photo back.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn

from invariscope import seeds
from invariscope.devices import place
from invariscope.training.classifier import SIDE, standardise
from invariscope.training.data import Photos, centre_crop, random_crop
from invariscope.training.epochs import EpochTraining, OnEpoch, OnStep, Stateful
from invariscope.zoo.embedded import EmbeddedDecoder, EmbeddedEncoder, EmbeddedResNet

GRID = 16  # the network's total stride before `layer3`'s output


@dataclass(frozen=True)
class DecoderRecipe:
    """How the generator is trained: Adam, a cosine rate, pixel and feature losses.

    Both images are rolled by the same random shift before features are compared, so that the
    network's strides leave no grid in what is made.

    Attributes:
        code_noise: SD of the noise added to a code, as a share of the batch's code SD.
        feature_weights: weight of each of `layer1`, `layer2`, `layer3`'s relative squared error.
    """

    epochs: int = 24
    batch: int = 64
    rate: float = 1e-3
    code_dim: int = 256
    code_noise: float = 0.1
    pixel_weight: float = 4.0
    feature_weights: tuple[float, ...] = (1.0, 1.0, 1.0)
    smallest_crop: float = 0.6
    seed: int = 0


def features(network: EmbeddedResNet, images: Tensor) -> list[Tensor]:
    """Compute `layer1`, `layer2` and `layer3` of images in [0, 1]."""
    x = network.maxpool(network.relu(network.bn1(network.conv1(standardise(images)))))
    out = []
    for name in ("layer1", "layer2", "layer3"):
        x = network.get_submodule(name)(x)
        out.append(x)
    return out


class LossWeights(Protocol):
    """The weights of the inversion's loss."""

    @property
    def pixel_weight(self) -> float: ...
    @property
    def feature_weights(self) -> tuple[float, ...]: ...


def inversion_loss(
    made: Tensor, photos: Tensor, got: list[Tensor], aim: list[Tensor], recipe: LossWeights
) -> Tensor:
    """Measure images against their photos: mean absolute pixels, relative squared features.

    Args:
        made, photos: `(n, 3, h, w)`.
        got, aim: the features of both, one tensor a layer.
    """
    loss = recipe.pixel_weight * (made - photos).abs().mean()
    for weight, layer, wanted in zip(recipe.feature_weights, got, aim, strict=True):
        exact = wanted.float()
        loss = loss + weight * (layer.float() - exact).square().mean() / exact.square().mean()
    return loss


@torch.no_grad()
def whiten(
    encoder: EmbeddedEncoder, decoder: EmbeddedDecoder, codes: Tensor
) -> tuple[EmbeddedEncoder, EmbeddedDecoder]:
    """Fold a linear map into both halves so that natural codes have mean 0 and covariance I.

    Args:
        codes: `(n, code_dim)` codes of training photos by this encoder.

    Returns:
        The same two modules; together they compute what they computed before.
    """
    codes = codes.double()
    mean = codes.mean(0)
    values, vectors = torch.linalg.eigh(torch.cov(codes.T))
    values = values.clamp(min=values.max() * 1e-8)
    to_white = (vectors / values.sqrt()).T
    from_white = vectors * values.sqrt()
    e, d = encoder.fc, decoder.fc
    d.bias.copy_(d.bias.double() + d.weight.double() @ mean)
    d.weight.copy_(d.weight.double() @ from_white)
    e.bias.copy_(to_white @ (e.bias.double() - mean))
    e.weight.copy_(to_white @ e.weight.double())
    return encoder, decoder


@torch.inference_mode()
def encode(
    encoder: EmbeddedEncoder, network: EmbeddedResNet, photos: Photos, *, batch: int = 256
) -> Tensor:
    """Encode the photos' centre crops, `(n, code_dim)`."""
    crops = (centre_crop(images, SIDE) for images in photos.images.split(batch))
    return torch.cat([encoder(features(network, crop)[-1]) for crop in crops])


class _DecoderTraining(EpochTraining):
    """Encoder and decoder in training, with optimiser and learning rate."""

    stream = "decoder"

    def __init__(self, network: EmbeddedResNet, train: Photos, recipe: DecoderRecipe) -> None:
        super().__init__(train, recipe)
        self.network, self.recipe = network, recipe
        with torch.random.fork_rng([]):
            torch.manual_seed(seeds.integer("decoder", recipe.seed))
            self.encoder = EmbeddedEncoder(recipe.code_dim)
            self.decoder = EmbeddedDecoder(recipe.code_dim)
        self.both = nn.ModuleDict({"encoder": self.encoder, "decoder": self.decoder})
        place(self.both, train.images.device)
        self.adam = torch.optim.Adam(self.both.parameters(), lr=recipe.rate, betas=(0.9, 0.99))
        self.cosine = torch.optim.lr_scheduler.OneCycleLR(
            self.adam,
            recipe.rate,
            total_steps=self.steps * recipe.epochs,
            pct_start=0.05,
            cycle_momentum=False,
        )

    def parts(self) -> dict[str, Stateful]:
        return {"modules": self.both, "optimiser": self.adam, "cosine": self.cosine}

    def step(self, step: int, rows: Tensor, stream: torch.Generator) -> float:  # noqa: ARG002
        images, smallest = self.train.images[rows], self.recipe.smallest_crop
        loss = self._loss(random_crop(images, SIDE, stream, smallest=smallest), stream)
        self.adam.zero_grad(set_to_none=True)
        loss.backward()
        self.adam.step()
        self.cosine.step()
        return loss.item()

    def _loss(self, photos: Tensor, stream: torch.Generator) -> Tensor:
        with torch.autocast(photos.device.type, torch.bfloat16):
            shift = torch.randint(0, GRID, (2,), generator=stream).tolist()
            with torch.no_grad():
                codes_from = features(self.network, photos)[-1]
                aim = features(self.network, photos.roll(shift, (2, 3)))
            codes = self.encoder(codes_from)
            noise = torch.randn(codes.shape, generator=stream).to(codes)
            codes = codes + self.recipe.code_noise * codes.detach().std(0) * noise
            made = self.decoder(codes).float()
            got = features(self.network, made.roll(shift, (2, 3)))
        return inversion_loss(made, photos, got, aim, self.recipe)


def train_decoder(
    network: EmbeddedResNet,
    train: Photos,
    recipe: DecoderRecipe,
    folder: Path,
    *,
    on_step: OnStep = lambda epoch, step, loss: None,
    on_epoch: OnEpoch = lambda epoch, loss: None,
) -> tuple[EmbeddedEncoder, EmbeddedDecoder]:
    """Train encoder and decoder, or go on from `folder/decoder.safetensors`.

    Args:
        network: the trained standard classifier; it is not changed.
        on_epoch: called with the epoch and its mean loss.

    Returns:
        Encoder and decoder, whitened on the training photos (see `whiten`).

    Raises:
        StoreError: the checkpoint in `folder` is of another recipe.
    """
    network.eval().requires_grad_(requires_grad=False)
    training = _DecoderTraining(network, train, recipe)
    training.run(folder / "decoder.safetensors", on_step, on_epoch)
    training.both.eval().requires_grad_(requires_grad=False)
    codes = encode(training.encoder, network, train)
    return whiten(training.encoder, training.decoder, codes)
