"""A small generator and small subjects that answer within microseconds."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import fcntl
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import hypothesis
import pytest
import torch
import torch.nn.functional as F

from invariscope import seeds
from invariscope.generators import CodeStatistics, Generator
from invariscope.subjects import Subject
from invariscope.testing.networks import fixed_weights as fixed_weights_of
from invariscope.testing.networks import small_subject

# Times are never asserted: a test may wait while others use the processor.
hypothesis.settings.register_profile(
    "untimed", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("untimed")

SIDE = 8
CODE_DIM = 6


def weights(*shape, name="toy"):
    """Fixed weights that differ with their shape and name."""
    return seeds.normal([(name, *shape)], shape)[0].float()


class PaintGenerator(Generator):
    """A sigmoid of a fixed linear map; it counts its calls."""

    name = "paint"
    code_dim = CODE_DIM
    image_size = SIDE
    device = torch.device("cpu")

    def __init__(self, *, statistics=True):
        self.calls = 0
        self._map = weights(CODE_DIM, 3 * SIDE * SIDE)
        if statistics:
            mean, covariance = torch.zeros(CODE_DIM), torch.eye(CODE_DIM)
            self.code_statistics = CodeStatistics(mean.double(), covariance.double())

    def identity(self):
        return {"kind": "paint"}

    def _generate(self, codes):
        self.calls += 1
        return torch.sigmoid(codes @ self._map).unflatten(1, (3, SIDE, SIDE))


@dataclass
class ToySubject(Subject):
    """`features`, a convolution's channels, and `out`, three signed numbers read from them."""

    natural: Path | None = None
    classes: tuple = ("ant", "bee", "cat")
    broken_after: int | None = None  # images after which it answers NaN
    shown: int = 0
    name: str = "toy"
    image_size: int = SIDE
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    def identity(self):
        return {"kind": "toy"}

    def _sites(self):
        return {"features": (4, 4, 4), "out": (3,)}

    def _respond(self, images, sites):
        self.shown += len(images)
        features = torch.tanh(F.conv2d(images - 0.5, weights(4, 3, 2, 2), stride=2))
        out = features.flatten(1) @ weights(64, 3)
        if self.broken_after is not None and self.shown > self.broken_after:
            out = out * torch.nan
        return {site: {"features": features, "out": out}[site] for site in sites}


@pytest.fixture
def generator():
    return PaintGenerator()


@pytest.fixture
def make_generator():
    return PaintGenerator


@pytest.fixture
def subject():
    return ToySubject()


@pytest.fixture
def make_subject():
    return ToySubject


@pytest.fixture
def fixed_weights():
    return fixed_weights_of


@pytest.fixture
def conv_subject():
    return small_subject()


@pytest.fixture
def picture():
    """A photo of the toy's size that the toy's generator never makes exactly."""
    return torch.rand(3, SIDE, SIDE, generator=seeds.torch_stream("picture"))


@pytest.fixture(scope="session")
def once(request, tmp_path_factory):
    """Fills a folder once a test run, by the process that comes first; do not change the folder."""
    own = tmp_path_factory.getbasetemp()
    shared = own.parent if hasattr(request.config, "workerinput") else own

    def make(name, fill):
        folder, done = shared / name, shared / f"{name}.done"
        with (shared / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not done.exists():
                shutil.rmtree(folder, ignore_errors=True)  # another process failed on the way
                folder.mkdir()
                fill(folder)
                done.touch()
        return folder

    return make


@pytest.fixture(scope="session")
def browser():
    """Debian's Chromium, without a window."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("no chromium on this machine")
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with sync_api.sync_playwright() as playwright:
        flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        running = playwright.chromium.launch(executable_path=chromium, args=flags)
        yield running
        running.close()


@pytest.fixture(scope="session")
def serious():
    """Lists what axe-core finds serious or critical on a page of Chromium."""
    axe = Path(__file__).parents[1] / "node_modules" / "axe-core" / "axe.min.js"
    if not axe.exists():
        pytest.skip("axe-core is not installed; `make test-browser` gets it")
    script = axe.read_text(encoding="utf-8")

    def check(page):
        page.evaluate(script)
        found = page.evaluate("axe.run({ resultTypes: ['violations'] })")["violations"]
        wrong = [v for v in found if v["impact"] in {"serious", "critical"}]
        return [(v["id"], [node["html"] for node in v["nodes"]]) for v in wrong]

    return check
