import numpy as np
import pytest
import torch
from torch import nn

from invariscope.analysis.affine import ROTATIONS, SCALES, TRANSLATIONS, affine_baseline
from invariscope.subjects import NetworkSubject
from invariscope.subjects.pixels import max_distance
from invariscope.transformations.affine import translate


class Total(nn.Module):
    """Readout 0 is the sum of all pixels, readout 1 its negative."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(3 * 32 * 32, 2, bias=False)
        with torch.no_grad():
            self.fc.weight.copy_(torch.tensor([[1.0], [-1.0]]).expand(2, 3 * 32 * 32))

    def forward(self, x):
        return self.fc(x.flatten(1))


@pytest.fixture
def subject():
    return NetworkSubject(Total().eval(), image_size=32, mean=(0, 0, 0), std=(1, 1, 1))


@pytest.fixture
def image():
    return torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(1))


def test_one_row_a_kind_and_strength_and_identities_lose_nothing(subject, image):
    table = affine_baseline(subject, "fc:0", image)
    counts = table["kind"].value_counts().to_dict()
    assert counts == {
        "rotation": len(ROTATIONS),
        "translation": len(TRANSLATIONS),
        "scale": len(SCALES),
    }
    identity = table[
        ((table["kind"] == "scale") & (table["strength"] == 1))
        | ((table["kind"] != "scale") & (table["strength"] == 0))
    ]
    assert len(identity) == 3
    np.testing.assert_allclose(identity["distance"], 0, atol=1e-4)
    np.testing.assert_allclose(identity["reduction"], 0, atol=1e-3)


def test_translations_are_the_mean_over_four_directions(subject, image):
    table = affine_baseline(subject, "fc:0", image)
    row = table[(table["kind"] == "translation") & (table["strength"] == 25)].iloc[0]
    copies = [
        translate(image[None], right, down)[0]
        for right, down in ((0.25, 0), (-0.25, 0), (0, 0.25), (0, -0.25))
    ]
    assert row["activation"] == pytest.approx(np.mean([c.sum().item() for c in copies]), rel=1e-5)
    assert row["distance"] == pytest.approx(
        np.mean([(c - image).norm().item() for c in copies]), rel=1e-5
    )
    lost = (image.sum().item() - row["activation"]) / image.sum().item() * 100
    assert row["reduction"] == pytest.approx(lost, rel=1e-4)


def test_reduction_is_missing_where_the_reference_is_not_positive(subject, image):
    table = affine_baseline(subject, "fc:1", image)
    assert table["reduction"].isna().all()
    assert table["activation"].notna().all()


def test_farthest_possible_is_what_the_farthest_corner_gives(image):
    corner = (image < 0.5).float()
    assert max_distance(image) == pytest.approx((corner - image).norm().item(), rel=1e-6)


def test_the_upper_bound_over_all_references_is_that_of_the_papers_facts():
    assert max_distance(torch.zeros(3, 224, 224)) == pytest.approx(388, abs=0.5)
    assert max_distance(torch.ones(3, 96, 96)) == pytest.approx(166, abs=0.5)
