"""Published CIFAR architectures: sizes from their papers, and the published weights themselves."""

import os
from pathlib import Path

import pytest
import torch

from invariscope import NetworkSubject, load_subject, seeds
from invariscope.zoo import cifar
from invariscope.zoo.weight_file import read_state

SHARED = os.environ.get("INVARISCOPE_SHARED")
needs_shared = pytest.mark.skipif(
    SHARED is None, reason="INVARISCOPE_SHARED names no folder with weights"
)


@pytest.mark.parametrize(
    ("make", "parameters"),
    [
        (cifar.resnet20, 269_722),
        (cifar.resnet50, 23_520_842),
        (cifar.preact_resnet18, 11_171_146),
        (lambda: cifar.wide_resnet(28, 10), 36_479_194),
        (lambda: cifar.wide_resnet(34, 10), 46_160_474),
        (cifar.certified_small, 16 * 49 + 32 * 257 + 100 * 2049 + 10 * 101),
    ],
)
def test_parameters_are_as_many_as_published(make, parameters):
    with torch.device("meta"):
        network = make()
    assert sum(p.numel() for p in network.parameters()) == parameters


def test_names_are_those_of_the_published_files():
    with torch.device("meta"):
        wide = cifar.wide_resnet(28, 10).state_dict()
        deep = cifar.resnet50().state_dict()
        before = cifar.preact_resnet18().state_dict()
    assert {"block1.layer.0.convShortcut.weight", "block3.layer.3.bn2.bias", "bn1.weight"} <= set(
        wide
    )
    assert {"layer1.0.shortcut.1.running_var", "layer4.2.conv3.weight", "linear.bias"} <= set(deep)
    assert {"layer2.0.shortcut.0.weight", "layer4.1.bn2.bias", "linear.weight"} <= set(before)
    assert "bn1.weight" not in before


def slow_resnet20(state, x):
    """ResNet-20 by hand."""
    import torch.nn.functional as F

    def norm(x, name):
        own = [state[f"{name}.{k}"] for k in ("running_mean", "running_var", "weight", "bias")]
        return F.batch_norm(x, *own)

    x = F.relu(norm(F.conv2d(x, state["conv1.weight"], padding=1), "bn1"))
    for layer in (1, 2, 3):
        for block in (0, 1, 2):
            name, stride = f"layer{layer}.{block}", 2 if layer > 1 and block == 0 else 1
            out = F.conv2d(x, state[f"{name}.conv1.weight"], stride=stride, padding=1)
            out = F.relu(norm(out, f"{name}.bn1"))
            out = norm(F.conv2d(out, state[f"{name}.conv2.weight"], padding=1), f"{name}.bn2")
            if stride == 2:
                x = x[:, :, ::2, ::2]
                zeros = torch.zeros(len(x), x.shape[1] // 2, *x.shape[2:])
                x = torch.cat([zeros, x, zeros], 1)
            x = F.relu(out + x)
    return x.mean((2, 3)) @ state["linear.weight"].T + state["linear.bias"]


@needs_shared
@pytest.mark.parametrize("name", ["resnet20", "certified_small"])
def test_the_published_weights_load_and_answer(name):
    stem = {"resnet20": "cifar10_resnet20", "certified_small": "cifar10_l2_certified_small"}[name]
    file = Path(str(SHARED)) / "weights" / f"{stem}.safetensors"
    subject = load_subject(f"cifar:{name}", weights=str(file))
    assert isinstance(subject, NetworkSubject)
    state = read_state(file)
    readout = "linear" if name == "resnet20" else "7"
    images = torch.rand(4, 3, 32, 32, generator=seeds.torch_stream("cifar"))
    answers = subject.respond(images, [readout])[readout]
    given = subject._prepare(images)
    if name == "resnet20":
        expected = slow_resnet20(state, given)
    else:
        x = torch.relu(torch.conv2d(given, state["0.weight"], state["0.bias"], 2, 1))
        x = torch.relu(torch.conv2d(x, state["2.weight"], state["2.bias"], 2, 1)).flatten(1)
        x = torch.relu(x @ state["5.weight"].T + state["5.bias"])
        expected = x @ state["7.weight"].T + state["7.bias"]
    torch.testing.assert_close(answers, expected, atol=1e-4, rtol=1e-4)
    assert subject.classes[8] == "ship"
