"""Sentences for people."""

import pytest

from invariscope.errors import (
    InputError,
    InvariscopeError,
    StoreError,
    SubjectError,
    nearest,
    unknown,
)


@pytest.mark.parametrize(
    ("arrived", "valid", "ending"),
    [
        ("invarience", ["invariance", "adversarial"], "; did you mean 'invariance'?"),
        ("layer1", ["layer2", "layer3", "fc"], "; did you mean 'layer3' or 'layer2'?"),
        ("zzz", ["a", "b"], "; choose from 'a', 'b'"),
        ("zzz", list("abcdef"), "; choose from 'a', 'b', 'c', 'd', 'e', …"),
        ("zzz", [], ""),
    ],
)
def test_the_nearest_valid_names_end_the_sentence(arrived, valid, ending):
    assert nearest(arrived, iter(valid)) == ending


def test_an_unknown_name_is_an_input_error_with_a_way_out():
    error = unknown("task", "invarience", ["invariance"])
    assert isinstance(error, InputError)
    assert str(error) == "unknown task 'invarience'; did you mean 'invariance'?"


@pytest.mark.parametrize(
    ("kind", "builtin"),
    [(InputError, ValueError), (StoreError, OSError), (SubjectError, RuntimeError)],
)
def test_every_error_is_one_of_ours_and_of_pythons(kind, builtin):
    error = kind("one sentence")
    assert isinstance(error, InvariscopeError)
    assert isinstance(error, builtin)
    assert str(error) == "one sentence"
