"""The part of a displacement that a known layer hides: closed forms for each layer."""

import pytest
import torch
from scipy import stats

import known_invariance

SIDE = 32
LINEAR = [name for name in known_invariance.LAYERS if name != "no phase"]


@pytest.fixture
def images():
    return torch.rand(3, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))


def spectrum_with(amplitudes_of, phases_of):
    """An image with the amplitudes of one image and the phases of another."""
    amplitudes, phases = torch.fft.rfft2(amplitudes_of).abs(), torch.fft.rfft2(phases_of).sgn()
    return torch.fft.irfft2(amplitudes * phases, s=(SIDE, SIDE))


@pytest.mark.parametrize("name", LINEAR)
def test_what_a_linear_layer_removes_is_the_whole_and_what_it_passes_is_none(name, images):
    layer = known_invariance.LAYERS[name]()
    reference, other = images[0], images[1:2]
    passed = layer(other) - layer(reference[None])
    removed = other - reference - passed
    hidden, seen = reference + removed, reference + passed
    torch.testing.assert_close(layer(hidden), layer(reference[None]), rtol=0, atol=1e-5)
    shares = [known_invariance.share_unseen(layer, x, reference).item() for x in (hidden, seen)]
    assert shares == pytest.approx([1, 0], abs=1e-4)
    whole = known_invariance.share_unseen(layer, other, reference).item()
    assert whole == pytest.approx(
        float(removed.square().sum() / (other - reference).square().sum())
    )


def test_without_phases_other_phases_are_hidden_and_other_amplitudes_seen(images):
    layer = known_invariance.NoPhase()
    reference, other = images[0], images[1]
    hidden, seen = spectrum_with(reference, other), spectrum_with(other, reference)
    torch.testing.assert_close(layer(hidden[None]), layer(reference[None]), rtol=0, atol=1e-4)
    shares = known_invariance.share_unseen(layer, torch.stack([hidden, seen]), reference)
    assert shares.tolist() == pytest.approx([1, 0], abs=1e-4)


def test_an_interval_is_of_the_means_of_units():
    assert known_invariance.interval([]) == []
    mean, low, high = known_invariance.interval([[1.0, 3.0], [4.0], [6.0]])
    assert mean == pytest.approx(4)
    expected = stats.t.interval(0.95, 2, loc=4, scale=stats.sem([2.0, 4.0, 6.0]))
    assert (low, high) == pytest.approx(expected)
    assert known_invariance.interval([[4.0]]) == [4.0]
