"""Every long command says first where it writes and how to go on; the list is of all commands."""

import ast
import importlib
from functools import cache
from pathlib import Path

import pytest
from cyclopts import App

from invariscope.cli import terminal
from invariscope.cli.app import COMMANDS, INTERRUPTED, app, run

SAYS = {"tell_start", "StartNote", "LiveProgress"}
# Over in seconds, or nothing is written.
SHORT = {
    "study plan": "counts",
    "study status": "reads",
    "study verify": "reads",
    "categories plan": "counts",
    "survey export": "tables of answers",
    "survey show": "one picture",
    "survey links": "a line a link",
    "rig simulate": "answers what `rig serve` shows, which says where",
    "units": "lists",
    "field": "prints one line",
}


def leaves(words, app):
    names = [name for name in app if not name.startswith("-")]
    if not names:
        yield " ".join(words), app.default_command
    for name in names:
        yield from leaves((*words, name), app[name])


def every_command():
    for names in COMMANDS.values():
        for name in names:
            found = getattr(importlib.import_module(f"invariscope.cli.{name}"), name)
            yield from leaves((name,), found) if isinstance(found, App) else [(name, found)]


ALL = dict(every_command())


def names_of(function):
    """The names that a function uses and does not bind itself."""
    names = [node for node in ast.walk(function) if isinstance(node, ast.Name)]
    bound = {name.id for name in names if isinstance(name.ctx, ast.Store)}
    return {name.id for name in names} - bound


@cache
def calls(module):
    """The names that each function of a file of commands uses, through its file's functions."""
    tree = ast.parse(Path(module.__file__).read_text())
    return {
        node.name: names_of(node)
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
    } | {
        alias.asname or alias.name: (node.module, alias.name)
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("invariscope.cli")
        for alias in node.names
    }


def says(module_name, name, seen):
    """Whether a function of the commands reaches what says the sentence."""
    if (module_name, name) in seen or not module_name.startswith("invariscope.cli"):
        return False
    seen.add((module_name, name))
    if name in SAYS:
        return True
    own = calls(importlib.import_module(module_name)).get(name, set())
    if isinstance(own, tuple):
        return says(*own, seen)
    return any(says(module_name, used, seen) for used in own)


@pytest.mark.parametrize("words", ALL)
def test_a_command_says_where_it_writes_or_is_short(words):
    function = ALL[words]
    told = says(function.__module__, function.__name__, set())
    assert told != (words in SHORT)


def test_short_commands_are_commands():
    assert set(SHORT) <= set(ALL)
    assert len(ALL) > 35


@pytest.mark.parametrize("words", ALL)
def test_where_to_write_has_its_short_option(words):
    found = app
    for word in words.split():
        found = found[word]
    names = [set(a.names) for a in found.assemble_argument_collection() if "--out" in a.names]
    assert all("-o" in each for each in names)


@pytest.mark.parametrize(
    ("after", "said"),
    [
        (None, "stopped"),
        (terminal.GOES_ON, f"stopped; {terminal.KEPT}"),
        (terminal.STARTS_AGAIN, "stopped; the same command starts again"),
    ],
)
def test_an_interrupted_command_says_what_it_said_at_its_start(after, said, tmp_path, capsys):
    def command():
        if after:
            terminal.tell_start(tmp_path, after)
        raise KeyboardInterrupt

    commands = App(name="x", default_command=command, suppress_keyboard_interrupt=False)
    assert run([], commands) == INTERRUPTED
    lines = capsys.readouterr().err.splitlines()
    first = [f"writing to {tmp_path} · Ctrl-C stops; {after}"] if after else []
    assert lines == [*first, said]
