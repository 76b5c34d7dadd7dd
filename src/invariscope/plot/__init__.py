"""Axes-level plots: each takes `ax=` and returns it."""

from invariscope.plot.ablation import ablation, ablation_by_share
from invariscope.plot.answers import answers
from invariscope.plot.calibration import calibration
from invariscope.plot.distance import distance_activation
from invariscope.plot.front import front
from invariscope.plot.gallery import gallery
from invariscope.plot.invariance import active_shares, coefficients, layers
from invariscope.plot.profile import profile

__all__ = [
    "ablation",
    "ablation_by_share",
    "active_shares",
    "answers",
    "calibration",
    "coefficients",
    "distance_activation",
    "front",
    "gallery",
    "layers",
    "profile",
]
