"""Generators by address: what is made of a weight file, a folder, a size."""

import pytest
import torch

from invariscope import load_generator
from invariscope.errors import InputError, StoreError
from invariscope.zoo.deepsim import DeepsimNetwork


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("INVARISCOPE_CACHE", str(tmp_path))
    return tmp_path


def test_a_published_file_in_the_cache_becomes_a_generator(cache):
    network = DeepsimNetwork("norm2")
    torch.save(network.state_dict(), cache / "deepsim_norm2.pt")
    generator = load_generator("deepsim:norm2")
    assert (generator.name, generator.code_dim) == ("deepsim:norm2", 256 * 13 * 13)
    images = generator.generate(torch.randn(2, generator.code_dim))
    assert images.shape == (2, 3, 240, 240)
    with torch.no_grad():
        code = torch.randn(1, generator.code_dim)
        bgr = network.eval()(code) + torch.tensor([104.0, 117.0, 123.0]).view(3, 1, 1)
    torch.testing.assert_close(generator.generate(code), bgr.flip(1).div(255).clamp(0, 1))


def test_a_file_that_holds_more_than_tensors_is_not_read(cache):
    torch.save({"weight": torch.zeros(1), "run": print}, cache / "deepsim_norm2.pt")
    with pytest.raises(StoreError, match="could run code"):
        load_generator("deepsim:norm2")
    (cache / "deepsim_norm1.pt").write_bytes(b"nothing")
    with pytest.raises(StoreError, match=r"no torch file|no file of weights"):
        load_generator("deepsim:norm1")


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("deepsim:fc9", "unknown deepsim 'deepsim:fc9'; did you mean 'deepsim:fc8'"),
        ("pixel", "unknown generator 'pixel'; did you mean 'pixels'"),
        ("pixels@big", "has 'big' behind '@'; expected the image size in pixels"),
        ("pixels@500", "size of a pixel generator is 500; expected a number from 1 to 128"),
        ("codes:none.safetensors", "no code space 'none.safetensors'"),
        ("taesd:none", "none_encoder.safetensors'; give a .safetensors"),
    ],
)
def test_a_wrong_address_is_one_sentence(address, said):
    with pytest.raises((InputError, StoreError)) as caught:
        load_generator(address)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_pixels_are_their_own_code():
    generator = load_generator("pixels@8")
    assert generator.code_dim == 192
    images = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    found = generator.invert(images)
    assert found.how == "encoder"
    torch.testing.assert_close(found.images, images)
    assert float(found.psnr.min()) > 100
    grey = generator.generate(torch.zeros(1, 192))
    assert torch.equal(grey, torch.full((1, 3, 8, 8), 0.5))
