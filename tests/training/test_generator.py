"""The generator's recipe: its codes, its critics, its training."""

import math
from dataclasses import replace

import pytest
import torch

from invariscope.errors import StoreError
from invariscope.generators import EmbeddedGenerator
from invariscope.photos.spectrum import power
from invariscope.training.captured import Captured
from invariscope.training.critics import (
    ProjectedCritics,
    augmented,
    draw_augmentation,
    embedded_eyes,
    layer3_reader,
)
from invariscope.training.data import centre_crop, shifted_crops
from invariscope.training.generator import train_generator
from invariscope.training.kernel_distance import (
    described,
    kernel_distance,
    mean_spectrum,
    spectrum_weights,
)
from invariscope.training.package import package_generator
from invariscope.training.recipes import GeneratorRecipe
from invariscope.training.whitening import Whitening, correlation, drawn_codes
from invariscope.zoo import registry
from invariscope.zoo.embedded import EmbeddedDecoder, EmbeddedPlainNet, EmbeddedResNet
from invariscope.zoo.smooth import FREE, HIGHEST, ColourEncoder, SmoothDecoder, compressed
from invariscope.zoo.weight_file import load_weights

TINY = GeneratorRecipe(steps=4, batch=4, code_dim=8, free=0.5)
MOMENTS = (0.5,) * 3, (0.25,) * 3


@pytest.fixture(scope="module")
def photos():
    stream = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (12, 3, 104, 104), generator=stream, dtype=torch.uint8)


@pytest.fixture(scope="module")
def network():
    with torch.random.fork_rng([]):
        torch.manual_seed(3)
        network = EmbeddedResNet(2).eval().requires_grad_(requires_grad=False)
        for part in network.modules():
            if isinstance(part, torch.nn.BatchNorm2d):
                part.running_mean.normal_()
                part.running_var.uniform_(0.5, 2)
    return network


@pytest.fixture(scope="module")
def eyes(network):
    return embedded_eyes(network, *MOMENTS)


@pytest.fixture(scope="module")
def reader(network):
    return layer3_reader(network, *MOMENTS)


@torch.no_grad()
def test_eyes_see_what_the_network_computes_with_its_norms_folded(network, eyes, reader):
    images = torch.rand(2, 3, 96, 96)
    x = network.maxpool(network.relu(network.bn1(network.conv1((images - 0.5) / 0.25))))
    expected = []
    for name in ("layer1", "layer2", "layer3", "layer4"):
        x = network.get_submodule(name)(x)
        expected.append(x)
    expected.append(network((images - 0.5) / 0.25))
    for got, wanted in zip(eyes(images), expected, strict=True):
        torch.testing.assert_close(got, wanted, atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(reader(images)[-1], expected[2], atol=1e-3, rtol=1e-3)


@torch.no_grad()
def test_eyes_of_a_network_without_shortcuts_end_in_its_readout():
    network = EmbeddedPlainNet(3).eval()
    images = torch.rand(2, 3, 96, 96)
    *maps, readout = embedded_eyes(network, *MOMENTS)(images)
    assert [m.shape[-1] for m in maps] == [24, 12, 6]
    torch.testing.assert_close(readout, network((images - 0.5) / 0.25), atol=1e-4, rtol=1e-3)


def test_the_kernel_distance_is_the_sum_over_pairs():
    stream = torch.Generator().manual_seed(0)
    made, photos = (torch.randn(n, 7, generator=stream, dtype=torch.float64) for n in (5, 6))

    def kernel(a, b):
        return float((torch.asinh(a) @ torch.asinh(b) / 7 + 1) ** 3)

    own = [kernel(a, b) for i, a in enumerate(made) for j, b in enumerate(made) if i != j]
    across = [kernel(a, b) for a in made for b in photos]
    expected = sum(own) / len(own) - 2 * sum(across) / len(across)
    assert float(kernel_distance(made, photos)) == pytest.approx(expected)


def test_sets_of_one_distribution_are_nearer_than_others():
    stream = torch.Generator().manual_seed(1)
    photos, alike = (torch.randn(400, 20, generator=stream) for _ in range(2))
    distances = [float(kernel_distance(made, photos)) for made in (alike, alike * 2, alike + 1)]
    assert min(distances) == distances[0]


def test_half_of_a_spectrums_weight_is_on_the_grid():
    weights = spectrum_weights(96, 16)
    on = torch.zeros_like(weights, dtype=torch.bool)
    on[::6, ::6] = True
    on[0, 0] = False
    assert float(weights.mean()) == pytest.approx(1)
    assert float(weights[on].sum() / weights.sum()) == pytest.approx(0.5)
    assert weights.shape == mean_spectrum(torch.rand(1, 3, 96, 96)).shape


def test_images_are_described_by_means_of_maps_and_patches():
    images = torch.rand(2, 3, 96, 96)
    maps = [[torch.rand(2, 4, 3, 3), torch.rand(2, 5, 2, 2)], [torch.rand(2, 6, 1, 1)]]
    first, second, patches = described(maps, images)
    torch.testing.assert_close(first[:, :4], maps[0][0].mean((2, 3)))
    torch.testing.assert_close(second, maps[1][0][..., 0, 0])
    torch.testing.assert_close(
        patches.view(2, 3, 8, 8)[:, :, 1, 2], images[..., 12:24, 24:36].mean((2, 3))
    )


def test_bounded_critics_have_spectral_norm_1():
    critics = ProjectedCritics([(torch.ones(4), 6)], width=8)
    for _ in range(200):
        critics.bound()
    for part in critics.judging:
        norm = torch.linalg.matrix_norm(part.weight.detach().flatten(1), 2)
        assert float(norm) == pytest.approx(1, abs=0.02)


def test_a_step_on_a_processor_is_taken_as_it_is():
    taken, captured = [], Captured(torch.device("cpu"))
    for number in range(5):
        figures = {"number": torch.tensor(number)}
        assert captured("kind", lambda own=figures: taken.append(own) or own) is figures
    assert len(taken) == 5


def same(a, b):
    pairs = zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    return all(torch.equal(x, y) for x, y in pairs)


class StoppedError(Exception):
    pass


def test_natural_codes_stay_and_no_code_gets_far():
    codes = torch.randn(64, 32, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    unit = codes / codes.square().mean(1, keepdim=True).sqrt()
    torch.testing.assert_close(compressed(unit * FREE), unit * FREE)
    torch.testing.assert_close(compressed(unit * 0.1), unit * 0.1)
    sizes = torch.linspace(0.01, 50, 400, dtype=torch.float64)
    out = torch.stack([compressed(unit[:1] * size).square().mean().sqrt() for size in sizes])
    assert bool((out.diff() >= -1e-12).all())  # longer codes stay longer
    assert float(out.max()) <= HIGHEST + 1e-12
    assert float(out[-1]) == pytest.approx(HIGHEST, abs=1e-6)
    assert bool(compressed(torch.zeros(1, 4)).eq(0).all())


def test_upsampling_leaves_no_grid():
    """Bilinear doubling of noise against nearest: power at the old sampling frequency."""
    noise = torch.rand(64, 1, 24, 24, generator=torch.Generator().manual_seed(0))
    decoder = SmoothDecoder(4)

    def at_old_sampling_frequency(images):
        mean = power(images[:, 0]).mean(0)
        return float(mean[24, 0] / mean[1:6, 0].mean())

    smooth = at_old_sampling_frequency(decoder.ups[0].get_submodule("up")(noise))
    nearest = at_old_sampling_frequency(noise.repeat_interleave(2, 2).repeat_interleave(2, 3))
    assert smooth < 0.05 * max(nearest, 1e-2)


def test_a_new_decoders_shuffle_has_no_grid_of_its_own():
    decoder = SmoothDecoder(4)
    spread = decoder.shuffle(decoder.last(torch.rand(1, 32, 48, 48))).detach()
    for down, right in ((0, 1), (1, 0), (1, 1)):
        torch.testing.assert_close(spread[..., ::2, ::2], spread[..., down::2, right::2])


def multiply_adds(decoder, code_dim):
    counted = []

    def count(part, _inputs, output):
        counted.append(part.weight[0].numel() * output[0].numel())

    for part in decoder.modules():
        if isinstance(part, torch.nn.Conv2d | torch.nn.Linear):
            part.register_forward_hook(count)
    with torch.no_grad():
        decoder(torch.zeros(1, code_dim))
    return sum(counted)


def test_decoders_images_are_96_px_in_0_1_and_cost_at_most_twice_the_first_ones():
    decoder = SmoothDecoder()
    images = decoder(torch.randn(2, 384) * 3)
    assert images.shape == (2, 3, 96, 96)
    assert float(images.detach().min()) >= 0
    assert float(images.detach().max()) <= 1
    assert multiply_adds(decoder, 384) < 2 * multiply_adds(EmbeddedDecoder(), 256)


@torch.no_grad()
def test_folding_whitening_into_the_encoder_changes_no_code():
    encoder = ColourEncoder(6)
    maps, images = torch.rand(40, 128, 6, 6), torch.rand(40, 3, 96, 96)
    whitening = Whitening(6)
    codes = encoder(maps, images)
    whitening.fit(codes)
    white = whitening(codes)
    torch.testing.assert_close(torch.cov(white.T), torch.eye(6), atol=2e-2, rtol=0)
    torch.testing.assert_close(white.mean(0), torch.zeros(6), atol=1e-3, rtol=0)
    folded = whitening.folded_into(encoder)
    torch.testing.assert_close(folded(maps, images), white, atol=1e-3, rtol=1e-3)


def test_correlation_is_zero_for_white_codes_and_counts_what_is_not():
    angle = torch.arange(8) * torch.pi / 4
    white = torch.stack([angle.cos(), angle.sin()], 1) * (2 * 7 / 8) ** 0.5
    assert float(correlation(white)) == pytest.approx(0, abs=1e-6)
    assert float(correlation(white * 2)) == pytest.approx(9, rel=1e-5)  # (4 - 1)² a component


def test_shifted_crops_are_windows_of_the_photo_or_its_mirror():
    photo = torch.arange(104 * 104).remainder(251).to(torch.uint8).view(1, 1, 104, 104)
    photo = photo.expand(1, 3, -1, -1)
    windows = photo.unfold(2, 96, 1).unfold(3, 96, 1).reshape(3, 81, 96, 96)[0]
    known = torch.cat([windows, windows.flip(2)])
    for _ in range(6):
        crop = (shifted_crops(photo, 96)[0, 0] * 255).round().to(torch.uint8)
        assert bool((known == crop).flatten(1).all(1).any())


def test_drawn_codes_reach_beyond_the_natural_shell_and_not_further():
    codes = drawn_codes(4000, 400, 2.5, torch.device("cpu"))
    sizes = codes.square().mean(1).sqrt()
    share = 0.4 * (1 - math.log(1.15) / math.log(2.5))
    assert float((sizes > 1.15).float().mean()) == pytest.approx(share, abs=0.03)
    assert float(sizes.min()) > 0.8
    assert float(sizes.max()) < 2.5 * 1.2


def test_an_augmentation_is_the_same_for_both_images_and_passes_gradients():
    images = torch.rand(3, 3, 96, 96, requires_grad=True)
    changes = draw_augmentation(3, 96, images)
    both = augmented(images, changes), augmented(images.detach().clone(), changes)
    assert torch.equal(both[0].detach(), both[1])
    both[0].sum().backward()
    assert images.grad is not None
    assert bool(images.grad.isfinite().all())
    later = augmented(images[1:].detach(), changes.taken(1, 3))
    torch.testing.assert_close(later, both[1][1:])


@pytest.mark.statistical
def test_critics_learn_to_tell_photos_from_noise(photos, eyes):
    real = centre_crop(photos[:3], 96) * 0.3
    fake = torch.rand(real.shape, generator=torch.Generator().manual_seed(1))
    sets = [(images, [m for m in eyes(images) if m.ndim > 2]) for images in (real, fake)]
    scales = [(m.square().mean((0, 2, 3)).sqrt(), m.shape[-1]) for m in sets[0][1]]
    critics = ProjectedCritics(scales, width=16)
    adam = torch.optim.Adam([p for p in critics.parameters() if p.requires_grad], lr=5e-3)
    for _ in range(5):
        verdicts = [critics(*both) for both in sets]
        loss = sum(  # of every critic
            (1 - t).relu().mean() + (1 + f).relu().mean() for t, f in zip(*verdicts, strict=True)
        )
        adam.zero_grad()
        torch.as_tensor(loss).backward()
        adam.step()
    for true, false in zip(*(critics(*both) for both in sets), strict=True):
        assert float(true.detach().mean()) > float(false.detach().mean())


@pytest.mark.statistical
def test_a_training_that_was_stopped_goes_on_to_the_same_weights(photos, reader, eyes, tmp_path):
    def train(path, recipe=TINY, on_step=lambda run, figures: None, every=0.0):
        return train_generator(reader, [eyes], photos, recipe, path, every=every, on_step=on_step)

    def stop(run, _figures):
        if run.step == 3:
            raise StoppedError

    whole = train(tmp_path / "whole.safetensors", every=1e6)
    path = tmp_path / "cut.safetensors"
    with pytest.raises(StoppedError):
        train(path, on_step=stop)
    again = train(path)
    assert whole.frozen
    assert again.step == whole.step == TINY.steps
    assert same(whole.modules, again.modules)
    with pytest.raises(StoreError, match="another recipe"):
        train(path, replace(TINY, seed=1))


@pytest.mark.statistical
def test_the_result_has_white_codes_of_the_training_photos(photos, reader, eyes, tmp_path):
    run = train_generator(reader, [eyes], photos, TINY, tmp_path / "a.safetensors")
    encoder, decoder = run.halves()
    images = centre_crop(photos, 96)
    with torch.no_grad():
        codes = encoder(reader(images)[-1], images)
        made = decoder(codes)
    torch.testing.assert_close(torch.cov(codes.T), torch.eye(8), atol=0.2, rtol=0)  # eyes in bf16
    assert bool(made.isfinite().all())


@pytest.fixture
def packaged(tmp_path):
    with torch.random.fork_rng([]):
        torch.manual_seed(5)
        halves = ColourEncoder(16).eval(), SmoothDecoder(16).eval()
    return halves, package_generator(*halves, {"steps": 1}, tmp_path), tmp_path


@torch.no_grad()
def test_a_packaged_generator_makes_the_same_images_to_a_rounding(packaged, monkeypatch):
    (_, decoder), entry, folder = packaged
    monkeypatch.setattr(registry, "WEIGHTS", folder)
    generator = EmbeddedGenerator(entry)
    codes = torch.randn(4, 16, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(generator.generate(codes), decoder(codes), atol=0.01, rtol=0)
    assert generator.identity() == {"kind": "embedded", "weights": entry.sha256}


@torch.no_grad()
def test_weights_in_bytes_come_back_within_half_a_step_of_their_row(packaged, monkeypatch):
    (_, decoder), entry, folder = packaged
    monkeypatch.setattr(registry, "WEIGHTS", folder)
    tensors, about = load_weights(entry)
    assert about["training"] == {"steps": 1}
    for name, exact in decoder.state_dict().items():
        got = tensors[f"decoder.{name}"]
        assert got.shape == exact.shape
        step = exact.flatten(1).abs().amax(1) / 127 if exact.ndim > 1 else exact.abs() / 500
        apart = (got - exact).flatten(1).abs().amax(1) if exact.ndim > 1 else (got - exact).abs()
        assert bool((apart <= 0.6 * step + 1e-6).all()), name
