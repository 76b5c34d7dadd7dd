#!/usr/bin/env bash
# Pillow 12.0.0: an image of bytes that is enlarged by a bicubic filter.
#
# Guess: the eight-bit result is the floating-point one, rounded and cut to 0 to 255, so at
# most one grey level apart.
# Seen: each of the two passes (across, then down) is rounded and cut to
# bytes on its own, so overshoot of the first is lost to the second. Between edges of full contrast,
# as in noise or in saturated generated images, levels are more than 8 apart; where nothing
# overshoots they are 1 apart. A comparison with a framework that resizes in floating point meets
# this, and a shrunk image hardly does.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pillow==12.0.0 numpy==2.4.2
"$folder/venv/bin/python" - <<'PYTHON'
import numpy
import PIL
from PIL import Image

print("Pillow", PIL.__version__, "numpy", numpy.__version__)


def apart(low, high, size):
    """The largest difference of bytes from floating point, in grey levels."""
    image = numpy.random.default_rng(0).integers(low, high, (40, 40))
    bytes_, floats = (
        numpy.asarray(Image.fromarray(image.astype(kind)).resize((size, size), Image.BICUBIC))
        for kind in ("uint8", "float32")
    )
    return abs(bytes_ - floats.clip(0, 255)).max()


whole, middle, shrunk = apart(0, 256, 80), apart(80, 176, 80), apart(0, 256, 20)
print(f"full range, enlarged twice: {whole:.1f} levels apart")
print(f"range from 80 to 175, enlarged twice: {middle:.1f}")
print(f"full range, shrunk to half: {shrunk:.1f}")
raise SystemExit(not (whole > 8 and middle < 1.5 and shrunk < 1.5))
PYTHON
