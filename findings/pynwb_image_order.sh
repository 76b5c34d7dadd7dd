#!/usr/bin/env bash
# pynwb 4.2.0 (hdmf 6.2.0): images of a stimulus template come back from the file in alphabetical order.

# Guess: an Images container gives its images back in the order in which they were put in, so that
# the numbers of an IndexSeries go on naming the same images.
# Seen: before writing the order is image2, image10, image1; after reading it is image1, image10,
# image2 (HDF5 lists a group by name). The numbers 0, 1, 2 of the IndexSeries are unchanged, so the
# image that was shown first is now another one. No warning. An ImageReferences object given as
# `order_of_images` keeps the order; few files have one.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/python -m pip install --quiet pynwb==4.2.0 hdmf==6.2.0 numpy==2.4.6
env/bin/python -W ignore - <<'PYTHON'
from datetime import datetime, timezone
from importlib.metadata import version

import numpy as np
from pynwb import NWBHDF5IO, NWBFile
from pynwb.base import ImageReferences, Images
from pynwb.image import GrayscaleImage, IndexSeries

print("pynwb", version("pynwb"), "hdmf", version("hdmf"))
NUMBERS = (2, 10, 1)


def first_shown(path, *, with_order):
    file = NWBFile("photos", "one", datetime(2020, 1, 1, tzinfo=timezone.utc))
    images = [GrayscaleImage(name=f"image{n}", data=np.full((4, 4), n, np.uint8)) for n in NUMBERS]
    order = ImageReferences(name="order_of_images", data=images) if with_order else None
    box = Images(name="photos", images=images, description="grey levels", order_of_images=order)
    file.add_stimulus_template(box)
    file.add_stimulus(
        IndexSeries(name="shown", data=np.arange(3, dtype=np.uint32), unit="N/A",
                    indexed_images=box, timestamps=[0.0, 1.0, 2.0])
    )
    before = list(box.images)
    with NWBHDF5IO(path, "w") as io:
        io.write(file)
    with NWBHDF5IO(path, "r") as io:
        shown = io.read().stimulus["shown"]
        box = shown.indexed_images
        listed = box.order_of_images if box.order_of_images is not None else box.images.values()
        levels = [int(image.data[0, 0]) for image in listed]
        return before, list(box.images), [levels[i] for i in shown.data[:]]


before, after, shown = first_shown("plain.nwb", with_order=False)
print("order put in:", before, "order read:", after, "grey levels shown:", shown)
assert shown == [1, 10, 2], "the order is kept now"
assert first_shown("ordered.nwb", with_order=True)[2] == list(NUMBERS)
print("with order_of_images the grey levels are", list(NUMBERS))
PYTHON
