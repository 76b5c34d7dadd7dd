"""The command line's entry: a user's mistake is one sentence and exit code 2."""

import sys
from collections.abc import Sequence
from importlib.metadata import version

from cyclopts import App, CycloptsError, Group, ValidationError
from rich.console import Console

from invariscope.cli.terminal import begin_command, stopped
from invariscope.errors import InvariscopeError
from invariscope.memory import keep_freed_memory

app = App(
    name="invariscope",
    help_format="plaintext",
    help="See what a visual unit ignores.",
    version=version("invariscope"),
    suppress_keyboard_interrupt=False,
    help_epilogue="Any command takes -q (--quiet): no progress and no notes, only results; and -v "
    "(--debug): where an error came from.",
)
# A command's module is imported when the command is used: `--help` needs no network.
COMMANDS = {
    "Search": {
        "demo": "Find what one unit of the shipped network ignores and what silences it.",
        "mei": "Search for the image that excites a unit most, and write a report.",
        "sns": "Search for images a unit cannot tell from a reference, or that silence it.",
    },
    "Known changes": {
        "coefficient": "Measure every unit's invariance to known transformations.",
        "calibrate": "Let a transformation grow until a network fails.",
        "profile": "Set known transformations beside the images that a search found.",
    },
    "Studies": {
        "study": "Hundreds of runs from one file, on one machine or a cluster.",
        "analyze": "Analyse studies: tables, figures and a page of verdicts.",
        "categories": "Train with some categories seen transformed; measure what follows.",
    },
    "People": {
        "survey": "People classify images, or tell them apart, in a browser.",
        "people": "People's answers beside a network's.",
    },
    "Rig": {
        "rig": "The same search on a brain: images out, responses in.",
        "recording": "Read what a lab recorded, as responses to images.",
    },
    "Measure and report": {
        "units": "List a network's sites, and how to name a unit.",
        "natural": "Measure each unit's activity over photos.",
        "field": "Find where in the image a unit looks, as an aperture for its searches.",
        "data": "Prepare data sets that cannot be shipped, from what you downloaded.",
        "report": "Write one page about the runs in a folder, or about a study.",
    },
}
for place, (title, commands) in enumerate(COMMANDS.items()):
    group = Group(title, sort_key=place)
    for name, line in commands.items():
        app.command(f"invariscope.cli.{name}:{name}", group=group, help=line)
app.register_install_completion_command(
    help="Let the shell complete commands and options (bash, zsh, fish, PowerShell)."
)

QUIET, DEBUG = ("--quiet", "-q"), ("--debug", "-v")
USER_ERROR = 2
INTERRUPTED = 130


def run(arguments: Sequence[str], commands: App = app) -> int:
    """Run one command line and give its exit code; errors are printed as one sentence."""
    debug, words = _without(arguments, DEBUG)
    quiet, words = _without(words, QUIET)
    begin_command(quiet=quiet)
    console = Console(stderr=True, soft_wrap=True, highlight=False)
    if any("\udc80" <= letter <= "\udcff" for word in words for letter in word):  # no UTF-8
        console.print("error: a word of the command is no text in UTF-8; rename what it names")
        return USER_ERROR
    try:
        code = commands(words, exit_on_error=False, print_error=False, result_action="return_value")
    except (InvariscopeError, CycloptsError, OSError, UnicodeDecodeError) as error:
        if debug:
            raise
        console.print(f"error: {_sentence(error)}", style="red", markup=False)
        return USER_ERROR
    except KeyboardInterrupt:
        console.print(stopped())
        return INTERRUPTED
    return code if isinstance(code, int) else 0


def _without(words: Sequence[str], names: tuple[str, ...]) -> tuple[bool, list[str]]:
    """Take a switch of every command out of a command line; words after `--` are values."""
    end = words.index("--") if "--" in words else len(words)
    left = [word for word in words[:end] if word not in names]
    return len(left) < end, [*left, *words[end:]]


def _sentence(error: Exception) -> str:
    """Write an error as one sentence; options out of bounds read like every other check."""
    if isinstance(error, ValidationError) and error.argument and error.argument.tokens:
        given = " ".join(token.value for token in error.argument.tokens)
        return f"{error.argument.name} is {given}; {error.exception_message}"
    if isinstance(error, UnicodeDecodeError):
        return f"a file is no text in UTF-8: {error}"
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        return f"{str(error.filename)!r} cannot be read or written: {error.strerror}"
    return " ".join(str(error).split())


def main() -> None:
    """Run the console script."""
    keep_freed_memory()
    sys.exit(run(sys.argv[1:]))
