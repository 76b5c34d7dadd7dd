"""torchvision's models import beside any torch, and what is declared for it does nothing else."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from invariscope.errors import InputError
from invariscope.zoo import vision


def test_resnet50_has_the_papers_sites_and_answers():
    models = vision.torchvision_models()
    with torch.device("meta"):
        network = models.resnet50(weights=None).eval()
    names = dict(network.named_modules())
    assert {"layer3.0.conv1", "layer4.2.conv1", "fc"} <= set(names)
    assert network(torch.empty(2, 3, 224, 224, device="meta")).shape == (2, 1000)
    assert vision.torchvision_models() is models


LOADED = """
import torch
from invariscope.zoo import vision
vision.torchvision_models()
import torchvision
declared = len(vision._declared)
assert declared == (0 if torchvision.extension._has_ops() else 1), declared
try:
    torchvision.ops.nms(torch.zeros(1, 4), torch.zeros(1), 0.5)
    assert declared == 0
except RuntimeError as error:
    assert declared and "custom C++ ops" in str(error), error
"""


def test_only_what_is_missing_is_declared_and_calling_it_fails():
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", LOADED], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_operators_load_where_their_library_does(tmp_path):
    assert not vision._own_operators_load(tmp_path)
    (tmp_path / "_C.so").write_bytes(b"not a library")
    assert not vision._own_operators_load(tmp_path)


@pytest.mark.skipif(sys.platform != "linux", reason="names of libraries are Linux's")
def test_a_library_that_loads_is_recognised(tmp_path):
    library = Path(torch.__file__).parent / "lib" / "libc10.so"
    (tmp_path / "_C.so").symlink_to(library)
    assert vision._own_operators_load(tmp_path)


def test_without_torchvision_a_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setattr(vision, "find_spec", lambda name: None)
    for name in [n for n in sys.modules if n.split(".")[0] == "torchvision"]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(InputError, match=r"pip install '.\[models\]'"):
        vision.torchvision_models()
