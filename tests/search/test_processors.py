"""What is promised to the bit holds whichever instructions a processor offers.

Torch and MKL choose their paths by the processor. Both can be told to take those of a lesser one,
which a process has to be told before it begins.
"""

import os
import subprocess
import sys
from itertools import product
from pathlib import Path

import pytest

HERE = Path(__file__).parent
CORE = ["test_places.py", "test_reductions.py", "strategies/test_strategy_contract.py"]
PROMISES = "alone or apart or offset or together or neighbours"
SAMPLE = "narrow or (bit_for_bit and 257)"
INSIDE = """
import sys, pytest, torch
found = torch.backends.cpu.get_cpu_capability().replace("NO AVX", "DEFAULT")  # its older name
assert found == sys.argv[1].upper()
sys.exit(pytest.main(sys.argv[2:]))
"""


def offered():
    """What torch calls the instructions of this processor; others would be illegal."""
    flags = Path("/proc/cpuinfo")
    text = flags.read_text() if flags.exists() else ""
    has = {"avx2": "avx2" in text, "avx512": "avx512dq" in text and "avx512bw" in text}
    return ["default", *[name for name, there in has.items() if there]]


def check(capability, reproducible, threads, which):
    """Runs tests in a process that is told what to take."""
    own = {"ATEN_CPU_CAPABILITY": capability, "OMP_WAIT_POLICY": "passive"}
    own |= {f"{library}_NUM_THREADS": str(threads) for library in ("OMP", "MKL")}
    own |= {"MKL_CBWR": reproducible} if reproducible else {}
    environment = {k: v for k, v in os.environ.items() if k != "MKL_CBWR"} | own
    words = ["-q", "-p", "no:cacheprovider", "-m", "not statistical", "-k", which]
    files = [str(HERE / name) for name in CORE]
    command = [sys.executable, "-c", INSIDE, capability, *words, *files]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]


def test_a_run_alone_equals_itself_among_others_on_a_plain_processor():
    check("default", "COMPATIBLE", 1, SAMPLE)


@pytest.mark.statistical
@pytest.mark.parametrize(
    ("capability", "reproducible", "threads"), [*product(offered(), (None, "COMPATIBLE"), (1, 2))]
)
def test_a_run_alone_equals_itself_among_others_on_any_processor(capability, reproducible, threads):
    check(capability, reproducible, threads, PROMISES)
