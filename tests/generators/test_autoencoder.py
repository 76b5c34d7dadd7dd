"""Autoencoders: the tiny one against the library's, folders of the library, sizes."""

import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from invariscope import load_autoencoder, load_generator
from invariscope.errors import InputError, StoreError
from invariscope.generators import autoencoder
from invariscope.generators.autoencoder import diffusers_autoencoder
from invariscope.zoo.taesd import tiny_decoder, tiny_encoder
from invariscope.zoo.vision import torchvision_models

SHARED = os.environ.get("INVARISCOPE_SHARED")
SIDE = 32


@pytest.fixture(scope="module")
def diffusers():
    torchvision_models()
    import diffusers

    return diffusers


@pytest.fixture(scope="module")
def images():
    return torch.rand(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))


def put(folder, encoder, decoder):
    for name, part in (("encoder", encoder), ("decoder", decoder)):
        save_file({k: v.contiguous() for k, v in part.items()}, folder / f"x_{name}.safetensors")
    return f"taesd:{folder / 'x'}"


def test_the_tiny_autoencoder_is_the_librarys(diffusers, images, tmp_path):
    theirs = diffusers.AutoencoderTiny(latent_channels=5).eval()
    encoder = {k.removeprefix("layers."): v for k, v in theirs.encoder.state_dict().items()}
    decoder = {}
    for name, tensor in theirs.decoder.state_dict().items():
        _, number, kind = name.split(".", 2)
        decoder[f"{int(number) + 1}.{kind}"] = tensor  # its bending of latents is no layer
    ours = load_autoencoder(put(tmp_path, encoder, decoder))
    other = diffusers_autoencoder(theirs, "tiny")
    with torch.no_grad():
        latents = ours.encode(images)
        assert latents.shape == (2, 5, 4, 4)
        torch.testing.assert_close(latents, other.encode(images))
        torch.testing.assert_close(ours.decode(3 * latents), other.decode(3 * latents))
    assert ours.identity != other.identity


@pytest.mark.parametrize("pooled", [False, True])
def test_whether_blocks_are_pooled_follows_from_the_weights(pooled, images, tmp_path):
    encoder, decoder = tiny_encoder(32, pooled=pooled), tiny_decoder(32, pooled=pooled)
    address = put(tmp_path, encoder.state_dict(), decoder.state_dict())
    generator = load_generator(f"{address}@{SIDE}")
    assert generator.code_dim == 32 * 4 * 4
    assert generator.name == f"{address}@{SIDE}"
    with torch.no_grad():
        expected = decoder(encoder(images)).clamp(0, 1)
    torch.testing.assert_close(generator.generate(generator.encode(images)), expected)


def test_weights_of_something_else_are_refused(tmp_path):
    encoder, decoder = tiny_encoder(4, pooled=False), tiny_decoder(4, pooled=True)
    with pytest.raises(InputError, match=r"missing: 11\.pool\.0\.weight"):
        load_autoencoder(put(tmp_path, encoder.state_dict(), decoder.state_dict()))
    with pytest.raises(InputError, match=r"has no convolution '1\.weight'"):
        load_autoencoder(put(tmp_path, encoder.state_dict(), {"a": torch.zeros(1)}))


def kinds(diffusers):
    tiny = diffusers.AutoencoderTiny(latent_channels=4)
    kl = diffusers.AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        block_out_channels=(8, 8),
        norm_num_groups=4,
        sample_size=SIDE,
    )
    return {"AutoencoderTiny": (tiny, 4), "AutoencoderKL": (kl, 16)}


@pytest.mark.parametrize("kind", ["AutoencoderTiny", "AutoencoderKL"])
def test_folders_of_the_library_are_read(diffusers, kind, images, tmp_path):
    model, side = kinds(diffusers)[kind]
    model.eval().save_pretrained(tmp_path)
    generator = load_generator(f"diffusers:{tmp_path}@{SIDE}")
    assert generator.code_dim == 4 * side * side
    with torch.no_grad():
        coded = model.encode(images * 2 - 1)
        latents = coded.latents if kind == "AutoencoderTiny" else coded.latent_dist.mode()
        expected = ((model.decode(latents).sample + 1) / 2).clamp(0, 1)
    torch.testing.assert_close(generator.encode(images), latents.flatten(1))
    found = generator.invert(images)
    torch.testing.assert_close(found.images, expected)
    torch.testing.assert_close(found.distance, (expected - images).flatten(1).norm(dim=1))
    again = load_generator(f"diffusers:{tmp_path}@{SIDE}")
    assert again.identity() == generator.identity()


def test_other_models_missing_weights_and_nan_are_refused(diffusers, tmp_path):
    model, _ = kinds(diffusers)["AutoencoderTiny"]
    model.save_pretrained(tmp_path / "bare")
    (tmp_path / "bare" / "diffusion_pytorch_model.safetensors").unlink()
    for where in (tmp_path / "bare", "none/none/none"):
        with pytest.raises(StoreError, match="cannot be loaded") as caught:
            load_autoencoder(f"diffusers:{where}")
        assert "\n" not in str(caught.value)
    diffusers.VQModel(norm_num_groups=4, block_out_channels=(8,)).save_pretrained(tmp_path / "vq")
    with pytest.raises(InputError, match="is a VQModel; expected AutoencoderTiny or Auto"):
        load_autoencoder(f"diffusers:{tmp_path / 'vq'}")
    model.encoder.layers[0].bias.data[0] = torch.nan
    with pytest.raises(InputError, match=r"not finite: encoder\.layers\.0\.bias"):
        diffusers_autoencoder(model, "tiny")


def test_a_size_that_is_not_kept_is_refused(tmp_path):
    encoder, decoder = tiny_encoder(4, pooled=False), tiny_decoder(4, pooled=False)
    address = put(tmp_path, encoder.state_dict(), decoder.state_dict())
    with pytest.raises(InputError, match="makes images of 40 × 40 px from ones of 36 × 36; "):
        load_generator(f"{address}@36")


@pytest.mark.skipif(SHARED is None, reason="INVARISCOPE_SHARED names no folder with weights")
def test_the_published_tiny_autoencoder_keeps_smooth_images():
    coder = load_autoencoder(f"taesd:{Path(str(SHARED)) / 'weights' / 'taef2'}")
    rows = torch.linspace(0.1, 0.9, 96)
    images = torch.stack([rows.repeat(96, 1), rows.repeat(96, 1).T, torch.full((96, 96), 0.4)])[
        None
    ]
    with torch.no_grad():
        latents = coder.encode(images)
        error = (coder.decode(latents) - images).square().mean()
    assert latents.shape == (1, 32, 12, 12)
    assert float(-10 * error.log10()) > 30


def test_without_diffusers_a_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setattr(autoencoder, "find_spec", lambda _: None)
    with pytest.raises(InputError, match=r"pip install '.\[models\]'"):
        load_autoencoder("diffusers:anything")
