"""Rates of V4 neurons read from the features of other networks, as subjects beside their own.

    INVARISCOPE_V4=v4 python benchmarks/v4_readouts.py [STORE/studies/v4]

Every subject here has one unit a neuron, `neurons:0` to `neurons:7`, in spikes/s, so that the
acceptance matrix can show an image of one network's neuron to the others' ideas of that neuron:
`published()` joins the networks that were each fitted to one neuron (`v4_networks.py`), `robust()`,
`standard()` and `efficientnet()` read the rates from a layer of a shipped or a published network by
ridge regression over the session's photos. The command writes `benchmarks/v4_readouts.json`: how
well each tells the rates of photos that it was not fitted to; and, given the study of
`configs/neurons/v4.toml` after `invariscope analyze … --only acceptance`, whose images whom excite,
with their figure. `docs/neurons.md` has both (`python benchmarks/neurons_page.py`).
"""

import argparse
import json
import shutil
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from sklearn.linear_model import Ridge
from sklearn.model_selection import KFold, cross_val_predict
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d

import efficientnet_lite0
import invariscope as iv
import v4_networks

SESSION = "190923"
# Of the neurons that `docs/neurons.md` did not choose its searches on, those whose own networks
# describe them best.
NEURONS = (12, 6, 21, 13, 22, 8, 11, 29)
FIGURE = Path(__file__).parents[1] / "docs" / "images" / "neurons_acceptance.png"
GRID = 4  # features are averaged over the places of a grid of 4 × 4
SHRINK = 1.0  # penalty of the ridge, for each feature
FOLDS = 4
# Chosen by what photos left out of the fit are told with, as are the grid and the penalty.
LAYERS = {"embedded": "layer2", "efficientnet": "blocks.3"}


class Readout(nn.Module):
    """A network up to a layer, its features averaged over 4 × 4 places, and a linear readout."""

    def __init__(self, layers: nn.Sequential, neurons: nn.Linear) -> None:
        super().__init__()
        self.network, self.grid = layers, nn.AdaptiveAvgPool2d(GRID)
        self.neurons = neurons

    def forward(self, images: Tensor) -> Tensor:
        return self.neurons(self.grid(self.network(images)).flatten(1))


def up_to(model: nn.Module, last: str) -> nn.Sequential:
    """The children of a network that runs them in order, the last of them included."""
    found = OrderedDict()
    for name, child in model.named_children():
        found[name] = child
        if name == last:
            return nn.Sequential(found)
    raise ValueError(f"no layer {last!r} among {', '.join(found)}")


def ridge(features: int) -> Pipeline:
    """Ridge regression of so many standardised features, not fitted."""
    return make_pipeline(StandardScaler(), Ridge(SHRINK * features))


def folded(fitted: Pipeline) -> nn.Linear:
    """A fitted regression as one layer that reads raw features."""
    scaler, regression = fitted["standardscaler"], fitted["ridge"]
    weights = regression.coef_ / scaler.scale_
    neurons = nn.Linear(weights.shape[1], weights.shape[0])
    with torch.no_grad():
        neurons.weight.copy_(torch.from_numpy(weights))
        neurons.bias.copy_(torch.from_numpy(regression.intercept_ - weights @ scaler.mean_))
    return neurons


def read_from(
    subject: iv.NetworkSubject, layers: nn.Sequential, site: str, name: str
) -> iv.NetworkSubject:
    """A subject of the neurons' rates, read from the site where a network's layers end."""
    features = features_of(subject, site)
    neurons = folded(ridge(features.shape[1]).fit(features, rates()))
    return with_readout(subject, layers, neurons, name)


def with_readout(
    subject: iv.NetworkSubject, layers: nn.Sequential, neurons: nn.Linear, name: str
) -> iv.NetworkSubject:
    """A subject of a network's layers and a readout, which sees images as the network does."""
    own = subject.preprocessing
    return iv.NetworkSubject(
        Readout(layers, neurons).eval(),
        image_size=subject.image_size,
        mean=tuple(own.mean.flatten().tolist()),
        std=tuple(own.std.flatten().tolist()),
        channels=own.channels,
        value_range=own.value_range,
        photo=subject.photo,
        classes=_names(),
        name=name,
    )


def _with_natural(subject: iv.NetworkSubject, maker: str) -> iv.NetworkSubject:
    """Give a subject the natural statistics in the data's `natural/MAKER`, where there are."""
    found = v4_networks.data_folder() / "natural" / maker / "natural.parquet"
    subject.natural = found if found.is_file() else None
    return subject


def _names() -> tuple[str, ...]:
    return tuple(f"n{number}" for number in NEURONS)


def features_of(subject: iv.NetworkSubject, site: str) -> NDArray[np.float64]:
    """Features of the session's photos over a grid of places, `(photos, features)`."""
    photos = v4_networks.read_photos(v4_networks.data_folder() / f"photos_{SESSION}")
    found = [subject.respond(subject.see(part), [site])[site] for part in photos.split(50)]
    return adaptive_avg_pool2d(torch.cat(found).float(), GRID).flatten(1).double().numpy()


def rates() -> NDArray[np.float64]:
    """The neurons' spikes/s for the session's photos, `(photos, neurons)`."""
    every = np.load(v4_networks.data_folder() / f"responses_mean_{SESSION}.npy")
    return (every[list(NEURONS)] / v4_networks.WINDOW).T.astype(float)


def held_out(features: NDArray[np.float64]) -> list[float]:
    """Correlation of each neuron's rates with those foretold from the other three quarters."""
    own, folds = rates(), KFold(FOLDS, shuffle=True, random_state=0)
    foretold = cross_val_predict(ridge(features.shape[1]), features, own, cv=folds)
    return [float(np.corrcoef(foretold[:, k], own[:, k])[0, 1]) for k in range(len(NEURONS))]


def published() -> iv.NetworkSubject:
    """The published networks of the neurons as one subject, scaled to spikes/s."""
    members = {f"n{number}": v4_networks.fitted(number, SESSION) for number in NEURONS}
    return _with_natural(iv.group_networks(members, name="published V4 networks"), "published")


def robust() -> iv.NetworkSubject:
    """Rates read from layer 2 of `embedded:robust`."""
    return _of_embedded("robust")


def standard() -> iv.NetworkSubject:
    """Rates read from layer 2 of `embedded:standard`."""
    return _of_embedded("standard")


def embedded(name: str) -> iv.NetworkSubject:
    """A shipped network."""
    subject = iv.load_subject(f"embedded:{name}")
    assert isinstance(subject, iv.NetworkSubject)
    return subject


def _of_embedded(name: str) -> iv.NetworkSubject:
    subject = embedded(name)
    layers = up_to(subject.model, LAYERS["embedded"])
    found = read_from(subject, layers, LAYERS["embedded"], f"V4 from embedded:{name}")
    return _with_natural(found, name)


def efficientnet() -> iv.NetworkSubject:
    """Rates read from block 3 of EfficientNet-Lite0 (`efficientnet_lite0.py`)."""
    subject = efficientnet_lite0.make()
    layers = up_to(subject.model, "blocks")
    blocks = layers[-1]
    assert isinstance(blocks, nn.Sequential)
    layers[-1] = blocks[:4]
    found = read_from(subject, layers, LAYERS["efficientnet"], "V4 from efficientnet-lite0")
    return _with_natural(found, "efficientnet")


def told_of(study: Path) -> dict[str, Any]:
    """The acceptance of a study's images, as far as the page tells it, and its figure beside."""
    folder = study / "analysis"
    cells = pd.read_csv(folder / "acceptance.csv")
    contrasts = pd.read_csv(folder / "acceptance_contrasts.csv")
    names = ["source", "observer", "own", "task", "units", "acceptance", "low", "high", "q"]
    of = ["source", "task", "contrast", "units", "observers", "difference", "low_all", "high_all"]
    shutil.copy(folder / "acceptance.png", FIGURE)
    tables = {"cells": cells[[*names, "others"]], "contrasts": contrasts[of]}
    found = {name: json.loads(t.to_json(orient="records") or "[]") for name, t in tables.items()}
    return {"budget": str(cells["budget"].iloc[0]), "chosen": str(cells["chosen"].iloc[0]), **found}


def main() -> None:
    """Write how well each network tells rates, and whose images excite whom."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("study", type=Path, nargs="?")
    asked = parser.parse_args()
    rows = []
    for network, kind in (
        (embedded("robust"), "embedded"),
        (embedded("standard"), "embedded"),
        (efficientnet_lite0.make(), "efficientnet"),
    ):
        r = held_out(features_of(network, LAYERS[kind]))
        about = {"network": network.name, "layer": LAYERS[kind]}
        rows.append({**about, "r": dict(zip(_names(), r, strict=True)), "mean": float(np.mean(r))})
    figures = {"session": SESSION, "photos": len(rates()), "folds": FOLDS, "networks": rows}
    file = Path(__file__).with_suffix(".json")
    known = json.loads(file.read_text()) if file.exists() else {}
    figures["acceptance"] = told_of(asked.study) if asked.study else known.get("acceptance")
    file.write_text(json.dumps(figures, indent=1) + "\n")
    print(file.read_text())


if __name__ == "__main__":
    main()
