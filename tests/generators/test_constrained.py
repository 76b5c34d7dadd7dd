"""Images under constraints: closed forms, properties, addresses, refusals."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import invariscope as iv
from invariscope.errors import InputError
from invariscope.generators import (
    Aperture,
    ConstrainedGenerator,
    Display,
    ImageConstraints,
    PixelGenerator,
    constrained_address,
)

SIDE = 12
PLAIN = PixelGenerator(SIDE)
VALUES = torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)
LIGHT = torch.tensor([0.2126, 0.7152, 0.0722]).view(3, 1, 1)


def made(codes, **words):
    generator = iv.constrain_generator(PLAIN, **words)
    return generator, generator.generate(codes)


def luminance(images, gamma=None):
    """Luminance in doubles, by the definition."""
    values = images.double()
    return (
        (values * VALUES).sum(1) if gamma is None else (table_light(values, gamma) * LIGHT).sum(1)
    )


def table_light(values, gamma):
    """Light by straight lines between 256 rows of the gamma's table, in plain Python's terms."""
    at = torch.arange(256, dtype=torch.float64) / 255
    low = (values * 255).floor().clamp(0, 254).long()
    share = values * 255 - low
    light = at**gamma
    return light[low] * (1 - share) + light[low + 1] * share


SATURATED = 30.0  # codes of this size have images of few levels
SCALES = st.sampled_from([0.02, 0.3, 1.0, 4.0, SATURATED])


@settings(deadline=None, max_examples=15)
@given(
    scale=SCALES,
    mean=st.floats(0.2, 0.8),
    share=st.floats(0.05, 0.5),
    seed=st.integers(0, 1000),
    grey=st.booleans(),
    gamma=st.sampled_from([None, 2.2]),
)
def test_mean_and_contrast_are_exact_whatever_the_code(scale, mean, share, seed, grey, gamma):
    codes = scale * torch.randn(6, PLAIN.code_dim, generator=torch.Generator().manual_seed(seed))
    contrast = share * math.sqrt(mean * (1 - mean)) / mean
    words = {"luminance": mean, "contrast": contrast, "grey": grey, "display": gamma}
    _, images = made(codes, **words)
    assert images.min() >= 0
    assert images.max() <= 1
    found = luminance(images, gamma)
    assert (found.mean((1, 2)) - mean).abs().max() < 1e-6
    short = contrast - found.flatten(1).std(1, correction=0) / mean
    assert short.min() > -1e-6
    few_levels = scale == SATURATED or (scale == 4 and share > 0.3)  # much is 0 or 1 from the start
    assert few_levels or short.max() < 1e-6
    assert not grey or torch.equal(images[:, 0], images[:, 2])


def test_a_contrast_out_of_reach_is_the_most_that_any_gain_gives():
    """Images of few levels, against a scan of gains with each gain's shift by bisection."""
    mean = 0.25
    codes = SATURATED * torch.randn(6, PLAIN.code_dim, generator=torch.Generator().manual_seed(0))
    plain = PLAIN.generate(codes).double()
    plain -= luminance(plain).mean((1, 2)).view(-1, 1, 1, 1)
    found = luminance(made(codes, luminance=mean, contrast=math.sqrt(3) / 2)[1])

    def scanned(gain):
        low, high = torch.full((6,), -2 * gain - 2), torch.full((6,), 2 * gain + 2)
        low, high = low.double(), high.double()
        for _ in range(60):
            middle = (low + high) / 2
            light = luminance((mean + gain * plain + middle.view(-1, 1, 1, 1)).clamp(0, 1))
            above = light.mean((1, 2)) > mean
            low, high = torch.where(above, low, middle), torch.where(above, middle, high)
        return light.flatten(1).std(1, correction=0)

    most = torch.stack([scanned(gain) for gain in torch.logspace(-1, 2, 60).tolist()]).amax(0)
    reached = found.flatten(1).std(1, correction=0)
    short = most < mean * math.sqrt(3) / 2 - 1e-3
    assert short.any()
    assert (reached > most - 1e-3)[short].all()


def test_without_clipping_the_image_is_the_affine_map_of_the_plain_one():
    codes = 0.2 * torch.randn(4, PLAIN.code_dim, generator=torch.Generator().manual_seed(0))
    plain = PLAIN.generate(codes).double()
    own = luminance(plain)
    mean, sd = own.mean((1, 2)), own.flatten(1).std(1, correction=0)
    wanted = 0.5 + (plain - mean.view(-1, 1, 1, 1)) * (0.05 / sd).view(-1, 1, 1, 1)
    _, images = made(codes, luminance=0.5, contrast=0.1)
    assert (images - wanted).abs().max() < 1e-6


def test_luminance_alone_leaves_contrast_as_it_is():
    codes = 0.2 * torch.randn(4, PLAIN.code_dim, generator=torch.Generator().manual_seed(0))
    plain = PLAIN.generate(codes)
    _, images = made(codes, luminance=0.45)
    shift = 0.45 - luminance(plain).mean((1, 2))
    assert (images - plain - shift.view(-1, 1, 1, 1)).abs().max() < 1e-6


@settings(deadline=None, max_examples=12)
@given(
    scale=SCALES,
    seed=st.integers(0, 1000),
    x=st.floats(4, 8),
    y=st.floats(4, 8),
    radius=st.floats(2, 4),
    edge=st.floats(0, 3),
)
def test_an_aperture_shows_its_inside_on_grey(scale, seed, x, y, radius, edge):
    codes = scale * torch.randn(4, PLAIN.code_dim, generator=torch.Generator().manual_seed(seed))
    generator, images = made(codes, luminance=0.4, contrast=0.3, aperture=(x, y, radius, edge))
    at = torch.arange(SIDE) + 0.5
    far = ((at[None] - x) ** 2 + (at[:, None] - y) ** 2).sqrt()
    outside = far >= radius + edge + 1e-3
    assert (images[:, :, outside] - 0.4).abs().max() < 1e-6
    seen = generator.seen > 0
    inside = luminance(images)[:, seen]
    assert (inside.mean(1) - 0.4).abs().max() < 1e-5
    assert (luminance(images).mean((1, 2)) - 0.4).abs().max() < 1e-5
    levels = generator.levels(images)
    assert (levels.contrast - inside.std(1, correction=0) / inside.mean(1)).abs().max() < 1e-7
    reached = (levels.contrast - 0.3).abs() < 1e-6
    assert bool((reached | (levels.contrast < 0.3)).all())


def test_an_aperture_alone_blends_in_a_closed_form():
    codes = torch.randn(3, PLAIN.code_dim, generator=torch.Generator().manual_seed(0))
    window = Aperture(6, 5, 2, 3)
    weights = window.weights(SIDE)
    assert float(weights[5, 6]) == 1
    at = ((8.5 - 6) ** 2 + (7.5 - 5) ** 2) ** 0.5
    assert math.isclose(
        float(weights[7, 8]), 0.5 + 0.5 * math.cos(math.pi * (at - 2) / 3), rel_tol=1e-6
    )
    _, images = made(codes, aperture=(6, 5, 2, 3))
    wanted = 0.5 + weights * (PLAIN.generate(codes) - 0.5)
    assert (images - wanted).abs().max() < 1e-6


def test_codes_are_drawn_back_to_the_percentile_of_natural_ones():
    generator = iv.constrain_generator(iv.load_generator("embedded"), code_percentile=90)
    codes = torch.randn(2000, generator.code_dim, generator=torch.Generator().manual_seed(0))
    norms = codes.norm(dim=1)
    assert abs(float((norms <= generator.radius).double().mean()) - 0.9) < 0.03
    drawn = generator.bounded(codes * 3)
    assert torch.allclose(drawn.norm(dim=1), torch.full((2000,), generator.radius), rtol=1e-5)
    assert torch.allclose(drawn / drawn.norm(dim=1, keepdim=True), codes / norms[:, None])
    short = codes[:5] * 0.1
    assert torch.equal(generator.bounded(short), short)
    with pytest.raises(InputError, match="are not known"):
        iv.constrain_generator(PLAIN, code_percentile=90)


@pytest.mark.parametrize(
    "words",
    [
        {"luminance": 0.5, "contrast": 0.4},
        {"luminance": 0.5},
        {"luminance": 0.4, "contrast": 0.3, "aperture": (6, 6, 4, 1), "display": 2.2},
        {"aperture": (6, 6, 3, 2), "grey": True},
    ],
)
def test_gradients_are_those_of_small_differences(words):
    generator = iv.constrain_generator(PLAIN, **words)
    stream = torch.Generator().manual_seed(1)
    code = torch.randn(1, PLAIN.code_dim, generator=stream)
    weights = torch.randn(3, SIDE, SIDE, generator=stream)
    way = torch.randn(1, PLAIN.code_dim, generator=stream)

    def value(codes):
        return (generator._generate(codes) * weights).sum()

    asked = code.clone().requires_grad_()
    value(asked).backward()
    slope = float((asked.grad * way).sum())
    step = 2e-3
    with torch.no_grad():
        found = float(value(code + step * way) - value(code - step * way)) / (2 * step)
    assert math.isclose(slope, found, rel_tol=0.03, abs_tol=0.3)


def test_what_no_image_can_have_is_as_close_as_it_gets_and_told():
    uniform = torch.zeros(1, PLAIN.code_dim)
    generator, image = made(uniform, luminance=0.3, contrast=0.5)
    assert torch.allclose(image, torch.full_like(image, 0.3))
    assert float(generator.levels(image).contrast) < 1e-6
    noise = torch.randn(3, PLAIN.code_dim, generator=torch.Generator().manual_seed(0))
    generator, images = made(noise, luminance=0.5, contrast=0.9)
    levels = generator.levels(images)
    assert (levels.luminance - 0.5).abs().max() < 1e-5
    assert float(levels.contrast.max()) < 0.9
    assert float(levels.contrast.min()) > 0.55  # binary colours; natural noise has about 0.3


def test_a_display_table_is_read_and_inverted(tmp_path):
    file = tmp_path / "table.csv"
    file.write_text("value,luminance\n10,0.5\n128,20\n245,90\n")
    display = Display.read(file)
    assert display.span == (0.5, 90)
    values = torch.linspace(10 / 255, 245 / 255, 50)
    assert torch.allclose(display.to_values(display.to_light(values)), values, atol=1e-6)
    codes = torch.randn(4, PLAIN.code_dim, generator=torch.Generator().manual_seed(0))
    generator, images = made(codes, luminance=30, contrast=0.5, display=str(file))
    assert images.min() >= 10 / 255 - 1e-6
    assert images.max() <= 245 / 255 + 1e-6
    levels = generator.levels(images)
    assert (levels.luminance - 30).abs().max() < 30e-6
    assert (levels.contrast - 0.5).abs().max() < 1e-6
    assert generator.identity()["constraints"]["display"] == display.content


def test_names_identities_and_addresses_hold_the_constraints():
    generator = iv.constrain_generator(
        PLAIN, luminance=0.5, contrast=0.25, aperture=(6, 6, 4, 1), grey=True, size=16
    )
    assert generator.image_size == 16
    again = iv.load_generator(generator.name)
    assert isinstance(again, ConstrainedGenerator)
    assert again.constraints == generator.constraints
    assert again.identity() == generator.identity()
    other = iv.constrain_generator(PLAIN, luminance=0.5, contrast=0.26)
    assert (
        other.identity() != iv.constrain_generator(PLAIN, luminance=0.5, contrast=0.25).identity()
    )
    codes = torch.randn(2, PLAIN.code_dim, generator=torch.Generator().manual_seed(0))
    assert torch.equal(again.generate(codes), generator.generate(codes))


def test_references_must_keep_to_the_constraints():
    generator = iv.constrain_generator(PLAIN, luminance=0.5)
    subject = iv.FunctionSubject(lambda x: x.mean((1, 2, 3)), name="mean", image_size=SIDE)
    dark = torch.rand(3, SIDE, SIDE, generator=torch.Generator().manual_seed(0)) * 0.5
    options = iv.SearchOptions(population=8, generations=2)
    with pytest.raises(InputError, match=r"mean luminance 0\.2.* where 0\.5 is asked for"):
        iv.stretch_and_squeeze(
            subject,
            generator,
            "output:0",
            reference=iv.image_reference(dark, SIDE),
            options=options,
        )
    shown = generator.constrain(dark.unsqueeze(0))[0]
    result = iv.stretch_and_squeeze(
        subject, generator, "output:0", reference=iv.image_reference(shown, SIDE), options=options
    )
    assert "constraints" in result.runs[0].settings.generator
    images = result.images()
    assert (luminance(images).mean((1, 2)) - 0.5).abs().max() < 1e-6


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ({}, "no constraint"),
        ({"contrast": 0.2}, "needs a fixed luminance"),
        ({"luminance": 1.5}, "between 0 and 1"),
        ({"luminance": float("nan")}, "between 0 and 1"),
        ({"luminance": 0.5, "contrast": 1.5}, "below 1, that of black and white"),
        ({"luminance": 0.5, "contrast": -1}, "above 0"),
        ({"aperture": (90, 90, 3, 0)}, "lies beside"),
        ({"aperture": (14, 14, 9, 2)}, "another size of images"),  # a larger image's middle
        ({"aperture": (6, 6, 0, 0)}, "radius of the aperture"),
        ({"aperture": (6, 6)}, "x, y, radius and edge"),
        ({"aperture": "a,b,c"}, "x, y, radius and edge"),
        ({"lumen": 3}, "unknown constraint 'lumen'"),
        ({"code_percentile": 100}, "between 0 and 100"),
        ({"grey": "maybe"}, "yes or no"),
        ({"display": "nowhere.csv"}, "cannot read display table"),
        ({"display": 99.0}, "gamma is 99"),
        ({"size": 0}, "size"),
    ],
)
def test_constraints_that_cannot_be(words, says):
    with pytest.raises(InputError, match=says):
        iv.constrain_generator(PLAIN, **words)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("10,1\n5,2\n", "must increase"),
        ("10,2\n20,1\n", "must increase"),
        ("10,a\n", "line 1"),
        ("value,luminance\n10,1\n20\n", "line 3"),
        ("value,luminance\n", "0 rows"),
        ("0,-1\n255,3\n", "below 0"),
        ("0,1\n300,3\n", "0 … 255"),
    ],
)
def test_display_tables_that_cannot_be(text, says, tmp_path):
    file = tmp_path / "table.csv"
    file.write_text(text)
    with pytest.raises(InputError, match=says):
        Display.read(file)


def test_constraints_beside_an_address(tmp_path):
    words = {"luminance": 0.5, "contrast": None, "grey": False}
    assert constrained_address("pixels@8", words) == "pixels@8?luminance=0.5"
    assert constrained_address("pixels@8", {}) == "pixels@8"
    with pytest.raises(InputError, match="in one place"):
        constrained_address("pixels@8?grey=yes", words)
    (tmp_path / "t.csv").write_text("0,0\n255,80\n")
    address = constrained_address("pixels@8", {"display": "t.csv", "luminance": 40}, tmp_path)
    assert iv.load_generator(address).constraints.luminance == 40
    for bad in ("pixels@8?", "pixels@8?luminance", "pixels@8?grey=yes&grey=no"):
        with pytest.raises(InputError):
            iv.load_generator(bad)
    with pytest.raises(InputError, match="--allow-code"):
        iv.load_generator("made.py:make?grey=yes")


def test_the_farthest_possible_counts_inside_the_aperture():
    from invariscope.subjects.pixels import farthest_seen

    reference = torch.full((3, SIDE, SIDE), 0.5)
    window = Aperture(6, 6, 2.2, 0)
    places = int((window.weights(SIDE) > 0).sum())
    identity = {"constraints": ImageConstraints(aperture=window).settings()}
    found = farthest_seen(reference, {"image_size": SIDE}, {}, identity)
    assert math.isclose(found, math.sqrt(3 * places * 0.25), rel_tol=1e-6)
