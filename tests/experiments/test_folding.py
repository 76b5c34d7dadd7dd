"""Searches fold batch norms; runs of builds that did not go on as they began."""

from contextlib import contextmanager, nullcontext
from dataclasses import replace

import numpy as np
import pytest
import torch
from test_execute import interrupt_after
from torch import nn

from invariscope import NetworkSubject, image_reference
from invariscope.experiments.execute import execute
from invariscope.experiments.plan import plan
from invariscope.testing.networks import fixed_weights, small_subject


class NormedNetwork(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.relu = nn.ReLU(inplace=True)
        self.conv2, self.bn2 = nn.Conv2d(8, 8, 3, 2, 1), nn.BatchNorm2d(8)
        self.fc = nn.Linear(8 * 16, 5)

    def forward(self, x):
        x = self.relu(self.bn1(self.conv1(x)))
        return self.fc(self.relu(self.bn2(self.conv2(x))).flatten(1))


@pytest.fixture
def normed():
    """A network of two batch norms."""
    torch.manual_seed(1)
    network = NormedNetwork()
    for norm in (network.bn1, network.bn2):
        norm.running_mean.uniform_(-0.5, 0.5)
        norm.running_var.uniform_(0.3, 1.5)
    return small_subject(fixed_weights(network))


@pytest.fixture
def search(sns, picture, normed):
    """A search with the network, at one of its sites."""

    def go(**asked):
        given = {"stretch": "bn2", "reference": image_reference(picture, 8), "seeds": (0, 1)}
        return sns("fc:1", subject=normed, **{**given, **asked})

    return go


@pytest.fixture
def earlier(monkeypatch):
    """Within `earlier()` searches fold nothing, as in builds before."""

    @contextmanager
    def build():
        with monkeypatch.context() as patched:
            patched.setattr(NetworkSubject, "folding", lambda _self: nullcontext())
            yield

    return build


def test_a_run_tells_how_many_norms_were_folded(search):
    for stretch, folded in (("bn2", 1), ("relu", 2), ("conv1", 1), ("pixels", 2)):
        (run,) = search(stretch=stretch, seeds=(0,), options={"generations": 1}).runs
        assert run.context["folded_norms"] == folded
        assert not run.context["batch_place_matters"]
        assert run.context_changes == []


def test_a_network_without_norms_has_the_context_that_it_had(sns, conv_subject, picture):
    (run,) = sns(
        "fc:1", subject=conv_subject, stretch="conv1", reference=image_reference(picture, 8)
    ).runs
    assert "folded_norms" not in run.context


def test_a_folded_search_repeats_and_goes_on_to_the_bit(search, same_runs, tmp_path):
    unbroken = search()
    same_runs(unbroken, search())
    with pytest.raises(KeyboardInterrupt):
        search(out=tmp_path, watch=interrupt_after(3))
    resumed = search(out=tmp_path)
    same_runs(unbroken, resumed)
    assert all(run.context_changes == [] for run in resumed.runs)


def test_a_run_of_an_earlier_build_goes_on_to_the_bit_beside_new_ones(
    search, earlier, same_runs, tmp_path
):
    with earlier():
        unbroken = search(seeds=(0,))
        with pytest.raises(KeyboardInterrupt):
            search(seeds=(0,), out=tmp_path, watch=interrupt_after(3))
    both = search(seeds=(0, 1), out=tmp_path)
    old, new = both.runs
    assert "folded_norms" not in old.context
    assert old.context_changes == []
    same_runs(unbroken, replace(both, runs=[old]))
    same_runs(search(seeds=(1,)), replace(both, runs=[new]))
    now = search(seeds=(0,)).runs[0]
    assert now.name == old.name
    assert not now.front[["stretch"]].equals(old.front[["stretch"]])


def test_the_front_is_that_of_the_network_as_it_is_but_for_rounding(search, earlier):
    folded = search(seeds=(0,)).runs[0]
    with earlier():
        before = search(seeds=(0,), options={"generations": 1}).runs[0]
    first = search(seeds=(0,), options={"generations": 1}).runs[0]
    columns = ["stretch", "squeeze", "activation", "pixel_distance"]
    np.testing.assert_allclose(first.front[columns], before.front[columns], rtol=1e-5, atol=1e-5)
    assert folded.outcome["status"] == "finished"


def test_a_run_is_the_same_alone_and_among_runs_at_other_sites(
    make_options, generator, same_runs, picture, tmp_path, normed
):
    def planned(site):
        reference = image_reference(picture, 8)
        options = make_options(strategy="isotropic")
        return plan(
            normed,
            generator,
            "fc:1",
            task="invariance",
            site=site,
            reference=reference,
            options=options,
        )

    sites = ("pixels", "conv1", "bn2", "relu")
    options = make_options(strategy="isotropic")
    every = [p for site in sites for p in planned(site)]
    together = execute(every, normed, generator, tmp_path / "together", options=options)
    for site, among in zip(sites, together, strict=True):
        (alone,) = execute(planned(site), normed, generator, tmp_path / site, options=options)
        assert alone.context["folded_norms"] == among.context["folded_norms"]
        assert alone.front.equals(among.front)
