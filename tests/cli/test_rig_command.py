"""`invariscope rig`: a whole session between two commands, and its export."""

import subprocess
import sys
from contextlib import contextmanager

import pytest
from PIL import Image

from invariscope import load_result, load_subject, seeds
from invariscope.cli.app import run

TEXT = """
[rig]
name = "practice"
units = ["u1", "u2"]
{link}
[range]
photos = "photos"
images = 4
repeats = 2
[blocks]
trials = 20
[search]
strategy = "isotropic"
generator = "embedded:v1"
population = 8
mei_generations = 1
generations = 2
[final]
members = 2
repeats = 2
reference = 2
"""


@pytest.fixture
def file(tmp_path):
    (tmp_path / "photos").mkdir()
    for i in range(4):
        pixels = (seeds.uniform([("photo", i)], (96, 96, 3))[0] * 255).byte().numpy()
        Image.fromarray(pixels).save(tmp_path / "photos" / f"{i}.png")
    path = tmp_path / "session.toml"
    path.write_text(TEXT.format(link=""))
    return path


@contextmanager
def simulating(file, out, *words):
    """A simulated rig in a process of its own, whose words are not those of another test."""
    command = [sys.executable, "-m", "invariscope", "rig", "simulate", str(file)]
    other = subprocess.Popen([*command, "--out", str(out), *words], stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        other.terminate()
        other.wait()


def test_a_session_between_two_commands(file, tmp_path, capsys):
    pytest.importorskip("pynwb")
    out = tmp_path / "a"
    with simulating(file, out, "--units", "fc:3", "fc:5"):
        assert run(["rig", "serve", str(file), "--out", str(out)]) == 0
    told = capsys.readouterr().out
    assert "the range block" in told
    assert "fronts on held-back repeats" in told
    assert run(["rig", "export", str(out)]) == 0
    assert (out / "session.nwb").exists()
    result = load_result(out / "runs")
    images = result.images("farthest")
    answers = load_subject(f"recorded:{out}").respond(images, ["rig"])["rig"]
    assert answers.isfinite().all()
    # A finished session is told again without a rig.
    assert run(["rig", "serve", str(file), "--out", str(out)]) == 0


def test_a_plan_and_the_session_that_puts_it_to_the_neuron(file, tmp_path, capsys):
    plan, out = tmp_path / "plan", tmp_path / "real"
    model = ["--units", "fc:3", "fc:5", "--peak", "80", "--lost", "0", "--drift", "0"]
    words = ["--model", "embedded:standard", "--out", str(plan), *model]
    assert run(["rig", "plan", str(file), *words]) == 0
    told = capsys.readouterr().out
    assert "invariances of the model could be refuted" in told
    assert "power to refute" in told
    with simulating(file, out, *model):
        assert run(["rig", "serve", str(file), "--out", str(out), "--plan", str(plan)]) == 0
    told = capsys.readouterr().out
    assert "rejects 0 and confirms" in told
    assert list((out / "refuted").glob("*.parquet"))
    assert run(["rig", "serve", str(file), "--out", str(out), "--plan", str(tmp_path)]) == 2
    assert "holds no predictions" in capsys.readouterr().err


def test_mistakes_are_one_sentence(file, tmp_path, capsys):
    assert run(["rig", "serve", str(tmp_path / "none.toml"), "--out", str(tmp_path / "a")]) == 2
    assert "cannot read session file" in capsys.readouterr().err
    words = ["--out", str(tmp_path / "a"), "--units", "fc:3"]
    assert run(["rig", "simulate", str(file), *words]) == 2
    assert "1 unit of the network for 2 recorded ones" in capsys.readouterr().err
    words = ["--out", str(tmp_path / "a"), "--units", "fc:3", "fc:5", "--natural"]
    assert run(["rig", "simulate", str(file), *words, str(tmp_path / "none.parquet")]) == 2
    assert "none.parquet" in capsys.readouterr().err
    bare = tmp_path / "bare.py"
    bare.write_text(
        "from torch import nn\n\ndef network():\n"
        "    layers = nn.AdaptiveAvgPool2d(8), nn.Flatten(), nn.Linear(192, 2)\n"
        "    return nn.Sequential(*layers).eval()\n"
    )
    words = [f"{bare}:network", "--allow-code", "--out", str(tmp_path / "a"), "--units", "2:0"]
    assert run(["rig", "simulate", str(file), "--model", *words, "2:1"]) == 2
    assert "give the file as --natural" in capsys.readouterr().err
    words = ["--out", str(tmp_path / "a"), "--units", "fc:3", "fc:5", "--idle", "0.1"]
    assert run(["rig", "simulate", str(file), *words]) == 2
    assert "no session was served in" in capsys.readouterr().err
    assert run(["rig", "export", str(tmp_path)]) == 2
    assert "holds no session" in capsys.readouterr().err
