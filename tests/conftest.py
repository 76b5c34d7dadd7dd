"""Fixtures of all tests.

What uses torch and the package imports them: the process that hands tests out needs neither.
"""

import fcntl
import multiprocessing
import os
import shutil
from pathlib import Path

import hypothesis
import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported

# Times are never asserted: a test may wait while others use the processor.
hypothesis.settings.register_profile(
    "untimed", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("untimed")


@pytest.fixture
def generator(make_generator):
    return make_generator()


@pytest.fixture(scope="session")
def make_generator():
    from toy_subjects import PaintGenerator

    return PaintGenerator


@pytest.fixture
def subject(make_subject):
    return make_subject()


@pytest.fixture(scope="session")
def make_subject():
    from toy_subjects import ToySubject

    return ToySubject


@pytest.fixture
def fixed_weights():
    from invariscope.testing.networks import fixed_weights

    return fixed_weights


@pytest.fixture
def conv_subject():
    from invariscope.testing.networks import small_subject

    return small_subject()


@pytest.fixture
def picture():
    """A photo of the toy's size that the toy's generator never makes exactly."""
    from toy_subjects import picture

    return picture()


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
def forked():
    """Makes processes of their own that have torch and the package imported already."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        ["invariscope.natural.folder_pass", "invariscope.categories.train"]
    )
    return context


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


@pytest.fixture(scope="session")
def passed_over(pytestconfig):
    """The `-W` words that pytest was given: for processes that tests start."""
    return [f"-W{rule}" for rule in pytestconfig.getoption("pythonwarnings") or ()]
