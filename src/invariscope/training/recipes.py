"""The embedded networks by name: architecture, recipe, and the text of the model card."""

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
    """Make the network of a name, before its training."""
    with torch.random.fork_rng([]):
        torch.manual_seed(seeds.integer("classifier", RECIPES[name].seed))
        if name.startswith("plain"):
            return EmbeddedPlainNet(classes)
        if name.startswith("narrow"):
            return EmbeddedResNet(classes, (24, 48, 96, 160))
        return EmbeddedResNet(classes)


# What the model cards say.
_TRAINED = (
    "trained on the 10 classes of Imagenette (research use of ImageNet photos; no photo is "
    "shipped). Images in [0, 1] are standardised inside the subject. The attack: L2 (pixels in "
    "[0, 1]), 20 gradient steps, 5 random restarts on margin and cross-entropy. MIT."
)
_NETWORKS = {
    "standard": "A residual network for 96 × 96 RGB photos,",
    "robust": "The architecture of embedded:standard, adversarially",
    "plain": "An observer: convolutions without shortcuts,",
    "plain-robust": "The architecture of embedded:plain, adversarially",
    "narrow": "An observer: a narrower residual network from another seed,",
    "narrow-robust": "The architecture of embedded:narrow, adversarially",
}
GENERATOR_WORDS = (
    "A decoder of whitened codes that inverts `layer3` of embedded:standard with pixel, feature "
    "and adversarial losses, on the training photos of Imagenette; in the adversarial part the "
    "features compared are embedded:robust's. Codes of training photos have mean 0 and covariance "
    "I. Photos are inverted by the encoder in the same file. 'Same class' is "
    "the share of val photos whose class, by embedded:standard, survives. Fréchet distances are to "
    "the val photos by the judge's features; a grid peak is the power at the frequency of an "
    "upsampling grid over its neighbours', as a multiple of the photos'. The inversion was trained "
    "before the batch norms of embedded:standard were calibrated, the adversarial part after. "
    "MIT.\n\n"
    "The first four rows: images of random codes. The last two: val photos brought back.\n\n"
    "![64 images of random codes and 32 photos brought back](generator.jpg)"
)


def network_words(name: str) -> str:
    """Write the text of the card of `embedded:NAME`."""
    return f"{_NETWORKS[name]} {_TRAINED}"
