"""Images back to codes, in every way, on generators whose codes can be found."""

import pytest
import torch

from invariscope import perceptual
from invariscope.errors import InputError


@pytest.fixture
def codes():
    return torch.randn(3, 6, generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize(("how", "steps"), [("gradient", 300), ("search", 150), ("auto", None)])
def test_codes_of_the_generators_own_images_are_found(generator, codes, how, steps):
    images = generator.generate(codes)
    found = generator.invert(images, how=how, steps=steps)
    assert found.how == ("gradient" if how == "auto" else how)
    assert float(found.psnr.min()) > 40
    torch.testing.assert_close(found.codes, codes, atol=0.05, rtol=0)
    assert torch.equal(found.images, generator.generate(found.codes))
    torch.testing.assert_close(found.distance, (found.images - images).flatten(1).norm(dim=1))
    again = generator.invert(images, how=how, steps=steps)
    assert torch.equal(again.codes, found.codes)


def test_an_image_does_not_depend_on_its_neighbours(generator, codes):
    images = generator.generate(codes)
    alone = generator.invert(images[:1], steps=50)
    torch.testing.assert_close(generator.invert(images, steps=50).codes[:1], alone.codes)


def test_a_perceptual_loss_brings_features_closer(generator, conv_subject, picture):
    features = perceptual(conv_subject, ["fc"])
    without = generator.invert(picture[None])
    with_them = generator.invert(picture[None], features=features)

    def away(found):
        return float((features(found.images)[0] - features(picture[None])[0]).norm())

    assert away(with_them) < 0.5 * away(without)
    assert float(with_them.distance) > float(without.distance)


def test_features_have_the_subjects_responses_and_pass_gradients(conv_subject, picture):
    image = picture[None].clone().requires_grad_()
    (response,) = perceptual(conv_subject, ["conv1"])(image)
    assert torch.equal(response.detach(), conv_subject.respond(picture[None], ["conv1"])["conv1"])
    response.sum().backward()
    assert image.grad is not None
    assert float(image.grad.abs().sum()) > 0


def test_misuse_is_one_sentence(generator, conv_subject, picture):
    images = picture[None]
    with pytest.raises(InputError, match="unknown way to invert 'gradients'; did you mean 'grad"):
        generator.invert(images, how="gradients")
    with pytest.raises(InputError, match="paint has no encoder; invert by gradient or search"):
        generator.invert(images, how="encoder")
    with pytest.raises(InputError, match="only 'gradient' uses them"):
        generator.invert(images, how="search", features=perceptual(conv_subject, ["fc"]))
    with pytest.raises(InputError, match="images are 7 × 7 px; paint makes 8 × 8"):
        generator.invert(images[..., :7, :7])
    with pytest.raises(InputError, match="unknown site 'fcc'; did you mean 'fc'"):
        perceptual(conv_subject, ["fcc"])
