"""Axes-level plots: each takes `ax=` and returns it."""

from invariscope.plot.ablation import ablation, ablation_by_share
from invariscope.plot.across import (
    against_count,
    by_count,
    confusion,
    invariance_accuracy,
    layer_by_layer,
    transfer_matrix,
    with_and_without,
)
from invariscope.plot.calibration import calibration
from invariscope.plot.distance import distance_activation
from invariscope.plot.front import front
from invariscope.plot.gallery import gallery
from invariscope.plot.invariance import active_shares, coefficients, layers
from invariscope.plot.observer_plots import (
    agreement,
    gradients,
    layer_distances,
    observers,
    paths,
    people,
    transfer,
)
from invariscope.plot.profile import profile
from invariscope.plot.studies import (
    appearance,
    convergence,
    dimension,
    mean_distance,
    naturalness,
    separability,
    subsets,
)

__all__ = [
    "ablation",
    "ablation_by_share",
    "active_shares",
    "against_count",
    "agreement",
    "appearance",
    "by_count",
    "calibration",
    "coefficients",
    "confusion",
    "convergence",
    "dimension",
    "distance_activation",
    "front",
    "gallery",
    "gradients",
    "invariance_accuracy",
    "layer_by_layer",
    "layer_distances",
    "layers",
    "mean_distance",
    "naturalness",
    "observers",
    "paths",
    "people",
    "profile",
    "separability",
    "subsets",
    "transfer",
    "transfer_matrix",
    "with_and_without",
]
