"""Plots are found by name; `cli/test_startup.py` holds when matplotlib comes."""

from invariscope import plot


def test_every_name_is_a_plot_of_that_name():
    assert [getattr(plot, name).__name__ for name in plot.__all__] == plot.__all__
    assert plot.__all__ == sorted(plot.__all__)


def test_an_unknown_name_is_an_error():
    assert not hasattr(plot, "fronts")
