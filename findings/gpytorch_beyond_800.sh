#!/usr/bin/env bash
# gpytorch 1.15.2: the posterior of an ExactGP is exact up to 800 points and approximate above.

# Guess: "exact" holds at any number of points, up to rounding.
# Seen: with 700 points the mean agrees with a direct solution to 1e-12, with 900 points it is off by
# more than 1e-3 of a function of standard deviation 0.7, in float64, without a warning: above 800
# points conjugate gradients with a loose tolerance take the place of a factorisation. The context
# `gpytorch.settings.fast_computations(solves=False, ...)` brings the exact one back.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/python -m pip install --quiet gpytorch==1.15.2 linear-operator==0.6.1 torch==2.11.0 numpy==2.4.6
env/bin/python -W ignore - <<'PYTHON'
from importlib.metadata import version

import gpytorch
import torch

print("gpytorch", version("gpytorch"), "torch", version("torch"))


class Process(gpytorch.models.ExactGP):
    def __init__(self, x, y, likelihood):
        super().__init__(x, y, likelihood)
        self.mean_module = gpytorch.means.ZeroMean()
        self.covar_module = gpytorch.kernels.ScaleKernel(gpytorch.kernels.RBFKernel())

    def forward(self, x):
        return gpytorch.distributions.MultivariateNormal(self.mean_module(x), self.covar_module(x))


def error(points, fast):
    torch.manual_seed(0)
    x = torch.randn(points, 5, dtype=torch.float64)
    y = torch.sin(x.sum(1))
    likelihood = gpytorch.likelihoods.GaussianLikelihood()
    likelihood.noise = 1e-3
    model = Process(x, y, likelihood).double().eval()
    likelihood.eval()
    new = x[:50] + 0.1
    settings = gpytorch.settings.fast_computations(
        covar_root_decomposition=fast, log_prob=fast, solves=fast
    )
    with torch.no_grad(), settings:
        mean = model(new).mean
        kernel = model.covar_module
        gram = kernel(x).to_dense() + likelihood.noise * torch.eye(points, dtype=torch.float64)
        direct = kernel(new, x).to_dense() @ torch.linalg.solve(gram, y)
    return float((mean - direct).abs().max())


exact, beyond, asked = error(700, True), error(900, True), error(900, False)
print(f"largest error of the mean: {exact:.1e} (700), {beyond:.1e} (900), {asked:.1e} (900, asked)")
assert exact < 1e-8 and asked < 1e-8
assert beyond > 1e-3, "900 points are exact now"
PYTHON
