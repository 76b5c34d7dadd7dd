"""What the search's tests share: repeatable hypothesis, and two small worlds to search in."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import hypothesis
import pytest
import torch
from torch import Tensor

from invariscope import seeds
from invariscope.experiments.reference import depart_from
from invariscope.generators.base import CodeStatistics, Generator
from invariscope.search.measure import pad
from invariscope.search.objectives import Objective
from invariscope.search.run import Outcome, Run
from invariscope.search.search import Search
from invariscope.subjects import Subject
from invariscope.testing.networks import SmallGenerator, small_subject
from invariscope.testing.toys import ToyGenerator, ToySubject
from invariscope.units import parse_target

hypothesis.settings.register_profile(
    "repeatable", derandomize=True, deadline=None, database=None, max_examples=50
)
hypothesis.settings.load_profile("repeatable")

POPULATION = 12


@dataclass(frozen=True)
class World:
    """A generator, a subject and a reference code, with addresses that fit them."""

    generator: Generator
    subject: Subject
    reference: Tensor
    unit: str
    other_unit: str
    site: str

    def objective(self, task: str = "invariance", chunk: int = 32, **words: Any) -> Objective:
        target = parse_target(words.pop("unit", self.unit), self.subject.sites())
        if task != "excitation":
            words = {"site": "pixels"} | words
        bare = Objective(task=task, target=target, **words)
        if task == "excitation":
            return bare
        # In the chunk shape in which the candidates are made, so that equal codes are equal images.
        image = self.generator.generate(pad(self.reference.unsqueeze(0), chunk))[0]
        return depart_from(bare, self.subject, image, chunk)

    def run(self, name: str = "run", **words: Any) -> Run:
        """A run of six generations from the reference; other words go to the objective."""
        own = {f.name for f in fields(Run)} & set(words)
        settings = {"start": self.reference, "generations": 6} | {k: words.pop(k) for k in own}
        return Run(name=name, objective=self.objective(**words), **settings)

    def outcomes(self, runs: Sequence[Run], **words: Any) -> dict[str, Outcome]:
        """What each run ends with, by name."""
        search = Search(self.generator, runs, **{"population": POPULATION} | words)
        news = [news for told in search.advance(self.subject) for news in told]
        return {n.run.name: n.outcome for n in news if n.outcome}


def correlated(n: int) -> CodeStatistics:
    """Natural codes of mean 0 and SD 1 whose neighbours correlate."""
    places = torch.arange(n, dtype=torch.float64)
    return CodeStatistics(torch.zeros(n).double(), 0.5 ** (places - places[:, None]).abs())


def make_world(kind: str) -> World:
    if kind == "conv":
        generator = SmallGenerator()
        reference = seeds.normal([("reference",)], (generator.code_dim,))[0]
        generator.code_statistics = correlated(generator.code_dim)
        return World(generator, small_subject(), reference, "fc:1", "conv2:3", "conv1")
    generator = ToyGenerator(4)
    generator.code_statistics = correlated(48)
    mask = torch.zeros(48)
    mask[:24] = 1
    weights = torch.stack([seeds.normal([("toy",)], (48,))[0].float(), mask])
    subject = ToySubject(weights.view(2, 3, 4, 4))
    reference = torch.zeros(48, dtype=torch.float64)
    return World(generator, subject, reference, "linear:0", "energy:1", "energy")


@pytest.fixture(scope="session")
def toy() -> World:
    return make_world("toy")


@pytest.fixture(scope="session")
def conv() -> World:
    return make_world("conv")


@pytest.fixture(scope="session", params=["toy", "conv"])
def world(request: pytest.FixtureRequest) -> World:
    return request.getfixturevalue(request.param)


class Shifted(Subject):
    """Its unit answers 100 more in bf16: which path a generation took can be read off."""

    name, image_size, device = "shifted", 4, torch.device("cpu")

    def identity(self):
        return {}

    def _sites(self):
        return {"unit": (1,)}

    def _respond(self, images, sites):
        more = 100.0 if torch.is_autocast_enabled("cpu") else 0.0
        return {"unit": images.mean((1, 2, 3)).unsqueeze(1) + more}


@pytest.fixture
def shifted(toy):
    return replace(toy, subject=Shifted(), unit="unit:0")
