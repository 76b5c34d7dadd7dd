"""Controls beside invariant images: copies in closed form, and worlds with a known difference."""

import numpy as np
import pandas as pd
import pytest
import torch

from invariscope import FunctionSubject, load_generator
from invariscope.analysis.controls import (
    GAINS,
    OFFSETS,
    beside_invariant,
    control_images,
    control_means,
    farthest_of,
    light_copies,
    moved_copies,
    random_images,
)
from invariscope.units import parse_target


def test_light_copies_are_the_affine_maps_of_the_values():
    image = torch.rand(3, 16, 16, generator=torch.Generator().manual_seed(0))
    copies = light_copies(image)
    assert len(copies) == len(GAINS) * len(OFFSETS) - 1
    assert not any(torch.equal(copy, image) for copy in copies)
    wanted = (image.mean() + 2 * (image - image.mean()) - 0.3).clamp(0, 1)
    assert any(torch.allclose(copy, wanted) for copy in copies)


def test_affine_copies_that_move_nothing_are_left_out():
    """Four turns, sixteen shifts and four smaller copies move something."""
    image = torch.rand(3, 16, 16, generator=torch.Generator().manual_seed(0))
    assert len(moved_copies(image)) == 4 + 16 + 4


def test_random_images_have_codes_like_natural_ones():
    generator = load_generator("embedded")
    known = generator.code_statistics
    seen = []
    generator.generate = lambda codes: seen.append(codes) or torch.zeros(len(codes), 3, 8, 8)
    random_images(generator, 4000)
    scale = known.sd.cpu().clamp(min=1e-6)
    assert float(((seen[0].mean(0) - known.mean.cpu()) / scale).abs().max()) < 0.1
    assert float((seen[0].std(0) / scale - 1).abs().max()) < 0.1


def test_distance_and_loss_are_those_of_the_images():
    """The unit is the mean of the red values."""
    subject = FunctionSubject(lambda x: x.mean((2, 3)), name="means", image_size=8, classes="rgb")
    reference = torch.full((3, 8, 8), 0.8)
    other = reference.clone()
    other[0] = 0.6
    site = next(name for name in subject.sites() if name != "pixels")
    target = parse_target(f"{site}:0", subject.sites())
    found = control_images(
        subject,
        target,
        reference,
        {"one": torch.stack([other, reference]), "none": other[None][:0]},
    )
    assert list(found["series"]) == ["one", "one"]
    assert found["distance"].tolist() == pytest.approx([0.2 * 8, 0], abs=1e-5)
    assert found["reduction"].tolist() == pytest.approx([25, 0], abs=1e-4)
    assert found["saturation"].tolist() == [0, 0]


def images(**more):
    base = {"subject": "net", "series": "copies", "saturation": 0.1}
    rows = [
        {**base, "unit": f"fc:{u}", "distance": far, "reduction": lost}
        for u in range(6)
        for far, lost in ((10.0 + u, 5.0), (30.0 + u, 24.0), (90.0, 80.0))
    ]
    return pd.DataFrame(rows).assign(**more)


def test_the_farthest_that_fits_is_taken_unit_by_unit():
    for loss, distances in ((10, range(10, 16)), (25, range(30, 36)), (100, [90] * 6)):
        assert farthest_of(images(), loss)["distance"].tolist() == list(distances)
    assert len(farthest_of(images(), 1)) == 0


def members(effect, stream):
    """Fronts that lie `effect` farther than the copies at every loss."""
    rows = []
    for u in range(6):
        for loss, far in ((10, 10 + u), (25, 30 + u), (50, 30 + u)):
            row = {"subject": "net", "unit": f"fc:{u}", "task": "invariance", "site": "pixels"}
            row |= {"member": f"loses at most {loss} %", "reduction": float(loss)}
            rows.append({**row, "pixel_distance": far + effect + stream.normal()})
            rows.append({**row, "site": "deep", "pixel_distance": 500.0})
    return pd.DataFrame(rows)


@pytest.mark.parametrize("effect", [20.0, 0.0, -20.0])
def test_a_difference_is_found_with_its_sign_and_none_is_not_made_up(effect):
    """In a hundred worlds without an effect few intervals leave 0 out."""
    stream, beyond = np.random.default_rng(0), []
    for _ in range(100):
        found = beside_invariant(images(), members(effect, stream))
        assert list(found["loss"]) == [10, 25, 50]
        assert set(found["compared"]) == {6}
        row = found.iloc[1]
        assert row["farther"] == pytest.approx(row["invariant"] - row["distance"])
        beyond.append(int(row["low"] > 0) - int(row["high"] < 0))
    assert np.mean(beyond) == pytest.approx(np.sign(effect), abs=0.12)
    assert np.abs(beyond).mean() == pytest.approx(float(effect != 0), abs=0.12)


def test_units_without_such_an_image_or_member_are_not_compared():
    stream = np.random.default_rng(0)
    lossy = images()
    lossy.loc[lossy["unit"] == "fc:0", "reduction"] = 99.0
    found = beside_invariant(lossy, members(1.0, stream).query("unit != 'fc:1'"))
    assert set(found["compared"]) == {4}
    none = beside_invariant(images(reduction=99.0), members(1.0, stream))
    assert set(none["compared"]) == {0}
    assert none["farther"].isna().all()


def test_means_of_a_series_are_over_units():
    found = control_means(images()).iloc[0]
    assert (found["units"], found["images"]) == (6, 18)
    assert found["distance"] == pytest.approx(np.mean([10 + u + 30 + u + 90 for u in range(6)]) / 3)
