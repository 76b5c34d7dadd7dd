"""The embedded networks by name: their architecture, and how each is trained."""

from dataclasses import replace

import torch

from invariscope import seeds
from invariscope.training.classifier import ClassifierRecipe, Phase
from invariscope.zoo.embedded import EmbeddedNetwork, EmbeddedPlainNet, EmbeddedResNet

# The paper's epsilon of 3 at 224 px, at 96 px.
RADIUS = 1.3
_ALONE = ClassifierRecipe(phases=(Phase(40, 0.1, 1e-3, 0.2, (0.35, 0.6), 0.3),), seed=1)
_AGAINST = ClassifierRecipe(
    phases=(Phase(24, 0.05, 5e-4, 0.1, (0.35, 0.6), 0.0, attack_steps=3),), radius=RADIUS
)
# `first` is what `standard` and `robust` begin with; the others are observers.
RECIPES = {
    "first": ClassifierRecipe(),
    "standard": ClassifierRecipe(
        phases=(Phase(60, 0.08, 5e-4, 0.1, (0.25, 0.5), 0.7),), begins="first"
    ),
    "robust": ClassifierRecipe(
        phases=(Phase(48, 0.05, 5e-4, 0.1, (0.35, 0.6), 0.0, attack_steps=3),),
        begins="first",
        radius=RADIUS,
    ),
    "plain": _ALONE,
    "plain-robust": replace(_AGAINST, begins="plain"),
    "narrow": replace(_ALONE, seed=2),
    "narrow-robust": replace(_AGAINST, begins="narrow"),
}
OBSERVERS = ("plain", "plain-robust", "narrow", "narrow-robust")


def new_network(name: str, classes: int) -> EmbeddedNetwork:
    """The network of that name before its training."""
    with torch.random.fork_rng([]):
        torch.manual_seed(seeds.integer("classifier", RECIPES[name].seed))
        if name.startswith("plain"):
            return EmbeddedPlainNet(classes)
        if name.startswith("narrow"):
            return EmbeddedResNet(classes, (24, 48, 96, 160))
        return EmbeddedResNet(classes)
