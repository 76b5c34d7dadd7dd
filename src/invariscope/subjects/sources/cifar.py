"""`cifar:NAME`: published CIFAR-10 networks, with weights from a file."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from invariscope import seeds
from invariscope.errors import InputError, unknown
from invariscope.photos.transform import PhotoRule
from invariscope.subjects.sources.loaded import LoadedNetwork, WeightChoice, with_file
from invariscope.zoo.cifar import (
    certified_small,
    preact_resnet18,
    resnet20,
    resnet50,
    wide_resnet,
)

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
Three = tuple[float, float, float]
RAW: tuple[Three, Three] = ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
CIFAR: tuple[Three, Three] = ((0.4914, 0.4822, 0.4465), (0.2471, 0.2435, 0.2616))
IMAGENET: tuple[Three, Three] = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


@dataclass(frozen=True)
class CifarNetwork:
    """A published network.

    Attributes:
        make: its architecture.
        mean, std: what its images are standardised with; RobustBench keeps that in its code,
            not in its files.
        weights: where its file is.
    """

    make: Callable[[], nn.Module]
    statistics: tuple[Three, Three]
    weights: str


BENCH = "RobustBench (CIFAR-10, L2 or Linf)"
NETWORKS = {
    "resnet20": CifarNetwork(resnet20, IMAGENET, "github.com/akamaster/pytorch_resnet_cifar10"),
    "certified_small": CifarNetwork(
        certified_small,
        (IMAGENET[0], (0.225, 0.225, 0.225)),
        "github.com/locuslab/convex_adversarial (models_scaled_l2)",
    ),
    "Engstrom2019Robustness": CifarNetwork(resnet50, (CIFAR[0], (0.2023, 0.1994, 0.2010)), BENCH),
    "Augustin2020Adversarial": CifarNetwork(
        resnet50, ((0.4914, 0.482159, 0.446531), (0.247032, 0.243485, 0.261588)), BENCH
    ),
    "Wong2020Fast": CifarNetwork(preact_resnet18, CIFAR, BENCH),
    "Andriushchenko2020Understanding": CifarNetwork(preact_resnet18, RAW, BENCH),
    "Carmon2019Unlabeled": CifarNetwork(lambda: wide_resnet(28, 10), RAW, BENCH),
    "Sehwag2020Hydra": CifarNetwork(lambda: wide_resnet(28, 10), RAW, BENCH),
    "Wang2020Improving": CifarNetwork(lambda: wide_resnet(28, 10), RAW, BENCH),
    "Zhang2019Theoretically": CifarNetwork(lambda: wide_resnet(34, 10), RAW, BENCH),
    "Rony2019Decoupling": CifarNetwork(
        lambda: wide_resnet(28, 10), ((0.491, 0.482, 0.447), (0.247, 0.243, 0.262)), BENCH
    ),
}


def load(name: str, weights: WeightChoice) -> LoadedNetwork:
    """Load a published CIFAR-10 network.

    Args:
        name: from `NETWORKS`; RobustBench's own names for its models.
        weights: a file, or `random`.

    Raises:
        InputError: another name, no file, or weights that do not fit.
        StoreError: a file that cannot be read.
    """
    if name not in NETWORKS:
        raise unknown("CIFAR network", name, NETWORKS)
    network = NETWORKS[name]
    if weights.pretrained:
        raise InputError(
            f"the weights of {name} are not fetched; get them from {network.weights} and name "
            "the file as weights"
        )
    if not (weights.random or weights.file):
        raise weights.neither("cifar")
    with seeds.torch_global(*weights.stream(f"cifar:{name}")):
        model = network.make()
    model.eval().requires_grad_(requires_grad=False)
    mean, std = network.statistics
    preprocessing = {"image_size": 32, "mean": mean, "std": std, "photo": PhotoRule(32)}
    if weights.random:
        return LoadedNetwork(model, preprocessing)
    return with_file(LoadedNetwork(model, preprocessing, CLASSES), weights)
