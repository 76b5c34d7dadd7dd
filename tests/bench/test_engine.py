"""`benchmarks/engine.py` on the smallest settings: what it writes, and what it refuses."""

import json

import pytest
import torch

from bench.cases import random_weights
from bench.memory import MemoryTask, peak_memory
from bench.sweep import sweep
from bench.targets import as_markdown, loop_share, targets
from engine import app
from invariscope.cli.app import run
from invariscope.zoo.deepsim import DeepsimNetwork

CPU = torch.device("cpu")
TINY = ["--case", "embedded", "--generations", "1", "--population", "4", "--device", "cpu"]
QUICK = [*TINY, "--no-sweep", "--no-memory"]
PARTS = {"strategy", "generator", "subject", "objectives", "ranking", "rest"}


@pytest.fixture(scope="module")
def figures(tmp_path_factory):
    out = tmp_path_factory.mktemp("bench") / "new" / "engine.json"
    assert run([*QUICK, "--out", str(out)], app) == 0
    return json.loads(out.read_text())


def test_the_file_holds_machine_versions_and_both_sides(figures):
    assert set(figures) == {"schema", "machine", "cases", "targets"}
    assert figures["machine"]["torch"] == torch.__version__
    assert {"cores", "processor", "python", "cma", "numpy", "compiler"} <= set(figures["machine"])
    found = figures["cases"]["embedded"]
    assert (found["population"], found["runs"], found["code_dim"]) == (4, 2, 256)
    for side in ("baseline", "ours"):
        assert len(found[side]["seconds"]) == 1
        assert set(found[side]["split_ms"]) >= PARTS
        assert found[side]["checkpoint_bytes_a_run"] > 0
    assert {"archive", "store"} <= set(found["ours"]["split_ms"])


def test_the_ratio_follows_from_the_seconds(figures):
    found = figures["cases"]["embedded"]
    theirs, ours = found["baseline"]["seconds"][0], found["ours"]["seconds"][0]
    assert found["ratio"] == pytest.approx(2 * theirs / ours)
    assert found["ours"]["images_per_second"] == pytest.approx(8 / ours)


def test_the_file_names_no_folder(figures):
    assert "/" not in json.dumps({k: v for k, v in figures.items() if k != "targets"})


def test_an_engines_state_is_a_few_vectors(figures):
    ours, code_bytes = figures["cases"]["embedded"]["ours"], 256 * 8
    assert ours["state_bytes_a_run"] < 4 * code_bytes
    assert ours["checkpoint_bytes_a_run"] > ours["state_bytes_a_run"]


def test_the_sweep_has_a_row_a_setting():
    rows = sweep(CPU, generations=1, runs=(1, 2), dimensions=(16,))
    assert [(r["runs"], r["code_dim"]) for r in rows["runs"]] == [(1, 4096), (2, 4096)]
    assert [r["code_dim"] for r in rows["dimensions"]] == [16]
    assert all(r["ms_a_run"] > 0 for r in rows["runs"])


def test_memory_is_that_of_a_process_of_its_own():
    task = MemoryTask("embedded", "cpu", 1, 4, "float32", compiled=False, baseline=True, threads=1)
    most = peak_memory(task)
    assert 50 < most["process_mb"] < 5000


def paper(ratio, split, state):
    ours = {"split_ms": split, "state_bytes_a_run": state, "images_per_second": 20_000.0}
    return {"paper": {"ratio": ratio, "code_dim": 4096, "ours": ours}}


def test_targets_pass_and_fail_by_their_bounds():
    machine = {"device": "cpu", "cores": 2, "compiler": True}
    good = {"subject": 97.0, "strategy": 2.0, "store": 1.0}
    assert loop_share(good) == pytest.approx(3.0)
    rows = targets({"machine": machine, "cases": paper(5.0, good, 2_000_000)})
    assert [row["met"] for row in rows] == [True, True, True]
    bad = {"subject": 90.0, "ranking": 4.0}
    rows = targets({"machine": machine, "cases": paper(4.9, bad, 2_000_001)})
    assert [row["met"] for row in rows] == [False, False, False]
    machine["compiler"] = False
    assert targets({"machine": machine, "cases": paper(4.9, good, 0)})[0]["met"]


def test_targets_of_an_accelerator_and_of_the_sweep():
    machine = {"device": "a fast one", "cores": 8, "compiler": True}
    rows = targets({"machine": machine, "cases": paper(99.0, {"subject": 1.0}, 0)})
    assert [(row["measured"], row["met"]) for row in rows[:2]] == [(99.0, False), (1.25, True)]
    cost = [{"runs": r, "ms_a_run": ms} for r, ms in ((1, 5.0), (16, 4.0), (256, 5.6))]
    rows = targets({"machine": machine, "cases": {}, "sweep": {"runs": cost}})
    assert rows[0]["measured"] == pytest.approx(1.12)
    assert not rows[0]["met"]


def test_random_weights_keep_activity_alive_and_repeat():
    networks = [random_weights(DeepsimNetwork(width=64, narrow=16), "x") for _ in range(2)]
    codes = torch.randn(16, 256, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        first, second = (network(codes) for network in networks)
    assert torch.equal(first, second)
    assert 0.3 < first.std().item() < 3


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--case", "papr"], ["papr", "paper"]),
        (["--generations", "0"], ["generations is 0"]),
        (["--generations", "999"], ["generations is 999", "at most 200"]),
        (["--runs", "0"], ["runs is 0"]),
        (["--population", "1"], ["population is 1"]),
        (["--precision", "fp8"], ["'fp8'", "'bf16'"]),
        (["--device", "tpu"], ["'tpu'", "cuda"]),
        (["--strategy", "cmaa"], ["'cmaa'", "'cma'"]),
    ],
)
def test_bad_input_is_one_sentence(words, expected, capsys):
    assert run(words, app) == 2
    error = capsys.readouterr().err
    assert all(text in error for text in expected), error
    assert "Traceback" not in error


def test_a_folder_for_out_is_refused_before_the_measurement(tmp_path, capsys):
    assert run([*QUICK, "--out", str(tmp_path)], app) == 2
    assert "is a folder" in capsys.readouterr().err


def test_the_tables_are_made_from_the_figures_that_the_command_wrote(written):
    figures, table = written("engine.json")
    assert as_markdown(json.loads(figures)) == table
