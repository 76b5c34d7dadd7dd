"""A published search or MEI as a run folder of ours."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from invariscope.errors import InputError
from invariscope.paper.published.names import (
    LAYERS,
    address_of,
    site_of,
    subject_name,
    subset_of,
    task_of,
)
from invariscope.plurals import number_of
from invariscope.search.archive import Front
from invariscope.search.objectives import Objective
from invariscope.search.run import Milestone, Outcome, Run, summary
from invariscope.search.stopping import ActivationShare, Never, StoppingRule
from invariscope.store.run_folder import RunFolder
from invariscope.store.settings import RunSettings
from invariscope.units import parse_target

ORIGIN = "Zenodo 15491763"
GENERATIONS = 500  # the paper's; the files hold how many were used
STOPPED, REACHED = "nat_stat_early_stopping", "nat_stat_checkpoint_"
NOTE = "activation is the reference's less the squeeze, as the original computes it"


@dataclass(frozen=True)
class PublishedRun:
    """A run of the record, ready to be kept."""

    settings: RunSettings
    labels: dict[str, Any]
    outcome: Outcome
    lines: list[dict[str, Any]]
    reference: dict[str, torch.Tensor]


def _settings(network: str, generator: str, *, robust: bool, **keys: Any) -> RunSettings:
    return RunSettings(
        subject={"published": ORIGIN, "network": network, "robust": robust},
        generator={"published": ORIGIN, "deepsim": generator},
        strategy={"name": "cma", "published": ORIGIN},
        start={"published": ORIGIN},
        generations=GENERATIONS,
        precision="float32",
        **keys,
    )


def _labels(network: str, generator: str, *, robust: bool) -> dict[str, Any]:
    name = subject_name(network, robust=robust)
    return {"subject": name, "generator": f"deepsim:{generator}", "origin": ORIGIN, "note": NOTE}


def _run(settings: RunSettings, stop: StoppingRule) -> Run:
    sites = dict(LAYERS[settings.subject["network"]].values())
    return Run(
        name=settings.name,
        objective=Objective(task=settings.task, target=parse_target(settings.unit, sites)),
        start=torch.zeros(1),
        stop=stop,
    )


def meis(references: Mapping[str, Any]) -> Iterator[PublishedRun | str]:
    """Read the MEIs of `unified_references.pkl`; a sentence in place of an unreadable MEI."""
    for key, generators in references.items():
        network, robust = key.removesuffix("_r"), key.endswith("_r")
        for generator, layers in generators.items():
            for layer, neurons in layers.items():
                for neuron, seeds in neurons.items():
                    for seed, found in seeds.items():
                        where = f"MEI {key}/{generator}/{layer}/{neuron}/{seed}"
                        try:
                            yield _mei(
                                network, generator, layer, neuron, seed, found, robust=robust
                            )
                        except (InputError, KeyError, TypeError, ValueError) as error:
                            yield f"{where} is left out: {error}"


def mei_settings(
    network: str, generator: str, layer: str, neuron: str, seed: int, *, robust: bool
) -> RunSettings:
    """Make the settings that name a published MEI.

    Args:
        neuron: indices as the file writes them, `[12]` or `[12, 3, 4]`.
    """
    candidate = [[int(word)] for word in neuron.strip("[]()").split(",") if word.strip()]
    return _settings(
        network,
        generator,
        robust=robust,
        unit=address_of(network, layer, candidate),
        task="excitation",
        tie_break="random",
        seed=int(seed),
        stop=Never().describe(),
        milestone=Never().describe(),
    )


def _mei(  # noqa: PLR0917
    network: str, generator: str, layer: str, neuron: str, seed: int, found: Any, *, robust: bool
) -> PublishedRun:
    settings = mei_settings(network, generator, layer, neuron, seed, robust=robust)
    code = torch.from_numpy(np.asarray(found["code"], np.float32).reshape(1, -1).copy())
    fitness = float(np.asarray(found["fitness"]).reshape(-1)[0])
    front = Front(
        torch.tensor([[0.0, 0.0, fitness]]), code, torch.tensor([GENERATIONS]), torch.tensor([0])
    )
    outcome = Outcome(
        _run(settings, Never()), "finished", GENERATIONS, GENERATIONS * 50, front, None
    )
    return PublishedRun(settings, _labels(network, generator, robust=robust), outcome, [], {})


def searches(data: Mapping[str, Any]) -> Iterator[PublishedRun | str]:
    """Read the searches of a `data.pkl`; a sentence in place of an unreadable search."""
    for row in range(len(data["p1_front"])):
        one = {key: values[row] for key, values in data.items() if isinstance(values, list)}
        try:
            yield _search(one)
        except (InputError, LookupError, TypeError, ValueError) as error:
            yield f"search {row} is left out: {type(error).__name__}: {error}"


def _fronts(one: Mapping[str, Any]) -> tuple[dict[str, NDArray[np.int64]], NDArray[np.int64]]:
    """List each named front's (generation, place) from 0, and the pairs with codes, in order."""
    fronts = one["p1_front"]
    if not isinstance(fronts, Mapping):  # earlier versions kept the last front only
        every = np.asarray(fronts, np.int64)
        return {f"end#{one['num_iter']}": every}, every
    named = {label: np.asarray(front, np.int64) for label, front in fronts.items()}
    return named, np.unique(np.vstack(list(named.values())), axis=0)


def _front(
    places: NDArray[np.int64],
    kept: NDArray[np.int64],
    codes: NDArray[np.float32],
    scores: NDArray[np.float32],
) -> Front:
    """Make a front of the members at some (generation, place), by stretch."""
    rows = {(int(g), int(p)): row for row, (g, p) in enumerate(kept)}
    members = scores[places[:, 0], places[:, 1]]
    order = np.argsort(members[:, 0], kind="stable")
    own = [rows[int(g), int(p)] for g, p in places[order]]
    return Front(
        torch.from_numpy(members[order]),
        torch.from_numpy(codes[own]),
        torch.from_numpy(places[order, 0] + 1),
        torch.from_numpy(places[order, 1].copy()),
    )


def _search(one: Mapping[str, Any]) -> PublishedRun:
    network, robust = str(one["net_sbj"]), bool(one["robust"])
    low, high = str(one["lower_ly"]), str(one["upper_ly"])
    info = one["reference_info"]
    generator = str(info["gen_var"]) if isinstance(info, Mapping) else "fc7"
    task, own = task_of(one["task_signature"]), np.asarray(one["reference_activ"], np.float32)
    stretch, squeeze = (np.abs(np.asarray(one["layer_scores"][k], np.float32)) for k in (low, high))
    scores = np.stack([stretch, squeeze, own.mean() - squeeze], -1)
    settings = _settings(
        network,
        generator,
        robust=robust,
        unit=address_of(network, high, one["high_target"]),
        site=site_of(network, low)[0],
        subset=subset_of(network, low, one["low_target"]),
        task=task,
        tie_break="squeeze" if task == "invariance" else "random",
        reference=_origin(network, generator, high, info, robust=robust),
        population=scores.shape[1],
        seed=int(one["rnd_seed"]),
        **_rules(task, one.get("nat_thresh")),
    )
    named, kept = _fronts(one)
    codes = np.asarray(one["p1_codes"], np.float32)
    if len(codes) != len(kept):
        raise ValueError(f"{number_of(len(codes), 'code')} for {number_of(len(kept), 'member')}")
    labels = {label.partition("#")[0]: label for label in named}
    reached = [key for key in labels if key.startswith(REACHED)]
    milestone = None
    if reached:
        label = labels[reached[0]]
        first = _front(named[label], kept, codes, scores)
        milestone = Milestone(int(label.partition("#")[2]), first)
    outcome = Outcome(
        run=_run(settings, Never()),
        status="stopped" if STOPPED in labels else "finished",
        generations=len(scores),
        images=scores.shape[0] * scores.shape[1],
        front=_front(named[labels["end"]], kept, codes, scores),
        milestone=milestone,
    )
    activity = {"reference_activity": torch.from_numpy(own.reshape(-1).copy())}
    labels_of = _labels(network, generator, robust=robust)
    return PublishedRun(settings, labels_of, outcome, list(_lines(scores)), activity)


def _origin(network: str, generator: str, layer: str, info: Any, *, robust: bool) -> dict[str, Any]:
    """Make the recipe of the reference: a published MEI, or a photo by its file's name."""
    if isinstance(info, str):
        return {"kind": "image", "published": ORIGIN, "file": Path(info).name}
    mei = mei_settings(network, generator, layer, info["neuron"], info["seed"], robust=robust)
    return {"kind": "mei", "run": mei.name}


def _rules(task: str, threshold: Any) -> dict[str, Any]:
    """Make the paper's stopping rule and milestone, where the file holds their bound."""
    if threshold is None or not np.isfinite(float(threshold)):
        return {"stop": Never().describe(), "milestone": Never().describe()}
    side = "above" if task == "invariance" else "at_or_below"
    return {
        "stop": ActivationShare(float(threshold), side).describe(),
        "milestone": ActivationShare(float(threshold), side, share=0.5, first=1).describe(),
    }


def _lines(scores: NDArray[np.float32]) -> Iterator[dict[str, Any]]:
    for generation, told in enumerate(scores, 1):
        columns = ("stretch", "squeeze", "activation")
        yield {
            "generation": generation,
            "images": generation * len(told),
            **{key: summary(told[:, i]) for i, key in enumerate(columns)},
            "told": len(told),
        }


def save_run(published: PublishedRun, runs: Path) -> Path:
    """Write a run of the record as a run folder; a folder that is there is left alone.

    Returns:
        The run's folder.

    Raises:
        StoreError: it cannot be written.
    """
    settings, outcome = published.settings, published.outcome
    folder = runs / settings.folder_name
    if (folder / "outcome.json").exists():
        return folder
    context = {"published": ORIGIN, "precision": "float32"}
    with RunFolder(runs, settings, published.labels, context) as writer:
        writer.restore()
        for line in published.lines:
            writer.append(line)
        writer.finish(outcome, seconds=0.0, tensors=published.reference, columns={})
    return folder
