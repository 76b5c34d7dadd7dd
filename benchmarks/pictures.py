"""Make the pictures of README and docs from runs of our own, and screenshots of what they give.

Runs `demo` for a unit and the study of `benchmarks/gallery.toml` in WORK, where they go on if
interrupted, then writes `docs/images/*.jpg`. Screenshots need Debian's Chromium and the group
`browser`. About ten minutes on two cores, half a minute where the runs are there.

    python benchmarks/pictures.py WORK
"""

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Self

import invariscope as iv
from bench.wide_picture import save_picture, wide_picture
from invariscope.plot.axes import figure_of

ROOT = Path(__file__).resolve().parent.parent
UNIT = "fc:5"
STUDY = ROOT / "benchmarks" / "gallery.toml"
PROGRAM = [sys.executable, "-c", "from invariscope.cli import main; main()"]
LAPTOP = {"width": 1280, "height": 880}
PHOTOS = 16  # images of the study that take photos' place in the practice session
PORT = 8731  # of the survey that is photographed
COLUMNS = 100  # of the terminal
SESSION = """[rig]
name = "practice"
units = ["u1", "u2"]
[range]
photos = "photos"
images = 16
repeats = 3
[blocks]
trials = 40
[search]
population = 16
repeats = 3
mei_generations = 3
generations = 6
[final]
members = 4
repeats = 10
reference = 20
"""
PAGE = """<style>body { margin: 0; background: #14181d; color: #e8ebef; }
pre { font: 15px/1.45 "DejaVu Sans Mono", monospace; white-space: pre-wrap; margin: 0; }
pre { padding: 18px 22px; }
b { color: #7cc4f4; font-weight: 400; }</style><pre>"""


def command(line: str, folder: Path) -> str:
    """Run an `invariscope` command line in `folder`; give its two outputs together."""
    words = shlex.split(line)
    program = [*PROGRAM, *words[1:]]
    environment = {**os.environ, "COLUMNS": str(COLUMNS)}
    done = subprocess.run(  # noqa: S603
        program, cwd=folder, capture_output=True, text=True, check=False, env=environment
    )
    if done.returncode:
        raise SystemExit(f"{line}\n{done.stderr}")
    return done.stdout


class Camera:
    """Takes screenshots in Chromium; a context."""

    def __enter__(self) -> Self:
        from playwright.sync_api import sync_playwright  # noqa: PLC0415  (a group of its own)

        self._running = sync_playwright().start()
        flags = ["--no-sandbox", "--disable-gpu"]
        chromium = shutil.which("chromium")
        self._browser = self._running.chromium.launch(executable_path=chromium, args=flags)
        return self

    def __exit__(self, *_: object) -> None:
        self._browser.close()
        self._running.stop()

    def take(
        self,
        address: str,
        part: str | None = None,
        *,
        before: Callable[..., None] = lambda page: None,
        size: dict[str, int] | None = None,
    ) -> bytes:
        """Take the first screen of a page, or a part of the page.

        Args:
            part: a selector.
            before: what is done on the page first.
            size: of the window.
        """
        page = self._browser.new_page(viewport=size or LAPTOP)
        page.goto(address)
        before(page)
        taken = page.locator(part).first.screenshot() if part else page.screenshot()
        page.close()
        return taken

    def terminal(self, lines: list[str], folder: Path, most: int = 24, width: int = 1000) -> bytes:
        """Take command lines with what they print, of long outputs the first lines."""
        shown = []
        for line in lines:
            printed = command(line, folder).rstrip().splitlines()
            cut = [*printed[:most], "…"] if len(printed) > most else printed
            shown += [f"<b>$ {escape(line)}</b>", *map(escape, cut), ""]
        page = self._browser.new_page(viewport={"width": width, "height": 300})
        page.set_content(PAGE + "\n".join(shown[:-1]) + "</pre>")
        taken = page.locator("pre").screenshot()
        page.close()
        return taken


def difference(page) -> None:  # noqa: ANN001
    """Open the second picture of a report and show its difference from the reference."""
    page.locator("figure.cell .thumb").nth(1).click()
    page.click("[data-view=difference]")
    page.wait_for_selector("#v-one:visible")


def rig_session(work: Path) -> str:
    """Practise a session on units of the shipped network; give the command that tells it again."""
    session, out = work / "session.toml", work / "session"
    if not list(out.glob("runs/*/held_back.parquet")):
        (work / "photos").mkdir(exist_ok=True)
        found = sorted((work / "store" / "runs").glob("*/images/member-*.png"))
        for number in range(PHOTOS):
            shutil.copy(found[number * len(found) // PHOTOS], work / "photos" / f"{number:02d}.png")
        session.write_text(SESSION)
        brain = [*PROGRAM, "rig", "simulate", str(session), "--out", str(out)]
        simulated = subprocess.Popen(  # noqa: S603
            [*brain, "--units", "fc:5", "fc:0", "--idle", "60"],
            stderr=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        command(f"invariscope rig serve {session} --out {out}", work)
        simulated.wait()
    return "invariscope rig serve session.toml --out session"


def survey_pages(camera: Camera, study: Path) -> None:
    """Serve a survey of the study's images as a pilot, and take a trial of it."""
    if not (study / "survey").exists():
        command(f"invariscope survey make {study} --practice 0 --catch 0", study)
    words = [*PROGRAM, "survey", "serve", str(study), "--pilot", "--port", str(PORT)]
    server = subprocess.Popen(words, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)  # noqa: S603

    def to_a_trial(page) -> None:  # noqa: ANN001
        for _ in range(12):
            page.wait_for_timeout(400)
            if page.locator("img:visible, canvas:visible").count():
                page.wait_for_timeout(1500)  # the fixation cross is over
                break
            box = page.locator("input[type=checkbox]:visible")
            if box.count():
                box.first.check()
            button = page.locator("button:visible:enabled").last
            if button.count():
                button.click()

    try:
        for _ in range(100):
            try:
                content = camera.take(f"http://127.0.0.1:{PORT}/", before=to_a_trial)
                break
            except Exception:  # noqa: BLE001  (the server is not there yet)
                server.poll() is None or sys.exit("the survey's server ended")
        save_picture("survey_trial", content, 900)
    finally:
        server.terminate()
        server.wait()


def main(work: Path) -> None:
    """Run what is not there, then take every picture."""
    work.mkdir(parents=True, exist_ok=True)
    demo, store = work / "demo", work / "store"
    command(f"invariscope demo --unit {UNIT} --out {demo}", work)
    command(f"invariscope study run {STUDY} --out {store}", work)
    (study,) = (store / "studies").iterdir()
    result = iv.load_result(demo)
    save_picture("first_run", wide_picture(result))
    searches = iv.Result([run for run in result.runs if run.settings.site == "pixels"])
    save_picture("gallery_front", figure_of(iv.plot.front(searches)), 700)
    page = iv.write_report(demo).as_uri()
    whole = iv.write_report(iv.load_study(study)).as_uri()
    with Camera() as camera:
        save_picture("report", camera.take(page), 1100)
        save_picture("report_explore", camera.take(page, "#explore"), 900)
        save_picture("report_difference", camera.take(page, "#viewer", before=difference), 700)
        save_picture("report_study", camera.take(whole), 1100)
        units = "invariscope units embedded:standard"
        save_picture("models_terminal", camera.terminal([units], work), 800)
        shutil.copy(STUDY, work / "gallery.toml")
        both = [
            "invariscope study plan gallery.toml --out planned",
            "invariscope study status gallery.toml --out store",
        ]
        save_picture("study_terminal", camera.terminal(both, work), 800)
        save_picture("rig_terminal", camera.terminal([rig_session(work)], work, width=1200), 900)
        survey_pages(camera, study)


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
