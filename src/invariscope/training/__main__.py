"""`python -m invariscope.training`: make the embedded world from an ImageFolder."""

import sys
from pathlib import Path
from typing import Annotated, Literal, Self

import torch
from cyclopts import App, Parameter
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from invariscope.errors import InvariscopeError
from invariscope.subjects import load_subject
from invariscope.training import checkpoint
from invariscope.training.adversarial import AdversarialRecipe, train_adversarial
from invariscope.training.classifier import RECIPES, accuracy, train_classifier
from invariscope.training.data import Photos, load_photos
from invariscope.training.decoder import DecoderRecipe, recipe_of, train_decoder
from invariscope.training.evaluate import write_cards
from invariscope.training.package import (
    package_classifier,
    package_generator,
    package_natural,
)
from invariscope.zoo.embedded import EmbeddedResNet
from invariscope.zoo.registry import WEIGHTS

SIDE = 104  # photos are kept a little larger than the 96 px that networks see

app = App(name="python -m invariscope.training", help=__doc__)
console = Console()

Data = Annotated[Path, Parameter(help="An ImageFolder: train/<class>/*.jpg and val/<class>/*.jpg.")]
Work = Annotated[Path, Parameter(help="Where checkpoints go; a second call goes on from there.")]
Into = Annotated[Path, Parameter(help="Where the packaged files go.")]


def _class_names(data: Path, folders: tuple[str, ...]) -> tuple[str, ...]:
    """Class names from `classes.tsv` (folder, name), where there is one."""
    path = data / "classes.tsv"
    if not path.exists():
        return folders
    names = dict(line.split("\t", 1) for line in path.read_text().splitlines() if "\t" in line)
    return tuple(names.get(folder, folder) for folder in folders)


class _Bar:
    """A progress bar over epochs and steps that prints a line an epoch."""

    def __init__(self, what: str, epochs: int, steps: int, figure: str) -> None:
        self._progress = Progress(
            TextColumn(what),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[loss]}"),
            TimeRemainingColumn(),
            console=console,
        )
        self._steps, self._figure = steps, figure
        self._task = self._progress.add_task(what, total=epochs * steps, loss="")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def step(self, epoch: int, step: int, loss: float) -> None:
        done = epoch * self._steps + step + 1
        self._progress.update(self._task, completed=done, loss=f"loss {loss:.3f}")

    def epoch(self, epoch: int, figure: float) -> None:
        self._progress.console.print(f"epoch {epoch + 1}: {self._figure} {figure:.4f}")


def _both(data: Path, device: str) -> tuple[Photos, Photos]:
    return (
        load_photos(data / "train", SIDE).to(device),
        load_photos(data / "val", SIDE).to(device),
    )


def _trained(work: Path, name: str, classes: int) -> EmbeddedResNet:
    state = checkpoint.load(work / f"{name}.safetensors")
    if state is None:
        raise InvariscopeError(
            f"no {name} in {str(work)!r}; run the command `classifier {name}` first"
        )
    network = EmbeddedResNet(classes)
    network.load_state_dict(state["average"])
    return network.eval()


@app.command
def classifier(
    name: Literal["first", "standard", "robust"], data: Data, *, work: Work, device: str = "cpu"
) -> None:
    """Train a classifier; `standard` and `robust` begin with `first`.

    On one core an epoch takes half a minute, one of `robust` a minute and a half.
    """
    train, val = _both(data, device)
    recipe = RECIPES[name]
    start = _trained(work, recipe.begins, len(train.classes)) if recipe.begins else None
    with _Bar(name, recipe.epochs, len(train) // recipe.batch, "val top-1") as bar:
        network = train_classifier(
            train,
            val,
            recipe,
            work / f"{name}.safetensors",
            start=start,
            on_step=bar.step,
            on_epoch=bar.epoch,
        )
    console.print(f"val top-1 {accuracy(network, val):.4f}")


@app.command
def generator(data: Data, *, work: Work, device: str = "cpu") -> None:
    """Train the generator on the standard network in `work`: inversion, then critics."""
    train = load_photos(data / "train", SIDE).to(device)
    network = _trained(work, "standard", len(train.classes)).to(device)
    recipe, second = DecoderRecipe(), AdversarialRecipe()
    with _Bar("inversion", recipe.epochs, len(train) // recipe.batch, "loss") as bar:
        halves = train_decoder(network, train, recipe, work, on_step=bar.step, on_epoch=bar.epoch)
    with _Bar("critics", second.epochs, len(train) // second.batch, "loss") as bar:
        train_adversarial(
            network,
            halves,
            train,
            second,
            work / "generator.safetensors",
            on_step=bar.step,
            on_epoch=bar.epoch,
        )


@app.command
def package(
    data: Data, *, work: Work, into: Into = WEIGHTS, name: str = "standard", device: str = "cpu"
) -> None:
    """Package classifier and generator as float16, with natural statistics and cards."""
    train, val = _both(data, device)
    network = _trained(work, name, len(train.classes)).to(device)
    package_classifier(network, name, _class_names(data, train.classes), into)
    state = checkpoint.load(work / "decoder.safetensors")
    if state is None:
        raise InvariscopeError(f"no generator in {str(work)!r}; run the command `generator` first")
    encoder, decoder = train_decoder(network, train, recipe_of(state), work)
    package_generator(encoder, decoder, into)
    subject = load_subject(f"embedded:{name}", device)
    package_natural(subject, {"train": train, "val": val}, name, into)
    cards(data, work=work, into=into, name=name, device=device)


@app.command
def cards(
    data: Data, *, work: Work, into: Into = WEIGHTS, name: str = "standard", device: str = "cpu"
) -> None:
    """Measure what was packaged and write the model cards."""
    train, val = _both(data, device)
    for path in write_cards(load_subject(f"embedded:{name}", device), train, val, work, into):
        console.print(f"wrote {path}")


def main() -> None:
    """Run the command line; a mistake of the user is one sentence and exit code 2."""
    torch.set_float32_matmul_precision("high")
    try:
        app()
    except InvariscopeError as error:
        console.print(f"[red]error:[/red] {error}", soft_wrap=True)
        sys.exit(2)
    except KeyboardInterrupt:
        console.print("stopped; the same command goes on from the last whole epoch")
        sys.exit(130)


if __name__ == "__main__":
    main()
