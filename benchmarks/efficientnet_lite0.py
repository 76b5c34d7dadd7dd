"""EfficientNet-Lite0 (ImageNet, 224 px) as a subject of studies, and as an observer.

    invariscope analyze STUDY --only acceptance --allow-code \\
        --observers benchmarks/efficientnet_lite0.py:make
"""

import os
from pathlib import Path

import invariscope as iv
from invariscope.subjects import NetworkSubject

ADDRESS = "timm:tf_efficientnet_lite0"


def network(weights: str, natural: str | None = None) -> NetworkSubject:
    """The network with weights from a file, as its address gives it.

    Args:
        weights: a safetensors file with timm's names.
        natural: its natural statistics, which an address alone cannot name in a study's file.
    """
    subject = iv.load_subject(ADDRESS, weights=weights)
    assert isinstance(subject, NetworkSubject)
    subject.natural = Path(natural) if natural else None
    return subject


def make() -> NetworkSubject:
    """The network with the weights in `$INVARISCOPE_SHARED/weights`."""
    file = Path(os.environ["INVARISCOPE_SHARED"]) / "weights/efficientnet_lite0_timm.safetensors"
    subject = network(str(file))
    subject.name = "efficientnet-lite0"
    return subject
