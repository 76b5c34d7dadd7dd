"""Parts of a batch, and memory that is kept."""

import subprocess
import sys

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from invariscope.devices import PART_PIXELS, SMALLEST_PART, part_of_batch
from invariscope.subjects.network import NetworkSubject

CPU = torch.device("cpu")
FAULTS = """
import resource, torch, invariscope as iv
torch.set_num_threads(1)
{}
def faults(): return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
torch.ones(13_000_000); before = faults()
for _ in range(60): total = float(torch.ones(13_000_000).sum())
print(faults() - before, total)
"""


@given(images=st.integers(1, 600), side=st.integers(1, 600))
def test_parts_are_equal_small_and_whole_where_none_is(images, side):
    part = part_of_batch(images, side, CPU)
    assert images % part == 0
    if part != images:
        assert part >= SMALLEST_PART
        assert part * side * side <= PART_PIXELS


def test_small_pictures_and_other_devices_take_the_batch_at_once():
    assert part_of_batch(50, 96, CPU) == 50
    assert part_of_batch(50, 224, torch.device("cuda")) == 50
    assert part_of_batch(50, 224, CPU) == part_of_batch(50, 256, CPU) == 10
    assert part_of_batch(53, 224, CPU) == 53


def test_a_network_answers_in_parts_what_each_part_answers_alone():
    torch.manual_seed(1)
    model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU()).eval()
    subject = NetworkSubject(model, image_size=224)
    images = torch.rand(20, 3, 224, 224)
    whole = subject.respond(images, ["0", "1"])
    for first in range(0, 20, 10):
        alone = subject.respond(images[first : first + 10], ["0", "1"])
        for site, response in alone.items():
            assert torch.equal(whole[site][first : first + 10], response)


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's mallopt")
def test_kept_memory_is_not_asked_for_again_and_gives_the_same_numbers():
    found = {}
    for call in ("pass", "assert iv.keep_freed_memory()"):
        script = FAULTS.format(call)
        told = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
        faults, total = told.stdout.split()
        found[call] = int(faults), float(total)
    (plain, total), (kept, same) = found.values()
    assert total == same == 13_000_000
    assert kept * 4 < plain  # at some calls, until there is room between small pieces that stay


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's mallopt")
def test_a_setting_of_the_environment_is_left_alone():
    script = "import invariscope as iv; print(iv.keep_freed_memory())"
    own = {"MALLOC_TRIM_THRESHOLD_": "100000", "PYTHONPATH": ":".join(sys.path)}
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, env=own)
    assert told.stdout.strip() == b"False"
