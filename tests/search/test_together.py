"""All runs in one pass: the same scores as run by run, in a number of operations that stays."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from invariscope.search.objectives import Objective, Objectives
from invariscope.units import Target, parse_unit

SITES = {"map": (4, 5, 5), "row": (6,)}


class Counted(TorchDispatchMode):
    """Counts every operation of torch's that is dispatched: on a GPU, about a launch each."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.count += not func.__name__.startswith(("view", "_unsafe_view", "expand", "slice"))
        return func(*args, **(kwargs or {}))


def target(*addresses):
    return Target(tuple(parse_unit(address, SITES) for address in addresses))


def objectives(stream):
    def reference(size):
        return torch.randn(size, generator=stream)

    def run(task, unit, site=None, subset=None, direction="either"):
        size = {"map": 100, "row": 6, None: 0}[site] if subset is None else len(subset)
        site_reference, own = reference(size), reference(len(unit.units))
        return Objective(
            task,
            unit,
            site=site,
            subset=subset,
            direction=direction,
            site_reference=site_reference,
            target_reference=own,
        )

    return [
        run("invariance", target("row:1"), "map"),
        run("invariance", target("row:1"), "map"),
        run("adversarial", target("row:2", "row:3"), "map", (3, 7, 50), "down"),
        Objective("excitation", target("map:2")),
        run("adversarial", target("map:1,2,3"), "row", None, "down"),
    ]


def test_scores_are_those_of_each_run_by_itself():
    stream = torch.Generator().manual_seed(1)
    own = objectives(stream)
    runs = torch.tensor([0, 0, 1, 1, 1, 2, 3, 3, 4])
    responses = {s: torch.randn(len(runs), *shape, generator=stream) for s, shape in SITES.items()}
    expected = Objectives(own, "cpu").score(responses, runs)
    assert Objectives(own, "cpu", together=True).score(responses, runs) == pytest.approx(
        expected, abs=1e-5
    )
    mixed = torch.randperm(len(runs), generator=stream)
    shuffled = {site: response[mixed] for site, response in responses.items()}
    assert Objectives(own, "cpu", together=True).score(shuffled, runs[mixed]) == pytest.approx(
        expected[mixed], abs=1e-5
    )


def test_what_was_not_recorded_stays_unknown():
    stream = torch.Generator().manual_seed(2)
    own = objectives(stream)[:2]
    responses = {s: torch.randn(4, *shape, generator=stream) for s, shape in SITES.items()}
    responses["row"][1] = torch.nan
    scores = Objectives(own, "cpu", together=True).score(responses, torch.tensor([0, 0, 1, 1]))
    assert scores.isnan().any(1).tolist() == [False, True, False, False]


@pytest.mark.parametrize("count", [2, 64])
def test_operations_do_not_grow_with_runs_that_share_their_sites(count):
    stream = torch.Generator().manual_seed(3)
    own = [objectives(stream)[0] for _ in range(count)]
    runs = torch.arange(count).repeat_interleave(5)
    responses = {s: torch.randn(len(runs), *shape, generator=stream) for s, shape in SITES.items()}
    with Counted() as counted:
        Objectives(own, "cpu", together=True).score(responses, runs)
    assert counted.count < 60 + 2 * count  # a cheap cast a reference, copied nowhere
