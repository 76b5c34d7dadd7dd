"""Whiten codes while the encoder still learns, and draw random codes."""

import copy

import torch
from torch import Tensor, nn

from invariscope.zoo.smooth import ColourEncoder

MOMENTUM = 0.02  # of the running mean and covariance of codes


@torch.no_grad()
def inverse_root(covariance: Tensor, floor: float = 1e-6) -> Tensor:
    """Compute the symmetric square root of a covariance's inverse, `(d, d)` float32.

    Args:
        floor: lowest variance that counts, as a share of the highest.
    """
    values, vectors = torch.linalg.eigh(covariance.double().cpu())
    values = values.clamp(min=float(values.max()) * floor)
    return ((vectors / values.sqrt()) @ vectors.T).float().to(covariance.device)


class Whitening(nn.Module):
    """A running mean and covariance of codes, and the map to mean 0 and covariance I."""

    mean: Tensor
    covariance: Tensor
    root: Tensor

    def __init__(self, code_dim: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(code_dim))
        self.register_buffer("covariance", torch.eye(code_dim))
        self.register_buffer("root", torch.eye(code_dim))

    def forward(self, codes: Tensor) -> Tensor:
        return (codes - self.mean) @ self.root

    @torch.no_grad()
    def see(self, codes: Tensor) -> None:
        """Take a batch of codes into the running moments."""
        codes = codes.detach().float()
        mean = codes.mean(0)
        apart = codes - mean
        around = apart.T @ apart / (len(codes) - 1)
        self.mean.lerp_(mean, MOMENTUM)
        self.covariance.lerp_(around, MOMENTUM)

    @torch.no_grad()
    def fit(self, codes: Tensor) -> None:
        """Take the exact moments of codes."""
        codes = codes.double()
        self.mean.copy_(codes.mean(0))
        covariance = torch.cov(codes.T)
        self.covariance.copy_(covariance)
        self.root.copy_(inverse_root(covariance))

    @torch.no_grad()
    def update(self) -> None:
        """Compute the map from the present moments."""
        self.root.copy_(inverse_root(self.covariance, 1e-4))

    @torch.no_grad()
    def folded_into(self, encoder: ColourEncoder) -> ColourEncoder:
        """Copy the encoder with the whitening in its last layer."""
        encoder = copy.deepcopy(encoder)
        root = self.root.double()
        weight, bias = encoder.fc.weight.double(), encoder.fc.bias.double()
        encoder.fc.weight.copy_(root @ weight)
        encoder.fc.bias.copy_(root @ (bias - self.mean.double()))
        return encoder


def correlation(codes: Tensor) -> Tensor:
    """Measure a batch's covariance against I: squared differences, averaged over components."""
    apart = codes - codes.mean(0)
    covariance = apart.T @ apart / (len(codes) - 1)
    return (covariance - torch.eye(len(covariance), device=codes.device)).square().sum(1).mean()


def drawn_codes(number: int, code_dim: int, beyond: float, device: torch.device) -> Tensor:
    """Draw whitened codes: most of natural length, 40 % up to `beyond` times as long."""
    codes = torch.randn(number, code_dim, device=device)
    factor = torch.exp(torch.rand(number, 1, device=device) * torch.tensor(beyond).log())
    longer = torch.rand(number, 1, device=device) < 0.4
    return torch.where(longer, codes * factor, codes)
