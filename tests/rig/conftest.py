"""A small session on toys: a brain of three neurons, six numbers a code, 8 × 8 images."""

import pytest
import torch
from PIL import Image

from invariscope import seeds
from invariscope.natural.statistics import measure_natural
from invariscope.rig.file import parse_session
from invariscope.rig.session import RigSession
from invariscope.rig.simulate import DirectLink, SimulatedBrain, SimulatedRates

TEXT = """
[rig]
name = "toy"
units = ["a", "b", "c"]
patience = 0.1
{rig}

[range]
photos = "photos"
images = 8
repeats = 4

[blocks]
trials = 10
{blocks}

[search]
population = 8
mei_generations = 3
generations = 4
stop = false
{search}

[final]
members = 4
repeats = 3
reference = 4
"""


@pytest.fixture
def photos(tmp_path):
    """A folder of ten photos of noise."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for i in range(10):
        pixels = (seeds.uniform([("photo", i)], (8, 8, 3))[0] * 255).byte().numpy()
        Image.fromarray(pixels).save(folder / f"{i}.png")
    return folder


@pytest.fixture
def network(make_subject, tmp_path):
    """The toy with natural statistics."""
    subject = make_subject()
    images = torch.rand(64, 3, 8, 8, generator=seeds.torch_stream("natural"))
    path = tmp_path / "network.parquet"
    measure_natural(subject, images.split(32), ["out"], "train").save(path)
    subject.natural = path
    return subject


@pytest.fixture
def make_brain(network):
    def brain(**cortex):
        units = ["out:0", "out:1", "out:2"]
        return SimulatedBrain(network, units, ["a", "b", "c"], cortex=SimulatedRates(**cortex))

    return brain


@pytest.fixture
def asked():
    """A session file; words go to its tables."""

    def parse(rig="", blocks="", search=""):
        once = "" if "repeats" in search else "repeats = 1\n"
        once += "" if "strategy" in search else 'strategy = "isotropic"\n'
        return parse_session(TEXT.format(rig=rig, blocks=blocks, search=once + search))

    return parse


@pytest.fixture
def make_session(tmp_path, photos, generator, asked, make_brain):
    """A session on a link, by default to a brain in this process."""
    open_sessions = []

    def session(file=None, link=None, out="session", **words):
        given = {"base": tmp_path, "generator": generator} | words
        made = RigSession(
            file or asked(), tmp_path / out, link or DirectLink(make_brain()), **given
        )
        open_sessions.append(made)
        return made

    yield session
    for made in open_sessions:
        made.close()


@pytest.fixture
def clean(make_session, tmp_path):
    """The folder of a session that nothing disturbed."""
    session = make_session(out="clean")
    session.run()
    session.close()
    return tmp_path / "clean"
