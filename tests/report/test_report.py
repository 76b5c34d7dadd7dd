import base64
import io
import json
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
import torch

import invariscope as iv
from invariscope import seeds
from invariscope.analysis.affine import affine_baseline
from invariscope.cli.report import report
from invariscope.errors import InputError, StoreError
from invariscope.experiments.execute import execute
from invariscope.experiments.front_choice import choose
from invariscope.experiments.mei import draw_mei, plan_mei
from invariscope.experiments.pictures import write_png
from invariscope.experiments.plan import plan
from invariscope.plot import distance_activation, front, gallery
from invariscope.report.provenance import commands, save_command
from invariscope.report.report import render, write_figures, write_report
from invariscope.report.source import AFFINE
from invariscope.subjects.pixels import resize_images

OPTIONS = iv.SearchOptions(generations=4, population=8, precision="float32")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A short MEI, invariance at two sites and an adversarial search of one shipped unit."""
    out = tmp_path_factory.mktemp("study")
    subject, generator = iv.load_subject("embedded:standard"), iv.load_generator()
    meis = plan_mei(subject, generator, "fc:3", options=OPTIONS)
    mei = draw_mei(execute(meis, subject, generator, out, options=OPTIONS), generator)
    planned = [
        p
        for task, site, seeds in (
            ("invariance", "layer3.0.conv1", (0, 1)),
            ("invariance", "pixels", (0, 1)),
            ("adversarial", "pixels", (0,)),
        )
        for p in plan(
            subject,
            generator,
            "fc:3",
            task=task,
            reference=mei,
            site=site,
            run_seeds=seeds,
            options=OPTIONS,
        )
    ]
    execute(planned, subject, generator, out, options=OPTIONS)
    affine_baseline(subject, "fc:3", mei.image).to_parquet(out / AFFINE)
    return out


@pytest.fixture(scope="module")
def text(folder):
    """The page of the study, rendered once."""
    return render(iv.load_result(folder))


class Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.images, self.links, self.scripts, self.handlers = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        if tag == "img":
            self.images.append(values)
        if tag == "script":
            self.scripts.append(values)
        self.handlers += [name for name, _ in attrs if name.startswith("on")]
        self.links += [v for k, v in attrs if k in ("src", "href") and v and v[0] != "#"]


def data_of(text):
    """What the explorable fronts are drawn from."""
    return json.loads(text.partition('id="x-data">')[2].partition("</script>")[0])


def test_the_page_is_self_contained_and_every_picture_has_words(text):
    page = Page(text)
    filled = [image for image in page.images if not image["src"].startswith("data:image/gif")]
    assert len(filled) >= 4 + 1 + 5 + 3  # first screen, gallery, plots
    assert all(image["alt"] for image in filled)
    assert all(link.startswith("data:") for link in page.links)
    assert [script.get("src") for script in page.scripts] == [None, None]
    assert page.handlers == []


def test_rows_are_sites_from_shallow_to_deep_and_columns_are_seeds(text):
    section = text.split("Every image that was found")[1].split("How far, and at what cost")[0]
    sites = re.findall(r"<h3>(\w+): .*? at <code>(.*?)</code>", section)
    assert sites == [
        ("Accepted", "pixels"),
        ("Accepted", "layer3.0.conv1"),
        ("Silencing", "pixels"),
    ]
    assert re.findall(r'<span class="dim">seed (\d)', section) == ["0", "1", "0", "1", "0"]


def test_the_explorable_fronts_are_the_stores(folder, text):
    found = data_of(text)["runs"]
    records = [r for r in iv.load_result(folder).runs if r.settings.task != "excitation"]
    by_key = {(r.settings.task, r.settings.site, r.settings.seed): r for r in records}
    assert len(found) == len(by_key) == 5
    for run in found:
        record = by_key[run["task"], run["site"], run["seed"]]
        front = record.front
        assert np.allclose(run["line"], front[["stretch", "squeeze"]], rtol=1e-3)
        for row, *values, image in run["shown"]:
            own = front.iloc[row]
            columns = ["stretch", "squeeze", "activation", "pixel_distance", "generation"]
            assert np.allclose(values, own[columns].astype(float), rtol=1e-3)
            content = (record.path / "images" / f"member-{row}.png").read_bytes()
            assert image.startswith("#run-") or image.endswith(base64.b64encode(content).decode())
        for which, place in run["chosen"].items():
            assert run["shown"][place][0] == choose(front, record.settings, which)
        assert set(run["chosen"]) == {"kept", "knee", "farthest", "nearest"}
        assert [step[0] for step in run["steps"]] == [1, 2, 3, 4]
        assert [step[3] for step in run["steps"]] == [
            pytest.approx(line["activation"], rel=1e-3) for line in record.journal
        ]


def test_every_number_of_the_table_is_the_stores(folder, text):
    table = iv.Result([r for r in iv.load_result(folder).runs if r.settings.site]).table()
    for row in table.to_dict("records"):
        cells = [f"<td>{row['stretch']:.2f}</td>", f"<td>{row['pixel_distance']:.2f}</td>"]
        cells.append(f"<td>{row['activation']:.3f}</td>")
        assert all(cell in text for cell in cells)


def test_the_pictures_are_the_stores_files(folder, text):
    record = next(r for r in iv.load_result(folder).runs if r.settings.task == "adversarial")
    member = iv.Result([record]).table()["member"][0]
    content = (record.path / "images" / f"member-{member}.png").read_bytes()
    assert base64.b64encode(content).decode() in text


def test_reduced_settings_are_said(text):
    assert "Reduced settings" in text


def test_names_are_escaped(folder):
    runs = iv.load_result(folder).runs
    evil = [replace(r, labels={**r.labels, "subject": "<script>x</script>"}) for r in runs]
    text = render(iv.Result(evil), command="<b>&</pre>")
    assert "<script>x" not in text
    assert "&lt;script&gt;x" in text
    assert "&lt;b&gt;&amp;&lt;/pre&gt;" in text
    assert data_of(text)["units"][0]["subject"] == "<script>x</script>"


def test_runs_of_two_units_are_told_apart(folder):
    runs = [r for r in iv.load_result(folder).runs if r.settings.task != "excitation"]
    other = [
        replace(r, settings=r.settings.model_copy(update={"unit": "fc:4"}), labels=r.labels)
        for r in runs[:2]
    ]
    text = render(iv.Result([*runs, *other]))
    assert "What do 2 units ignore?" in text
    assert [run["group"] for run in data_of(text)["runs"]] == [1] * 5 + [2] * 2
    assert 'id="unit-2"' in text


def test_the_last_screen_says_how_to_make_it_again(folder, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    typed = "invariscope sns embedded:standard fc:3 --population 8"
    write_report(copy, command=typed)
    last = write_report(copy).read_text().split("How this was made")[1]
    record = iv.load_result(copy).runs[0]
    for words in (typed, record.settings.subject["weights"][:16], "seeds", record.path.name):
        assert words in last
    for name, value in record.context.items():
        assert f"{name} {value}" in last
    save_command(copy, typed)
    assert commands(copy) == [typed]


def test_tables_are_downloads_of_the_same_numbers(folder, text):
    page = Page(text)
    own = [link for link in page.links if link.startswith("data:text/csv")]
    tables = [pd.read_csv(io.BytesIO(base64.b64decode(link.split(",")[1]))) for link in own]
    runs = next(table for table in tables if "run" in table)
    result = iv.Result([r for r in iv.load_result(folder).runs if r.settings.site])
    merged = result.table().merge(runs, on="run", suffixes=("", "_page"))
    assert len(merged) == len(runs) == 5
    assert np.allclose(merged["stretch"], merged["stretch_page"])


def test_figures_for_a_paper(folder, tmp_path):
    paths = write_figures(iv.load_result(folder), tmp_path / "figures")
    assert len(paths) == 2 * (1 + 1 + 3)  # gallery, distances, three fronts; PDF and SVG
    for path in paths:
        content = path.read_bytes()
        assert content.startswith(b"%PDF") if path.suffix == ".pdf" else b"<svg" in content
    before = {path: path.read_bytes() for path in paths}
    write_figures(iv.load_result(folder), tmp_path / "figures")
    assert all(path.read_bytes() == content for path, content in before.items())


def test_a_notebook_shows_images_and_numbers(folder):
    runs = [r for r in iv.load_result(folder).runs if r.settings.site]
    page = Page(iv.Result(runs)._repr_html_())
    assert len(page.images) == 1 + len(runs)
    assert all(image["alt"] for image in page.images)
    evil = [replace(r, labels={**r.labels, "subject": "<script>x</script>"}) for r in runs]
    assert "<script>" not in iv.Result(evil)._repr_html_()


def test_a_result_is_reported_beside_its_runs(folder, tmp_path):
    searches = [r for r in iv.load_result(folder).runs if r.settings.site == "pixels"]
    page = write_report(iv.Result(searches), tmp_path / "page.html")
    assert "Every search" in page.read_text()
    assert write_report(folder) == folder / "report.html"


def test_a_page_that_cannot_be_written_is_one_sentence(folder, tmp_path):
    with pytest.raises(StoreError, match="cannot write"):
        write_report(folder, tmp_path / "missing" / "page.html")


def test_plots_take_axes_and_return_them(folder):
    from matplotlib.figure import Figure

    result = iv.Result([r for r in iv.load_result(folder).runs if r.settings.site])
    ax = Figure().add_subplot()
    assert front(result, ax=ax) is ax
    lines = [line for line in ax.get_lines() if len(line.get_xdata()) > 1]
    assert sorted(len(line.get_xdata()) for line in lines) == sorted(
        len(r.front) for r in result.runs if len(r.front) > 1
    )
    axes = distance_activation(result.table())
    labels = axes.get_legend_handles_labels()[1]
    assert {"invariant images", "silencing images", "reference"} <= set(labels)
    figure = gallery(result)
    shown = [a for a in figure.axes if a.images]
    assert len(shown) == len(result.runs) + 3  # and the reference in each of three rows


@pytest.mark.statistical
def test_three_hundred_runs_of_noise_stay_below_ten_megabytes(folder, tmp_path):
    """The worst case: pictures that nothing compresses, whole journals, full fronts."""
    first = next(r for r in iv.load_result(folder).runs if r.settings.task == "invariance")
    copy = tmp_path / first.path.name
    shutil.copytree(first.path, copy)
    front = pd.concat([first.front] * 60, ignore_index=True).head(60)
    front = front.assign(stretch=np.arange(60.0), squeeze=np.arange(60.0) ** 2)
    for row in range(0, 60, 2):
        noise = seeds.normal([("noise", row)], (3, 96, 96))[0].float()
        write_png(copy / "images" / f"member-{row}.png", noise.sigmoid())
    noise_png = (copy / "images" / "member-0.png").read_bytes()
    for which in ("kept", "knee", "farthest", "nearest"):
        row = choose(front, first.settings, which)
        (copy / "images" / f"member-{row}.png").write_bytes(noise_png)
    journal = [{**first.journal[0], "generation": number} for number in range(1, 501)]
    runs = [
        replace(
            first,
            path=copy,
            front=front,
            journal=journal,
            settings=first.settings.model_copy(update={"unit": f"fc:{unit}", "seed": seed}),
        )
        for unit in range(30)
        for seed in range(10)
    ]
    text = render(iv.Result(runs))
    assert len(data_of(text)["runs"]) == 300
    assert len(text.encode()) <= 10_000_000


class Sized(iv.Subject):
    """A network of any size: `out` is the mean of red and of blue."""

    name = "sized"
    classes = ("red", "blue")
    natural = None

    def __init__(self, side):
        self.image_size, self.device = side, torch.device("cpu")

    def identity(self):
        return {"kind": "sized", "image_size": self.image_size}

    def _sites(self):
        return {"out": (2,)}

    def _respond(self, images, sites):
        return {"out": 1 + images[:, [0, 2]].double().mean((2, 3)).float()}


@pytest.mark.reliability("network and generator of other sizes", "right")
@pytest.mark.parametrize("side", [227, 32])
def test_the_first_sentence_is_of_what_the_network_sees(side, tmp_path):
    subject, generator = Sized(side), iv.load_generator()
    meis = plan_mei(subject, generator, "out:0", options=OPTIONS)
    mei = draw_mei(execute(meis, subject, generator, tmp_path, options=OPTIONS), generator)
    planned = plan(
        subject,
        generator,
        "out:0",
        task="invariance",
        reference=mei,
        site="pixels",
        options=OPTIONS,
    )
    (record,) = execute(planned, subject, generator, tmp_path, options=OPTIONS)
    told = render(iv.load_result(tmp_path))
    shares = [int(s) for s in re.findall(r"by <b>([\d.]+) ?%</b> of all that is possible", told)]
    row = record.front.iloc[choose(record.front, record.settings, "kept")]
    reference = resize_images(mei.image[None].cpu(), side)
    farthest = float((reference - 0.5).abs().add(0.5).norm())
    assert len(shares) == 1
    assert shares[0] == pytest.approx(100 * row["pixel_distance"] / farthest, abs=0.6)
    assert 0 < shares[0] <= 100


def test_the_command_replaces_a_page_and_nothing_else(folder, tmp_path):
    page = tmp_path / "page.html"
    report(folder, out=page)
    before = page.read_bytes()
    report(folder, out=page)
    assert page.read_bytes() == before
    page.write_text("<html>my own invariscope page</html>")
    with pytest.raises(InputError, match="--force"):
        report(folder, out=page)
    assert page.read_text() == "<html>my own invariscope page</html>"
    report(folder, out=page, force=True)
    assert page.read_bytes() == before
