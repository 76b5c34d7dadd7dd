"""What the search's tests share: repeatable hypothesis, and two small worlds to search in."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import hypothesis
import pytest
import torch
from torch import Tensor, nn

from invariscope import seeds
from invariscope.experiments.reference import depart_from
from invariscope.generators.base import CodeStatistics, Generator
from invariscope.search.measure import pad
from invariscope.search.objectives import Objective
from invariscope.search.run import Outcome, Run
from invariscope.search.search import Search
from invariscope.subjects import NetworkSubject, Subject
from invariscope.testing.toys import ToyGenerator, ToySubject
from invariscope.units import parse_target

hypothesis.settings.register_profile(
    "repeatable", derandomize=True, deadline=None, database=None, max_examples=50
)
hypothesis.settings.load_profile("repeatable")

POPULATION = 12


def own_weights(module: nn.Module, name: str) -> nn.Module:
    """The module with weights from a named stream, scaled by their fan-in."""
    for key, weight in module.named_parameters():
        draws = seeds.normal([("weights", name, key)], tuple(weight.shape))[0]
        weight.data = (draws / max(weight[0].numel(), 1) ** 0.5).float()
    return module.eval()


class ConvGenerator(Generator):
    def __init__(self) -> None:
        self.name, self.code_dim, self.image_size = "conv", 12, 16
        self.device = torch.device("cpu")
        self.net = own_weights(
            nn.Sequential(
                nn.Linear(12, 128),
                nn.Unflatten(1, (8, 4, 4)),
                nn.ReLU(),
                nn.ConvTranspose2d(8, 6, 4, stride=2, padding=1),
                nn.ReLU(),
                nn.ConvTranspose2d(6, 3, 4, stride=2, padding=1),
                nn.Sigmoid(),
            ),
            "generator",
        )

    def identity(self) -> dict[str, Any]:
        return {"test": "conv"}

    def _generate(self, codes: Tensor) -> Tensor:
        return self.net(codes)


def conv_subject() -> NetworkSubject:
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(8, 12, 3, stride=2, groups=2),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(48, 5),
    )
    return NetworkSubject(own_weights(model, "subject"), image_size=16, name="conv")


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
        reference = seeds.normal([("reference",)], (12,))[0]
        generator = ConvGenerator()
        generator.code_statistics = correlated(12)
        return World(generator, conv_subject(), reference, "6:1", "2:3", "0")
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
