"""The command lines of README and docs, and how each is tried: reduced, or not, with a reason."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FENCE = re.compile(r"^(?P<mark>`{3,})(?P<language>[^\n`]*)$")
LANGUAGES = ("", "sh", "bash", "text", "console")
PROGRAMS = re.compile(r"^(?:[A-Z_]+=\S+ )*(?:invariscope|make|pip|python|sbatch|octave)\s")

# What is not tried, by a pattern of the line, and why.
SKIPPED = {
    r"^(make|pip) ": "sets up an environment; the release's check does that",
    r"torchvision:(?!resnet50 --weights random)|timm:|hf:": "needs published weights",
    r"--engine (ray|slurm)": "needs a cluster; `make test-cluster`",
    r"^(INVARISCOPE_V4=\S+ )?python benchmarks/": "hours, on data of others; figures are stored",
    r"^python -m invariscope\.training": "hours; figures of the shipped weights are stored",
    r"neurons\.py": "needs networks of others",
    r"variability\.json|--plan ": "needs a recording of others; tests/cli/test_rig_command.py",
    r"invariscope recording |--like ": "needs a recording of others; tests/recordings",
    r"survey serve|search DESIGN\.toml( --pilot)?$": "serves people until Ctrl-C; tests/survey",
    r"survey search": "minutes; tests/survey/test_people_search.py",
    r"survey export": "needs people's answers; tests/survey/test_answers.py",
    r"people compare": "needs answers of others",
    r"import-snslib|data facescrub|categories reproduce": "needs files of others",
    r"proxy 127": "needs a reverse proxy; tests/survey/test_nginx.py",
    r"nets\.py": "needs your own file; tests/test_docs.py runs the examples of docs/extend",
}
EXTEND = "tests/test_docs.py runs the pages of docs/extend whole"

# What stands for something of the reader's own, and the reduced settings of what takes long.
STANDS_FOR = {
    r"\{readout,subsets,dimension\}": "readout",
    r"(?i)store/studies/NAME": "store/studies/readout",
    r"store/studies/gallery": "store/studies/readout",
    r"configs/embedded/readout\.toml|benchmarks/gallery\.toml|\bFILE\b": "small/readout.toml",
    r"\bSTORE\b": "store",
    r"categories:store/categories/STUDY/networks/NETWORK": "categories:{network}",
    r"\bSTUDY\.toml": "small/tiny.toml",
    r"store/categories/STUDY": "store/categories/tiny",
    r"\bMODEL FOLDER\b": "embedded:standard PHOTOS",
    r"runs/natural_MODEL_FOLDER/natural\.parquet|net/natural\.parquet": "{natural}",
    r"\bMODEL UNIT\b": "embedded:standard fc:3",
    r"\bMODEL\b": "embedded:standard",
    r"\bRUNS\b": "runs/x",
    r"--page docs/reproduce/sns\.md": "--page page.md",
    r" --open\b": "",
    r"--classes 10": "--classes 3",
    r"--generations \d+": "--generations 2",
    r"--observers timm:resnet18": "--observers embedded:robust",
    r"report runs/x --natural": "report {searched} --natural",
}
REDUCED = {
    "demo": "--generations 3",
    "sns": "--generations 2 --population 10",
    "mei": "--generations 2 --population 10",
    "coefficient": "--photos 2 --sites fc",
}


@dataclass(frozen=True)
class DocumentedCommand:
    """A command line of a page.

    Attributes:
        page: its path in the repository.
        number: of the line.
        text: the line, without its comment.
    """

    page: str
    number: int
    text: str

    @property
    def reason(self) -> str:
        """Why the line is not tried; empty for one that is."""
        if self.page.startswith("docs/extend/"):
            return EXTEND
        found = (why for pattern, why in SKIPPED.items() if re.search(pattern, self.text))
        return next(found, "")

    @property
    def words(self) -> list[str]:
        return shlex.split(self.text)

    @property
    def tried(self) -> str:
        """The line as it is tried: on small files, with reduced settings."""
        text = self.text
        for pattern, instead in STANDS_FOR.items():
            text = re.sub(pattern, instead, text)
        words = text.split()
        more = REDUCED.get(words[1], "").split() if words[0] == "invariscope" else []
        for place in (k for k, word in enumerate(more) if word.startswith("--")):
            name = more[place]
            if name in words and name != "--sites":
                continue
            if name == "--sites" and name in words:
                words[words.index(name) + 1] = "fc"
                continue
            end = next((k for k in range(place + 1, len(more)) if more[k].startswith("--")), None)
            words += more[place:end]
        return " ".join(words)


def shell_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Give the lines of a page's blocks of commands, with their numbers from 1."""
    mark, shell = "", False
    for number, line in joined(path.read_text(encoding="utf-8")):
        fence = FENCE.match(line.strip())
        if fence and not mark:
            mark, shell = fence["mark"], fence["language"].strip() in LANGUAGES
        elif mark and line.strip() == mark:
            mark = ""
        elif mark and shell and PROGRAMS.match(line + " "):
            yield number, line


def joined(text: str) -> Iterator[tuple[int, str]]:
    """Give lines with their numbers from 1; one that ends with a backslash goes on in the next."""
    first, whole = 1, ""
    for number, line in enumerate(text.splitlines(), 1):
        first = first if whole else number
        if line.endswith("\\"):
            whole += line[:-1].rstrip() + " "
            continue
        yield first, whole + (line.strip() if whole else line)
        whole = ""


def documented_commands(root: Path) -> list[DocumentedCommand]:
    """List the command lines of README and docs, README first, then Start.

    Args:
        root: of the repository.
    """
    first = [root / "README.md", root / "docs" / "start.md"]
    pages = [*first, *sorted(p for p in root.glob("docs/**/*.md") if p not in first)]
    pages = [page for page in pages if "_build" not in page.parts]
    return [
        DocumentedCommand(page.relative_to(root).as_posix(), number, bare(line))
        for page in pages
        for number, line in shell_lines(page)
    ]


def bare(line: str) -> str:
    """Take the comment and repeated blanks from a command line."""
    return " ".join(re.sub(r"\s#\s.*$", "", line).split())
