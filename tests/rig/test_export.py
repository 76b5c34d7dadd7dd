"""A finished session as NWB, and as a subject that answers with what it recorded."""

import numpy as np
import pytest
import torch

from invariscope import RecordingOptions, SearchOptions, find_mei, load_subject, read_recording
from invariscope.cli.rig import export
from invariscope.errors import InputError, StoreError, SubjectError
from invariscope.natural.statistics import NaturalStatistics
from invariscope.recordings.windows import Windows
from invariscope.rig.export import RecordedSession
from invariscope.rig.nwb import _finest_step, write_nwb
from invariscope.subjects.rig.pixels import as_shown

MONKEY = 'subject = { subject_id = "A", species = "Macaca mulatta", sex = "F", age = "P8Y" }'


@pytest.fixture
def folder(make_session, asked, tmp_path):
    session = make_session(asked(rig=MONKEY))
    session.run()
    session.close()
    return tmp_path / "session"


def test_nwb_is_valid_and_holds_every_presentation(folder):
    pynwb = pytest.importorskip("pynwb")
    inspector = pytest.importorskip("nwbinspector")
    recorded = RecordedSession.load(folder)
    path = write_nwb(recorded, folder / "session.nwb")
    found = list(inspector.inspect_nwbfile(nwbfile_path=path))
    told = [f"{m.importance.name} {m.check_function_name} {m.message}" for m in found]
    assert [text for text in told if not text.startswith("BEST_PRACTICE_SUGGESTION")] == []
    with pynwb.NWBHDF5IO(str(path), "r") as io:
        file = io.read()
        trials = file.trials.to_dataframe()
        assert list(trials["trial"]) == list(recorded.trials["trial"])
        np.testing.assert_array_equal(trials["response_a"], recorded.trials["a"])
        name = recorded.trials["image"].iloc[7]
        index = file.stimulus["presented"].data[7]
        pixels = file.stimulus_template["images"].order_of_images[int(index)].data[:]
        np.testing.assert_array_equal(
            pixels / np.float32(255), recorded.image(name).permute(1, 2, 0)
        )
        codes = file.processing["misc"]["image_codes"].to_dataframe().set_index("image")
        for name, code in recorded.codes.items():
            np.testing.assert_array_equal(codes.loc[name, "code"], code.double().numpy())


def test_an_exported_session_is_read_as_a_recording(folder):
    """Spikes by window are those of the answers; a lost trial is missing and not silent."""
    pytest.importorskip("pynwb")
    recorded = RecordedSession.load(folder)
    path = write_nwb(recorded, folder / "session.nwb")
    # The simulated trials come every 200 ms; later windows hold spikes of the next one too.
    found = read_recording(path, RecordingOptions(window=(0, 100)))
    kept = recorded.trials[recorded.trials["answered"] & recorded.trials["a"].notna()]
    lost = len(recorded.trials) - len(kept)
    assert lost > 0
    assert sum("outside what was recorded" in str(one) for one in found.dropped) == 1
    windows = Windows((0.0, 100.0))
    answers = [recorded.answers[trial].responses for trial in kept["trial"]]
    expected = [[windows.read(a[unit]) for unit in found.units] for a in answers]
    assert found.units == recorded.units
    np.testing.assert_allclose(found.responses, expected)
    assert [found.images[i] for i in found.shown] == list(kept["image"])


def test_codes_make_the_images_that_were_shown(folder, generator):
    recorded = RecordedSession.load(folder)
    assert len(recorded.codes) > 40
    for name, code in recorded.codes.items():
        image = as_shown(generator.generate(code.unsqueeze(0)))[0]
        assert torch.equal(image, recorded.image(name))


def test_a_recorded_session_answers_with_its_means(folder, picture):
    recorded = RecordedSession.load(folder)
    recorded.write_responses()
    subject = load_subject(f"recorded:{folder}")
    trials = recorded.trials
    name = trials.loc[trials["kind"] == "held back", "image"].iloc[0]
    own = trials[trials["image"] == name]
    expected = np.nanmean(own[["a", "b", "c"]].to_numpy() / own[["gain a", "gain b", "gain c"]], 0)
    images = torch.stack([recorded.image(name), picture])
    answers = subject.respond(images, ["rig"])["rig"]
    np.testing.assert_allclose(answers[0], expected, rtol=1e-6)
    assert answers[1].isnan().all()
    assert subject.incomplete
    assert subject.natural is not None
    assert len(NaturalStatistics.load(subject.natural, subject).table) == 3


def test_a_search_on_a_recording_is_refused_in_a_sentence(folder, generator, tmp_path):
    RecordedSession.load(folder).write_responses()
    subject = load_subject(f"recorded:{folder}")
    options = SearchOptions(population=10, generations=2)
    with pytest.raises(SubjectError, match="answered none of the 10 images of the first generat"):
        find_mei(subject, generator, "rig:0", options=options, out=tmp_path / "runs")


def test_what_is_no_session_is_refused(tmp_path):
    with pytest.raises(StoreError, match="holds no session"):
        RecordedSession.load(tmp_path)
    with pytest.raises(StoreError, match="recorded session"):
        load_subject(f"recorded:{tmp_path}")


def test_another_suffix_is_refused(folder):
    with pytest.raises(InputError, match=r"does not end in \.nwb"):
        write_nwb(RecordedSession.load(folder), folder / "session.h5")


def test_an_export_replaces_a_session_and_nothing_else(folder, tmp_path):
    h5py = pytest.importorskip("h5py")
    pytest.importorskip("pynwb")
    export(folder)
    export(folder)
    for k, make in enumerate([lambda p: p.write_text("mine"), lambda p: h5py.File(p, "w").close()]):
        theirs = tmp_path / f"{k}.nwb"
        make(theirs)
        before = theirs.read_bytes()
        with pytest.raises(InputError, match="--force"):
            export(folder, nwb=theirs)
        assert theirs.read_bytes() == before
        export(folder, nwb=theirs, force=True)


@pytest.mark.parametrize(
    ("times", "step"),
    [([1.0, 20.0], 1.0), ([1.5, 2.0], 0.1), ([50.03, 7.2], 0.01), ([1 / 3], 1e-4), ([], 1.0)],
)
def test_a_resolution_is_never_coarser_than_the_times(times, step):
    assert _finest_step(times) == pytest.approx(step)
