import re

import pytest
import torch

import invariscope as iv
from invariscope import plot
from invariscope.errors import StoreError
from invariscope.invariance.coefficient import invariance_coefficient
from invariscope.invariance.images import image_set
from invariscope.invariance.result import load_invariance
from invariscope.report.invariance import render_invariance, write_invariance_report

SITES = ("layer4.1.relu", "layer4.1.relu@2")
WANTED = ("hue", "rotation-180")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The shipped network on noise of different colours, with ablation and the search for τ."""
    out = tmp_path_factory.mktemp("invariance")
    subject = iv.load_subject("embedded:standard")
    stream = torch.Generator().manual_seed(0)
    photos = torch.rand(12, 3, 12, 12, generator=stream)
    labels = subject.respond(photos, ["fc"])["fc"].argmax(1)
    images = image_set(photos, labels, subject.classes)
    invariance_coefficient(
        subject,
        images,
        WANTED,
        sites=SITES,
        tau="search",
        by_class=True,
        top=(10, 40),
        ablation=True,
        out=out,
    )
    return out


def test_the_page_is_self_contained_and_every_picture_has_words(folder):
    text = write_invariance_report(folder).read_text()
    sources = re.findall(r'(?:src|href)="([^"]*)"', text)
    assert len(sources) == 7
    assert all(source.startswith("data:") for source in sources)
    assert all(words for words in re.findall(r'<img [^>]*alt="([^"]*)"', text))
    assert text.count("<img ") == 6
    assert re.findall(r"<script[^>]*>", text) == ["<script>"]  # its own, for saving figures
    assert text.count('<figure class="drawn" data-name="') == 6


def test_every_number_of_the_table_is_the_results(folder):
    text = render_invariance(load_invariance(folder))
    for row in load_invariance(folder).summary.to_dict("records"):
        if row["class"] == "all":
            cells = "".join(f"<td>{row[key]:.3f}</td>" for key in ("mean", "q25", "median", "q75"))
            assert cells in text


def test_names_and_reasons_are_escaped(folder):
    result = load_invariance(folder)
    result.settings["labels"]["subject"] = "<script>x</script>"
    result.settings["labels"]["failed"] = {"<b>": "<i>broken</i>"}
    result.units.loc[0, "reason"] = "<script>y</script>"
    text = render_invariance(result, "<u>&")
    assert not re.search(r"<script>[xy]", text)
    assert "&lt;script&gt;x" in text
    assert "&lt;i&gt;broken" in text
    assert "&lt;u&gt;&amp;" in text


def test_a_folder_without_a_result_is_refused(tmp_path):
    with pytest.raises(StoreError, match="expected what `invariscope coefficient` wrote"):
        write_invariance_report(tmp_path)


def test_plots_take_axes_and_return_them(folder):
    from matplotlib.figure import Figure

    result = load_invariance(folder)
    ax = Figure().add_subplot()
    assert plot.coefficients(result.units, ax=ax) is ax
    assert [t.get_text() for t in ax.get_xticklabels()] == list(WANTED)
    assert len(ax.collections) == len(WANTED)
    own = result.units[(result.units["site"] == SITES[-1]) & (result.units["class"] == "all")]
    hue = own[own["transformation"] == "hue"]["invariance"]
    assert ax.lines[1].get_ydata()[0] == pytest.approx(hue.median())
    both = plot.coefficients({"one": result.units, "other": result.units}, SITES[0])
    assert len(both.collections) == 2 * len(WANTED)
    lines = plot.layers(result.summary).lines
    assert [line.get_label() for line in lines] == list(WANTED)
    every = result.summary[result.summary["class"] == "all"].set_index("transformation")
    assert list(lines[0].get_ydata()) == every.loc["hue", "mean"].tolist()
    assert len(plot.active_shares(result.units, result.images).collections) == 2 * len(WANTED)


def test_a_violin_of_no_unit_is_a_dash(folder):
    units = load_invariance(folder).units
    units.loc[units["transformation"] == "hue", "invariance"] = float("nan")
    ax = plot.coefficients(units)
    assert len(ax.collections) == 1
    assert [t.get_text() for t in ax.texts] == ["–"]


def test_ablation_plots_show_the_table(folder):
    table = load_invariance(folder).ablation
    bars = plot.ablation(table, "as it is").patches
    intact = table[(table["ablated"] == "nothing") & (table["shown"] == "as it is")]
    assert [bar.get_height() for bar in bars[:2]] == (100 * intact["accuracy"]).tolist()
    line = next(
        x for x in plot.ablation_by_share(table).lines if x.get_label().endswith("active: top k %")
    )
    assert list(line.get_xdata()) == [10, 40]
