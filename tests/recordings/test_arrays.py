"""Arrays and tables: the numbers are the file's own."""

import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import io

from invariscope import RecordingOptions, load_subject, read_recording
from invariscope.cli.app import run
from invariscope.errors import InputError, StoreError
from invariscope.recordings.write import write_recording

SHARED = os.environ.get("INVARISCOPE_SHARED")


@pytest.fixture
def array():
    """4 neurons × 5 images × 3 repeats; one neuron misses a repeat, and a repeat is nobody's."""
    found = np.random.default_rng(0).poisson(3, (4, 5, 3)).astype(float)
    found[1, 2, 0] = np.nan
    found[:, 4, 2] = np.nan
    return found


def save(array, path):
    if path.suffix == ".npy":
        np.save(path, array)
    elif path.suffix == ".npz":
        np.savez(path, responses=array)
    elif path.name.startswith("new"):
        h5py = pytest.importorskip("h5py")
        with h5py.File(path, "w", userblock_size=512) as file:
            file["responses"] = array.T
        with path.open("r+b") as file:
            file.write(b"MATLAB 7.3 MAT-file, by hand".ljust(128))
    else:
        io.savemat(path, {"responses": array, "name": "A"})
    return path


@pytest.mark.parametrize("name", ["a.npy", "a.npz", "old.mat", "new.mat"])
def test_numbers_are_the_arrays(name, array, tmp_path):
    found = read_recording(save(array, tmp_path / name))
    assert np.allclose(found.means.T, np.nanmean(array, 2), atol=1e-12)
    assert np.allclose(found.variances.T, np.nanvar(array, 2, ddof=1), atol=1e-12)
    assert np.array_equal(found.repeats.T, (~np.isnan(array)).sum(2))
    assert [str(d) for d in found.dropped] == [
        "left out: 1 trial (repeats that hold no number for any unit)"
    ]
    assert found.quantity == "spikes"
    assert np.array_equal(found.counts, found.responses, equal_nan=True)


def test_means_without_repeats_and_rates(array, tmp_path):
    means = np.nanmean(array, 2)
    path = save(means, tmp_path / "a.npy")
    assert np.allclose(read_recording(path).means.T, means)
    rates = read_recording(path, RecordingOptions(values="rates", window=(0, 200)))
    assert rates.quantity == "spikes/s"
    assert np.allclose(rates.counts, rates.responses * 0.2)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda a: a[0, 0], "expected neurons × images"),
        (lambda a: a - 5, "negative responses"),
        (lambda a: a * np.nan, "NaN alone"),
        (lambda a: np.where(a == np.nanmax(a), np.inf, a), "infinite"),
        (lambda a: a.astype(str), "expected numbers"),
        (lambda a: a * 1000, "check values"),
        (lambda a: a[:0], "expected neurons × images"),
    ],
)
def test_arrays_that_are_no_responses_are_refused(change, told, array, tmp_path):
    path = save(change(array), tmp_path / "a.npy")
    with pytest.raises(InputError, match=told):
        read_recording(path)


@pytest.mark.parametrize("name", ["a.npy", "a.npz", "old.mat", "new.mat"])
def test_truncated_arrays_are_refused(name, array, tmp_path):
    path = save(array, tmp_path / name)
    whole = path.read_bytes()
    for length in (0, 60, len(whole) // 2, len(whole) - 9):
        path.write_bytes(whole[:length])
        with pytest.raises((StoreError, InputError)):
            read_recording(path)


def test_several_arrays_ask_for_one(array, tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, first=array, second=array + 1)
    with pytest.raises(InputError, match="2 arrays of numbers"):
        read_recording(path)
    chosen = read_recording(path, RecordingOptions(variable="second"))
    assert np.allclose(chosen.means.T, np.nanmean(array, 2) + 1)
    with pytest.raises(InputError, match="unknown variable"):
        read_recording(path, RecordingOptions(variable="third"))


def photos(folder, names):
    folder.mkdir()
    for i, name in enumerate(names):
        Image.fromarray(np.full((8, 8, 3), 10 * i, np.uint8)).save(folder / name)
    return folder


def test_photos_are_named_and_answer(array, tmp_path):
    names = [f"p{i}.png" for i in range(5)]
    options = RecordingOptions(images=photos(tmp_path / "photos", names))
    found = read_recording(save(array, tmp_path / "a.npy"), options)
    assert found.images == tuple(names)
    assert write_recording(found, tmp_path / "out", options) == []
    subject = load_subject(f"recorded:{tmp_path / 'out'}")
    import torch

    shown = torch.stack([torch.full((3, 8, 8), 10 * i / 255) for i in range(5)])
    answers = subject.respond(shown, ["rig"])["rig"].numpy()
    assert np.allclose(answers, np.nanmean(array, 2).T, atol=1e-6)
    assert subject.natural is not None
    again = read_recording(save(array[:, :4], tmp_path / "b.npy"))
    with pytest.raises(InputError, match="5 images, and"):
        read_recording(tmp_path / "b.npy", options)
    notes = write_recording(again, tmp_path / "out", RecordingOptions())
    assert any("no responses.parquet" in note for note in notes)
    assert not (tmp_path / "out" / "responses.parquet").exists()


def test_photos_whose_order_is_not_clear_are_refused(array, tmp_path):
    folder = photos(tmp_path / "photos", [f"p{i}.png" for i in (1, 2, 3, 9, 10)])
    path = save(array, tmp_path / "a.npy")
    with pytest.raises(InputError, match="sort otherwise by letter than by number"):
        read_recording(path, RecordingOptions(images=folder))
    lines = "".join(f"{k},p{i}.png\n" for k, i in enumerate((1, 2, 3, 9, 10), 1))
    (folder / "codes.csv").write_text("code,image\n" + lines)
    found = read_recording(path, RecordingOptions(images=folder / "codes.csv"))
    assert found.images == ("p1.png", "p2.png", "p3.png", "p9.png", "p10.png")


def test_another_folder_is_never_written_over(array, tmp_path):
    found = read_recording(save(array, tmp_path / "a.npy"))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "session.json").write_text("{}")
    with pytest.raises(InputError, match="holds something else"):
        write_recording(found, tmp_path / "mine", RecordingOptions())


def test_a_table_of_responses(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("image,onset,u1,u2\nb,0.1,30,\na,0.4,10,20\nb,0.7,50,10\n")
    found = read_recording(path, RecordingOptions(values="rates"))
    assert found.images == ("a", "b")
    assert np.array_equal(found.means, [[10, 20], [40, 10]])
    assert found.onsets.tolist() == [0.1, 0.4, 0.7]


def test_spikes_in_a_table_in_each_unit_of_time(tmp_path):
    (tmp_path / "s.csv").write_text("unit,time,kind\n a,1.06,sorted\na,1.1,sorted\nb,1.2,noise\n")
    (tmp_path / "e.csv").write_text("time,code\n1.0,7\n1.3,7\n")
    words = {"events": tmp_path / "e.csv"}
    found = read_recording(tmp_path / "s.csv", RecordingOptions(**words))
    assert found.units == ("a",)
    assert found.counts.tolist() == [[2], [0]]
    for unit, scale in {"ms": 1e3, "us": 1e6, "samples": 1e4}.items():
        (tmp_path / "s.csv").write_text(f"unit,time\na,{1.06 * scale}\na,{1.1 * scale}\n")
        (tmp_path / "e.csv").write_text(f"time,code\n{scale},7\n{1.3 * scale},7\n")
        options = RecordingOptions(time_unit=unit, sampling_rate=1e4, **words)
        assert read_recording(tmp_path / "s.csv", options).counts.tolist() == [[2], [0]]
    with pytest.raises(InputError, match="in samples; give sampling_rate"):
        read_recording(tmp_path / "s.csv", RecordingOptions(time_unit="samples", **words))


@pytest.mark.skipif(SHARED is None, reason="INVARISCOPE_SHARED is not set")
def test_the_v4_recordings_are_read_as_they_are(tmp_path):
    archive = Path(str(SHARED)) / "data" / "v4.zip"
    if not archive.exists():
        pytest.skip("no v4.zip in INVARISCOPE_SHARED")
    with zipfile.ZipFile(archive) as file:
        names = {Path(n).name: n for n in file.namelist() if n.endswith(".npy")}
        for name, inside in names.items():
            (tmp_path / name).write_bytes(file.read(inside))
    means = np.load(tmp_path / "responses_mean_210325.npy")
    found = read_recording(tmp_path / "responses_trials_210325.npy")
    assert np.abs(found.means.T - means).max() < 1e-6
    assert found.dropped[0].number == 1560
    other = np.load(tmp_path / "responses_mean_190923.npy")
    assert np.abs(read_recording(tmp_path / "responses_mean_190923.npy").means.T - other).max() == 0
    from invariscope.recordings.variability import measured_variability

    typical = measured_variability(found)
    assert typical.fano == pytest.approx(0.9, abs=0.02)
    assert typical.signal_to_noise == pytest.approx(0.43, abs=0.01)
    assert typical.correlation == pytest.approx(0.03, abs=0.005)


ORDERS = [
    ("images", "neurons", "repeats"),
    ("repeats", "images", "neurons"),
    ("neurons", "repeats", "images"),
]


@pytest.mark.parametrize("axes", ORDERS, ids="-".join)
@pytest.mark.parametrize("name", ["a.npy", "old.mat", "new.mat"])
def test_axes_in_another_order(axes, name, array, tmp_path):
    turned = array.transpose([("neurons", "images", "repeats").index(axis) for axis in axes])
    path = save(turned, tmp_path / name)
    found = read_recording(path, RecordingOptions(axes=axes))
    straight = read_recording(save(array, tmp_path / "straight.npy"))
    assert np.array_equal(found.responses, straight.responses, equal_nan=True)
    assert np.array_equal(found.shown, straight.shown)
    words = ["recording", str(path), "--axes", *axes, "--out", str(tmp_path / "out")]
    assert run(words) == 0


@pytest.mark.parametrize("name", ["a.npy", "old.mat", "new.mat"])
def test_one_neuron_with_and_without_its_axis(name, array, tmp_path):
    alone = array[:1]
    three = read_recording(save(alone, tmp_path / name))
    assert three.units == ("n0",)
    assert np.allclose(three.means[:, 0], np.nanmean(alone[0], 1))
    for axes, turned in (
        (("images", "repeats"), alone[0]),
        (("repeats", "images"), alone[0].T),
    ):
        found = read_recording(save(turned, tmp_path / name), RecordingOptions(axes=axes))
        assert np.array_equal(found.responses, three.responses, equal_nan=True)
    means = np.nanmean(alone[0], 1)
    found = read_recording(save(means, tmp_path / name), RecordingOptions(axes=("images",)))
    assert np.allclose(found.means[:, 0], means)


def test_matlab_drops_axes_of_length_1_at_the_end(array, tmp_path):
    turned = array[:, :, 0].T  # images × neurons, of one repeat
    path = save(turned, tmp_path / "old.mat")
    found = read_recording(path, RecordingOptions(axes=("images", "neurons", "repeats")))
    assert np.array_equal(found.means.T, array[:, :, 0], equal_nan=True)
    with pytest.raises(InputError, match="and axes names 3"):
        read_recording(
            save(turned, tmp_path / "a.npy"),
            RecordingOptions(axes=("images", "neurons", "repeats")),
        )


@pytest.mark.parametrize(
    "axes", [("neurons", "repeats"), ("images", "images"), ("images", "time")], ids="-".join
)
def test_axes_that_cannot_be_are_refused(axes):
    with pytest.raises(InputError, match=r"ax[ei]s"):
        RecordingOptions(axes=axes)


@pytest.mark.parametrize("kind", ["u1", "i2", "f2", ">i4", "f4", "f8"])
def test_numbers_of_any_type_are_the_same(kind, tmp_path):
    counts = np.random.default_rng(0).poisson(3, (4, 5, 3))
    found = read_recording(save(counts.astype(kind), tmp_path / "a.npy"))
    assert np.array_equal(found.responses, counts.transpose(2, 1, 0).reshape(-1, 4))


def test_cells_structs_text_and_lists_are_refused_by_their_names(array, tmp_path):
    cells = np.empty((1, 4), object)
    for i in range(4):
        cells[0, i] = array[i, :, : i + 1]
    io.savemat(tmp_path / "a.mat", {"trials": cells, "about": {"day": 3.0}, "name": "A"})
    with pytest.raises(InputError, match=r"0 arrays of numbers .*'trials', 'about', 'name', which"):
        read_recording(tmp_path / "a.mat")
    with pytest.raises(InputError, match="cells or structs; expected numbers in one array"):
        read_recording(tmp_path / "a.mat", RecordingOptions(variable="trials"))
    np.save(tmp_path / "a.npy", np.array([[1, 2], [3]], object), allow_pickle=True)
    with pytest.raises(InputError, match="Python objects, such as lists of unequal lengths"):
        read_recording(tmp_path / "a.npy")


def test_matlab_73_keeps_text_and_cells_as_numbers_that_are_none(array, tmp_path):
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "a.mat"
    with h5py.File(path, "w", userblock_size=512) as file:
        file["responses"] = array.T
        file["responses"].attrs["MATLAB_class"] = np.bytes_("double")
        file["animal"] = np.frombuffer("Wilhelm".encode("utf-16-le"), np.uint16)
        file["animal"].attrs["MATLAB_class"] = np.bytes_("char")
        cells = file.create_dataset("cells", (2,), dtype=h5py.ref_dtype)
        cells.attrs["MATLAB_class"] = np.bytes_("cell")
        file.create_group("#refs#")["a"] = array
        file.create_group("about")["day"] = 3.0
    with path.open("r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file, by hand".ljust(128))
    assert np.allclose(read_recording(path).means.T, np.nanmean(array, 2))
    with pytest.raises(InputError, match="cells or structs"):
        read_recording(path, RecordingOptions(variable="about"))


def test_units_without_a_spike_or_without_a_number_are_left_out_and_told(array, tmp_path):
    array[0] = np.where(np.isnan(array[0]), np.nan, 0)
    array[3] = np.nan
    found = read_recording(save(array, tmp_path / "a.npy"))
    assert found.units == ("n1", "n2")
    told = [str(d) for d in found.dropped]
    assert "left out: 1 unit (without a spike: n0)" in told
    assert "left out: 1 unit (no number at all: n3)" in told
    (tmp_path / "a.csv").write_text("image,u1,u2,u3\na,0,1,\nb,0,3,\na,0,2,\n")
    found = read_recording(tmp_path / "a.csv")
    assert found.units == ("u2",)
    assert [d.number for d in found.dropped] == [1, 1]
    with pytest.raises(InputError, match="no unit of b has a spike"):
        read_recording(save(array[[0, 3]], tmp_path / "b.npy"))


def test_rates_of_single_trials_are_no_counts(array, tmp_path):
    path = save(array / 0.3, tmp_path / "a.npy")
    with pytest.raises(InputError, match=r"no whole numbers .*say values = rates"):
        read_recording(path)
    rates = read_recording(path, RecordingOptions(values="rates", window=(0.0, 300.0)))
    whole = array.transpose(2, 1, 0).reshape(-1, 4)[:14]
    assert np.allclose(rates.counts, whole, equal_nan=True)
    (tmp_path / "a.csv").write_text("image,u1\na,0.5\nb,3\na,2\n")
    with pytest.raises(InputError, match="no whole numbers"):
        read_recording(tmp_path / "a.csv")


@pytest.mark.parametrize(("images", "repeats"), [(1, 3), (7, 1), (40, 2)])
def test_other_numbers_of_images_and_repeats(images, repeats, tmp_path):
    counts = np.random.default_rng(1).poisson(4, (3, images, repeats))
    found = read_recording(save(counts, tmp_path / "a.npy"))
    assert found.means.shape == (images, 3)
    assert np.allclose(found.means.T, counts.mean(2))


def test_an_array_of_images_and_another_number_of_photos(array, tmp_path):
    path = save(array, tmp_path / "a.npy")
    np.save(tmp_path / "stimuli.npy", np.zeros((5, 8, 8, 3), np.uint8))
    with pytest.raises(InputError, match="an array; expected a folder of photos"):
        read_recording(path, RecordingOptions(images=tmp_path / "stimuli.npy"))
    folder = photos(tmp_path / "photos", [f"p{i}.png" for i in range(4)])
    with pytest.raises(InputError, match=r"4 neurons, 5 images, 3 repeats.* or the right axes"):
        read_recording(path, RecordingOptions(images=folder))
