"""Code spaces fitted to photos: principal components, whitened codes, files."""

import numpy as np
import pytest
import torch
from PIL import Image

from invariscope import fit_code_space, load_generator
from invariscope.errors import InputError, StoreError
from invariscope.generators import Autoencoder, load_code_space
from invariscope.generators.components import components

SIDE, DIMS = 8, 12


def linear(name="linear", scale=2.0):
    """Latents are pixels times a number."""
    return Autoencoder(
        name,
        lambda images: (images - 0.5) * scale,
        lambda latents: latents / scale + 0.5,
        {"kind": name},
        torch.device("cpu"),
    )


@pytest.fixture(scope="module")
def photos():
    """Images whose variance lies in few directions."""
    stream = torch.Generator().manual_seed(0)
    codes = torch.randn(200, 20, generator=stream) * torch.linspace(3, 0.3, 20)
    return torch.sigmoid(codes @ torch.randn(20, 3 * SIDE * SIDE, generator=stream) / 25).unflatten(
        1, (3, SIDE, SIDE)
    )


@pytest.fixture(scope="module")
def space(photos):
    return fit_code_space(linear(), photos, DIMS)


def test_components_are_those_of_the_singular_values():
    rows = np.random.default_rng(0).normal(size=(300, 40)).astype(np.float32)
    rows *= np.linspace(4, 0.5, 40, dtype=np.float32)
    mean, directions, variances, total = components(rows, 6)
    centred = rows.astype(float) - rows.astype(float).mean(0)
    _, values, turned = np.linalg.svd(centred, full_matrices=False)
    np.testing.assert_allclose(mean, rows.mean(0), atol=1e-6)
    np.testing.assert_allclose(variances, (values**2 / 299)[:6], rtol=1e-3)
    np.testing.assert_allclose(total, (values**2 / 299).sum(), rtol=1e-5)
    np.testing.assert_allclose(directions @ directions.T, np.eye(6), atol=1e-5)
    assert np.abs(np.diag(directions.numpy() @ turned[:6].T)).min() > 0.99


def test_codes_of_the_photos_are_white_and_come_back(space, photos):
    codes = space.encode(photos).double()
    torch.testing.assert_close(codes.mean(0), torch.zeros(DIMS).double(), atol=1e-4, rtol=0)
    torch.testing.assert_close(torch.cov(codes.T), torch.eye(DIMS).double(), atol=1e-3, rtol=0)
    torch.testing.assert_close(
        space.encode(space.generate(codes)), codes.float(), atol=0.05, rtol=0
    )
    assert torch.equal(space.code_statistics.covariance, torch.eye(DIMS).double())


def test_the_error_is_the_variance_that_is_left_out(space, photos):
    found = space.invert(photos)
    assert found.how == "encoder"
    lost = (found.distance.double().square().sum() / (len(photos) - 1)).item()
    spread = (photos - photos.mean(0)).double().square().sum().item() / (len(photos) - 1)
    assert lost / spread == pytest.approx(1 - sum(space.about["shares"]), abs=2e-3)
    error = (found.images - photos).square().flatten(1).mean(1)
    torch.testing.assert_close(found.psnr, -10 * error.log10())


def test_the_same_photos_give_the_same_space(space, photos):
    again = fit_code_space(linear(), photos.clone(), DIMS)
    assert again.identity() == space.identity()
    other = fit_code_space(linear(), photos.flip(3), DIMS)
    assert other.identity() != space.identity()


def test_a_space_has_the_same_directions_when_it_is_reduced(space):
    fewer = space.reduced(5)
    codes = torch.randn(3, 5, generator=torch.Generator().manual_seed(1))
    padded = torch.cat([codes, torch.zeros(3, DIMS - 5)], 1)
    torch.testing.assert_close(fewer.generate(codes), space.generate(padded))
    assert len(fewer.about["shares"]) == 5
    with pytest.raises(InputError, match="dims is 13; expected a number from 1 to 12"):
        space.reduced(13)


def test_a_space_survives_a_file(space, tmp_path):
    path = space.save(tmp_path / "new" / "space.safetensors")
    again = load_code_space(path, autoencoder=linear())
    codes = torch.randn(3, DIMS)
    assert torch.equal(again.generate(codes), space.generate(codes))
    assert again.identity() == space.identity()
    assert again.about == space.about
    assert [p.name for p in path.parent.iterdir()] == ["space.safetensors"]
    with pytest.raises(InputError, match="fitted with another autoencoder than 'other' is now"):
        load_code_space(path, autoencoder=linear("other"))
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(StoreError, match="is no code space, or a damaged one"):
        load_code_space(path, autoencoder=linear())


def test_an_address_loads_the_space_with_its_autoencoder(tmp_path, photos):
    from safetensors.torch import save_file

    from invariscope.zoo.taesd import tiny_decoder, tiny_encoder

    for part, make in (("encoder", tiny_encoder), ("decoder", tiny_decoder)):
        save_file(make(4, pooled=False).state_dict(), tmp_path / f"x_{part}.safetensors")
    space = fit_code_space(f"taesd:{tmp_path / 'x'}", photos, 3)
    path = space.save(tmp_path / "space.safetensors")
    again = load_generator(f"codes:{path}")
    assert again.name == f"codes:{path}"
    assert again.identity() == space.identity()


def test_a_folder_of_photos_is_read_cropped_and_spread(tmp_path, photos):
    for number, image in enumerate(photos[:40]):
        pixels = (image.permute(1, 2, 0) * 255).round().to(torch.uint8).numpy()
        Image.fromarray(pixels).save(tmp_path / f"{number:02d}.png")
    (tmp_path / "broken.jpg").write_bytes(b"")
    seen = []
    space = fit_code_space(
        linear(), tmp_path, 4, image_size=SIDE, watch=lambda done, of: seen.append((done, of))
    )
    assert space.about["photos"] == 40
    assert seen == [(40, 41)]
    stacked = (photos[:40] * 255).round() / 255
    torch.testing.assert_close(
        space.generate(torch.zeros(1, 4))[0], stacked.mean(0), atol=1e-4, rtol=0
    )
    few = fit_code_space(linear(), tmp_path, 4, image_size=SIDE, most=10)
    assert few.about["photos"] == 9  # the last of the ten is the broken one
    with pytest.raises(InputError, match=r"dims is 50; expected 1 … 40: below the 41 photos"):
        fit_code_space(linear(), tmp_path, 50, image_size=SIDE)
