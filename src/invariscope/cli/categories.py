"""`invariscope categories …`: networks that see some categories transformed, and their measures."""

import time
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter
from rich.console import Console

from invariscope.categories.evaluate import TAU, chosen_tau
from invariscope.categories.grid import search_grid
from invariscope.categories.job import MEASURE, SEARCH, TRAIN, data_of
from invariscope.categories.plan import images_of
from invariscope.categories.runner import NetworkRunner
from invariscope.categories.study import NetworkStudy, begin_networks, open_networks
from invariscope.categories.train import measure_rate
from invariscope.cli.numbers import Count, Positive
from invariscope.cli.options import Force
from invariscope.cli.study import EngineOptions
from invariscope.cli.study_progress import in_words
from invariscope.cli.terminal import (
    STARTS_AGAIN,
    Open,
    notes,
    output,
    print_table,
    tell_page,
    tell_start,
)
from invariscope.devices import pick_device
from invariscope.errors import InputError
from invariscope.invariance.coefficient import TAU as DEFAULT_TAU
from invariscope.plurals import number_of
from invariscope.report.networks import FIRST_LINE, write_networks_report, write_reproduction
from invariscope.store.files import replace_file
from invariscope.store.own_files import begins_with, check_may_replace
from invariscope.study.file_section import study_text

categories = App(
    name="categories", help="Train with some categories seen transformed; measure what follows."
)

File = Annotated[Path, Parameter(help="The study file (TOML).")]
Folder = Annotated[Path, Parameter(help="The study's folder, from `categories train`.")]
Out = Annotated[
    Path | None,
    Parameter(alias="-o", help="The study's folder; store/categories/NAME by default."),
]
Together = Annotated[
    Count | None,
    Parameter(help="Networks that advance together; by default 1 on a CPU, 16 on a GPU."),
]


def _place(file: Path, out: Path | None) -> Path:
    return (out or Path("store") / "categories" / file.stem).resolve()


def _begin(file: Path, out: Path | None) -> NetworkStudy:
    return begin_networks(study_text(file), file.resolve().parent, _place(file, out))


def _tell_plan(study: NetworkStudy, console: Console) -> None:
    """Print the plan, a line a transformation, and the networks that cannot be trained."""
    paradigm = study.asked.paradigm
    data = data_of(study.asked.rule, study.asked.base, "cpu")
    console.print(
        f"{study.asked.title or study.path.name}: {number_of(len(data.classes), 'category')}, "
        f"{len(data.train.labels)} training and {number_of(len(data.test.labels), 'test image')} "
        f"of {data.side} px; network {paradigm.network}, "
        f"{number_of(paradigm.recipe.epochs, 'epoch')}",
    )
    for note in data.notes:
        console.print(f"  {note}", style="dim")
    groups: dict[str, list[Any]] = {}
    for own in study.planned:
        groups.setdefault(own.label, []).append(own)
    rows = []
    for label, networks in groups.items():
        counts = ", ".join(str(c) for c in sorted({own.count for own in networks}))
        numbers = ", ".join(str(s) for s in paradigm.seeds)
        rows.append((label, counts, numbers, str(len(networks))))
    print_table(("trained with", "seen transformed", "seeds", "networks"), rows)
    for fault in {own.fault: None for own in study.planned if own.fault}:
        console.print(fault, style="yellow", markup=False)


@categories.command
def plan(
    file: File,
    /,
    *,
    out: Out = None,
    rate: Annotated[
        Positive | None, Parameter(help="Training images a second, instead of measuring it.")
    ] = None,
    device: Annotated[str, Parameter(help="Where the rate is measured.")] = "auto",
) -> None:
    """Print the networks that a study would train, and the time, before anything starts."""
    console = output()
    study = _begin(file, out)
    _tell_plan(study, console)
    _tell_cost(study, console, device, rate)


def _tell_cost(study: NetworkStudy, console: Console, device: str, rate: float | None) -> None:
    """Print the number of networks left and their time."""
    left = [own for own in study.trainable if own not in study.trained]
    data = data_of(study.asked.rule, study.asked.base, "cpu")
    images = images_of(left, len(data.train.labels))
    rate = rate or (measure_rate(left, data, pick_device(device)) if left else None)
    console.print(
        f"{number_of(len(left), 'network')} to train ({len(study.trained)} are there), "
        f"{number_of(images, 'image', ',')}"
        + (f", {in_words(images / rate)} at {rate:.0f} images/s" if rate and rate > 0 else "")
        + f"\nplan: {study.path / 'plan.json'}",
    )


def _teller(console: Console, task: str):  # noqa: ANN202
    """Make a watcher that prints a line now and then: networks done, accuracy, time left."""
    began, printed = time.monotonic(), [0.0]

    def tell(done: int, every: int, news: list[dict[str, Any]]) -> None:
        now = time.monotonic()
        if every == 0 or (done < every and now - printed[0] < (2 if console.is_terminal else 30)):
            return
        printed[0] = now
        words = [f"{task}: {done} of {number_of(every, 'network')}"]
        share = done
        for progress in news:
            if "epoch" in progress:
                share += progress["networks"] * (progress["epoch"] - 1) / progress["epochs"]
                words.append(
                    f"epoch {progress['epoch']} of {progress['epochs']}, accuracy "
                    f"{progress['accuracy']:.2f}"
                )
        if share:
            left = (now - began) * (every - share) / share
            words.append(f"about {in_words(left)} left" if done < every else "done")
        console.print(" · ".join(words))

    return tell


def _tell_failed(study: NetworkStudy, console: Console) -> None:
    folders = {own.name: own.folder for own in study.planned}
    for name, sentence in study.failed.items():
        console.print(
            f"{folders.get(name, name[:12])}: {sentence}",
            style="red",
            markup=False,
        )


@categories.command
def train(
    file: File,
    /,
    *,
    out: Out = None,
    together: Together = None,
    where: EngineOptions | None = None,
) -> None:
    """Train every network of a study; the same command goes on after a break."""
    console, where = output(), where or EngineOptions()
    study = _begin(file, out)
    _tell_plan(study, console)
    _tell_cost(study, console, where.device, None)
    stacks = pick_device(where.device).type == "cuda" or where.gpus > 0
    with study.alone(), where.start_at(study.path / "jobs") as engine:
        tell_start(study.path)
        NetworkRunner(
            study,
            engine,
            together=together,
            stacks=stacks,
            compiled=where.compiled,
            watch=_teller(notes(), "trained"),
        ).run(TRAIN)
    _tell_failed(study, console)
    console.print(f"trained: {number_of(len(study.trained), 'network')}: {study.path}")


@categories.command
def grid(
    file: File,
    /,
    *,
    out: Out = None,
    device: Annotated[str, Parameter(help="auto, cpu, cuda or mps.")] = "auto",
) -> None:
    """Choose learning rate and weight decay on held-out training images, as [grid] asks."""
    console = output()
    study = _begin(file, out)
    asked, where = study.asked, pick_device(device)
    if asked.grid is None:
        raise InputError(f"{str(file)!r} has no [grid]; expected rates = [...] and decays = [...]")
    tell_start(study.path / "grid")
    table = search_grid(
        study.planned[0],
        data_of(asked.rule, asked.base, str(where)),
        asked.grid.rates,
        asked.grid.decays,
        held_out=asked.grid.held_out,
        store=study.path / "grid",
        device=where,
        watch=lambda rate, decay, found: notes().print(f"  {rate:g}, {decay:g}: {found:.3f}"),
    )
    path = study.path / "grid.csv"
    replace_file(path, lambda part: table.to_csv(part, index=False))
    best = table.iloc[0]
    console.print(f"rate = {best['rate']:g}, weight_decay = {best['weight_decay']:g}: {path}")


@categories.command
def evaluate(folder: Folder, /, *, where: EngineOptions | None = None) -> None:
    """Measure every trained network of a study: answers, τ, invariance, ablation."""
    console, where = output(), where or EngineOptions()
    study = open_networks(folder.resolve())
    if not study.trained:
        raise InputError(f"no network of {str(folder)!r} is trained yet; see `categories train`")
    with study.alone(), where.start_at(study.path / "jobs") as engine:
        tell_start(study.path)
        NetworkRunner(study, engine, watch=_teller(notes(), "answers")).run(SEARCH)
        tau = study.asked.tau
        if tau is None:
            found = chosen_tau([study.folder(own).path / TAU for own in study.trained])
            tau = DEFAULT_TAU if found is None else found
        console.print(f"τ = {tau:g}")
        NetworkRunner(study, engine, watch=_teller(notes(), "measured")).run(MEASURE, tau)
    _tell_failed(study, console)
    console.print(f"measured: {study.path}")


@categories.command
def report(
    folder: Folder,
    /,
    *,
    beside: Annotated[
        Path | None, Parameter(help="The same study of a second network (finding 9).")
    ] = None,
    open_page: Open = False,
) -> None:
    """Write tables, figures, the paper's findings and a page from the measurements."""
    tell_start(folder, STARTS_AGAIN)
    page = write_networks_report(folder.resolve(), beside and beside.resolve())
    tell_page(page, open_page=open_page)


@categories.command
def reproduce(
    *folders: Annotated[Path, Parameter(help="Studies' folders, the main one first.")],
    beside: Annotated[
        Path | None, Parameter(help="The main study with a second network (finding 9).")
    ] = None,
    out: Annotated[Path, Parameter(alias="-o", help="The page to write (Markdown).")],
    force: Force = False,
) -> None:
    """Write the findings of studies as one Markdown page, each held or failed, with its number."""
    if not folders:
        raise InputError("no study given; expected folders of `categories train`")
    check_may_replace(out, begins_with(FIRST_LINE), force=force)
    tell_start(out, STARTS_AGAIN)
    page = write_reproduction(
        [folder.resolve() for folder in folders], out, beside and beside.resolve()
    )
    output().print(f"page: {page}")
