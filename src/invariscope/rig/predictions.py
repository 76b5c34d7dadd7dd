"""A fitted network's claims about a neuron's invariances, tested by the neuron's answers."""

import hashlib
import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd
import torch
from safetensors import SafetensorError, safe_open
from scipy import stats
from torch import Tensor

from invariscope.errors import InputError, StoreError
from invariscope.experiments.mei import find_mei
from invariscope.experiments.plan import SearchOptions
from invariscope.experiments.reference import Reference
from invariscope.experiments.stretch_squeeze import stretch_and_squeeze
from invariscope.generators.base import Generator
from invariscope.recordings.noise import Floats
from invariscope.rig.file import SessionFile
from invariscope.rig.held_back import HeldBackClaim
from invariscope.store.files import make_folder, replace_tensors
from invariscope.subjects.base import Subject

FILE = "predictions.safetensors"


@dataclass(frozen=True)
class ModelPredictions:
    """Images that a model claims its neuron answers as the reference.

    Attributes:
        unit: the recorded unit's word.
        task: `invariance`: the images keep the response; `adversarial`: they lose it.
        model: what the model is called.
        reference_response: the model's response to the reference, in its own numbers.
        reference: `(3, h, w)` in [0, 1].
        images: `(n, 3, h, w)`, from near to far.
        responses: `(n,)` the model's responses to them.
        stretch: `(n,)` their distances at the session's stretch site.
    """

    unit: str
    task: str
    model: str
    reference_response: float
    reference: Tensor = field(repr=False)
    images: Tensor = field(repr=False)
    responses: Tensor = field(repr=False)
    stretch: Tensor = field(repr=False)

    @property
    def key(self) -> str:
        """Digest the images, for a session to know again."""
        return hashlib.sha256(self.images.contiguous().numpy().tobytes()).hexdigest()[:12]

    def save(self, folder: Path) -> Path:
        """Write the predictions to a folder.

        Raises:
            StoreError: it cannot be written.
        """
        tensors = {k: v for k, v in vars(self).items() if isinstance(v, Tensor)}
        words = {k: v for k, v in vars(self).items() if not isinstance(v, Tensor)}
        path = make_folder(folder) / FILE
        replace_tensors(
            path,
            {k: v.contiguous() for k, v in tensors.items()},
            {"predictions": json.dumps(words)},
        )
        return path

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read the predictions that `save` wrote.

        Raises:
            StoreError: a folder without predictions, or damaged ones.
        """
        path = folder / FILE
        if not path.is_file():
            raise StoreError(f"{str(folder)!r} holds no predictions; make them with `rig plan`")
        try:
            with safe_open(path, framework="pt") as file:
                words = json.loads((file.metadata() or {})["predictions"])
                tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
            return cls(**words, **tensors)
        except (SafetensorError, KeyError, TypeError, ValueError) as error:
            raise StoreError(f"{str(path)!r} is damaged; make it again with `rig plan`") from error


def predict_invariances(
    asked: SessionFile,
    model: Subject,
    target: str,
    *,
    unit: str,
    generator: Generator,
    out: Path,
    reference: Reference | None = None,
) -> ModelPredictions:
    """Search on a model without noise for images that the neuron should ignore.

    Args:
        asked: the session, whose task, stretch site, strategy and lengths count.
        model: the fitted network, or it and a proxy network as one.
        target: the model's unit.
        unit: the recorded unit that it stands for.
        out: the folder that keeps the runs.
        reference: to depart from; by default the model's most exciting image.

    Returns:
        At most as many images as the session measures again, evenly spread along the front, of
        those whose response keeps to the session's share.

    Raises:
        InputError: the model claims nothing: no image of its front keeps to the share.
    """
    search = asked.search
    options = SearchOptions(
        strategy=search.strategy, population=search.population, stop=search.stop
    )
    if reference is None:
        mei = SearchOptions(
            strategy=search.strategy,
            population=search.population,
            generations=max(search.mei_generations, 1),
        )
        reference = find_mei(model, generator, target, options=mei, out=out / "mei", progress=False)
    options = SearchOptions(**{**asdict(options), "generations": search.generations})
    result = stretch_and_squeeze(
        model,
        generator,
        target,
        reference=reference,
        stretch=search.stretch,
        task=search.task,
        progress=False,
        options=options,
        out=out / "runs",
    )
    record = result.runs[0]
    own = float(record.tensors["reference_activity"].mean())
    activity = record.front["activation"].to_numpy(float)
    bound = asked.final.share * own
    claims = activity >= bound if search.task == "invariance" else activity <= bound
    if own <= 0 or not claims.any():
        raise InputError(
            f"{model.name} {target} claims nothing that a neuron could refute: no image of its "
            f"front keeps to {asked.final.share:.0%} of its response to the reference ({own:.3g})"
        )
    rows = np.flatnonzero(claims)
    rows = rows[np.argsort(record.front["stretch"].to_numpy(float)[rows], kind="stable")]
    places = np.linspace(0, len(rows) - 1, min(asked.final.members, len(rows)))
    rows = rows[np.unique(places.round().astype(int))]
    return ModelPredictions(
        unit=unit,
        task=search.task,
        model=f"{model.name} {target}",
        reference_response=own,
        reference=reference.image.cpu(),
        images=generator.generate(record.tensors["codes"][torch.from_numpy(rows)]).cpu(),
        responses=torch.tensor(activity[rows]),
        stretch=torch.tensor(record.front["stretch"].to_numpy(float)[rows]),
    )


def refutations(
    predictions: ModelPredictions,
    claim: HeldBackClaim,
    means: Floats,
    variances: Floats,
    counts: Floats,
) -> pd.DataFrame:
    """Test each prediction against a neuron's repeats, both ways.

    The model says that an image is on the claim's side of the bound. The neuron *rejects* that
    where its response is on the other side, and *confirms* it where it is on this one; one-sided t
    tests, false discoveries held over the images by Benjamini and Hochberg, for each way.

    Args:
        claim: what the model claims (`HeldBackClaim.of` with the neuron's own reference).
        means, variances, counts: `(images,)` of the neuron's repeats.

    Returns:
        One row an image: `stretch`, `predicted` (share of the reference's response), `response`,
        `error`, `trials`, `p_rejected`, `q_rejected`, `rejected`, `p_confirmed`, `q_confirmed`,
        `confirmed`.
    """
    other = "below" if claim.side == "above" else "above"
    against = replace(claim, side=other)
    table = pd.DataFrame(
        {
            "stretch": predictions.stretch.double().numpy(),
            "predicted": predictions.responses.double().numpy() / predictions.reference_response,
            "response": means,
            "error": np.sqrt(variances / np.maximum(counts, 1)),
            "trials": counts.astype(int),
        }
    )
    for name, test in (("rejected", against), ("confirmed", claim)):
        bound = np.full(len(means), test.bound)  # every image is tested both ways
        found = test.test(bound, means, variances, counts)
        table[f"p_{name}"], table[f"q_{name}"] = found["p"], found["q"]
        table[name] = found["holds"]
    return table


def power(true: float, claim: HeldBackClaim, variance: float, repeats: int, tests: int) -> float:
    """Compute the probability that the test of a claim finds a true response.

    Noncentral t, at the level over the number of tests: the strictest step of Benjamini and
    Hochberg, so a lower bound where several images are found.

    Args:
        true: the response to be expected.
        claim: side and bound, with the bound's error and repeats.
        variance: of a single trial's response.
        repeats: at least 2.
        tests: how many images are tested.

    Example:
        >>> from invariscope.rig.held_back import HeldBackClaim
        >>> round(power(10.0, HeldBackClaim("above", 5.0, 0.0, 0.05), 100.0, 30, 1), 2)
        0.85
    """
    sign = 1 if claim.side == "above" else -1
    error = float(np.sqrt(variance / repeats + claim.error**2))
    ahead = sign * (true - claim.bound)
    if error == 0:
        return 0.0  # what does not vary is not tested
    freedom = claim.freedom(np.array([variance / repeats]), np.array([repeats]))[0]
    critical = stats.t.isf(claim.level / tests, freedom)
    with np.errstate(divide="ignore"):  # old SciPy warns at one degree of freedom, and is right
        found = stats.nct.sf(critical, freedom, ahead / error)
    return float(np.clip(np.nan_to_num(found), 0, 1))
