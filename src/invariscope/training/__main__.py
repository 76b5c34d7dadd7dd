"""`python -m invariscope.training`: make the embedded world from an ImageFolder."""

import sys
from pathlib import Path
from typing import Annotated, Literal, Self

import torch
from cyclopts import App, Parameter
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from invariscope.errors import InvariscopeError
from invariscope.generators import load_generator
from invariscope.generators.embedded import EmbeddedGenerator
from invariscope.subjects import NetworkSubject, load_subject
from invariscope.training import checkpoint
from invariscope.training.classifier import MEAN, STD, accuracy, calibrate, train_classifier
from invariscope.training.critics import embedded_eyes, layer3_reader, load_lite
from invariscope.training.data import Photos, load_photos
from invariscope.training.epochs import plain_recipe
from invariscope.training.evaluate import (
    crops_of,
    found_figures,
    inversion_figures,
    judged_figures,
    network_figures,
    picture,
    write_card,
)
from invariscope.training.generator import GeneratorTraining, train_generator
from invariscope.training.package import (
    natural_sites,
    package_classifier,
    package_generator,
    package_natural,
)
from invariscope.training.recipes import (
    GENERATOR_WORDS,
    OBSERVERS,
    RECIPES,
    GeneratorRecipe,
    network_words,
    new_network,
)
from invariscope.zoo.embedded import EmbeddedNetwork, build_network
from invariscope.zoo.registry import WEIGHTS, find
from invariscope.zoo.weight_file import load_weights

SEEN = ("standard", "robust", "plain")  # networks whose features the generator's critics see
JUDGED = "features.12"  # of a SqueezeNet: its last features
SIDE = 104  # photos are kept a little larger than the 96 px that networks see

app = App(name="python -m invariscope.training", help=__doc__)
console = Console()

Data = Annotated[Path, Parameter(help="An ImageFolder: train/<class>/*.jpg and val/<class>/*.jpg.")]
Work = Annotated[Path, Parameter(help="Where checkpoints go; a second call goes on from there.")]
Name = Literal["first", "standard", "robust", "plain", "plain-robust", "narrow", "narrow-robust"]
Packaged = Literal[
    "generator", "standard", "robust", "plain", "plain-robust", "narrow", "narrow-robust"
]
Judge = Annotated[
    str | None,
    Parameter(help="A SqueezeNet, not used in training, that judges the images: file.py:factory."),
]
Lite = Annotated[
    Path | None,
    Parameter(help="Weights of timm's tf_efficientnet_lite0, whose features critics see too."),
]
Seconds = Annotated[
    float | None, Parameter(help="The training ends after so long, and its rates fall by then.")
]
Into = Annotated[Path, Parameter(help="Where the packaged files go.")]


def _class_names(data: Path, folders: tuple[str, ...]) -> tuple[str, ...]:
    """Read class names from `classes.tsv` (folder, name), where there is such a file."""
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


def _trained(work: Path, name: str, train: Photos) -> EmbeddedNetwork:
    state = checkpoint.load(work / f"{name}.safetensors")
    if state is None:
        raise InvariscopeError(
            f"no {name} in {str(work)!r}; run the command `classifier {name}` first"
        )
    network = new_network(name, len(train.classes))
    network.load_state_dict(state["average"])
    return calibrate(network.to(train.images.device), train)


@app.command
def classifier(name: Name, data: Data, *, work: Work, device: str = "cpu") -> None:
    """Train a classifier; `standard` and `robust` begin with `first`.

    On one core an epoch takes half a minute, one of `robust` a minute and a half.
    """
    train, val = _both(data, device)
    recipe, classes = RECIPES[name], len(train.classes)
    start = _trained(work, recipe.begins, train) if recipe.begins else new_network(name, classes)
    with _Bar(name, recipe.epochs, len(train) // recipe.batch, "val top-1") as bar:
        network = train_classifier(
            start,
            train,
            val,
            recipe,
            work / f"{name}.safetensors",
            on_step=bar.step,
            on_epoch=bar.epoch,
        )
    console.print(f"val top-1 {accuracy(network, val):.4f}")


def _shipped(name: str) -> EmbeddedNetwork:
    """Build a shipped network, frozen."""
    tensors, metadata = load_weights(find(f"embedded:{name}", "classifier"))
    network = build_network(metadata)
    network.load_state_dict(tensors)
    return network.eval().requires_grad_(requires_grad=False)


def _seen_by(lite: Path | None, device: str) -> tuple[torch.nn.Module, list[torch.nn.Module]]:
    """Build the reader of the encoder and the eyes of the critics, on the device in bf16."""
    networks = [_shipped(name) for name in SEEN]
    eyes = [embedded_eyes(network, MEAN, STD) for network in networks]
    parts = [layer3_reader(networks[0], MEAN, STD), *eyes, *([load_lite(lite)] if lite else [])]
    reader, *seen = (
        part.to(device, torch.bfloat16, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        for part in parts
    )
    return reader, seen


def _generator(
    data: Path, work: Path, lite: Path | None, device: str, seconds: float | None
) -> GeneratorTraining:
    torch.backends.cudnn.benchmark = True
    photos = load_photos(data / "train", SIDE).images.to(device)
    reader, eyes = _seen_by(lite, device)
    recipe, told = GeneratorRecipe(), 50
    with _Bar("generator", 1, recipe.steps, "") as bar:

        def tell(run: GeneratorTraining, figures: dict[str, torch.Tensor]) -> None:
            if run.step % told == 1:
                bar.step(0, run.step - 1, float(figures["pixel"]))

        path = work / "generator.safetensors"
        return train_generator(reader, eyes, photos, recipe, path, seconds=seconds, on_step=tell)


@app.command
def generator(
    data: Data,
    *,
    work: Work,
    lite: Lite = None,
    device: str = "cpu",
    seconds: Seconds = None,
) -> None:
    """Train the generator against the shipped networks: photos brought back, critics, kernels.

    The recipe is meant for a GPU: give its minutes as `--seconds`.
    """
    _generator(data, work, lite, device, seconds)


@app.command
def package(
    name: Packaged,
    data: Data,
    *,
    work: Work,
    into: Into = WEIGHTS,
    device: str = "cpu",
    lite: Lite = None,
    judge: Judge = None,
) -> None:
    """Package a network with its natural statistics, or the generator; then measure."""
    train, val = _both(data, device)
    if name == "generator":
        run = _generator(data, work, lite, device, None)
        package_generator(*run.halves(), run.about(), into)
    else:
        network = _trained(work, name, train)
        package_classifier(network, name, _class_names(data, train.classes), into)
        subject = load_subject(f"embedded:{name}", device)
        sites = ["fc"] if name in OBSERVERS else natural_sites(subject)
        package_natural(subject, sites, {"train": train, "val": val}, name, into)
    measure(name, data, into=into, device=device, judge=judge)


@app.command
def measure(
    name: Packaged,
    data: Data,
    *,
    into: Into = WEIGHTS,
    device: str = "cpu",
    judge: Judge = None,
) -> None:
    """Measure a packaged network or generator and write its model card."""
    train, val = _both(data, device)
    if name == "generator":
        card = _measured_generator(train, val, into=into, judge=judge, device=device)
    else:
        subject = load_subject(f"embedded:{name}", device)
        assert isinstance(subject, NetworkSubject)
        figures = network_figures(subject, train, val)
        card = write_card(
            subject.name, network_words(name), figures, plain_recipe(RECIPES[name]), into
        )
    console.print(f"wrote {card}")


def _measured_generator(
    train: Photos, val: Photos, *, into: Path, judge: str | None, device: str
) -> Path:
    made, standard = load_generator("embedded", device), load_subject("embedded:standard", device)
    assert isinstance(made, EmbeddedGenerator)
    figures = inversion_figures(made, standard, crops_of(val, slice(1024)))
    figures |= found_figures(made, standard)
    if judge is None:
        console.print("no --judge: the images are not held against photos by another network")
    else:
        eyes = load_subject(judge, device, allow_code=True)
        figures |= judged_figures(made, eyes, JUDGED, train, val)
    recipe = load_weights(find("embedded", "generator"))[1]["training"]
    rows = torch.linspace(0, len(val) - 1, 32).long()
    picture(made, crops_of(val, rows), into / "generator.jpg")
    return write_card("embedded", GENERATOR_WORDS, figures, recipe, into)


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
