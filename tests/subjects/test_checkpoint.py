"""Weights from files in every published layout, and what is refused."""

import pickle

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from invariscope import seeds
from invariscope.errors import InputError, StoreError
from invariscope.subjects.checkpoint import Normaliser, load_state
from invariscope.zoo.weight_file import read_state

MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)


class Net(nn.Module):
    def __init__(self, classes=5):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(4)
        self.fc = nn.Linear(4, classes)


@pytest.fixture
def trained(fixed_weights):
    return dict(fixed_weights(Net()).state_dict())


def under(state, prefix):
    return {prefix + key: tensor for key, tensor in state.items()}


def numbers(mean, std, shape, names):
    return {
        name: torch.tensor(values).view(shape)
        for name, values in zip(names, (mean, std), strict=True)
    }


def robustness(state):
    """`imagenet_l2_3_0.pt`: AttackerModel in DataParallel, with optimiser and schedule."""
    new = numbers(MEAN, STD, (3, 1, 1), ("new_mean", "new_std"))
    whole = {
        **under(new, "normalizer."),
        **under(state, "model."),
        **under(new, "attacker.normalize."),
        **under(state, "attacker.model."),
    }
    return {"model": under(whole, "module."), "epoch": 90, "optimizer": {"lr": torch.tensor(0.1)}}


LAYOUTS = {
    "plain": lambda s: s,
    "training script": lambda s: {"state_dict": under(s, "module."), "epoch": 3, "arch": "net"},
    "robustness": robustness,
    "robustness, older": lambda s: {"state_dict": robustness(s)["model"], "epoch": 1},
    "RobustBench, normalised": lambda s: {
        **under(numbers(MEAN, STD, (1, 3, 1, 1), ("mean", "std")), "normalize."),
        **under(s, "model."),
    },
    "RobustBench, buffers": lambda s: {
        **numbers(MEAN, STD, (1, 3, 1, 1), ("mu", "sigma")),
        **s,
    },
    "RobustBench, DataParallel": lambda s: {
        "state_dict": {**under(s, "module."), "module.sub_block1.layer.0.bn1.weight": torch.ones(2)}
    },
    "RobustBench, last": lambda s: {"last": under(s, "model."), "best": under(s, "model.")},
    "a sequence of normaliser and model": lambda s: {
        **under(numbers(MEAN, STD, (3,), ("mean", "std")), "0."),
        **under(s, "1."),
    },
    "without counters": lambda s: {k: v for k, v in s.items() if "num_batches" not in k},
}
WITH_NORMALISER = {name for name, make in LAYOUTS.items() if "mean" in str(make({}).keys())}
WITH_NORMALISER |= {"robustness", "robustness, older", "RobustBench, buffers"}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_gives_the_same_network_and_its_normaliser(layout, trained, tmp_path):
    torch.save(LAYOUTS[layout](trained), tmp_path / "net.pt")
    with seeds.torch_global("fresh"):
        model = Net()
    found = load_state(model, read_state(tmp_path / "net.pt"), "net.pt")
    for key, tensor in model.state_dict().items():
        if "num_batches" not in key:
            assert torch.equal(tensor, trained[key]), key
    assert found == (Normaliser(MEAN, STD) if layout in WITH_NORMALISER else None)


def test_safetensors_in_half_precision_become_float32(trained, tmp_path):
    half = {k: v.half() if v.is_floating_point() else v for k, v in trained.items()}
    save_file(half, tmp_path / "net.safetensors")
    model = Net()
    load_state(model, read_state(tmp_path / "net.safetensors"), "net")
    assert model.fc.weight.dtype == torch.float32
    assert torch.equal(model.fc.weight, half["fc.weight"].float())


class Trap:
    """What a pickle runs when it is read without care."""

    def __reduce__(self):
        return (open, ("/nonexistent/trap", "w"))


def test_a_file_with_objects_is_never_run_and_the_way_out_is_named(trained, tmp_path):
    file = tmp_path / "imagenet_l2_3_0.pt"
    torch.save({"model": trained, "schedule": Trap()}, file)
    with pytest.raises(StoreError, match=r"could run code; convert it once .*docs/models\.md"):
        read_state(file)


@pytest.mark.parametrize("content", [b"not weights", b"", pickle.dumps({"a": 1})])
@pytest.mark.parametrize("name", ["net.pt", "net.safetensors"])
def test_a_damaged_file_is_refused(content, name, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(StoreError, match=r"net\.(pt|safetensors)"):
        read_state(tmp_path / name)


def test_a_truncated_file_is_refused(trained, tmp_path):
    for name in ("net.pt", "net.safetensors"):
        file = tmp_path / name
        torch.save(trained, file) if name.endswith("pt") else save_file(trained, file)
        file.write_bytes(file.read_bytes()[:-40])
        with pytest.raises(StoreError, match="damaged"):
            read_state(file)


@pytest.mark.parametrize("content", [{"epoch": 3}, [1, 2], {"model": {"epoch": 2}}])
def test_a_file_without_weights_is_refused(content, tmp_path):
    torch.save(content, tmp_path / "net.pt")
    with pytest.raises(StoreError, match="holds no state dict"):
        read_state(tmp_path / "net.pt")


def wrong(change):
    def make(state):
        changed = dict(state)
        change(changed)
        return changed

    return make


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (wrong(lambda s: s.pop("conv1.weight")), r"'conv1.weight' \(1 such\) is not in it"),
        (wrong(lambda s: s.pop("fc.bias")), r"'fc.bias' is not in it \(it begins with"),
        (wrong(lambda s: s.update(extra=torch.ones(2))), r"it has 'extra' \(1 such\)"),
        (wrong(lambda s: s.update({"fc.weight": torch.ones(9, 4)})), r"\(9, 4\); the model's is"),
        (lambda s: under(s, "attacker.model."), "is not in it"),
        (lambda s: {}, "begins with 'nothing'"),
    ],
)
def test_weights_that_do_not_fit_are_refused_and_change_nothing(make, says, trained):
    model = Net()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    with pytest.raises(InputError, match=says):
        load_state(model, make(trained), "net.pt")
    for key, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[key])
