"""Stacked and single networks take the same steps; training goes on exactly."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from scipy.stats import ks_2samp
from torch import nn

from invariscope import seeds
from invariscope.categories import train as module
from invariscope.categories.draws import apply_input_layer, draw_epoch
from invariscope.categories.grid import accuracy, hold_out, search_grid
from invariscope.categories.plan import RECIPES, plan_networks
from invariscope.categories.stacked_trainer import StackedTrainer
from invariscope.categories.train import Training, folders_of
from invariscope.errors import InputError, StoreError
from invariscope.subjects import load_subject
from invariscope.zoo.classifiers import make_classifier, standardise

CPU = torch.device("cpu")


def first_batch(planned, data):
    draws = [draw_epoch(w, data.train.labels, 0) for w in planned]
    parts = [next(iter(data.train.parts(d.order, planned[0].recipe.batch))) for d in draws]
    return apply_input_layer(planned, draws, parts), torch.stack([p.labels for p in parts])


def networks(planned):
    return [make_classifier(w.network, len(w.classes), w.side, w.options, w.seed) for w in planned]


def test_first_gradients_of_stacked_networks_are_those_of_each_alone(planned, data):
    some = planned[:5]
    images, labels = first_batch(some, data)
    stacked = StackedTrainer(networks(some), some[0].recipe, CPU)
    stacked.step(images, labels, 1.0)
    for number, own in enumerate(some):
        network = networks([own])[0]
        smooth = own.recipe.label_smoothing
        F.cross_entropy(network(images[number]), labels[number], label_smoothing=smooth).backward()
        for name, gradient in stacked.gradients(number).items():
            torch.testing.assert_close(
                gradient, network.get_parameter(name).grad, rtol=1e-5, atol=1e-5
            )
        buffers = stacked.state(number)["network"]
        for name, buffer in network.named_buffers():  # batch norm counted the batch too
            torch.testing.assert_close(buffers[name], buffer, rtol=1e-5, atol=1e-5)


def test_bf16_is_float32_within_its_rounding(planned, data):
    some = planned[:3]
    images, labels = first_batch(some, data)
    bf16 = replace(some[0].recipe, precision="bf16")
    found = {
        (recipe.precision, size): torch.cat(
            [
                StackedTrainer(networks(some[k : k + size]), recipe, CPU).losses(
                    images[k : k + size], labels[k : k + size]
                )[0]
                for k in range(0, 3, size)
            ]
        )
        for recipe in (some[0].recipe, bf16)
        for size in (1, 3)
    }
    expected = found.pop(("float32", 1))
    for losses in found.values():
        assert losses.dtype == torch.float32
        torch.testing.assert_close(losses, expected, rtol=0.02, atol=0.02)
    assert not torch.equal(found["bf16", 1], expected)


@pytest.mark.statistical
def test_a_compiled_step_is_the_plain_one(planned, data):
    for some in (planned[:1], planned[:2]):
        images, labels = first_batch(some, data)
        plain, compiled = (
            StackedTrainer(networks(some), some[0].recipe, CPU, compiled=compiled).losses(
                images, labels
            )[0]
            for compiled in (False, True)
        )
        torch.testing.assert_close(plain, compiled, rtol=1e-4, atol=1e-4)


def test_a_step_is_that_of_sgd_written_out(planned, data):
    own = planned[4]
    recipe = replace(own.recipe, nesterov=False, momentum=0.5, weight_decay=0.1, rate=0.2)
    images, labels = first_batch([own], data)
    network = networks([own])[0]
    before = {k: v.detach().clone() for k, v in network.named_parameters()}
    trainer = StackedTrainer([network], recipe, CPU)
    trainer.step(images, labels, 0.25)
    for name, value in trainer.state(0)["network"].items():
        if name in before:
            gradient = trainer.gradients(0)[name] + 0 * before[name]
            expected = before[name] - 0.05 * (gradient + 0.1 * before[name])
            torch.testing.assert_close(value, expected)


def weights(folder):
    return (folder.path / "weights.safetensors").read_bytes()


def test_stacked_training_ends_where_single_training_does(planned, data, tmp_path):
    some = [replace(w, recipe=replace(w.recipe, epochs=2)) for w in planned[:4]]
    alone, together = (folders_of(tmp_path / name, some) for name in ("alone", "together"))
    Training(data, CPU).train(alone)
    Training(data, CPU, together=4).train(together)
    for one, other in zip(alone, together, strict=True):
        for a, b in zip(one.outcome()["history"], other.outcome()["history"], strict=True):
            assert a["loss"] == pytest.approx(b["loss"], rel=1e-3)
        assert other.outcome()["history"][0]["together"] == 4


@pytest.mark.statistical
def test_accuracies_agree_in_distribution_over_seeds(paradigm, data, tmp_path):
    recipe = replace(paradigm.recipe, epochs=8)
    asked = replace(paradigm, recipe=recipe, seeds=tuple(range(8)), counts=(2,))
    some = [w for w in plan_networks(asked, data) if w.label == "inversion"]
    accuracies = []
    for name, together in (("alone", 1), ("together", 8)):
        folders = folders_of(tmp_path / name, some)
        Training(data, CPU, together=together).train(folders)
        accuracies.append([accuracy(folder.path, data, CPU) for folder in folders])
    assert ks_2samp(*accuracies).pvalue > 0.2
    assert abs(sum(accuracies[0]) - sum(accuracies[1])) / 8 < 0.1


def test_a_killed_training_goes_on_bit_for_bit(planned, data, tmp_path, monkeypatch):
    own = planned[-1:]
    Training(data, CPU).train(folders_of(tmp_path / "whole", own))

    class Killed(BaseException):
        pass

    keep, kept = module.NetworkFolder.save, []

    def keep_and_die(self, *words):
        keep(self, *words)
        kept.append(1)
        if len(kept) == 2:
            raise Killed

    monkeypatch.setattr(module.NetworkFolder, "save", keep_and_die)
    broken = folders_of(tmp_path / "broken", own)
    with pytest.raises(Killed):
        Training(data, CPU).train(broken)
    assert not broken[0].done
    monkeypatch.undo()
    again = Training(data, CPU)
    again.train(broken)
    assert again.images == 48  # one epoch of three
    assert weights(broken[0]) == weights(folders_of(tmp_path / "whole", own)[0])


def test_networks_that_are_behind_catch_up(planned, data, tmp_path):
    ahead, behind = planned[:2]
    shorter = replace(ahead, recipe=replace(ahead.recipe, epochs=1))
    first = folders_of(tmp_path, [shorter])[0]
    training = Training(data, CPU)
    trainee = training._begin(first)
    training._epoch(training._trainer([trainee]), [trainee])
    target = folders_of(tmp_path, [ahead])[0]
    target.begin()
    target.save(trainee.state, 1, trainee.history)
    both = folders_of(tmp_path, [ahead, behind])
    Training(data, CPU, together=2).train(both)
    assert [row["together"] for row in both[1].outcome()["history"]] == [1, 2, 2]
    assert [row["epoch"] for row in both[0].outcome()["history"]] == [1, 2, 3]


def test_a_checkpoint_of_another_plan_is_refused(planned, data, tmp_path):
    one, other = folders_of(tmp_path, planned[:2])
    one.begin()
    one.save({"network": {"weight": torch.ones(1)}, "momentum": {}}, 1, [])
    other.path.mkdir(parents=True)
    (one.path / "checkpoint.safetensors").rename(other.path / "checkpoint.safetensors")
    with pytest.raises(StoreError, match="is a checkpoint of another plan"):
        Training(data, CPU).train([other])


def test_a_loss_that_is_no_number_stops_one_network_and_the_others_go_on(planned, data, tmp_path):
    some = planned[:3]
    wild = replace(some[1], recipe=replace(some[1].recipe, rate=1e30, schedule="constant"))
    training = Training(data, CPU)
    folders = folders_of(tmp_path, [some[0], some[2]])
    bad = folders_of(tmp_path, [wild])
    training.train(bad)
    training.train(folders)
    assert list(training.failed) == [wild.name]
    assert "was not a finite number in epoch 1; take a smaller rate" in training.failed[wild.name]
    assert [folder.done for folder in (*bad, *folders)] == [False, True, True]


def test_one_network_of_a_stack_can_fail(planned, data, tmp_path, monkeypatch):
    step = StackedTrainer.step

    def poisoned(self, images, labels, share):
        if self.size == 3:
            images = images.clone()
            images[1] = torch.nan
        return step(self, images, labels, share)

    monkeypatch.setattr(StackedTrainer, "step", poisoned)
    folders = folders_of(tmp_path, planned[:3])
    training = Training(data, CPU, together=3)
    training.train(folders)
    assert list(training.failed) == [planned[1].name]
    assert [f.done for f in folders] == [True, False, True]


def test_a_batch_beyond_the_training_set_is_refused(planned, data, tmp_path):
    own = replace(planned[0], recipe=replace(planned[0].recipe, batch=100))
    with pytest.raises(InputError, match="the batch is 100, above 48 training images"):
        Training(data, CPU).train(folders_of(tmp_path, [own]))


def test_a_trained_network_is_a_subject_by_its_folder(planned, data, tmp_path):
    (folder,) = folders_of(tmp_path, planned[:1])
    Training(data, CPU).train([folder])
    subject = load_subject(f"categories:{folder.path}")
    assert subject.classes == data.classes
    assert "network.relu5" in subject.sites()
    images = data.test.images.float() / 255
    network = networks(planned[:1])[0]
    network.load_state_dict(load_file(folder.path / "weights.safetensors"))
    with torch.no_grad():
        expected = network.eval()(standardise(images))
    readout = list(subject.sites())[-1]
    torch.testing.assert_close(subject.respond(images, [readout])[readout], expected)
    with pytest.raises(StoreError, match="holds no trained network"):
        load_subject(f"categories:{tmp_path}")


def test_standardised_images_have_mean_0_and_deviation_1():
    images = torch.rand(3, 3, 8, 8, generator=seeds.torch_stream("images"))
    images[2] = 0.4
    standard = standardise(images)
    torch.testing.assert_close(standard[:2].mean((1, 2, 3)), torch.zeros(2), atol=1e-6, rtol=0)
    torch.testing.assert_close(
        standard[:2].flatten(1).std(1, unbiased=False), torch.ones(2), atol=1e-5, rtol=0
    )
    assert standard[2].abs().max() < 1e-2
    torch.testing.assert_close(standardise(images[:2] * 0.5 + 0.1), standard[:2])


@pytest.mark.parametrize(
    ("name", "side"),
    [("small", 32), ("recurrent", 33), ("alexnet", 67), ("torchvision:squeezenet1_1", 64)],
)
def test_every_network_is_the_same_twice_and_has_its_readout(name, side):
    first, second = (make_classifier(name, 7, side, seed=3) for _ in range(2))
    assert all(
        torch.equal(a, b)
        for a, b in zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    )
    with torch.no_grad():
        assert first.eval()(torch.zeros(2, 3, side, side)).shape == (2, 7)


def test_a_recurrent_network_and_its_twin_have_the_same_weights_and_differ_in_steps():
    deep, flat = (
        make_classifier("recurrent", 7, 64, {"steps": steps}, seed=3).eval() for steps in (4, 1)
    )
    assert deep.state_dict().keys() == flat.state_dict().keys()
    for one, other in zip(deep.state_dict().values(), flat.state_dict().values(), strict=True):
        assert torch.equal(one, other)
    images = torch.rand(3, 3, 64, 64, generator=seeds.torch_stream("recurrent"))
    with torch.no_grad():
        below = flat.relu2(flat.bn2(flat.conv2(flat.relu1(flat.bn1(flat.conv1(images))))))
        again = 0
        for _ in range(4):
            again = flat.relu3(flat.norm3(flat.conv3(below + again)))
        above = flat.relu4(flat.bn4(flat.conv4(again)))
        by_hand = flat.fc2(flat.relu5(flat.fc1(above.flatten(1))))
        torch.testing.assert_close(deep(images), by_hand)
        assert (deep(images) - flat(images)).abs().max() > 1e-3
    with pytest.raises(InputError, match="steps is 0; expected at least 1"):
        make_classifier("recurrent", 3, 32, {"steps": 0})


def test_the_modified_alexnet_is_the_papers():
    network = make_classifier("alexnet", 388, 67)
    kinds = [type(m) for m in network.modules()]
    assert [kinds.count(k) for k in (nn.Conv2d, nn.Linear, nn.MaxPool2d)] == [5, 2, 1]
    assert [kinds.count(k) for k in (nn.LocalResponseNorm, nn.Dropout)] == [2, 1]
    assert float(network.conv3.weight.detach().std()) == pytest.approx(0.01, rel=0.02)
    assert not network.conv1.bias.any()
    assert bool((network.conv2.bias == 1).all())


def test_the_papers_recipe_for_faces():
    recipe = RECIPES["facescrub"]
    assert (recipe.batch, recipe.rate, recipe.weight_decay) == (32, 1e-4, 5e-4)
    assert (recipe.momentum, recipe.epochs, recipe.nesterov) == (0.9, 45, False)


def test_an_unknown_network_names_the_nearest():
    with pytest.raises(InputError, match="unknown network 'smal'; did you mean 'small'"):
        make_classifier("smal", 3, 32)
    with pytest.raises(InputError, match="side is 10; expected at least 15"):
        make_classifier("alexnet", 3, 10)


def test_the_grid_is_searched_on_held_out_training_images(planned, data, tmp_path):
    divided = hold_out(data, 0.25)
    assert torch.bincount(divided.test.labels).tolist() == [3, 3, 3, 3]
    assert not set(divided.train.names) & set(divided.test.names)
    assert set(divided.train.names) | set(divided.test.names) == set(data.train.names)
    told = []
    table = search_grid(
        planned[0],
        data,
        (1e30, 0.05),
        (0.0,),
        held_out=0.25,
        store=tmp_path,
        device=CPU,
        watch=lambda *words: told.append(words),
    )
    assert table["rate"].tolist() == [0.05, 1e30]
    assert 0 <= table["accuracy"][0] <= 1
    assert "take a smaller rate" in table["reason"][1]
    assert len(told) == 2
