"""NWB files written by the format's own library, and by hand in the layout of old versions."""

from datetime import UTC, datetime

import numpy as np
import pytest
from PIL import Image
from written import RATE

from invariscope import RecordingOptions, read_recording
from invariscope.errors import InputError, StoreError

h5py = pytest.importorskip("h5py")
pynwb = pytest.importorskip("pynwb")


def empty():
    begin = datetime(2026, 11, 27, tzinfo=UTC)
    return pynwb.NWBFile("a session", "id", session_start_time=begin)


def save(file, path):
    with pynwb.NWBHDF5IO(str(path), "w") as io:
        io.write(file)
    return path


def add_units(file, session, **columns):
    for name in columns:
        file.add_unit_column(name, name)
    for i, train in enumerate(session.spikes.values()):
        own = {name: values[i] for name, values in columns.items()}
        file.add_unit(spike_times=train / RATE, **own)


def with_trials(session, path, **columns):
    file = empty()
    add_units(file, session, **columns)
    file.add_trial_column("image", "which image")
    file.add_trial_column("lit", "when it came up")
    for onset, code in zip(session.onsets.tolist(), session.codes.tolist(), strict=True):
        begin = onset / RATE
        row = {"image": f"photo{code}.png", "lit": begin + 0.02}
        file.add_trial(start_time=begin, stop_time=begin + 0.1, **row)
    return save(file, path)


def with_series(session, path, *, ordered=True):
    """An index series whose images were put in in another order than that of the alphabet."""
    file = empty()
    add_units(file, session)
    names = ["zebra", "ant", "moth"]
    images = [pynwb.image.GrayscaleImage(name=n, data=np.zeros((2, 2))) for n in names]
    words = {}
    if ordered:
        order = pynwb.base.ImageReferences(name="order_of_images", data=images)
        words["order_of_images"] = order
    held = pynwb.base.Images(name="images", images=images, description="all", **words)
    file.add_stimulus_template(held)
    series = pynwb.image.IndexSeries(
        name="presented",
        data=(session.codes - 1).astype(np.uint32),
        timestamps=session.onsets / RATE,
        indexed_images=held,
        unit="N/A",
    )
    file.add_stimulus(series)
    return save(file, path)


def test_trials_and_units(session, tmp_path):
    found = read_recording(with_trials(session, tmp_path / "a.nwb"))
    assert np.array_equal(found.counts, session.counts(list(session.spikes)))
    assert found.images == ("photo1.png", "photo2.png", "photo3.png")
    assert found.units == ("0", "1", "2")
    assert np.allclose(found.onsets, session.onsets / RATE, atol=1e-9)


def test_the_onsets_column_is_chosen(session, tmp_path):
    path = with_trials(session, tmp_path / "a.nwb")
    found = read_recording(path, RecordingOptions(onset="lit", window=(30, 130)))
    assert np.array_equal(found.counts, session.counts(list(session.spikes)))
    with pytest.raises(InputError, match="unknown column of trials 'shown'"):
        read_recording(path, RecordingOptions(onset="shown"))
    with pytest.raises(InputError, match="unknown column of trials 'picture'"):
        read_recording(path, RecordingOptions(event="trials:picture"))


def test_labels_of_units(session, tmp_path):
    path = with_trials(session, tmp_path / "a.nwb", quality=["good", "MUA", "what"])
    found = read_recording(path)
    assert found.units == ("0", "1")
    assert [str(d) for d in found.dropped] == ["left out: 1 unit (unsorted: 2)"]
    every = read_recording(path, RecordingOptions(kinds=("unsorted",)))
    assert every.units == ("2",)


def test_an_index_series_names_images_in_its_own_order(session, tmp_path):
    found = read_recording(with_series(session, tmp_path / "a.nwb"))
    assert np.array_equal(found.counts, session.counts(list(session.spikes)))
    words = [found.images[i] for i in found.shown]
    assert words == [["zebra", "ant", "moth"][c - 1] for c in session.codes]


def test_images_without_an_order_stay_numbers(session, tmp_path):
    found = read_recording(with_series(session, tmp_path / "a.nwb", ordered=False))
    assert found.images == ("0", "1", "2")


def with_index(path, index):
    """The file with other entries of its series, of any type."""
    with h5py.File(path, "r+") as file:
        del file["stimulus/presentation/presented/data"]
        file["stimulus/presentation/presented/data"] = index
    return path


def test_a_series_that_counts_from_1_is_read_by_its_first_code(session, tmp_path):
    path = with_index(with_series(session, tmp_path / "a.nwb"), session.codes)
    with pytest.raises(InputError, match=r"6 entries .*\(3\); expected 0 to 2; say first_code"):
        read_recording(path)
    found = read_recording(path, RecordingOptions(first_code=1))
    words = [found.images[i] for i in found.shown]
    assert words == [["zebra", "ant", "moth"][c - 1] for c in session.codes]


@pytest.mark.parametrize("kind", [np.int8, np.int64, np.uint64, float])
@pytest.mark.parametrize("ordered", [True, False])
def test_an_entry_below_0_is_a_blank_and_no_image(kind, ordered, session, tmp_path):
    index = np.where(session.codes == 2, -1, session.codes - 1).astype(kind)
    path = with_index(with_series(session, tmp_path / "a.nwb", ordered=ordered), index)
    with pytest.raises(InputError, match=r"6 entries of series 'presented' .*\(-1\)"):
        read_recording(path)
    found = read_recording(path, RecordingOptions(other_codes="drop"))
    assert len(found.shown) == 12
    assert set(found.images) == ({"zebra", "moth"} if ordered else {"0", "2"})
    assert [d.number for d in found.dropped if d.what == "event"] == [6]


def test_entries_that_are_no_numbers_of_images(session, tmp_path):
    path = with_series(session, tmp_path / "a.nwb")
    for broken in (0.5, np.nan):
        with pytest.raises(InputError, match="which numbers no image"):
            read_recording(with_index(path, np.where(session.codes == 2, broken, 1)))


def test_a_folder_whose_first_photo_was_not_shown(session, tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for i in range(4):
        Image.fromarray(np.full((4, 4, 3), 9 * i, np.uint8)).save(folder / f"p{i}.png")
    path = with_series(session, tmp_path / "a.nwb", ordered=False)
    words = {"images": folder}
    with_index(path, session.codes)  # images 1 to 3 of 0 to 3
    found = read_recording(path, RecordingOptions(**words))
    assert [found.images[i] for i in found.shown] == [f"p{c}.png" for c in session.codes]
    found = read_recording(path, RecordingOptions(first_code=1, **words))
    assert [found.images[i] for i in found.shown] == [f"p{c - 1}.png" for c in session.codes]


@pytest.mark.parametrize("version", ["2.0.0", "2.2.5", "2.5.0", "2.9.0"])
def test_every_schema_version_from_2_on(version, session, tmp_path):
    """By hand: `IndexSeries` with the link that was there before 2.5, no `order_of_images`."""
    path = tmp_path / "a.nwb"
    with h5py.File(path, "w") as file:
        file.attrs["nwb_version"] = version
        units = file.create_group("units")
        trains = [train / RATE for train in session.spikes.values()]
        units["spike_times"] = np.concatenate(trains)
        kind = np.uint64 if version < "2.3" else np.uint16
        units["spike_times_index"] = np.cumsum([len(t) for t in trains]).astype(kind)
        units["id"] = np.array([7, 8, 12])
        series = file.create_group("stimulus/presentation/shown")
        series.attrs["neurodata_type"] = "IndexSeries"
        series["data"] = session.codes.astype(np.uint32 if version > "2.5" else np.int32)
        series["timestamps"] = session.onsets / RATE
        file.create_group("stimulus/templates/frames")
        series["indexed_timeseries"] = h5py.SoftLink("/stimulus/templates/frames")
    found = read_recording(path)
    assert np.array_equal(found.counts, session.counts(list(session.spikes)))
    assert found.units == ("7", "8", "12")


def test_a_series_at_a_rate(session, tmp_path):
    path = with_series(session, tmp_path / "a.nwb")
    with h5py.File(path, "r+") as file:
        series = file["stimulus/presentation/presented"]
        del series["timestamps"]
        series["starting_time"] = session.onsets[0] / RATE
        series["starting_time"].attrs["rate"] = 5.0
    found = read_recording(path)
    assert np.allclose(np.diff(found.onsets), 0.2)
    with h5py.File(path, "r+") as file:
        file["stimulus/presentation/presented/starting_time"].attrs["rate"] = 0.0
    with pytest.raises(InputError, match="0 Hz"):
        read_recording(path)


def test_what_was_not_observed_is_missing_and_not_silent(session, tmp_path):
    path = with_trials(session, tmp_path / "a.nwb")
    middle = float(session.onsets[9] / RATE)
    with h5py.File(path, "r+") as file:
        rows = [[0, 1e6], [0, middle], [0, 1e6]]
        file["units/obs_intervals"] = np.array(rows)
        file["units/obs_intervals_index"] = np.array([1, 2, 3], np.uint8)
    found = read_recording(path)
    expected = session.counts(list(session.spikes))
    expected[9:, 1] = np.nan
    assert np.array_equal(found.counts, expected, equal_nan=True)
    assert found.dropped[0].number == 9


def test_faults_are_one_sentence(session, tmp_path):
    path = with_trials(session, tmp_path / "a.nwb")
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(StoreError, match="cannot be read as NWB"):
        read_recording(path)
    path.write_bytes(b"no HDF5")
    with pytest.raises(StoreError, match="cannot be read as NWB"):
        read_recording(path)
    with h5py.File(path, "w") as file:
        file["nwb_version"] = "NWB-1.0.6"
    with pytest.raises(InputError, match=r"version NWB-1.0.6; expected 2"):
        read_recording(path)
    with h5py.File(path, "w") as file:
        file.attrs["nwb_version"] = "2.7.0"
    with pytest.raises(InputError, match="no table of units"):
        read_recording(path)
    both = with_trials(session, tmp_path / "b.nwb")
    with h5py.File(both, "r+") as file:
        file["intervals/trials/stimulus"] = file["intervals/trials/id"][()]
    with pytest.raises(InputError, match=r"several channels .* choose event"):
        read_recording(both)


def test_times_in_ms_are_doubted(session, tmp_path):
    file = empty()
    add_units(file, session)
    file.add_trial_column("image", "which image")
    for onset, code in zip(session.onsets.tolist(), session.codes.tolist(), strict=True):
        begin = 1000 * onset / RATE
        file.add_trial(start_time=begin, stop_time=begin + 100, image=str(code))
    path = save(file, tmp_path / "a.nwb")
    with pytest.raises(InputError, match="rather in ms"):
        read_recording(path)
    with pytest.raises(InputError, match="never in samples"):
        read_recording(path, RecordingOptions(time_unit="samples"))
