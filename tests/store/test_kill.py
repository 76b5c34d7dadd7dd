"""Runs that are killed at random moments and started again end as if nothing had happened."""

import json
import shutil

import numpy as np
import pytest
from searcher import same_files

from invariscope.store.journal import read_journal


def moments(whole, seed):
    """Random moments: while it starts, at a generation, while it writes what it found."""
    draws = np.random.Generator(np.random.PCG64(seed))
    while True:
        phase = draws.choice(["start", "search", "end"], p=[0.25, 0.55, 0.2])
        size = {"start": 0, "search": draws.integers(1, whole), "end": whole}[phase]
        wait = {"start": 0.25, "search": 0.01, "end": 0.03}[phase] * draws.uniform()
        yield {"bytes": int(size), "seconds": wait}


def kill_again_and_again(order, folder, strategy, kills, seed):
    """Kill a search so many times, start it again each time, and hold it to an unbroken one."""
    asked = {"folder": str(folder), "strategy": strategy}
    unbroken, resumed = folder / "unbroken", folder / "resumed"
    assert not order(**asked, out="unbroken")["error"]
    assert len(list(unbroken.glob("*/milestone.parquet"))) == 3
    whole = sum(path.stat().st_size for path in unbroken.glob("*/journal.jsonl"))
    for kill in moments(whole, seed):
        answer = order(**asked, out="resumed", kill=kill if kills else None)
        assert not answer["error"]
        if answer["killed"]:
            kills -= 1
            continue
        same_files(resumed, unbroken)
        for path in resumed.glob("*/journal.jsonl"):
            generations = json.loads((path.parent / "outcome.json").read_text())["generations"]
            numbers = [line["generation"] for line in read_journal(path)]
            assert numbers == list(range(1, generations + 1))
        if not kills:
            break
        shutil.rmtree(resumed)  # it came to its end before its moment


@pytest.mark.parametrize("strategy", ["isotropic", "cma"])
def test_a_search_that_is_killed_ends_as_the_unbroken_one(order, tmp_path, strategy):
    kill_again_and_again(order, tmp_path, strategy, kills=10, seed=0)


@pytest.mark.statistical
@pytest.mark.parametrize("seed", range(1, 11))
@pytest.mark.parametrize("strategy", ["isotropic", "cma"])
def test_killed_at_many_moments(order, tmp_path, strategy, seed):
    kill_again_and_again(order, tmp_path, strategy, kills=40, seed=seed)
