"""Image statistics of images whose statistics are known."""

import numpy as np
import pandas as pd
import pytest
import torch

from invariscope import seeds
from invariscope.analysis.appearance import (
    appearance,
    appearance_summary,
    between_sites,
    colourfulness,
    describe,
    layout,
    luma,
    statistic_distance,
    texture,
)
from invariscope.errors import InputError
from invariscope.photos.spectrum import slopes

SIDE = 96


def noise(exponent, images=4, name="noise"):
    """Noise whose power falls with frequency to the power of `-exponent`."""
    cycles = np.fft.fftfreq(SIDE, 1 / SIDE)
    frequency = np.hypot(cycles, cycles[:, None])
    frequency[0, 0] = 1
    white = seeds.numpy_stream(name).normal(size=(images, SIDE, SIDE))
    shaped = np.fft.ifft2(np.fft.fft2(white) / frequency ** (exponent / 2)).real
    return torch.from_numpy(shaped / shaped.std((1, 2), keepdims=True))


def grey(light):
    return (0.5 + 0.1 * light).clamp(0, 1)[:, None].expand(-1, 3, -1, -1).float()


@pytest.mark.parametrize("exponent", [0, 1, 2, 3])
def test_the_slope_is_that_of_the_noise(exponent):
    assert slopes(noise(exponent)).mean() == pytest.approx(-exponent, abs=0.15)


def test_light_and_contrast_are_mean_and_sd():
    images = grey(noise(1))
    found = describe(images)
    assert found["luminance"].numpy() == pytest.approx(images.mean((1, 2, 3)).numpy(), abs=1e-6)
    assert found["contrast"].numpy() == pytest.approx(
        images[:, 0].flatten(1).std(1, correction=0).numpy(), abs=1e-6
    )
    assert found["colour"].numpy() == pytest.approx(np.zeros(4), abs=1e-6)


def test_colourfulness_in_closed_form():
    half = torch.zeros(1, 3, 4, 4)
    half[0, 0, :2] = 1  # red above, black below: rg = 1 or 0, yb = ½ or 0
    expected = np.hypot(0.5, 0.25) + 0.3 * np.hypot(0.5, 0.25)
    assert colourfulness(half).item() == pytest.approx(expected)


def test_a_pure_colour_has_the_luma_of_its_channel():
    green = torch.zeros(1, 3, 4, 4)
    green[:, 1] = 1
    assert luma(green).unique().tolist() == pytest.approx([0.7152])


def test_texture_ignores_place_and_contrast_but_not_scale_or_orientation():
    light = noise(1, 1)
    same = texture(light)
    assert statistic_distance("texture", texture(2 * light + 1), same).item() == pytest.approx(
        0, abs=1e-6
    )
    moved = statistic_distance("texture", texture(light.roll((40, 20), (1, 2))), same).item()
    turned = statistic_distance("texture", texture(light.rot90(1, (1, 2))), same).item()
    lines = torch.sin(torch.arange(SIDE) / 2).expand(1, SIDE, SIDE).double()
    other = statistic_distance("texture", texture(lines), same).item()
    assert moved < other / 3
    assert turned < other / 3
    assert statistic_distance("texture", texture(lines), texture(lines.mT)).item() > other / 3


def test_layout_is_where_contrast_lies_whatever_its_strength():
    light = noise(0, 1)
    mask = torch.zeros(SIDE, SIDE, dtype=torch.float64)
    mask[: SIDE // 2] = 1
    above, below = layout(light * mask), layout(light * mask.flip(0))
    assert statistic_distance("layout", above, layout(3 * light * mask)).item() == pytest.approx(
        0, abs=1e-9
    )
    assert statistic_distance("layout", above, below).item() > 1.8
    assert statistic_distance("layout", above, layout(noise(0, 1, "other") * mask)).item() < 0.1


def test_constant_images_have_no_slope_and_do_not_fail():
    found = describe(torch.full((1, 3, 32, 32), 0.5))
    assert torch.isnan(found["slope"]).all()
    assert found["texture"].isfinite().all()
    with pytest.raises(InputError, match="16 px or more"):
        describe(torch.zeros(1, 3, 8, 8))


def world():
    """Two units; one site darkens each image by 0.2, the other moves it by half its side."""
    references = grey(noise(1, 2))
    rows, images, origins = [], [], []
    for k in range(2):
        for site, image in (
            ("pixels", references[k] - 0.2),
            ("deep", references[k].roll(SIDE // 2, 1)),
        ):
            rows.append({"subject": "net", "task": "invariance", "site": site, "unit": f"fc:{k}"})
            images.append(image.clamp(0, 1))
            origins.append(references[k])
    return pd.DataFrame(rows), torch.stack(images), torch.stack(origins)


def test_changes_against_the_reference_and_their_effect():
    changes = appearance(*world())
    table = appearance_summary(changes).set_index(["site", "statistic"])
    assert table.loc[("pixels", "luminance"), "change"] == pytest.approx(-0.2, abs=0.01)
    assert table.loc[("deep", "luminance"), "apart"] == pytest.approx(0, abs=1e-6)
    assert table.loc[("deep", "layout"), "apart"] > 5 * table.loc[("pixels", "layout"), "apart"]
    assert table.loc[("pixels", "luminance"), "effect"] < -10
    assert np.isnan(table.loc[("deep", "layout"), "effect"])
    # The scale is how far the two references lie apart.
    own = changes[(changes["statistic"] == "layout") & (changes["site"] == "deep")]
    origin = layout(luma(world()[2][[0, 2]]))
    scale = statistic_distance("layout", origin[0], origin[1]).item()
    assert own["relative"].to_numpy() == pytest.approx(own["apart"].to_numpy() / scale)


def test_sites_are_compared_within_units():
    table = between_sites(appearance(*world()), ["pixels", "deep"]).set_index("statistic")
    assert table.loc["luminance", "difference"] > 0 > table.loc["layout", "difference"]
    assert table.loc["luminance", "units"] == 2
