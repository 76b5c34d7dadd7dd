"""What Python says to a newcomer: one-line names of things, progress, and the way to a network."""

import io
import os
import pty
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import invariscope as iv
from invariscope import progress
from invariscope.errors import InputError
from invariscope.experiments.search_progress import progress_words, watched_searches
from invariscope.natural.statistics import NaturalStatistics
from invariscope.progress import ProgressLine
from invariscope.testing.toys import ToyGenerator, ToySubject

SHORT = iv.SearchOptions(population=10, generations=2)


@pytest.fixture
def searched(tmp_path):
    subject, generator = ToySubject(torch.ones(1, 3, 4, 4)), ToyGenerator(4)
    reference = iv.image_reference(torch.full((3, 4, 4), 0.5), 4)
    options = {"reference": reference, "options": SHORT, "out": tmp_path / "runs"}
    return subject, generator, options


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_everything_has_a_name_of_one_line(searched, tmp_path):
    subject, generator, options = searched
    mean = iv.FunctionSubject(lambda x: x.mean((2, 3)), name="mean colour", image_size=8)
    images = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    (tmp_path / "photos").mkdir()
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / "photos" / "a.png")
    shipped = iv.load_subject("embedded:standard")
    colours = iv.image_set(torch.eye(3).view(3, 3, 1, 1).expand(3, 3, 8, 8) / 2, [0, 1, 2], "rgb")
    result = iv.stretch_and_squeeze(subject, generator, "linear:0", **options)
    told = {
        "NetworkSubject('embedded:standard', image_size=96, classes=10, device=cpu)": shipped,
        "FunctionSubject('mean colour', image_size=8, device=cpu)": mean,
        "EmbeddedGenerator('embedded', code_dim=384, image_size=96, device=cpu)": (
            iv.load_generator("embedded")
        ),
        "Reference(image, 4 × 4 px)": options["reference"],
        f"Result({subject.name} linear:0: 1 invariance)": result,
        "Invariance(mean colour: 3 units at 1 site, 1 transformation, 4 images)": (
            iv.invariance_coefficient(mean, images, "inversion", sites="output", top=())
        ),
        "Profile(mean colour output:0: 1 transformation, 0 found images)": (
            iv.profile(mean, "output:0", images, transformations=["inversion"])
        ),
        "ImageSet(3 images of 3 classes)": colours,
        f"PhotoFolder({str(tmp_path / 'photos')!r}: 1 photo)": iv.open_folder(tmp_path / "photos"),
        "NaturalStatistics(10 units, 9469 images)": (
            NaturalStatistics.load(shipped.natural, shipped)
        ),
        "CodeStatistics(code_dim=384)": iv.load_generator("embedded").code_statistics,
    }
    found = {repr(value): value for value in told.values()}
    natural = [line for line in found if line.startswith("NaturalStatistics")]
    assert len(natural) == 1
    assert "9469 images" in natural[0]
    without = {line for line in told if not line.startswith("NaturalStatistics")}
    assert set(found) - set(natural) == without
    calibrated = repr(iv.calibrate(mean, colours, "luminance"))
    assert calibrated.startswith("Calibration(mean colour, luminance: accuracy ")
    assert not any("\n" in line or " at 0x" in line for line in [*found, calibrated])


def test_a_line_is_written_over_in_a_terminal(monkeypatch):
    clock = iter([0.0, 0.1, 1.0, 1.1])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    terminal = Terminal()
    with ProgressLine(stream=terminal) as line:
        for words in ("one of the first", "skipped", "second", "last"):
            line(words)
    states = terminal.getvalue().split("\r")[1:]
    assert [state.rstrip() for state in states] == ["one of the first", "second", "last"]
    assert all(len(state) >= len("one of the first") for state in states[1:2])
    assert terminal.getvalue().endswith("\n")


@pytest.mark.parametrize(
    ("asked", "watched", "stream", "expected"),
    [
        (None, False, Terminal, True),
        (None, True, Terminal, False),
        (None, False, io.StringIO, False),
        (False, False, Terminal, False),
        (True, True, io.StringIO, True),
    ],
)
def test_progress_is_shown_where_a_person_looks(asked, watched, stream, expected):
    written = stream()
    with ProgressLine(asked, watched=watched, stream=written) as line:
        line("a state")
    assert ("a state" in written.getvalue()) is expected


def test_a_notebook_is_a_place_where_a_person_looks(monkeypatch):
    shell = type("ZMQInteractiveShell", (), {})()
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    assert progress.in_notebook()
    assert ProgressLine(stream=io.StringIO()).shown
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=object))
    assert not progress.in_notebook()


def test_searches_tell_how_far_they_are(searched, capsys):
    subject, generator, options = searched
    iv.stretch_and_squeeze(subject, generator, "linear:0", **options)
    assert capsys.readouterr() == ("", "")
    again = options | {"out": options["out"].parent / "again"}
    iv.stretch_and_squeeze(subject, generator, "linear:0", **again, progress=True)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[0].startswith(
        "invariance of linear:0 at pixels · generation 1 · 0 of 1"
    )
    assert "generation 2 · 1 of 1 search done · 20 images" in err.splitlines()[-1]


def test_a_watcher_of_the_callers_own_is_enough(searched, monkeypatch):
    subject, generator, options = searched
    monkeypatch.setattr(sys, "stderr", Terminal())
    told = []
    iv.stretch_and_squeeze(subject, generator, "linear:0", **options, watch=told.append)
    assert sys.stderr.getvalue() == ""
    assert [progress_words(event).partition(" · ")[0] for event in told] == [
        "0 of 1 search done",
        "1 of 1 search done",
    ]
    with watched_searches("both", progress=True, watch=told.append) as tell:
        tell(told[0])
    assert len(told) == 3
    assert "both" in sys.stderr.getvalue()


def test_a_real_terminal_sees_progress_and_a_pipe_does_not():
    program = (
        "import torch, invariscope as iv\n"
        "mean = iv.FunctionSubject(lambda x: x.mean((2, 3)), name='m', image_size=8)\n"
        "iv.invariance_coefficient(mean, torch.rand(4, 3, 8, 8), 'inversion', sites='output')\n"
    )
    command = [sys.executable, "-c", program]
    piped = subprocess.run(command, capture_output=True, check=True)
    assert piped.stderr == b""
    mother, child = pty.openpty()
    subprocess.run(command, stderr=child, check=True)
    os.close(child)
    assert b"of 16 images" in os.read(mother, 10_000)
    os.close(mother)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (nn.Flatten(), r"not a Flatten; .* iv\.NetworkSubject\(network, image_size=224\)"),
        (lambda images: images, r"not a function; .* iv\.FunctionSubject\("),
        (5, "address such as 'embedded:standard', not a int"),
    ],
)
def test_what_is_no_address_is_sent_to_what_takes_it(given, said):
    with pytest.raises(InputError, match=said):
        iv.load_subject(given, image_size=96)


def test_the_network_of_a_factory_sees_images_of_the_size_asked_for(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(
        "from torch import nn\n\ndef make():\n    return nn.Sequential(nn.Flatten()).eval()\n"
    )
    address = f"{file}:make"
    found = iv.load_subject(address, allow_code=True, image_size=8)
    assert found.image_size == 8
    assert found.respond(torch.rand(2, 3, 8, 8), ["0"])["0"].shape == (2, 192)
    with pytest.raises(InputError, match="has an image size of its own"):
        iv.load_subject("embedded:standard", image_size=96)
