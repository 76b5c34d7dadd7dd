import copy
import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from invariscope.errors import InputError, StoreError
from invariscope.training import checkpoint
from invariscope.training.attack import cross_entropy, l2_attack, margin, survivors
from invariscope.training.classifier import (
    ClassifierRecipe,
    Phase,
    accuracy,
    calibrate,
    standardise,
    train_classifier,
)
from invariscope.training.data import Photos, centre_crop, cut_mix, load_photos, random_crop
from invariscope.zoo.embedded import EmbeddedResNet

TINY = ClassifierRecipe(
    phases=(
        Phase(2, 0.05, 5e-4, 0.2, (0.5, 0.9), 0.0),
        Phase(1, 0.01, 5e-4, 0.2, (0.5, 0.5), 1.0),
    ),
    batch=8,
)


@pytest.fixture(scope="module")
def photos():
    """Two classes that any network can tell apart: dark and bright."""
    stream = torch.Generator().manual_seed(0)
    labels = torch.arange(32) % 2
    noise = torch.rand(32, 3, 104, 104, generator=stream) * 60
    images = (noise + 180 * labels.view(-1, 1, 1, 1)).to(torch.uint8)
    return Photos(images, labels, ("dark", "bright"))


def fresh() -> EmbeddedResNet:
    with torch.random.fork_rng([]):
        torch.manual_seed(7)
        return EmbeddedResNet(2, (8, 16, 24, 32))


def same(a: nn.Module, b: nn.Module) -> bool:
    pairs = zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    return all(torch.equal(x, y) for x, y in pairs)


class StoppedError(Exception):
    pass


def stop_after(epoch):
    def on_epoch(done, _figure):
        if done == epoch:
            raise StoppedError

    return on_epoch


@pytest.fixture(scope="module")
def trained(photos, tmp_path_factory):
    """A network that was trained without a stop, the loss of each step, and the checkpoint."""
    path, losses = tmp_path_factory.mktemp("trained") / "tiny.safetensors", []
    network = train_classifier(
        fresh(), photos, photos, TINY, path, on_step=lambda _e, _s, loss: losses.append(loss)
    )
    return network, losses, path


@pytest.mark.parametrize("epoch", [1, 2])
def test_a_training_that_was_stopped_goes_on_to_the_same_weights(photos, trained, tmp_path, epoch):
    path = tmp_path / "cut.safetensors"
    # The checkpoint of an epoch is written after its report: a stop there loses that epoch only.
    with pytest.raises(StoppedError):
        train_classifier(fresh(), photos, photos, TINY, path, on_epoch=stop_after(epoch))
    assert same(train_classifier(fresh(), photos, photos, TINY, path), trained[0])


def test_training_learns_and_ends_in_eval_mode(photos, trained):
    network, losses, _ = trained
    assert not network.training
    assert sum(losses[:3]) > sum(losses[5:8])
    assert len(losses) == TINY.epochs * (len(photos) // TINY.batch)


def test_an_attack_stays_in_its_ball_and_finds_the_worst_point_of_a_linear_network():
    # Logits ±w·x: within the ball the loss grows with -w·x alone, so the worst is x - r·w/‖w‖.
    w = torch.full((3, 8, 8), 0.5)
    w[0] = -1.0
    images = torch.full((4, 3, 8, 8), 0.5)

    def logits(x):
        score = (x * w).sum((1, 2, 3))
        return torch.stack([-score, score], 1)

    wanted = torch.tensor([[0.0, 1.0]]).expand(4, 2)
    stream = torch.Generator().manual_seed(0)
    for loss in (cross_entropy, margin):
        moved = l2_attack(
            logits, images, wanted, radius=0.8, steps=50, stream=stream, length=0.1, loss=loss
        )
        assert torch.allclose(moved, images - 0.8 * w / w.norm(), atol=1e-3)
    few = l2_attack(logits, images, wanted, radius=0.8, steps=1, stream=stream)
    assert float((few - images).flatten(1).norm(dim=1).max()) <= 0.8 + 1e-5
    # The margin is ‖w‖ times the distance to the boundary: beyond it no image survives.
    labels = torch.tensor([1, 1, 0, 0])
    offset = float((images[0] * w).sum())

    def shifted(x, by):
        score = (x * w).sum((1, 2, 3)) - offset + by * float(w.norm())
        return torch.stack([-score, score], 1)

    for by, kept in ((0.9, [True, True, False, False]), (0.7, [False] * 4)):
        found = survivors(
            lambda x, by=by: shifted(x, by),
            images,
            labels,
            radius=0.8,
            steps=20,
            restarts=2,
            stream=stream,
        )
        assert found.tolist() == kept


def test_the_margin_goes_on_rising_where_the_cross_entropy_is_flat():
    logits = torch.tensor([[200.0, 0.0, 1.0]], requires_grad=True)
    wanted = torch.tensor([[1.0, 0.0, 0.0]])
    assert float(margin(logits, wanted).detach()) == -199
    slopes = [
        torch.autograd.grad(loss(logits, wanted), logits)[0] for loss in (margin, cross_entropy)
    ]
    assert slopes[0].tolist() == [[-1, 0, 1]]
    assert float(slopes[1].abs().max()) == 0


def test_calibrated_batch_norms_hold_the_moments_of_centre_crops(photos):
    network = fresh()
    again = calibrate(copy.deepcopy(network), photos, batch=32)
    with torch.no_grad():
        first = network.conv1(standardise(centre_crop(photos.images, 96)))
    norm = again.bn1
    assert not again.training
    torch.testing.assert_close(norm.running_mean, first.mean((0, 2, 3)), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(norm.running_var, first.var((0, 2, 3)), rtol=1e-3, atol=1e-5)


def test_adversarial_training_goes_another_way_and_leaves_its_start_alone(
    photos, trained, tmp_path
):
    plain, _, kept = trained
    before = copy.deepcopy(plain)
    recipe = replace(
        TINY, phases=tuple(replace(p, attack_steps=2) for p in TINY.phases), radius=1.0, begins="x"
    )
    path = tmp_path / "robust.safetensors"
    robust = train_classifier(plain, photos, photos, recipe, path)
    assert not same(plain, robust)
    assert same(plain, before)
    assert same(plain, train_classifier(fresh(), photos, photos, TINY, kept))
    assert all(p.requires_grad for p in robust.parameters())


def test_a_checkpoint_of_another_recipe_is_refused(photos, trained):
    other = ClassifierRecipe(phases=TINY.phases, batch=8, seed=1)
    with pytest.raises(StoreError, match="another recipe"):
        train_classifier(fresh(), photos, photos, other, trained[2])


def test_accuracy_counts_right_answers(photos):
    class Brightness(nn.Module):
        def forward(self, x):
            bright = x.mean((1, 2, 3))
            return torch.stack([-bright, bright], 1)

    assert accuracy(Brightness(), photos) == 1.0
    assert accuracy(Brightness(), Photos(photos.images, 1 - photos.labels, photos.classes)) == 0.0


@torch.no_grad()
def test_random_crops_show_parts_of_the_image_and_repeat_with_their_stream():
    ramp = torch.linspace(0, 255, 104).to(torch.uint8).expand(4, 3, 104, 104)
    crops = [random_crop(ramp, 96, torch.Generator().manual_seed(3)) for _ in range(2)]
    assert torch.equal(*crops)
    assert crops[0].shape == (4, 3, 96, 96)
    assert 0 <= crops[0].min() <= crops[0].max() <= 1
    # A horizontal ramp stays a monotone ramp under crop and flip.
    steps = crops[0][:, 0, 48].diff(dim=1)
    assert bool(((steps >= -1e-3).all(1) | (steps <= 1e-3).all(1)).all())


def test_centre_crop_is_the_middle():
    image = torch.arange(104 * 104).reshape(1, 1, 104, 104) % 256
    expected = image[..., 4:100, 4:100].float() / 255
    assert torch.equal(centre_crop(image.to(torch.uint8), 96), expected)


def test_cut_mix_weighs_labels_by_area():
    images = torch.arange(8.0).view(8, 1, 1, 1).expand(8, 3, 20, 20)
    wanted = torch.eye(8)
    mixed, labels = cut_mix(images, wanted, torch.Generator().manual_seed(5))
    torch.testing.assert_close(labels.sum(1), torch.ones(8))
    values = (labels * torch.arange(8.0)).sum(1)
    torch.testing.assert_close(mixed.mean((1, 2, 3)), values)


def test_an_image_folder_is_read_in_order_and_its_faults_are_named(tmp_path):
    from PIL import Image

    for name, value in (("b", 200), ("a", 10)):
        (tmp_path / name).mkdir()
        Image.new("L", (30, 20), value).save(tmp_path / name / "x.png")
    photos = load_photos(tmp_path, 104)
    assert photos.classes == ("a", "b")
    assert photos.images.shape == (2, 3, 104, 104)
    assert photos.images[:, 0, 0, 0].tolist() == [10, 200]
    (tmp_path / "c").mkdir()
    with pytest.raises(InputError, match=r"'c'.*holds no photo"):
        load_photos(tmp_path, 104)
    with pytest.raises(InputError, match="no folder"):
        load_photos(tmp_path / "missing", 104)


def test_a_training_checkpoint_keeps_structure_and_types(tmp_path):
    state = {"a": torch.arange(3), "b": [1, 2.5, None, {"c": torch.ones(2, 2)}], 3: "x"}
    checkpoint.save(tmp_path / "s.safetensors", state)
    back = checkpoint.load(tmp_path / "s.safetensors")
    assert back is not None
    assert torch.equal(back["a"], state["a"])
    assert back["b"][:3] == [1, 2.5, None]
    assert torch.equal(back["b"][3]["c"], torch.ones(2, 2))
    assert back[3] == "x"
    assert json.dumps(sorted(map(str, back))) == '["3", "a", "b"]'
    assert checkpoint.load(tmp_path / "none.safetensors") is None


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
def test_a_checkpoint_that_is_cut_short_is_one_sentence(share, tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    checkpoint.save(path, {"weight": torch.ones(64), "epoch": 3})
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(StoreError, match="is damaged; move it away"):
        checkpoint.load(path)


def test_a_file_of_other_tensors_is_no_checkpoint(tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    save_file({"weight": torch.ones(2)}, path)
    with pytest.raises(StoreError, match="is no training checkpoint"):
        checkpoint.load(path)
