"""What a study costs, before it starts."""

import pytest

from invariscope.study import cost as cost_module
from invariscope.study.cost import cost_of, measure_rate
from invariscope.study.index import read_rows


def test_runs_images_and_bytes_are_those_that_are_left(finished):
    planned_runs, rows = finished.planned_runs(), read_rows(finished.runs)
    whole = cost_of(planned_runs, {})
    assert (whole.runs, whole.meis, whole.done) == (10, 2, 0)
    assert whole.images == 10 * 4 * 8
    assert cost_of(planned_runs, rows).runs == cost_of(planned_runs, rows).bytes == 0
    some = {run.name: rows[run.name] for run in planned_runs[:4]}
    left = cost_of(planned_runs, some)
    assert (left.runs, left.done, left.images) == (6, 4, 6 * 4 * 8)
    known = [rows[run.name]["bytes"] for run in planned_runs[:4]]
    assert left.bytes == pytest.approx(6 * sum(known) / 4)


def test_the_rate_is_images_over_time(finished, monkeypatch):
    times = iter([10.0, 10.5])
    monkeypatch.setattr(cost_module.time, "perf_counter", lambda: next(times))
    assert measure_rate(finished.planned_runs(), "cpu") == pytest.approx(3 * 8 / 0.5)
