"""The published record: files of its structure, written here, and pickles that are refused."""

import os
import pickle
from collections import OrderedDict, defaultdict
from pathlib import PurePosixPath

import numpy as np
import pandas as pd
import pytest
import torch

from invariscope import load_study
from invariscope.errors import InputError
from invariscope.natural.statistics import NaturalStatistics
from invariscope.paper.published.importer import import_published
from invariscope.paper.published.pickles import read_dictionary
from invariscope.store.record import load_run
from invariscope.testing.toys import ToySubject
from invariscope.units import parse_target

PIXELS, MIDDLE, READOUT = "00_input_01", "26_conv_25", "56_linear_01"
GENERATIONS, POPULATION, CODE = 6, 10, 4096


@pytest.fixture
def numbers():
    return np.random.Generator(np.random.PCG64(0))


def references(numbers):
    """MEIs as `unified_references.pkl` has them: one robust network, two units, two seeds."""
    seeds = {
        unit: {
            s: {"code": numbers.normal(size=(1, CODE)), "fitness": numbers.normal(size=(1,))}
            for s in (11, 12)
        }
        for unit in ("[3]", "[7]")
    }
    conv = {"[5, 14, 14]": {11: {"code": numbers.normal(size=(1, CODE)), "fitness": [2.5]}}}
    return {"reference": {"resnet50_r": {"fc7": {READOUT: seeds, "26_conv2d_25": conv}}}}


def front(*places):
    return np.array(places, np.int32)


def searches(numbers, runs=2):
    """A `data.pkl`: an invariance search that stopped, an adversarial one that did not."""
    data = defaultdict(list)
    fronts = [
        {"end#6": front((5, 3), (1, 2)), "nat_stat_checkpoint_25#3": front((2, 0), (1, 2))},
        {"end#6": front((4, 4))},
    ]
    fronts[0]["nat_stat_early_stopping#6"] = fronts[0]["end#6"]
    for run in range(runs):
        kept = np.unique(np.vstack(list(fronts[run].values())), axis=0)
        low = (PIXELS, MIDDLE)[run]
        subset = (None, tuple(np.array(axis) for axis in ([0, 1], [0, 2], [3, 0])))[run]
        scores = {
            low: numbers.uniform(1, 9, (GENERATIONS, POPULATION)),
            READOUT: -numbers.uniform(0, 2, (GENERATIONS, POPULATION)),
        }
        one = {
            "net_sbj": "resnet50",
            "robust": True,
            "lower_ly": low,
            "upper_ly": READOUT,
            "low_target": subset,
            "high_target": (np.array([3]),),
            "task_signature": ({low: -1.0, READOUT: 1.0}, {low: 1.0, READOUT: -1.0})[run],
            "constraint": np.nan,
            "rnd_seed": 50 + run,
            "reference_info": {"gen_var": "fc7", "layer": 56, "neuron": "[3]", "seed": 12},
            "reference_activ": np.array([[8.5]], np.float32),
            "p1_front": fronts[run],
            "p1_codes": numbers.normal(size=(len(kept), CODE)).astype(np.float32),
            "layer_scores": scores,
            "num_iter": 5,
            "nat_thresh": 6.25,
        }
        for key, value in one.items():
            data[key].append(value)
    return {"desc": "searches", **data}


@pytest.fixture
def published(tmp_path, numbers):
    """A folder of the record's files."""
    folder = tmp_path / "zenodo"
    (folder / "SnS_Rnet50_r").mkdir(parents=True)
    recorded = {"data": numbers.normal(size=(5, 40)), "labels": np.arange(5)}
    natural = {"resnet50": {"robust_l2": {READOUT: recorded}}}
    contents = {
        "unified_references.pkl": references(numbers),
        "SnS_Rnet50_r/data.pkl": searches(numbers),
        "unified_nat_recs.pkl": natural,
    }
    for name, content in contents.items():
        (folder / name).write_bytes(pickle.dumps(content))
    people = pd.DataFrame({"participant_accuracy": [0.86, 0.64]}, index=["MEI_group", "pixel"])
    people.to_csv(folder / "humanAcc.csv")
    return folder, contents


@pytest.fixture
def imported(published, tmp_path):
    store = tmp_path / "store"
    store.mkdir()
    found = import_published(published[0], store)
    return found, load_study(store), published[1]


def test_everything_is_taken_and_told(imported):
    found, study, _ = imported
    assert found.left == []
    assert found.lines()[0].startswith("5 MEIs, 2 searches, 1 table of natural statistics, 2 rows")
    table = study.table()
    assert sorted(table["task"]) == ["adversarial", *["excitation"] * 5, "invariance"]
    assert set(table["subject"]) == {"published:resnet50-l2"}
    assert set(table["generator"]) == {"deepsim:fc7"}


def test_meis_keep_their_codes_and_activity(imported):
    _, study, contents = imported
    table = study.table()
    row = table[(table["unit"] == "fc:3") & (table["seed"] == 12) & (table["task"] == "excitation")]
    kept = contents["unified_references.pkl"]["reference"]["resnet50_r"]["fc7"][READOUT]["[3]"][12]
    assert row["activation"].item() == pytest.approx(kept["fitness"][0])
    np.testing.assert_array_equal(study.codes(row)[0], kept["code"][0].astype(np.float32))
    place = table[table["unit"] == "layer3.0.conv1:5,14,14"]
    assert place["activation"].item() == 2.5


def test_a_search_has_the_fronts_distances_and_rules_of_its_file(imported):
    _, study, contents = imported
    data = contents["SnS_Rnet50_r/data.pkl"]
    table = study.table()
    (row,) = table[table["task"] == "invariance"].to_dict("records")
    record = load_run(study.folder.runs / row["run"])
    scores = data["layer_scores"][0]
    places = [(5, 3), (1, 2)]
    stretch = np.array([scores[PIXELS][g, p] for g, p in places], np.float32)
    order = np.argsort(stretch)
    np.testing.assert_array_equal(record.front["stretch"], stretch[order])
    squeeze = np.array([abs(scores[READOUT][g, p]) for g, p in places], np.float32)[order]
    np.testing.assert_array_equal(record.front["squeeze"], squeeze)
    np.testing.assert_allclose(record.front["activation"], 8.5 - squeeze, rtol=1e-6)
    np.testing.assert_array_equal(record.front["generation"], np.array([6, 2])[order])
    # Codes are kept in the order of all fronts' places: (1, 2), (2, 0), (5, 3).
    codes = data["p1_codes"][0][[2, 0]][order]
    np.testing.assert_array_equal(record.tensors["codes"].numpy(), codes)
    assert (row["status"], row["milestone_generation"]) == ("stopped", 3)
    assert (row["generations"], row["images"], row["seed"]) == (6, 60, 50)
    assert record.settings.stop["bound"] == 6.25
    assert record.journal[4]["stretch"][2] == pytest.approx(scores[PIXELS][4].max())
    milestone = torch.from_numpy(data["p1_codes"][0][[0, 1]])
    by_code = {tuple(code[:3].tolist()) for code in record.tensors["milestone_codes"]}
    assert by_code == {tuple(code[:3].tolist()) for code in milestone}
    drawn = table[(table["seed"] == 12) & (table["unit"] == "fc:3")]
    assert row["reference_id"] == drawn["name"].item()


def test_a_subset_is_flattened_as_the_site_is(imported):
    _, study, _ = imported
    table = study.table()
    (row,) = table[table["task"] == "adversarial"].to_dict("records")
    settings = load_run(study.folder.runs / row["run"]).settings
    assert settings.subset == (0 * 784 + 0 * 28 + 3, 1 * 784 + 2 * 28 + 0)
    assert (row["status"], row["site"]) == ("finished", "layer3.0.conv1")
    assert settings.stop["side"] == "at_or_below"


def test_natural_statistics_and_people(imported):
    _, study, contents = imported
    natural = NaturalStatistics.load(
        study.folder.path / "natural_resnet50_robust_l2.parquet",
        ToySubject(torch.ones(1, 3, 4, 4)),
    )
    found = natural.of(parse_target("fc:4", {"fc": (1000,)}))
    data = contents["unified_nat_recs.pkl"]["resnet50"]["robust_l2"][READOUT]["data"][4]
    assert (found.images, found.maximum) == (40, data.max())
    people = pd.read_parquet(study.folder.path / "people.parquet")
    assert people.to_dict("list") == {"condition": ["MEI_group", "pixel"], "accuracy": [0.86, 0.64]}


def test_read_again_it_changes_nothing(imported, published, tmp_path, same_store):
    import_published(published[0], tmp_path / "store")
    (tmp_path / "other").mkdir()
    import_published(published[0], tmp_path / "other")
    same_store(tmp_path / "store", tmp_path / "other")


def change(published, **changed):
    folder, contents = published
    data = contents["SnS_Rnet50_r/data.pkl"]
    for key, value in changed.items():
        data[key][0] = value
    (folder / "SnS_Rnet50_r" / "data.pkl").write_bytes(pickle.dumps(data))
    return folder


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"net_sbj": "vgg16_bn"}, "layer '56_linear_01' of 'vgg16_bn' is not known"),
        ({"lower_ly": "17_conv_16"}, "layer '17_conv_16' of 'resnet50' is not known"),
        ({"high_target": (np.array([1000]),)}, "does not fit layer"),
        ({"task_signature": {PIXELS: 1.0, READOUT: 1.0}}, "neither invariance nor adversarial"),
        ({"p1_codes": np.zeros((2, CODE))}, "2 codes for 3 members"),
        ({"p1_front": {"other#3": front((0, 0), (1, 1), (2, 2))}}, "end"),
        ({"low_target": (np.array([9]), np.array([0]), np.array([300]))}, "do not fit its shape"),
    ],
)
def test_what_is_not_understood_is_named_and_the_rest_taken(published, tmp_path, changed, says):
    if "lower_ly" in changed:
        scores = published[1]["SnS_Rnet50_r/data.pkl"]["layer_scores"][0]
        scores["17_conv_16"] = scores[PIXELS]
    found = import_published(change(published, **changed), tmp_path)
    assert len(found.left) == 1
    assert "search 0 is left out" in found.left[0]
    assert says in found.left[0]
    assert len(found.runs) == 6


def test_files_that_are_not_the_records_are_named(published, tmp_path):
    folder, contents = published
    (folder / "other.pkl").write_bytes(pickle.dumps({"a": 1}))
    (folder / "list.pkl").write_bytes(pickle.dumps([1]))
    (folder / "other.csv").write_text("a,b\n1,2\n")
    uneven = contents["SnS_Rnet50_r/data.pkl"] | {"rnd_seed": [1]}
    (folder / "uneven.pkl").write_bytes(pickle.dumps(uneven))
    found = import_published(folder, tmp_path)
    left = {sentence.partition(":")[0]: sentence for sentence in found.left}
    assert left.keys() == {"other.pkl", "list.pkl", "other.csv", "uneven.pkl"}
    assert "expected a dictionary" in left["list.pkl"]
    assert "differ in length: ['rnd_seed']" in left["uneven.pkl"]
    with pytest.raises(InputError, match=r"holds no \.pkl"):
        import_published(tmp_path / "runs" / "none", tmp_path)


def test_earlier_files_with_one_front_are_read(published, tmp_path):
    places = front((5, 3), (1, 2))
    codes = np.zeros((2, CODE), np.float32)
    codes[:, 0] = [1, 2]
    found = import_published(change(published, p1_front=places, p1_codes=codes), tmp_path)
    assert found.left == []
    study = load_study(tmp_path)
    (row,) = study.table().query("task == 'invariance'").to_dict("records")
    record = load_run(study.folder.runs / row["run"])
    by_generation = dict(
        zip(record.front["generation"], record.tensors["codes"][:, 0], strict=True)
    )
    assert by_generation == {6: 1.0, 2: 2.0}


DATA = {
    "arrays": [np.arange(6.0).reshape(2, 3), np.array(["a", "bc"]), np.array([1, None], object)],
    "fortran": np.asfortranarray(np.arange(6).reshape(2, 3)),
    "scalars": [np.float32(1.5), np.int64(3), np.bool_(True)],  # noqa: FBT003
    "plain": (1, 2.5, "text", None, True, b"bytes", {1, 2}, 3j),
    "ordered": OrderedDict(a=1),
    "counted": defaultdict(list, a=[1]),
}


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_data_is_read_in_every_protocol(tmp_path, protocol):
    path = tmp_path / "data.pkl"
    path.write_bytes(pickle.dumps(DATA | {"path": PurePosixPath("/a/b")}, protocol))
    found = read_dictionary(path)
    assert found.pop("path") == "/a/b"
    for name, value in DATA.items():
        if name in ("arrays", "scalars"):
            for one, other in zip(found[name], value, strict=True):
                np.testing.assert_array_equal(one, other)
                assert np.asarray(one).dtype == np.asarray(other).dtype
        elif name == "fortran":
            np.testing.assert_array_equal(found[name], value)
        else:
            assert found[name] == value


class Calls:
    """Pickles as a call of a function with arguments."""

    def __init__(self, function, *arguments):
        self.made = (function, arguments)

    def __reduce__(self):
        return self.made


MALICIOUS = {
    "system": Calls(os.system, "touch MARK"),
    "eval": Calls(eval, "open('MARK', 'w')"),
    "exec": Calls(exec, "open('MARK', 'w')"),
    "open": Calls(open, "MARK", "w"),
    "getattr": Calls(getattr, 1, "real"),
    "import": Calls(__import__, "os"),
    "load": Calls(np.load, "MARK", None, True),  # noqa: FBT003
    "class": Calls(type, "x", (), {}),
    "tensor": torch.zeros(2),
    "loads": Calls(pickle.loads, b"N."),
    "array": Calls(np.ndarray, (2,), "O"),
    "void": np.zeros(2, [("a", "f8")]),
    "factory": Calls(defaultdict, os.getcwd),
}


@pytest.mark.parametrize("protocol", [0, 2, 5])
@pytest.mark.parametrize("what", MALICIOUS)
def test_malicious_pickles_are_refused_and_nothing_runs(tmp_path, monkeypatch, what, protocol):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "bad.pkl"
    path.write_bytes(pickle.dumps({"a": [1], "bad": MALICIOUS[what]}, protocol))
    with pytest.raises(InputError, match="is refused"):
        read_dictionary(path)
    assert not (tmp_path / "MARK").exists()


@pytest.mark.parametrize(
    "content",
    [b"", b"\x80\x05", b"garbage", b"cos\nsystem\n(S'touch MARK'\ntR.", pickle.dumps(1)[:-1]],
)
def test_damaged_files_are_refused(tmp_path, monkeypatch, content):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.pkl").write_bytes(content)
    with pytest.raises(InputError, match="refused"):
        read_dictionary(tmp_path / "bad.pkl")
    assert not (tmp_path / "MARK").exists()
