"""Each transformation against a published library or the definition written out pixel by pixel."""

import colorsys
import itertools

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage, stats

from invariscope import seeds
from invariscope.transformations import TWELVE, image_keys, load
from invariscope.transformations.filters import KERNELS

FILTERS = {
    "high-pass": [
        [-1, -1, -1, -1, -1],
        [-1, 1, 2, 1, -1],
        [-1, 2, 4, 2, -1],
        [-1, 1, 2, 1, -1],
        [-1, -1, -1, -1, -1],
    ],
    "horizontal": [[-1, 0, 1], [-1, 0, 1], [-1, 0, 1]],
    "vertical": [[-1, -1, -1], [0, 0, 0], [1, 1, 1]],
}


def each_channel(images, change):
    return torch.stack(
        [torch.stack([torch.from_numpy(change(c.numpy())) for c in image]) for image in images]
    )


def pillow(images, change):
    """What Pillow makes of each channel as a 32-bit float picture."""
    return each_channel(images.float(), lambda c: np.array(change(Image.fromarray(c))))


def test_there_are_the_papers_twelve():
    assert len(TWELVE) == len(set(TWELVE)) == 12
    groups = [load(name).group for name in TWELVE]
    counts = {group: groups.count(group) for group in dict.fromkeys(groups)}
    assert counts == {"colour": 2, "convolutional": 5, "noise": 2, "geometric": 3}


def test_grayscale_is_pillows_luma(photos):
    bytes_ = (photos * 255).round()
    ours = load("grayscale", white=255)(bytes_)
    for image, grey in zip(bytes_, ours, strict=True):
        picture = Image.fromarray(image.permute(1, 2, 0).numpy().astype(np.uint8))
        theirs = np.array(picture.convert("L"), dtype=float)
        assert torch.equal(grey[0], grey[1])
        assert torch.equal(grey[0], grey[2])
        np.testing.assert_allclose(grey[0], theirs, atol=0.51)


def test_hue_is_half_a_turn_in_colorsys(photos):
    ours = load("hue")(photos)
    for image, turned in zip(photos, ours, strict=True):
        for row, column in itertools.product(range(0, 20, 3), repeat=2):
            hue, saturation, value = colorsys.rgb_to_hsv(*image[:, row, column].tolist())
            expected = colorsys.hsv_to_rgb((hue + 0.5) % 1, saturation, value)
            np.testing.assert_allclose(turned[:, row, column], expected, atol=1e-12)


@pytest.mark.parametrize("sigma", [0.5, 1.0, 3.5, 20.0])
def test_blur_is_scipys(photos, sigma):
    ours = load("blur", sigma=sigma)(photos)
    theirs = each_channel(photos, lambda c: ndimage.gaussian_filter(c, sigma, mode="nearest"))
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", FILTERS)
def test_filters_are_scipys(photos, name):
    kernel = np.array(FILTERS[name])
    theirs = each_channel(photos, lambda c: ndimage.correlate(c, kernel, mode="nearest"))
    torch.testing.assert_close(load(name)(photos), theirs, rtol=0, atol=1e-12)


def test_high_passes_have_the_papers_middle_row_and_sums():
    middles = {name: (k[2], tuple(row[2] for row in k)) for name, k in KERNELS.items()}
    assert middles["zero-sum"] == ((-1, 2, 4, 2, -1),) * 2
    assert middles["separable"] == ((-4, 8, 16, 8, -4),) * 2
    sums = {name: sum(map(sum, kernel)) for name, kernel in KERNELS.items()}
    assert sums == {"zero-sum": 0, "separable": 36}


def test_the_separable_variant_is_two_passes_of_scipys(photos):
    theirs = photos.numpy()
    for axis in (2, 3):
        theirs = ndimage.correlate1d(theirs, [-1, 2, 4, 2, -1], axis=axis, mode="nearest")
    ours = load("high-pass", kernel="separable")(photos)
    torch.testing.assert_close(ours, torch.from_numpy(theirs), rtol=0, atol=1e-11)


@pytest.mark.parametrize("name", FILTERS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("shade", [0.0, 0.3, 1.0])
def test_a_constant_image_gives_0_under_the_derivative_filters(name, dtype, shade):
    assert load(name)(torch.full((2, 3, 9, 7), shade, dtype=dtype)).count_nonzero() == 0


@pytest.mark.parametrize("white", [1.0, 255.0])
def test_inversion_is_white_minus_the_pixel(photos, white):
    expected = [[white - float(p) for p in row] for row in photos[0, 0] * white]
    ours = load("inversion", white=white)(photos * white)
    np.testing.assert_allclose(ours[0, 0], expected, atol=1e-12)


@pytest.mark.parametrize(("white", "sd"), [(1.0, 50 / 255), (255.0, 50.0)])
def test_white_noise_is_normal_of_its_sigma(white, sd):
    images = torch.full((4, 3, 64, 64), white / 2)
    noise = load("white-noise", sigma=50, white=white)(images, image_keys(range(4))) - white / 2
    assert stats.kstest(noise.flatten() / sd, "norm").pvalue > 0.01
    between = np.corrcoef(noise.flatten(0, 1).flatten(1))[~np.eye(12, dtype=bool)]
    assert np.abs(between).max() < 5 / 64


def test_white_noise_adds_the_numbers_of_the_images_own_stream():
    key = 7
    drawn = seeds.numpy_stream("white-noise", key).standard_normal((3, 4, 5), dtype=np.float32)
    noise = load("white-noise", sigma=255)(torch.zeros(1, 3, 4, 5), [key])[0]
    np.testing.assert_allclose(noise, drawn, rtol=1e-6)


@pytest.mark.parametrize("share", [0.05, 0.5, 1.0])
@pytest.mark.parametrize("white", [1.0, 255.0])
def test_salt_and_pepper_sets_a_share_of_pixels_in_all_channels_alike(share, white):
    images = torch.full((4, 3, 64, 64), 0.3 * white)
    done = load("salt-and-pepper", share=share, white=white)(images, image_keys(range(4)))
    assert torch.equal(done[:, :1].expand_as(done), done)
    pixels = done[:, 0].flatten()
    assert set(pixels.unique().tolist()) <= {0.0, images[0, 0, 0, 0].item(), white}
    for value in (0.0, white):
        times = int((pixels == value).sum())
        assert stats.binomtest(times, len(pixels), share / 2).pvalue > 0.001


def test_quarter_turns_are_pillows(photos):
    turns = {"rotation-90": Image.Transpose.ROTATE_90, "rotation-180": Image.Transpose.ROTATE_180}
    for name, turn in turns.items():
        theirs = pillow(photos, lambda picture, turn=turn: picture.transpose(turn))
        assert torch.equal(load(name)(photos.float()), theirs)


@pytest.mark.parametrize(("height", "width"), [(20, 20), (12, 21)])
def test_thinning_is_pillows_antialiased_resize_between_black_sides(height, width):
    images = torch.rand(2, 3, height, width, generator=seeds.torch_stream("thin"))
    half = width // 2
    resize = Image.Resampling.BILINEAR
    theirs = pillow(images, lambda picture: picture.resize((half, height), resize))
    thin = load("thinning")(images)
    left = (width - half) // 2
    torch.testing.assert_close(thin[..., left : left + half], theirs, rtol=0, atol=1e-6)
    assert thin[..., :left].count_nonzero() == thin[..., left + half :].count_nonzero() == 0


@pytest.mark.parametrize("slope", [-0.75, 0.5, 2.0])
def test_shear_is_scipys_inside_the_frame(photos, slope):
    # scipy reads its source at matrix · (row, column) + offset, rows counted downwards.
    matrix, middle = np.array([[1, 0], [slope, 1]]), np.array([9.5, 9.5])
    offset = middle - matrix @ middle
    theirs = ndimage.affine_transform(photos[0, 0].numpy(), matrix, offset, order=1)
    rows, columns = np.mgrid[:20, :20]
    source = columns + slope * (rows - 9.5)
    inside = (source >= 0) & (source <= 19)
    ours = load("shear", slope=slope)(photos)[0, 0].numpy()
    np.testing.assert_allclose(ours[inside], theirs[inside], atol=1e-9)
    np.testing.assert_allclose(ours[(source <= -1) | (source >= 20)], 0, atol=1e-9)


@pytest.mark.parametrize("white", [1.0, 255.0])
def test_luminance_and_contrast_are_pixel_by_pixel(photos, white):
    images = photos * white
    brighter = load("luminance", shift=-0.25, white=white)(images)
    flatter = load("contrast", factor=0.3, white=white)(images)
    for image, shifted, flat in zip(images.numpy(), brighter, flatter, strict=True):
        np.testing.assert_allclose(shifted, image - 0.25 * white, atol=1e-9)
        # Pillow's and the usual definition: a blend with the constant image of the mean.
        np.testing.assert_allclose(flat, 0.7 * image.mean() + 0.3 * image, atol=1e-9)
    assert float(load("contrast", factor=0)(photos)[0].std()) < 1e-12
