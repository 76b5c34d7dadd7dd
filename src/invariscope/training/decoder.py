"""Train the embedded generator: a decoder that inverts features of the standard network.

In the manner of DeePSiM (Dosovitskiy & Brox 2016): a code is a learned projection of the
network's `layer3`; the decoder brings pixels and features of the photo back.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from invariscope import seeds
from invariscope.devices import place
from invariscope.errors import StoreError
from invariscope.training import checkpoint
from invariscope.training.classifier import SIDE, standardise
from invariscope.training.data import Photos, centre_crop, random_crop
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


def recipe_of(state: dict[str, Any]) -> DecoderRecipe:
    """The recipe that a checkpoint was trained by."""
    recipe = state["recipe"]
    return DecoderRecipe(**{**recipe, "feature_weights": tuple(recipe["feature_weights"])})


def features(network: EmbeddedResNet, images: Tensor) -> list[Tensor]:
    """`layer1`, `layer2` and `layer3` of images in [0, 1]."""
    x = network.maxpool(network.relu(network.bn1(network.conv1(standardise(images)))))
    out = []
    for name in ("layer1", "layer2", "layer3"):
        x = network.get_submodule(name)(x)
        out.append(x)
    return out


def _loss(
    made: Tensor, photos: Tensor, got: list[Tensor], aim: list[Tensor], recipe: DecoderRecipe
) -> Tensor:
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
    """Codes `(n, code_dim)` of the photos' centre crops."""
    crops = (centre_crop(images, SIDE) for images in photos.images.split(batch))
    return torch.cat([encoder(features(network, crop)[-1]) for crop in crops])


def train_decoder(
    network: EmbeddedResNet,
    train: Photos,
    recipe: DecoderRecipe,
    folder: Path,
    *,
    on_step: Callable[[int, int, float], None] = lambda epoch, step, loss: None,
    on_epoch: Callable[[int, float], None] = lambda epoch, loss: None,
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
    device = train.images.device
    path = folder / "decoder.safetensors"
    network.eval().requires_grad_(requires_grad=False)
    with torch.random.fork_rng([]):
        torch.manual_seed(seeds.integer("decoder", recipe.seed))
        encoder = EmbeddedEncoder(recipe.code_dim)
        decoder = EmbeddedDecoder(recipe.code_dim)
    both = nn.ModuleDict({"encoder": encoder, "decoder": decoder})
    place(both, device)
    steps = len(train) // recipe.batch
    adam = torch.optim.Adam(both.parameters(), lr=recipe.rate, betas=(0.9, 0.99))
    cosine = torch.optim.lr_scheduler.OneCycleLR(
        adam, recipe.rate, total_steps=steps * recipe.epochs, pct_start=0.05, cycle_momentum=False
    )
    start = 0
    if state := checkpoint.load(path):
        if recipe_of(state) != recipe:
            raise StoreError(f"{str(path)!r} is of another recipe; choose another folder")
        both.load_state_dict(state["modules"])
        adam.load_state_dict(state["optimiser"])
        cosine.load_state_dict(state["cosine"])
        start = state["epoch"]
    for epoch in range(start, recipe.epochs):
        stream = seeds.torch_stream("decoder", recipe.seed, epoch)
        order = torch.randperm(len(train), generator=stream).to(device)
        total = 0.0
        for step in range(steps):
            rows = order[step * recipe.batch : (step + 1) * recipe.batch]
            photos = random_crop(train.images[rows], SIDE, stream, smallest=recipe.smallest_crop)
            with torch.autocast(device.type, torch.bfloat16):
                shift = torch.randint(0, GRID, (2,), generator=stream).tolist()
                with torch.no_grad():
                    codes_from = features(network, photos)[-1]
                    aim = features(network, photos.roll(shift, (2, 3)))
                codes = encoder(codes_from)
                noise = torch.randn(codes.shape, generator=stream).to(codes)
                codes = codes + recipe.code_noise * codes.detach().std(0) * noise
                made = decoder(codes).float()
                got = features(network, made.roll(shift, (2, 3)))
            loss = _loss(made, photos, got, aim, recipe)
            adam.zero_grad(set_to_none=True)
            loss.backward()
            adam.step()
            cosine.step()
            total += loss.item()
            on_step(epoch, step, loss.item())
        on_epoch(epoch, total / steps)
        state = {
            "recipe": asdict(recipe),
            "epoch": epoch + 1,
            "modules": both.state_dict(),
            "optimiser": adam.state_dict(),
            "cosine": cosine.state_dict(),
        }
        checkpoint.save(path, state)
    both.eval().requires_grad_(requires_grad=False)
    return whiten(encoder, decoder, encode(encoder, network, train))
