"""The layer names of the original implementation, such as `26_conv2d_25`.

It names layers `DEPTH_KIND_NUMBER`, in the order in which a forward pass reaches modules without
children: KIND is the module's class, NUMBER counts layers of that kind from 1, DEPTH counts
layers of all kinds from 1 (`00_input_01` is the image). In the paper BatchNorm2d and ReLU are not
counted: of ResNet-50, `26_conv2d_25` is `layer3.0.conv1`, `52_conv2d_51` is `layer4.2.conv1`,
`56_linear_01` is `fc`.
"""

from collections import Counter
from collections.abc import Sequence

INPUT = "00_input_01"
# Kinds that DEPTH leaves out; KIND and NUMBER alone say which layer is meant.
UNCOUNTED = ((), ("batchnorm2d", "relu"), ("batchnorm2d", "relu", "dropout"))


def translations(layers: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Translate original names to sites.

    Args:
        layers: site and lower-case class of every module without children, in the order of the
            forward pass, each once.
    """
    names = {}
    for left_out in UNCOUNTED:
        numbers: Counter[str] = Counter()
        counted = [(site, kind) for site, kind in layers if kind not in left_out]
        for depth, (site, kind) in enumerate(counted, start=1):
            numbers[kind] += 1
            names[f"{depth:02d}_{kind}_{numbers[kind]:02d}"] = site
    return names
