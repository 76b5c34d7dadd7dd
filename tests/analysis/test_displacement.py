"""Displacement in closed form, and units whose coefficients predict it, do not, or the reverse."""

import numpy as np
import pandas as pd
import pytest
import torch

from invariscope import seeds
from invariscope.analysis.displacement import displacement_along, predicted_displacement
from invariscope.paper.claim import CONTRADICTED, HOLDS, NOTHING, UNDECIDED
from invariscope.paper.figure_claims import PREDICTED, figure_claims
from invariscope.transformations import load


def test_towards_away_and_across_a_transformation():
    references = torch.rand(4, 3, 16, 16, generator=seeds.torch_stream("displacement")) / 2 + 0.25
    blur = load("blur", sigma=2.0)
    way = blur(references) - references
    across = torch.rand(4, 3, 16, 16, generator=seeds.torch_stream("across")) - 0.5
    unit = way / way.flatten(1).norm(dim=1).view(-1, 1, 1, 1)
    across -= (across * unit).flatten(1).sum(1).view(-1, 1, 1, 1) * unit
    images = torch.stack(
        [
            references[0] + 0.3 * way[0],
            references[1] - 0.3 * way[1],
            references[2] + across[2],
            references[3],
        ]
    )
    found = displacement_along(images, references, blur)
    assert found[:3].numpy() == pytest.approx([1, -1, 0], abs=1e-4)
    assert torch.isnan(found[3])
    grey = torch.full((1, 3, 16, 16), 0.5)
    assert torch.isnan(displacement_along(grey + 0.1, grey, load("rotation-180"))).all()


def world(slope, *, units=10, transformations=12, seed=0):
    """Units with coefficients of their own; transformations that all units ignore or do not."""
    stream = np.random.default_rng(seed)
    means = stream.uniform(0, 1, transformations)
    rows = []
    for unit in range(units):
        for k in range(transformations):
            own = 0.1 * stream.normal()
            rows.append(
                {
                    "subject": "net",
                    "site": "pixels",
                    "unit": f"fc:{unit}",
                    "transformation": f"t{k}",
                    "invariance": means[k] + own,
                    "along": 0.5 * means[k] + slope * own + 0.05 * stream.normal(),
                }
            )
    return pd.DataFrame(rows)


def verdict(table):
    found = predicted_displacement(table).assign(constraints="none")
    (claim,) = (c for c in figure_claims({"displacement": found}) if c.statement == PREDICTED)
    return claim.verdict


@pytest.mark.parametrize(("slope", "right"), [(0.5, HOLDS), (-0.5, CONTRADICTED)])
def test_a_true_and_a_reversed_effect_are_found(slope, right):
    assert verdict(world(slope)) == right


def test_what_all_units_share_makes_no_correlation():
    found = [verdict(world(0.0, seed=seed)) for seed in range(40)]
    assert found.count(UNDECIDED) >= 35
    table = world(0.0)
    assert np.corrcoef(table["invariance"], table["along"])[0, 1] > 0.7


def test_one_unit_and_few_transformations_say_nothing():
    assert verdict(world(0.5, units=1)) == NOTHING
    assert verdict(world(0.5, transformations=2)) == NOTHING
    gone = world(0.5)
    gone.loc[gone["unit"] == "fc:3", "invariance"] = np.nan
    assert predicted_displacement(gone)["units"].tolist() == [9]


@pytest.mark.parametrize(("units", "transformations"), [(4, 12), (10, 4), (3, 3)])
def test_few_units_or_transformations_have_a_correlation_and_no_interval(units, transformations):
    row = predicted_displacement(world(1.0, units=units, transformations=transformations)).iloc[0]
    assert np.isfinite(row["r"])
    assert np.isnan([row["low"], row["high"], row["z_sd"]]).all()
    whole = predicted_displacement(world(1.0, units=5, transformations=5)).iloc[0]
    assert np.isfinite([whole["low"], whole["high"]]).all()
