import base64
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

import invariscope as iv
from invariscope.analysis.affine import affine_baseline
from invariscope.errors import StoreError
from invariscope.plot import distance_activation, front, gallery
from invariscope.report.report import AFFINE, render, write_report
from invariscope.sns.execute import execute
from invariscope.sns.mei import draw_mei, plan_mei
from invariscope.sns.plan import plan

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


class Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.images, self.links, self.tags = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        values = dict(attrs)
        if tag == "img":
            self.images.append(values)
        self.links += [v for k, v in attrs if k in ("src", "href") and v]


def test_the_page_is_self_contained_and_every_picture_has_words(folder):
    page = Page(render(iv.load_result(folder)))
    assert len(page.images) >= 1 + 2 * 3 + 2 + 3
    assert all(image["alt"] for image in page.images)
    assert all(link.startswith("data:") for link in page.links)
    assert "script" not in page.tags


def test_rows_are_sites_from_shallow_to_deep_and_columns_are_seeds(folder):
    text = render(iv.load_result(folder))
    sites = re.findall(r"Stretched at <code>(.*?)</code>", text)
    assert sites == ["pixels", "layer3.0.conv1"]
    section = text.split("Images that the unit accepts")[1].split("<h2>")[0]
    assert re.findall(r"seed (\d) ·", section) == ["0", "1", "0", "1"]


def test_every_number_of_the_table_is_the_stores(folder):
    text = render(iv.load_result(folder))
    table = iv.Result([r for r in iv.load_result(folder).runs if r.settings.site]).table()
    for row in table.to_dict("records"):
        cells = [f"<td>{row['stretch']:.2f}</td>", f"<td>{row['pixel_distance']:.2f}</td>"]
        cells.append(f"<td>{row['activation']:.3f}</td>")
        assert all(cell in text for cell in cells)


def test_the_pictures_are_the_stores_files(folder):
    text = render(iv.load_result(folder))
    record = next(r for r in iv.load_result(folder).runs if r.settings.task == "adversarial")
    member = iv.Result([record]).table()["member"][0]
    content = (record.path / "images" / f"member-{member}.png").read_bytes()
    assert base64.b64encode(content).decode() in text


def test_reduced_settings_are_said(folder):
    assert "Reduced settings" in render(iv.load_result(folder))


def test_names_are_escaped(folder):
    runs = iv.load_result(folder).runs
    evil = [replace(r, labels={**r.labels, "subject": "<script>x</script>"}) for r in runs]
    text = render(iv.Result(evil), command="<b>&")
    assert "<script>" not in text
    assert "&lt;script&gt;x" in text
    assert "&lt;b&gt;&amp;" in text


def test_runs_of_two_units_are_refused(folder):
    runs = iv.load_result(folder).runs
    other = replace(runs[0], settings=runs[0].settings.model_copy(update={"unit": "fc:4"}))
    with pytest.raises(StoreError, match="2 units"):
        render(iv.Result([*runs, other]))


def test_a_result_is_reported_beside_its_runs(folder, tmp_path):
    searches = [r for r in iv.load_result(folder).runs if r.settings.site == "pixels"]
    page = write_report(iv.Result(searches), tmp_path / "page.html")
    assert "Every run" in page.read_text()
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
