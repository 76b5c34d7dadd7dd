"""What a command prints where: results, progress, JSON, pages, and a mistaken unit."""

import json
import re
import subprocess
import sys

import pytest
from rich.console import Console

from invariscope.cli import terminal
from invariscope.cli.app import app, run

SHORT = ["--generations", "2", "--population", "8", "--precision", "float32", "--device", "cpu"]
MEI = ["mei", "embedded:standard", "fc:3", *SHORT]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "m"
    assert run([*MEI, "-q", "-o", str(out)]) == 0
    return out


def test_results_are_apart_from_progress_which_begins_with_the_folder(tmp_path, capsys):
    assert run([*MEI, "-o", str(tmp_path / "m")]) == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert re.fullmatch(r"activity: \d+\.\d{3}", lines[0])
    assert lines[1:] == [f"report: {tmp_path / 'm' / 'report.html'}"]
    assert err.splitlines()[0] == (
        f"writing to {tmp_path / 'm'} · Ctrl-C stops; the same command goes on"
    )
    assert "images/s" in err


def test_quiet_leaves_results_alone(folder, capsys):
    assert run([*MEI, "--quiet", "-o", str(folder)]) == 0
    out, err = capsys.readouterr()
    assert out.endswith("report.html\n")
    assert err == ""
    # The next command of the process is not quiet.
    assert run(["mei", "embedded:standard", "fc:99"]) == 2
    assert capsys.readouterr().err.startswith("error: ")


def test_a_report_is_told_as_json_and_opened_where_asked(folder, capsys, monkeypatch):
    opened = []
    monkeypatch.setattr(terminal.webbrowser, "open", opened.append)
    assert run(["report", str(folder), "--json", "--open"]) == 0
    page = folder / "report.html"
    assert json.loads(capsys.readouterr().out) == {"report": str(page), "figures": []}
    assert opened == [page.resolve().as_uri()]


def test_units_as_json_are_those_of_the_list(capsys):
    assert run(["units", "embedded:standard", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert run(["units", "embedded:standard"]) == 0
    listed = capsys.readouterr().out
    assert found["sites"][-1] == {"site": "fc", "shape": [10], "unit": "fc:0"}
    assert all(f"{row['site']} " in listed for row in found["sites"])
    assert found["classes"][5] == "French horn"


@pytest.mark.parametrize(
    ("unit", "said"),
    [
        ("fc:French", "did you mean fc:5 (French horn)?"),
        ("fc:chruch", "did you mean fc:4 (church)?"),
        (
            "fc:g",
            "did you mean fc:1 (English springer) or fc:6 (garbage truck) or fc:7 (gas pump)?",
        ),
        ("fc:xyz", "`invariscope units MODEL` lists them"),
        ("layer4:French", "does not fit its site"),
    ],
)
def test_a_class_in_a_numbers_place_is_answered_with_its_number(unit, said, capsys):
    assert run(["mei", "embedded:standard", unit, *SHORT]) == 2
    assert said in capsys.readouterr().err


def print_wide_table():
    columns = ("a condition of many words", "runs", "images, at most")
    row = ("standard, pixels, adversarial", "1,234", "567,890,123")
    terminal.print_table(columns, [row], "runs", right=columns[1:])


def test_a_table_in_a_pipe_is_not_folded(capsys):
    print_wide_table()
    out = capsys.readouterr().out
    assert "standard, pixels, adversarial" in out
    assert "567,890,123" in out
    assert "\x1b" not in out


def test_a_table_in_a_narrow_terminal_loses_nothing(monkeypatch, capsys):
    monkeypatch.setattr(terminal.sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "34")
    monkeypatch.setenv("TERM", "xterm")
    print_wide_table()
    out = capsys.readouterr().out
    out = re.sub("\x1b\\[[0-9;]*m", "", out)
    assert max(map(len, out.splitlines())) <= 34
    words = re.sub(r"[^\w]", "", "".join(out.split()))
    assert "…" not in out
    for digits in ("567", "890", "123", "234"):
        assert digits in words


def test_no_color_is_respected(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    assert Console(force_terminal=True).no_color
    assert terminal.output().no_color
    assert terminal.notes().no_color


def test_switches_of_every_command_are_not_taken_from_values(capsys):
    assert run(["mei", "--", "-q", "fc:3"]) == 2
    assert "'-q'" in capsys.readouterr().err


def test_a_shell_completes_commands_and_options():
    script = app.generate_completion(shell="bash")
    for word in ("sns", "coefficient", "--stretch", "--generations", "-o"):
        assert word in script


def test_the_overview_names_the_groups_and_the_switches():
    command = [sys.executable, "-c", "from invariscope.cli import main; main()", "--help"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    groups = ["Search", "Known changes", "Studies", "People", "Rig", "Measure and report"]
    places = [text.index(f" {group} ─") for group in groups]
    assert places == sorted(places)
    assert "--install-completion" in text
    assert "--quiet" in text
