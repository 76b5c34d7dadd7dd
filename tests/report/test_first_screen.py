"""What the page says of a search: bars with photos as ticks, shares, what was not found."""

import json
import re
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

import invariscope as iv
from invariscope.errors import InputError, StoreError
from invariscope.experiments.execute import execute
from invariscope.experiments.plan import plan
from invariscope.natural.folder_pass import NATURAL, TOP, measure_folder
from invariscope.photos import open_folder
from invariscope.report.activity_bars import add_activity_bars
from invariscope.report.explorer import kept_name
from invariscope.report.report import render, write_report
from invariscope.report.strongest_photos import MOST, photos_are_there, read_photo_pass
from invariscope.subjects.pixels import (
    farthest_seen,
    max_distance,
    pixel_distance,
    resize_images,
    share_of_possible,
)

SHORT = iv.SearchOptions(generations=3, population=8, precision="float32")
UNIT = "out:1"


@pytest.fixture(scope="module")
def material(tmp_path_factory, make_subject, make_generator):
    """Searches of both tasks of a toy unit that has statistics over twelve photos."""
    root = tmp_path_factory.mktemp("first")
    stream = np.random.default_rng(1)
    (root / "photos").mkdir()
    for number in range(12):
        pixels = stream.integers(0, 256, (8, 8, 3), np.uint8)
        Image.fromarray(pixels).save(root / "photos" / f"{number:02d}.png")
    subject, generator = make_subject(), make_generator()
    measure_folder(subject, open_folder(root / "photos"), root / "natural")
    subject.natural = root / "natural" / NATURAL
    reference = iv.image_reference(generator.generate(torch.zeros(1, 6))[0], 8)
    code = replace(reference, code=torch.zeros(6))
    for task in ("invariance", "adversarial"):
        planned = plan(subject, generator, UNIT, task=task, reference=code, options=SHORT)
        execute(planned, subject, generator, root / "runs", options=SHORT)
    return root


def rewritten(material, **columns):
    """The runs with other activities of their adversarial front."""
    runs = iv.load_result(material / "runs").runs
    return iv.Result(
        [
            replace(r, front=r.front.assign(**columns)) if r.settings.task == "adversarial" else r
            for r in runs
        ]
    )


@given(
    activations=st.lists(st.floats(-50, 50), min_size=1, max_size=6),
    reference=st.none() | st.floats(-50, 50),
    photos=st.none() | st.tuples(st.floats(-50, 50), st.floats(0, 50)),
)
def test_bars_and_ticks_share_one_scale(activations, reference, photos):
    """Places are one affine map of activities, which the slow way fits from two of them."""
    natural = photos and {"minimum": photos[0], "maximum": photos[0] + photos[1]}
    cells = [{"activation": value} for value in activations]
    add_activity_bars(cells, reference, natural)
    known = [0.0, *activations, *([] if reference is None else [reference])]
    known += list(natural.values()) if natural else []
    low, high = min(known), max(known)
    for cell in cells:
        bar = cell["bar"]
        if high == low:
            assert bar is None
            continue
        assert 0 <= bar["start"] <= bar["start"] + bar["width"] <= 100.01
        zero = 100 * (0 - low) / (high - low)
        own = 100 * (cell["activation"] - low) / (high - low)
        assert bar["start"] == pytest.approx(min(zero, own), abs=0.01)
        assert bar["width"] == pytest.approx(abs(own - zero), abs=0.02)
        for end, value in (("weakest", "minimum"), ("strongest", "maximum")):
            if natural is None:
                assert bar[end] is None
            else:
                expected = 100 * (natural[value] - low) / (high - low)
                assert bar[end] == pytest.approx(expected, abs=0.01)


@given(
    arrays(np.float32, (2, 3, 6, 6), elements=st.floats(0, 1, width=32)),
    st.sampled_from([3, 6, 13]),
)
def test_a_share_is_never_above_one(pair, side):
    """Of any two images at any size that a subject sees; the corner of the cube is at 1."""
    image, reference = resize_images(torch.from_numpy(pair), side)
    possible = farthest_seen(torch.from_numpy(pair[1]), {"image_size": side}, {})
    distance = float(pixel_distance(image[None], reference)[0])
    assert 0 <= share_of_possible(distance, possible) <= 1
    corner = (reference < 0.5).float()
    farthest = float(pixel_distance(corner[None], reference)[0])
    assert share_of_possible(farthest, max_distance(reference)) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize(
    ("distance", "possible"),
    [(1.01, 1.0), (float("nan"), 1.0), (1.0, float("nan")), (1.0, 0.0), (-1.0, 2.0)],
)
def test_no_share_is_told_of_distances_that_do_not_belong_together(distance, possible):
    assert np.isnan(share_of_possible(distance, possible))


def test_distances_beyond_the_possible_give_no_share_but_a_word(material):
    text = render(rewritten(material, pixel_distance=1e4))
    assert "farther from the stored reference than any image can be" in text
    shares = [float(x) for x in re.findall(r"([\d.]+) %</b> of all that is possible", text)]
    assert all(share <= 100 for share in shares)
    assert "1e4" not in text
    assert "farther from the stored" not in render(iv.load_result(material / "runs"))


def test_the_photos_are_ticks_on_each_bar(material):
    result = iv.load_result(material / "runs")
    text = render(result)
    bars = text.count('class="bar act"')
    assert bars >= 2
    assert text.count('class="strongest"') == text.count('class="weakest"') == bars
    natural, own = result.runs[0].settings.natural, result.reference.activity
    words = re.findall(r'class="ticks">strongest photo (.*?), weakest (.*?)<', text)
    assert len(words) == bars
    if own > 0:
        levels = [round(100 * natural[end] / own) for end in ("maximum", "minimum")]
        found = [int(level.replace("−", "-").removesuffix(" %")) for level in words[0]]
        assert found == levels


def test_where_nothing_silences_the_page_says_so(material):
    weak = rewritten(material, activation=1e3)
    text = render(weak)
    assert "No silencing image found" in text
    assert "This silences it" not in text
    assert "No silencing image was found." in text
    assert re.search(r'alt="Weakening image', text)
    silent = render(rewritten(material, activation=-1e3))
    assert "This silences it" in silent
    assert "o silencing image" not in silent
    assert re.search(r'alt="Silencing image', silent)


@pytest.mark.parametrize(
    ("side", "bound", "name"),
    [
        ("above", 1.0, "farthest above every photo"),
        ("below", 1.0, "nearest below every photo"),
        ("at_or_below", 0.0, "nearest at the photos' lowest"),
        ("above", 9.0, ""),
        (None, None, ""),
    ],
)
def test_the_shown_member_is_named_for_what_it_is(side, bound, name):
    milestone = {} if side is None else {"side": side, "bound": bound}
    front = pd.DataFrame({"activation": [0.0, 0.5, 2.0]})
    record = SimpleNamespace(front=front, settings=SimpleNamespace(milestone=milestone))
    assert kept_name(record) == name


def test_the_strongest_photos_are_beside_the_reference(material):
    natural = material / "natural" / NATURAL
    page = write_report(material / "runs", material / "page.html", natural=natural)
    text = page.read_text()
    top = pd.read_parquet(material / "natural" / TOP)
    names = top[top["unit"] == UNIT].sort_values("rank")["photo"].tolist()[:MOST]
    found = re.findall(r'alt="Strongest photo (\d) of out:1, activity ([-\d.]+): (\S+?)"', text)
    assert [(int(place), name) for place, _, name in found] == list(enumerate(names, 1))
    assert float(found[0][1]) == pytest.approx(top[top["unit"] == UNIT]["activity"].max(), abs=0.01)
    assert "Strongest photo" not in render(iv.load_result(material / "runs"))


def test_photos_of_another_pass_are_refused(material, tmp_path):
    record = iv.load_result(material / "runs").runs[0]
    found = read_photo_pass(material / "natural" / NATURAL)
    with pytest.raises(InputError, match="the searches used"):
        replace(found, strongest=found.strongest.assign(activity=99.0)).of(record)
    gone = replace(found, photos=tmp_path)
    with pytest.raises(InputError, match="no such file"):
        gone.of(record)
    for wrong in (material / "natural", material / "runs" / "none.parquet"):
        with pytest.raises(StoreError, match=r"is no natural\.parquet"):
            read_photo_pass(wrong)
    (tmp_path / NATURAL).touch()
    with pytest.raises(StoreError, match="does not say which photos"):
        read_photo_pass(tmp_path / NATURAL)
    assert not photos_are_there(tmp_path / NATURAL)
    assert not photos_are_there(None)
    assert photos_are_there(material / "natural" / NATURAL)


def test_every_figure_can_be_saved_and_every_search_tells_its_member(material):
    text = render(iv.load_result(material / "runs"))
    drawn = text.count('<figure class="drawn" data-name="')
    assert drawn == text.count('src="data:image/svg+xml') == 1 + 2  # distances, a front a task
    data = json.loads(text.partition('id="x-data">')[2].partition("</script>")[0])
    assert {run["task"] for run in data["runs"]} == {"invariance", "adversarial"}
    assert all(isinstance(run["kept"], str) for run in data["runs"])
    assert "best kept" not in text
