"""The embedded networks and generator: architecture, recipe, and the text of the model card."""

from dataclasses import dataclass, replace

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


@dataclass(frozen=True)
class GeneratorRecipe:
    """Adam for both halves and for the critics.

    Attributes:
        steps: at which the training ends, unless the clock ends it before.
        batch: photos a step; as many random codes are drawn.
        resized: share of a batch that is a random resized crop; the rest, cut and mirrored only,
            is what critics take for photos.
        pixel_weight: of the squared error over the photos' variance.
        feature_weight: of the relative squared error of each feature map.
        readout_weight: of the divergence of each network's readout from that of the photo.
        random_ratio, photo_ratio, kernel_ratio, spectrum_ratio: length of the gradient of the
            critics' verdict on random images and on photos brought back, of the kernel distance
            and of the mean spectrum of random images, over that of the inversion.
        recovery_weight: of one minus the cosine between a random code and that of its image.
        white_weight: of the distance of a batch's covariance of codes from I.
        beyond: highest factor by which a random code's length is multiplied.
        code_noise: SD of the noise added to a photo's whitened code.
        warm: share of the training in which the critics' ratios rise from 0.
        free: share of the training after which the encoder is frozen.
    """

    steps: int = 20_000
    batch: int = 128
    rate: float = 6e-4
    critic_rate: float = 4e-4
    code_dim: int = 384
    resized: float = 0.375
    smallest_crop: float = 0.6
    pixel_weight: float = 6.0
    feature_weight: float = 0.15
    readout_weight: float = 0.5
    random_ratio: float = 1.0
    photo_ratio: float = 0.3
    kernel_ratio: float = 0.4
    spectrum_ratio: float = 0.3
    recovery_weight: float = 0.3
    white_weight: float = 0.02
    beyond: float = 2.5
    code_noise: float = 0.15
    warm: float = 0.1
    free: float = 0.4
    average: float = 0.999
    seed: int = 0


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
    "A decoder of whitened codes and an encoder of `layer3` of embedded:standard and of the "
    "photo's pixels, trained together on the training photos of Imagenette. Photos come back in "
    "pixels, features and readouts; images of random codes pass critics of patches and of the "
    "features of embedded:standard, embedded:robust, embedded:plain and EfficientNet-Lite0 (seen "
    "in training alone), and have the photos' features as a set and their mean spectrum. Codes of "
    "training photos have mean 0 and covariance I. A code longer than the 99th percentile "
    "of random ones counts as one of that length, so that a search stays where the images of "
    "random codes are (photos' own codes spread more: a longer one comes back "
    "from that length). 'Same class' is the share of val photos whose class, by "
    "embedded:standard, survives. "
    "Fréchet distances are to the val photos by the judge's features; a grid peak is the power at "
    "the frequency of an upsampling grid over its neighbours', as a multiple of the photos'. "
    "MIT.\n\n"
    "The first four rows: images of random codes. The last two: val photos brought back.\n\n"
    "![64 images of random codes and 32 photos brought back](generator.jpg)"
)


def network_words(name: str) -> str:
    """Write the text of the card of `embedded:NAME`."""
    return f"{_NETWORKS[name]} {_TRAINED}"
