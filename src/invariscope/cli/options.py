"""Options that several commands share: the same words everywhere."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from invariscope.devices import pick_device
from invariscope.store.own_files import check_may_replace, is_page
from invariscope.subjects import Subject, load_subject
from invariscope.subjects.sources.loaded import PRETRAINED

Model = Annotated[
    str,
    Parameter(
        help="embedded:standard, torchvision:NAME, timm:NAME, hf:NAME, cifar:NAME or "
        "file.py:factory."
    ),
]
Unit = Annotated[
    str,
    Parameter(
        help="Its unit: fc:3, layer3.0.conv1:12 (a channel's mean), :12,5,5, :12,center; of a "
        "transformer :TOKEN,CHANNEL or :cls,CHANNEL."
    ),
]
Task = Literal["invariance", "adversarial"]
OutFolder = Annotated[
    Path | None, Parameter(alias="-o", help="The folder to write to; runs/… by default.")
]
Beyond = Annotated[
    Literal["clip", "rescale", "keep"],
    Parameter(help="Pixels that leave the range under a transformation."),
]
Negatives = Annotated[
    Literal["signed", "rectified"],
    Parameter(help="Negative activity counts by its size, or as 0."),
]
Force = Annotated[
    bool, Parameter(negative="", help="Replace a file that invariscope did not write.")
]


@Parameter(name="*")
@dataclass(frozen=True)
class NetworkOptions:
    """Options of every command that loads a network."""

    weights: Annotated[
        str, Parameter(help="pretrained, random, random:SEED, a file, or torchvision's name.")
    ] = PRETRAINED
    allow_code: Annotated[
        bool, Parameter(negative="", help="Run the Python file of file.py:factory.")
    ] = False
    device: Annotated[str, Parameter(help="auto, cpu, cuda or mps.")] = "auto"
    compiled: Annotated[
        bool,
        Parameter(
            name="--compile", negative="", help="Compile the network: slow to start, then faster."
        ),
    ] = False

    def subject(self, model: str) -> Subject:
        """Load the network onto the device."""
        return load_subject(
            model,
            pick_device(self.device),
            weights=self.weights,
            allow_code=self.allow_code,
            compiled=self.compiled,
        )

    def words(self) -> list[str]:
        """Write the options that name the network, for a command that can be repeated."""
        words = [] if self.weights == PRETRAINED else [f"--weights {self.weights}"]
        return words + ["--allow-code"] * self.allow_code


def check_page(out: Path) -> None:
    """Make sure, before any search, that the page of a folder may be written.

    Raises:
        InputError: it holds a report.html that is not ours.
    """
    check_may_replace(out / "report.html", is_page, way="choose another --out")


def default_out(model: str, unit: str, what: str) -> Path:
    """Name a folder in `runs/` by model, unit and task; no character that files cannot have."""
    words = f"{what}_{model}_{unit}"
    return Path("runs") / "".join(c if c.isalnum() or c in "._-+" else "-" for c in words)
