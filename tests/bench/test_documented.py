"""Every command line of README and docs is understood, and is tried or says why not."""

import re
import shlex
from pathlib import Path

import pytest

from bench.documented import REDUCED, SKIPPED, STANDS_FOR, bare, documented_commands, shell_lines
from invariscope.cli.app import app

ROOT = Path(__file__).resolve().parents[2]
LINES = documented_commands(ROOT)
OURS = [one for one in LINES if one.words[0] == "invariscope"]


def parsed(line):
    """Bind a line to the function of its command, or raise what the command would say."""
    command, bound, _ = app.parse_args(
        shlex.split(line)[1:], exit_on_error=False, print_error=False, help_on_error=False
    )
    return command, bound


def test_the_lines_are_found():
    pages = {one.page for one in LINES}
    assert {"README.md", "docs/start.md", "docs/studies.md", "docs/rig.md"} <= pages
    assert len(LINES) > 60
    assert len([one for one in LINES if not one.reason]) > 35


@pytest.mark.parametrize("one", OURS, ids=lambda one: f"{one.page}:{one.number}")
def test_the_command_understands_the_line(one):
    text = one.text.replace("{readout,subsets,dimension}", "readout")
    command, bound = parsed(text)
    assert callable(command)
    assert bound is not None
    if not one.reason:
        parsed(one.tried)


def test_an_option_that_does_not_exist_is_found():
    with pytest.raises(Exception, match="no-such"):
        parsed("invariscope report runs/x --no-such thing")


def test_no_rule_is_stale():
    texts = [one.text for one in LINES]
    unused = [
        rule for rule in (*SKIPPED, *STANDS_FOR) if not any(re.search(rule, t) for t in texts)
    ]
    assert unused == []
    assert {words.words[1] for words in OURS} >= set(REDUCED)


def test_only_blocks_of_commands_count(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "```{toctree}\ninvariscope no\n```\n```python\nmake no\n```\n"
        "```\ninvariscope units x  # a comment\n  indented\nmake this \\\n  longer\n```\n"
        "````text\n```\nmake demo\n```\n````\n"
    )
    assert [bare(line) for _, line in shell_lines(page)] == [
        "invariscope units x",
        "make this longer",
        "make demo",
    ]
    assert [number for number, _ in shell_lines(page)] == [8, 10, 15]


@pytest.mark.parametrize(
    ("line", "tried"),
    [
        ("invariscope demo --unit fc:5", "invariscope demo --unit fc:5 --generations 3"),
        (
            "invariscope sns MODEL fc:3 --generations 100",
            "invariscope sns embedded:standard fc:3 --generations 2 --population 10",
        ),
        (
            "invariscope coefficient embedded:standard PHOTOS --sites all",
            "invariscope coefficient embedded:standard PHOTOS --sites fc --photos 2",
        ),
    ],
)
def test_long_lines_are_reduced(line, tried):
    one = LINES[0].__class__("page.md", 1, line)
    assert one.tried == tried
