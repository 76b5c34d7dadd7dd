"""What a twin's Gaussian process costs beside GPyTorch's and scikit-learn's, in one run.

    python benchmarks/twin_process.py

For 100, 400 and 1,000 points of 1,200 features in 12 blocks (those of an `embedded` proxy, made of
random numbers): processor seconds of what a batch of 50 asks of the process, one thread: eight
steps up the marginal likelihood, and 25 predictions of 50 candidates with their gradients. GPyTorch
has the same two covariances over all features alike; scikit-learn fits by its own optimiser and
passes no gradients, so that its figure is of the fit and of one prediction. GPyTorch is not among
the project's requirements: where it is not installed, its column is missing. Writes
`twin_process.json`.
"""

import json
import time
import warnings
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process import kernels as sk
from torch import Tensor

from bench.machine import describe
from invariscope import seeds
from invariscope.search import gp

POINTS, BLOCKS, WIDTH = (100, 400, 1000), 12, 100
STEPS, CLIMBS, CANDIDATES, TIMES = 8, 25, 50, 3
PATH = Path(__file__).parent / "twin_process.json"


def ours(x: Tensor, y: Tensor, new: Tensor) -> None:
    """Learn and predict as a batch of a twin search does."""
    widths, errors = (WIDTH,) * BLOCKS, torch.zeros_like(y)
    first = gp.first_parameters(1, BLOCKS)
    words = {"blocks": widths, "steps": STEPS}
    found = gp.learn_parameters(x[None], y[None], errors[None], first, **words)
    process = gp.Process.of(x[None], y[None], errors[None], found, widths)
    for _ in range(CLIMBS):
        own = new.clone().requires_grad_()
        mean, deviation = process.predict(own[None])
        (mean + deviation).sum().backward()


def of_gpytorch() -> Callable[[Tensor, Tensor, Tensor], None] | None:
    """Make the same of GPyTorch; None where it is not installed."""
    try:
        import gpytorch  # noqa: PLC0415  # pyright: ignore[reportMissingImports]
    except ImportError:
        return None

    class Model(gpytorch.models.ExactGP):
        def __init__(self, x: Tensor, y: Tensor, likelihood: Any) -> None:
            super().__init__(x, y, likelihood)
            kernels = gpytorch.kernels
            self.mean_module = gpytorch.means.ZeroMean()
            self.covar_module = kernels.LinearKernel() + kernels.ScaleKernel(kernels.RBFKernel())

        def forward(self, x: Tensor) -> Any:
            found = gpytorch.distributions.MultivariateNormal
            return found(self.mean_module(x), self.covar_module(x))

    def work(x: Tensor, y: Tensor, new: Tensor) -> None:
        likelihood = gpytorch.likelihoods.GaussianLikelihood().double()
        model = Model(x, y, likelihood).double()
        model.train()
        likelihood.train()
        optimiser = torch.optim.Adam(model.parameters(), lr=gp.RATE)
        objective = gpytorch.mlls.ExactMarginalLogLikelihood(likelihood, model)
        for _ in range(STEPS):
            optimiser.zero_grad()
            (-objective(model(x), y)).backward()
            optimiser.step()
        model.eval()
        for _ in range(CLIMBS):
            own = new.clone().requires_grad_()
            found = model(own)
            (found.mean + found.variance.sqrt()).sum().backward()

    return work


def of_sklearn(x: Tensor, y: Tensor, new: Tensor) -> None:
    """Fit and predict once by scikit-learn."""
    kernel = sk.ConstantKernel() * sk.DotProduct() + sk.ConstantKernel() * sk.RBF(30.0)
    model = GaussianProcessRegressor(kernel + sk.WhiteKernel(0.1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its optimiser, near its bounds
        model.fit(x.numpy(), y.numpy())
    model.predict(new.numpy(), return_std=True)


def main() -> None:
    """Time each, side by side, and keep the least of several times."""
    torch.set_num_threads(1)
    ways = {"ours": ours, "gpytorch": of_gpytorch(), "scikit-learn": of_sklearn}
    known = {name: way for name, way in ways.items() if way}
    rows = []
    for points in POINTS:
        shape = (points + CANDIDATES, BLOCKS * WIDTH)
        x = seeds.normal([("twin_process", points)], shape)[0].double()
        y = torch.tanh(x[:points, :WIDTH].mean(1) * 5) + x[:points, WIDTH] / 5
        taken: dict[str, list[float]] = {name: [] for name in known}
        for _ in range(TIMES):
            for name, way in known.items():
                begun = time.process_time()
                way(x[:points], y, x[points:])
                taken[name].append(time.process_time() - begun)
        rows.append({"points": points, **{name: round(min(s), 3) for name, s in taken.items()}})
        print(rows[-1], flush=True)
    names = [name for name in ("gpytorch", "scikit-learn") if name in rows[0]]
    whole = {"machine": describe(torch.device("cpu")), "features": BLOCKS * WIDTH, "rows": rows}
    whole["versions"] = {name: version(name) for name in names}
    PATH.write_text(json.dumps(whole, indent=1) + "\n")


if __name__ == "__main__":
    main()
