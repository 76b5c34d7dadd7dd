"""The command line's entry: a user's mistake is one sentence and exit code 2."""

import sys
from collections.abc import Sequence
from importlib.metadata import version

from cyclopts import App, CycloptsError, ValidationError
from rich.console import Console

from invariscope.cli.analyze import analyze
from invariscope.cli.bench import bench
from invariscope.cli.calibrate import calibrate
from invariscope.cli.categories import categories
from invariscope.cli.coefficient import coefficient
from invariscope.cli.data import data
from invariscope.cli.demo import demo
from invariscope.cli.frugality import frugality
from invariscope.cli.mei import mei
from invariscope.cli.natural import natural
from invariscope.cli.profile import profile
from invariscope.cli.report import report
from invariscope.cli.rig import rig
from invariscope.cli.rig_table import rig_table
from invariscope.cli.sns import sns
from invariscope.cli.study import study
from invariscope.cli.survey import survey
from invariscope.cli.units import units
from invariscope.devices import keep_freed_memory
from invariscope.errors import InvariscopeError
from invariscope.photos.walk import is_text

app = App(
    name="invariscope",
    help_format="plaintext",
    help="See what a visual unit ignores.",
    version=version("invariscope"),
    suppress_keyboard_interrupt=False,
    help_epilogue="Any command takes --debug to show where an error came from.",
)
for command in (
    demo,
    units,
    mei,
    sns,
    study,
    analyze,
    categories,
    data,
    natural,
    coefficient,
    calibrate,
    profile,
    report,
    rig,
    survey,
    bench,
):
    app.command(command)

bench.command(frugality)
bench.command(rig_table, name="rig")

USER_ERROR = 2
INTERRUPTED = 130


def run(arguments: Sequence[str]) -> int:
    """Run one command line and give its exit code; errors are printed as one sentence."""
    words = [word for word in arguments if word != "--debug"]
    console = Console(stderr=True, soft_wrap=True, highlight=False)
    if not all(map(is_text, words)):
        console.print("error: a word of the command is no text in UTF-8; rename what it names")
        return USER_ERROR
    try:
        code = app(words, exit_on_error=False, print_error=False, result_action="return_value")
    except (InvariscopeError, CycloptsError, OSError, UnicodeDecodeError) as error:
        if len(words) < len(arguments):
            raise
        console.print(f"error: {_sentence(error)}", style="red", markup=False)
        return USER_ERROR
    except KeyboardInterrupt:
        console.print("stopped; what was found is kept, and the same command goes on from there")
        return INTERRUPTED
    return code if isinstance(code, int) else 0


def _sentence(error: Exception) -> str:
    """What is wrong, on one line; of an option out of bounds in the words of every other check."""
    if isinstance(error, ValidationError) and error.argument and error.argument.tokens:
        given = " ".join(token.value for token in error.argument.tokens)
        return f"{error.argument.name} is {given}; {error.exception_message}"
    if isinstance(error, UnicodeDecodeError):
        return f"a file is no text in UTF-8: {error}"
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        return f"{str(error.filename)!r} cannot be read or written: {error.strerror}"
    return " ".join(str(error).split())


def main() -> None:
    """The console script."""
    keep_freed_memory()
    sys.exit(run(sys.argv[1:]))
