"""Axes-level plots: each takes `ax=` and returns the axes; matplotlib is imported for the first."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from invariscope.plot.across import (
        against_count,
        by_count,
        confusion,
        invariance_accuracy,
        layer_by_layer,
        transfer_matrix,
        with_and_without,
    )
    from invariscope.plot.invariance import (
        ablation,
        ablation_by_share,
        active_shares,
        calibration,
        coefficients,
        layers,
    )
    from invariscope.plot.observer_plots import (
        acceptance,
        agreement,
        gradients,
        layer_distances,
        observers,
        paths,
        people,
        recognition,
    )
    from invariscope.plot.searches import distance_activation, front, gallery
    from invariscope.plot.studies import (
        appearance,
        controls,
        convergence,
        coverage,
        dimension,
        displacement,
        mean_distance,
        naturalness,
        separability,
        subsets,
    )
    from invariscope.plot.unit_profile import profile

__all__ = [
    "ablation",
    "ablation_by_share",
    "acceptance",
    "active_shares",
    "against_count",
    "agreement",
    "appearance",
    "by_count",
    "calibration",
    "coefficients",
    "confusion",
    "controls",
    "convergence",
    "coverage",
    "dimension",
    "displacement",
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
    "recognition",
    "separability",
    "subsets",
    "transfer_matrix",
    "with_and_without",
]
_MODULES = {
    "across": "against_count by_count confusion invariance_accuracy layer_by_layer "
    "transfer_matrix with_and_without",
    "invariance": "ablation ablation_by_share active_shares calibration coefficients layers",
    "observer_plots": "acceptance agreement gradients layer_distances observers paths people "
    "recognition",
    "searches": "distance_activation front gallery",
    "studies": "appearance controls convergence coverage dimension displacement mean_distance "
    "naturalness separability subsets",
    "unit_profile": "profile",
}


def __getattr__(name: str) -> Any:
    """Import the module of a plot when the plot is first used (PEP 562)."""
    for module, plots in _MODULES.items():
        if name in plots.split():
            return getattr(import_module(f"invariscope.plot.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """List the plots."""
    return __all__
