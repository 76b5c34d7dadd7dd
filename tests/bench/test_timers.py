"""Parts of a loop are timed from outside, once each, and nothing stays behind."""

import time

import pytest
import torch

from bench.timers import PartTimes

CPU = torch.device("cpu")


class Loop:
    def inner(self):
        time.sleep(0.02)

    def broken(self):
        raise ZeroDivisionError

    def outer(self):
        time.sleep(0.01)
        self.inner()
        return 7


class Heir(Loop):
    pass


def test_an_inner_part_is_taken_out_of_the_outer_one():
    parts = PartTimes(CPU)
    began = time.perf_counter()
    with parts.around([(Loop, "inner", "in"), (Loop, "outer", "out")], "rest"):
        assert Loop().outer() == 7
        time.sleep(0.005)
    whole = time.perf_counter() - began
    assert parts.seconds["in"] >= 0.02
    assert parts.seconds["out"] >= 0.01
    assert parts.seconds["rest"] >= 0.005
    assert sum(parts.seconds.values()) <= whole


def test_functions_are_put_back_also_after_an_error():
    inner, outer = Loop.inner, Loop.outer
    parts = PartTimes(CPU)
    with parts.around([(Heir, "inner", "in"), (Heir, "broken", "in")], "rest"):
        assert Heir.inner is not inner
        with pytest.raises(ZeroDivisionError):
            Heir().broken()
    with pytest.raises(ZeroDivisionError), parts.around([(Heir, "inner", "in")], "rest"):
        raise ZeroDivisionError
    with parts.around([(Loop, "outer", "out")], "rest"):
        assert Loop.outer is not outer
    assert Loop.outer is outer
    assert "inner" not in vars(Heir)
    assert Heir.inner is inner
