import pytest
import torch

from invariscope.training.quality import frechet, grid_peaks, nearest


def drawn(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_frechet_distance_of_normal_distributions_is_the_closed_form():
    x = drawn(4000, 6)
    x = x - x.mean(0)
    x = x @ torch.linalg.inv(torch.linalg.cholesky(torch.cov(x.T))).T  # covariance exactly I
    shift, scale = torch.arange(6.0), torch.tensor([1.0, 2.0, 0.5, 3.0, 1.0, 1.5])
    assert frechet(x, x) == pytest.approx(0, abs=1e-9)
    # |shift|² + Σ (1 - scale)², since the two covariances commute.
    aim = float(shift.square().sum() + (1 - scale).square().sum())
    assert frechet(x, x * scale + shift) == pytest.approx(aim, rel=1e-9)
    turn = torch.linalg.qr(drawn(6, 6, seed=1)).Q
    assert frechet(x @ turn, (x * scale + shift) @ turn) == pytest.approx(aim, rel=1e-9)


def test_a_grid_is_a_peak_at_its_period_only():
    noise = drawn(200, 1, 96, 96).expand(-1, 3, -1, -1)
    for value in grid_peaks(noise).values():
        assert value == pytest.approx(1, abs=0.3)
    grid = noise.clone()
    grid[..., ::4] += 0.5
    grid[..., ::4, :] += 0.5
    found = grid_peaks(grid)
    assert found[4] > 5  # and at its overtone of period 2, not at 8 or 16
    assert found[2] > 5
    assert found[8] == pytest.approx(1, abs=0.3)
    assert found[16] == pytest.approx(1, abs=0.3)


def test_the_nearest_known_photo_is_found_across_batches():
    known = (torch.rand(20, 3, 4, 4, generator=torch.Generator().manual_seed(2)) * 255).byte()
    images = known[[3, 17]].float() / 255
    images[1] += 0.1
    found = nearest(images, known, batch=7)
    assert found.tolist() == pytest.approx([0, 0.1 * 48**0.5], rel=1e-4, abs=1e-5)
