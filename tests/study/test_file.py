"""What a study file may say, and what is answered where it says something else."""

import pytest

from invariscope.errors import InputError
from invariscope.study.file import UnitSelection, files_of, parse_study, read_study
from invariscope.study.plan import units_of

GOOD = """
title = "a study"
serves = ["Fig 2", "Fig 3"]

[shared]
subjects = ["embedded:standard"]
units = ["fc:0-9", { site = "layer3.0.conv1", sample = 5, seed = 1, position = "center" }]
seeds = 5
reference = { tries = 4, generations = 100 }

[roles]
"embedded:standard" = "standard"

[conditions.invariance]
stretch = ["pixels", { site = "layer3.0.conv1", sample = 100, draws = 10 }]

[conditions.adversarial]
tasks = "adversarial"
seeds = [0, 7]
strategies = ["isotropic", "cma"]
sigma = 1
"""


def test_cells_are_of_searches_and_not_of_their_references():
    text = GOOD.replace('["isotropic", "cma"]', '["twin?cells=hue"]')
    adversarial = parse_study(text).conditions["adversarial"]
    assert adversarial.options("twin?cells=hue").budget == 40
    assert adversarial.mei_options("twin?cells=hue").strategy == "twin"
    excitation = text.replace('tasks = "adversarial"', 'tasks = "excitation"')
    with pytest.raises(InputError, match="takes one without cells"):
        parse_study(excitation)


def test_a_file_is_read_as_it_is_meant():
    study = parse_study(GOOD)
    invariance, adversarial = study.conditions["invariance"], study.conditions["adversarial"]
    assert study.serves == ("Fig 2", "Fig 3")
    assert invariance.seeds == (0, 1, 2, 3, 4)
    assert adversarial.seeds == (0, 7)
    assert invariance.tasks == ("invariance",)
    assert invariance.stretch[1].draws == 10
    assert adversarial.strategies == ("isotropic", "cma")
    assert (invariance.population, invariance.options("cma").budget) == (50, 500)
    assert invariance.mei_options("isotropic").generations == 100
    assert adversarial.options("cma").sigma == 1
    assert invariance.units == adversarial.units


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("seeds = 5", "seed = 5", "unknown key in [shared] 'seed'; did you mean 'seeds'"),
        ("sigma", "sigmas", "[conditions.adversarial]: unknown key 'sigmas'; did you mean 'sigma'"),
        ("tries", "trys", "[conditions.invariance.reference]: unknown key 'trys'"),
        ("draws", "draw", "unknown key 'draw'; did you mean 'draws'"),
        ("sample = 5", "samples = 5", "unknown key 'samples'; did you mean 'sample'"),
        ("serves", "server", "unknown key 'server'; did you mean 'serves'"),
        (
            '"adversarial"\n',
            '"adversary"\n',
            "unknown task 'adversary'; did you mean 'adversarial'",
        ),
        ('"cma"', '"cmaes"', "unknown strategy 'cmaes'; did you mean 'cma'"),
        ("seeds = 5", "seeds = 0", "seeds is 0; expected how many, at least 1"),
        ("[0, 7]", "[7, 7]", "seeds needs at least one entry, and each once"),
        ("[0, 7]", "[]", "seeds needs at least one entry"),
        ("tries = 4", "tries = 0", "greater than or equal to 1; got 0"),
        ("tries = 4", 'tries = "4"', "valid integer; got '4'"),
        ("sigma = 1", "sigma = 0", "sigma is 0"),
        ("generations = 100", "generations = -1", "generations is -1"),
        ("sample = 100", "sample = 100, units = [1]", "either the units of a stretch site"),
        (", draws = 10", ", draws = 10 }, { site = 'a', draws = 2", "draws go with a sample"),
        ('site = "layer3.0.conv1", sample = 5', "sample = 5", "give units by an address"),
        ("title =", "title", "is not TOML"),
        ("subjects =", "generators =", "subjects]: is missing (and 1 more)"),
        ("tries = 4", "kind = 'photos'", "photos go with kind = 'photos'"),
        ('position = "center"', 'position = "corner"', "'center'"),
        ('position = "center"', 'place = "center"', "key 'place' is now called 'position'"),
        (
            'standard" = "standard"',
            'standart" = "standard"',
            "unknown subject or observer in [roles]",
        ),
        ('standard" = "standard"', 'standard" = ""', "expected a word such as 'standard'"),
        ('standard" = "standard"', 'standard" = " robust"', "expected a word such as 'standard'"),
        ('standard" = "standard"', 'standard" = 1', "valid string; got 1"),
    ],
)
def test_what_does_not_fit_is_answered_by_one_sentence(old, new, says):
    assert old in GOOD
    with pytest.raises(InputError) as caught:
        parse_study(GOOD.replace(old, new), "a.toml")
    said = str(caught.value)
    assert says in said
    assert said.startswith("study file 'a.toml'")
    assert "\n" not in said.strip()


@pytest.mark.parametrize("text", ["", "[conditions]", "conditions = 3", "[conditions.a]\n[shared]"])
def test_a_file_without_conditions_is_refused(text):
    with pytest.raises(InputError, match=r"at least one|is missing"):
        parse_study(text)


@pytest.mark.parametrize("name", ['"a b"', "references", '"../x"'])
def test_names_of_conditions_are_plain(name):
    with pytest.raises(InputError, match="cannot be used"):
        parse_study(f"[conditions.{name}]\nsubjects = 'a'\nunits = 'fc:0'")


def test_a_file_that_cannot_be_read(tmp_path):
    with pytest.raises(InputError, match="No such file"):
        read_study(tmp_path / "none.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="cannot read study file"):
        read_study(tmp_path / "binary.toml")


def units(world, **keys):
    return units_of(UnitSelection(**keys), world[0])


def test_units_are_addresses_ranges_and_samples(world):
    assert units(world, address="fc:3") == ["fc:3"]
    assert units(world, address="fc:0+fc:2") == ["fc:0+fc:2"]
    assert units(world, address="fc:1-3") == ["fc:1", "fc:2", "fc:3"]
    assert units(world, site="fc") == [f"fc:{i}" for i in range(5)]
    drawn = units(world, site="conv1", sample=3)
    assert drawn == units(world, site="conv1", sample=3)
    assert drawn != units(world, site="conv1", sample=3, seed=2)
    assert len(set(drawn)) == 3
    numbers = [int(unit.removeprefix("conv1:")) for unit in drawn]
    assert numbers == sorted(numbers)
    assert set(numbers) <= set(range(8))
    assert units(world, site="conv1", sample=8) == [f"conv1:{i}" for i in range(8)]
    assert units(world, site="conv1", numbers=(7, 0)) == ["conv1:7", "conv1:0"]
    places = units(world, site="conv1", sample=2, position="center")
    assert all(place.endswith(",center") for place in places)


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({"site": "fcc"}, "did you mean 'fc'"),
        ({"site": "fc", "sample": 6}, "a sample of 6 units from site 'fc', which has 5"),
        ({"site": "fc", "numbers": (5,)}, "the largest number is 4"),
        ({"address": "fc:3-1"}, "end before they begin"),
    ],
)
def test_units_that_there_are_not(world, keys, says):
    with pytest.raises(InputError, match=says):
        units(world, **keys)


def test_photos_are_files_and_patterns(tmp_path):
    for name in ("b.png", "a.png", "c.txt"):
        (tmp_path / name).write_bytes(b"")
    found = files_of(["*.png", "a.png", str(tmp_path / "c.txt")], tmp_path)
    assert [path.name for path in found] == ["a.png", "b.png", "c.txt"]
    for name in (".ipynb_checkpoints/a.png", "more/d.png", "more/._d.png", "@eaDir/a.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    found = files_of(["**/*.png"], tmp_path)
    assert [path.name for path in found] == ["a.png", "b.png", "d.png"]
    assert len(files_of([".ipynb_checkpoints/*.png"], tmp_path)) == 1
    with pytest.raises(InputError, match="names no file"):
        files_of(["*.jpg"], tmp_path)
