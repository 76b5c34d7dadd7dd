"""Loading, registering, describing, and what is refused."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from invariscope.errors import InputError
from invariscope.transformations import (
    AFFINE,
    LIGHT,
    TWELVE,
    Transformation,
    compose,
    load,
    names,
    register,
)


@dataclass(frozen=True, kw_only=True)
class Darker(Transformation):
    """A user's own."""

    name = "darker"
    by: float = 0.5

    def apply(self, images, parameters):
        return images * (1 - self.by)


def broken(result):
    @dataclass(frozen=True, kw_only=True)
    class Broken(Transformation):
        name = "broken"

        def apply(self, images, parameters):
            return result(images)

    return Broken()


def test_a_users_own_is_loaded_like_any_other(own_names, photos):
    assert register(Darker) is Darker
    assert names()[-1] == "darker"
    assert names()[:12] == list(TWELVE)
    change = load("darker", by=0.25, beyond="clip")
    torch.testing.assert_close(change(photos), photos * 0.75)
    register(Darker)  # a reloaded module registers its classes again
    assert names().count("darker") == 1
    own = {"name": "darker", "white": 1.0, "beyond": "clip", "by": 0.25}
    assert change.describe() == own


def test_a_users_own_cannot_take_a_name_that_is_there(own_names):
    @dataclass(frozen=True, kw_only=True)
    class Blur(Darker):
        name = "blur"

    with pytest.raises(InputError, match="'blur' is already there"):
        register(Blur)


def test_what_is_no_transformation_or_has_no_name_is_not_registered(own_names):
    with pytest.raises(InputError, match="expected a class from Transformation"):
        register(torch.flip)

    class Nameless(Transformation):
        def apply(self, images, parameters):
            return images

    with pytest.raises(InputError, match="Nameless has no name"):
        register(Nameless)


@pytest.mark.parametrize("name", [*TWELVE, *AFFINE, *LIGHT])
def test_a_description_is_plain_and_makes_the_same_again(name):
    change = load(name, white=255, beyond="rescale")
    words = json.loads(json.dumps(change.describe()))
    assert load(**words) == change
    assert change.label == f"{name}(white=255, beyond=rescale)"
    assert load(name).label == name


def test_labels_and_descriptions_of_compositions():
    both = compose(load("blur", sigma=3.5), load("hue"))
    assert both.label == "blur(sigma=3.5) + hue"
    assert [part["name"] for part in both.describe()["parts"]] == ["blur", "hue"]
    assert not both.random
    assert compose(load("hue"), load("white-noise")).random
    assert compose(load("hue"), load("grayscale")).identity_for_grey
    assert not both.identity_for_grey


@pytest.mark.parametrize("name", [n for n in names() if load(n).strength])
def test_every_step_of_a_strength_is_a_valid_parameter(name, photos):
    strength = load(name).strength
    values = strength.values()
    assert values[0] == strength.first
    assert values[-1] == pytest.approx(strength.most)
    assert values[1] - values[0] == pytest.approx(strength.step)
    for value in values:
        assert getattr(load(name, **{strength.field: value}), strength.field) == value


def test_the_papers_steps():
    assert load("blur").strength.step == load("blur").strength.first == 0.5
    assert load("white-noise").strength.step == load("white-noise").strength.first == 25


@pytest.mark.parametrize(
    ("name", "parameters", "says"),
    [
        ("bluur", {}, "unknown transformation 'bluur'; did you mean 'blur'"),
        ("blur", {"sigm": 1}, "unknown parameter of transformation 'blur' 'sigm'; did you mean"),
        ("blur", {"sigma": 0}, "sigma is 0; expected a number above 0"),
        ("blur", {"sigma": float("nan")}, "sigma is nan"),
        ("white-noise", {"sigma": -25}, "sigma is -25"),
        ("salt-and-pepper", {"share": 1.2}, "share is 1.2; expected a number from 0 to 1"),
        ("salt-and-pepper", {"share": 0}, "share is 0"),
        ("high-pass", {"kernel": "sobel"}, "unknown kernel 'sobel'"),
        ("rotation", {"degrees": 400}, "degrees is 400"),
        ("translation", {"right": 1.5}, "right is 1.5"),
        ("translation", {"down": -2}, "down is -2"),
        ("scale", {"scale": 1.5}, "scale is 1.5"),
        ("scale", {"scale": 0}, "scale is 0"),
        ("shear", {"slope": 3}, "slope is 3"),
        ("luminance", {"shift": 1.5}, "shift is 1.5"),
        ("contrast", {"factor": -1}, "factor is -1"),
        ("hue", {"white": 0}, "white is 0"),
        ("hue", {"beyond": "clipped"}, "unknown rule for values beyond .*did you mean 'clip'"),
    ],
)
def test_unknown_words_and_values_out_of_range_are_refused(name, parameters, says):
    with pytest.raises(InputError, match=says):
        load(name, **parameters)


@pytest.mark.parametrize(
    ("result", "says"),
    [
        (lambda x: x[..., 1:], r"made \(4, 3, 20, 19\) of \(4, 3, 20, 20\)"),
        (lambda x: x[:1], r"made \(1, 3, 20, 20\)"),
        (lambda x: x * torch.nan, "NaN or infinite pixels; its input was finite"),
        (lambda x: x / 0, "NaN or infinite"),
    ],
)
def test_results_that_are_no_images_of_the_same_size_are_refused(photos, result, says):
    with pytest.raises(InputError, match=says):
        broken(result)(photos)


def test_input_that_is_not_finite_is_named_as_the_cause(photos):
    with pytest.raises(InputError, match="its input was not finite either"):
        load("blur")(photos * torch.nan)


def test_large_finite_pixels_are_no_fault():
    images = torch.full((1, 3, 4, 4), 1e38)
    assert torch.equal(load("rotation-180")(images), images)


@pytest.mark.parametrize(
    ("images", "keys", "says"),
    [
        (torch.zeros(3, 8, 8), None, "expected \\(n, 1 or 3, height, width\\)"),
        (torch.zeros(1, 4, 8, 8), None, "expected \\(n, 1 or 3"),
        (torch.zeros(1, 3, 8, 8, dtype=torch.uint8), None, "divide by 255"),
        (torch.zeros(2, 3, 8, 8), None, "is random; give one key an image"),
        (torch.zeros(2, 3, 8, 8), [1], r"\(1,\) keys for 2 images"),
    ],
)
def test_images_and_keys_of_another_form_are_refused(images, keys, says):
    with pytest.raises(InputError, match=says):
        load("white-noise")(images, keys)


@pytest.mark.parametrize("name", ["rotation-90", "rotation"])
def test_rotations_need_square_images(name):
    with pytest.raises(InputError, match="needs square images; these are 8 × 6 px"):
        load(name)(torch.zeros(1, 3, 6, 8))


def test_compositions_that_make_no_sense_are_refused():
    with pytest.raises(InputError, match="at least one"):
        compose()
    with pytest.raises(InputError, match=r"whites \[1.0, 255\]"):
        compose(load("hue"), load("blur", white=255))


COMMON = ("name", "white", "beyond")
DOCS = Path(__file__).parents[2] / "docs" / "transformations.md"


def test_the_documentation_defines_every_one_with_its_own_defaults():
    rows = re.findall(r"^\| `([\w-]+)` \|.*?\|(.*?)\|", DOCS.read_text(), re.MULTILINE)
    assert [name for name, _ in rows] == [*TWELVE, *AFFINE, *LIGHT]
    for name, parameters in rows:
        own = {k: v for k, v in load(name).describe().items() if k not in COMMON}
        told = dict(re.findall(r"`(\w+)` ([\w.-]+)", parameters))
        assert told.keys() == own.keys()
        for parameter, value in own.items():
            assert told[parameter] == (value if isinstance(value, str) else f"{value:g}")


def test_the_documentations_own_transformation_works(own_names):
    blocks = re.findall(r"```python\n(.*?)```", DOCS.read_text(), re.DOTALL)
    code = next(block for block in blocks if "tf.register" in block)
    images = torch.arange(2 * 3 * 10 * 10.0).view(2, 3, 10, 10)
    words = {"images": images, "__name__": "docs"}
    exec(compile(code, str(DOCS), "exec"), words)
    blocks = load("pixelate", block=4)(images)
    assert torch.equal(blocks[..., 4:8, 4:8], images[..., 4:5, 4:5].expand(2, 3, 4, 4))
    assert blocks.unique().numel() == 2 * 3 * 9
