"""A run's settings and the name that follows from them."""

import json
import tomllib
from pathlib import Path

import pytest
import tomli_w
from pydantic import ValidationError

from invariscope.store.settings import RunSettings, without_none

GOLDEN = json.loads((Path(__file__).parent.parent / "golden" / "run_names.json").read_text())
PLAIN = GOLDEN[0]["settings"]


def turned(value):
    """The same mapping, every key in the other order."""
    if isinstance(value, dict):
        return {key: turned(value[key]) for key in reversed(value)}
    return value


@pytest.mark.parametrize("case", GOLDEN, ids=lambda case: case["settings"]["task"])
def test_golden_names(case):
    settings = RunSettings(**case["settings"])
    assert settings.name == case["name"]
    assert settings.folder_name == case["folder"]


@pytest.mark.parametrize("case", GOLDEN, ids=lambda case: case["settings"]["task"])
def test_a_name_does_not_depend_on_order_or_on_defaults_written_out(case):
    settings = RunSettings(**case["settings"])
    assert RunSettings(**turned(case["settings"])).name == settings.name
    assert RunSettings(**settings.model_dump(mode="json")).name == settings.name


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1},
        {"unit": "fc:4"},
        {"site": "fc"},
        {"subset": (1,)},
        {"task": "adversarial"},
        {"direction": "down"},
        {"tie_break": "crowding"},
        {"reference": {"kind": "mei", "run": "0124"}},
        {"natural": None},
        {"strategy": {"name": "isotropic", "mean_rate": 0.5}},
        {"start": {"mean": "zero", "sigma": 1.0}},
        {"population": 49},
        {"generations": 499},
        {"stop": {"rule": "never"}},
        {"milestone": {"rule": "never"}},
        {"precision": "bf16"},
        {"schema_version": 2},
        {"subject": PLAIN["subject"] | {"weights": "ab13"}},
        {"generator": PLAIN["generator"] | {"weights": "ef57"}},
    ],
    ids=lambda change: next(iter(change)),
)
def test_every_setting_changes_the_name(change):
    assert RunSettings(**(PLAIN | change)).name != RunSettings(**PLAIN).name


def test_the_paper_s_population_and_generations_are_the_defaults():
    settings = RunSettings(**PLAIN)
    assert (settings.population, settings.generations, settings.seed) == (50, 500, 0)


def test_fault_settings_as_string_mini_languages():
    """Settings keep their types through a file, and nothing untyped or unknown gets in."""
    settings = RunSettings(**(PLAIN | {"subset": (0, 56)}))
    document = tomllib.loads(tomli_w.dumps(without_none(settings.model_dump(mode="json"))))
    assert RunSettings(**document) == settings
    assert isinstance(document["stop"]["bound"], float)
    assert document["subset"] == [0, 56]
    for wrong in ({"subset": "0=-1, 56=1"}, {"strategy": "isotropic"}, {"seed": "first"}):
        with pytest.raises(ValidationError):
            RunSettings(**(PLAIN | wrong))
    with pytest.raises(ValidationError):
        RunSettings(**PLAIN, mutation="0.3")


def test_a_none_inside_an_identity_does_not_count():
    """A TOML file cannot hold it, and the name must follow from the file."""
    blurred = PLAIN["subject"] | {"blur": None, "parts": [{"a": 1, "b": None}]}
    settings = RunSettings(**(PLAIN | {"subject": blurred}))
    document = tomllib.loads(tomli_w.dumps(without_none(settings.model_dump(mode="json"))))
    assert RunSettings(**document).name == settings.name


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
def test_a_number_that_is_not_finite_gives_no_name(number):
    settings = RunSettings(**(PLAIN | {"start": {"mean": "zero", "sigma": number}}))
    with pytest.raises(ValueError, match="not JSON compliant"):
        _ = settings.name


@pytest.mark.parametrize(
    ("unit", "site"),
    [
        ("fc:3", "pixels"),
        ("layer3.0.conv1:12,14,14", "layer3.0.relu@2"),
        ("rig:array:3", "rig:array"),
        ("a/b:1", "..\\c"),
        ("+".join(f"fc:{i}" for i in range(100)), "pixels"),
    ],
)
def test_folder_names_fit_every_file_system(unit, site):
    settings = RunSettings(**(PLAIN | {"unit": unit, "site": site}))
    folder = settings.folder_name
    assert not set(folder) & set(':/\\*?"<>|+, ')
    assert len(folder) <= 200
    assert folder.endswith(f"seed0_{settings.name[:12]}")


def test_settings_cannot_be_changed():
    with pytest.raises(ValidationError):
        RunSettings(**PLAIN).seed = 1
