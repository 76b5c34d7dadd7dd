"""EfficientNet-Lite0 of the shared folder as an observer: `benchmarks/efficientnet_lite0.py:make`.

    invariscope analyze STUDY --only acceptance --allow-code \\
        --observers benchmarks/efficientnet_lite0.py:make
"""

import os
from pathlib import Path

import invariscope as iv
from invariscope.subjects import Subject


def make() -> Subject:
    """Load the network with the weights in `$INVARISCOPE_SHARED/weights`."""
    shared = Path(os.environ["INVARISCOPE_SHARED"])
    file = shared / "weights" / "efficientnet_lite0_timm.safetensors"
    network = iv.load_subject("timm:tf_efficientnet_lite0", weights=str(file))
    network.name = "efficientnet-lite0"
    return network
