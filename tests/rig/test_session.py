"""A whole session on a simulated brain: what it reports follows from its log alone."""

import numpy as np
import pandas as pd
import pytest
import torch

from invariscope.errors import InputError
from invariscope.experiments.reference import Reference
from invariscope.rig.again import measure_again
from invariscope.rig.export import RecordedSession
from invariscope.rig.file import SearchRequest
from invariscope.rig.search import HELD_BACK
from invariscope.rig.simulate import DirectLink, SimulatedBrain, SimulatedRates
from invariscope.rig.taught import images_of_reference
from invariscope.search.search import Search
from invariscope.store.record import load_run
from invariscope.store.run_toml import FILE
from invariscope.subjects.appearance_cells import luma


def own_means(session, key, unit, window=(50, 150)):
    """Each image's mean rate in a request, by hand: spikes in the window over its gain."""
    ledger, found = session.presenter.ledger, {}
    for trial in ledger.of(key):
        spikes = ledger.answers[trial.name].responses[unit]
        if isinstance(spikes, tuple):
            rate = sum(window[0] <= t < window[1] for t in spikes) / 0.1
            found.setdefault(trial.image, []).append(rate)
    return {image: np.mean(rates) for image, rates in found.items()}


def test_the_reported_front_is_of_held_back_repeats_alone(make_session, asked):
    session = make_session(asked(blocks="drift = 0.0"))
    (record,) = session.run()
    unit = session.rig.classes[session.targets[0]]
    keys = [k for k in session.presenter.ledger.requests if k.endswith("/final")]
    expected = own_means(session, keys[-1], unit)
    table = pd.read_parquet(record.path / HELD_BACK)
    np.testing.assert_allclose(table["activation"], [expected[n] for n in table["image"]])
    reference = float(record.tensors["reference_activity"])
    np.testing.assert_allclose(table["squeeze"], abs(table["activation"] - reference), rtol=1e-6)
    image = record.tensors["reference_image"].mul(255).round() / 255
    shown = torch.stack([session.presenter.image(name) for name in table["image"]])
    distance = (shown - image).flatten(1).norm(dim=1)
    np.testing.assert_allclose(table["stretch"], distance, rtol=1e-5)
    front = record.front.sort_values("stretch")
    assert (np.diff(front["squeeze"]) > 0).all()  # each farther member pays for it
    assert len(front) == table["front"].sum()
    np.testing.assert_allclose(front["pixel_distance"], front["stretch"], rtol=1e-5)


def test_the_mei_is_the_best_of_held_back_repeats(make_session, asked, tmp_path):
    session = make_session(asked(blocks="drift = 0.0"))
    session.run()
    (path,) = (tmp_path / "session" / "mei").glob(f"*/{FILE}")
    table = pd.read_parquet(path.parent / HELD_BACK)
    front = pd.read_parquet(path.parent / "front.parquet")
    assert front["activation"].tolist() == [table["activation"].max()]


def test_controls_are_in_every_block_and_every_image_comes_so_often(make_session, asked):
    session = make_session(asked(search="repeats = 2"))
    session.run()
    ledger, presenter = session.presenter.ledger, session.presenter
    plan = session.block_plan(session.targets[0], presenter.measured("range"))
    assert {kind: trials for kind, (trials, _) in plan.controls.items()} == {
        "blank": asked().blocks.blank,
        "natural": asked().blocks.natural,
    }
    for block, trials in ledger.blocks.items():
        kinds = [ledger.trials[name].request for name in trials]
        own = [kind for kind in kinds if kind != "control"]
        assert len(own) <= 10
        if own[0].endswith(("/0001", "/0002")):
            assert kinds.count("control") in (3, 5), block  # the reference comes with the search
    assert asked().blocks.reference == 2
    for key, told in ledger.measured.items():
        if key.partition("/")[2].isdecimal():
            target = np.array(told["counts"])[:, session.targets[0]]
            assert (target >= 2).all()


def test_repeats_of_an_image_are_spread_over_its_whole_request(make_session, asked, make_brain):
    session = make_session(asked(), DirectLink(make_brain(lost=0.0)))
    session.run()
    ledger = session.presenter.ledger
    keys = [key for key in ledger.requests if key == "range" or key.endswith("/final")]
    assert len(keys) == 3
    for key in keys:
        trials, often = ledger.of(key), {}
        for block in dict.fromkeys(trial.block for trial in trials):
            for trial in trials:
                if trial.block == block:
                    often[trial.image] = often.get(trial.image, 0) + 1
            shown = [often.get(name, 0) for name in set(ledger.requests[key])]
            assert max(shown) - min(shown) <= 1, (key, block)


def test_the_bound_is_of_repeats_among_the_members_own(make_session, asked):
    file = asked(blocks="drift = 0.0")
    often = file.final.model_copy(update={"repeats": 10, "reference": 20})
    session = make_session(file.model_copy(update={"final": often}))
    (record,) = session.run()
    ledger, unit = session.presenter.ledger, session.rig.classes[session.targets[0]]
    key = [k for k in ledger.requests if k.endswith("/final")][-1]
    name = session.presenter.store(record.tensors["reference_image"][None])[0]
    assert ledger.requests[key][-1] == name
    table = pd.read_parquet(record.path / HELD_BACK)
    assert len(table) == len(ledger.requests[key]) - 1
    np.testing.assert_allclose(table["reference"], own_means(session, key, unit)[name])
    blocks = dict.fromkeys(trial.block for trial in ledger.of(key))
    often = [sum(t.image == name for t in ledger.of(key) if t.block == b) for b in blocks]
    assert min(often[:-2]) >= 2  # in every block, until repeats are made up for
    session.close()
    recorded = RecordedSession.load(session.folder)
    assert set(recorded.codes) >= set(ledger.requests[key][:-1])


def test_held_back_repeats_begun_without_the_reference_keep_its_earlier_measurement(
    make_session, asked, make_brain, monkeypatch
):
    def earlier(presenter, key, images, reference, *words, **named):
        return measure_again(presenter, key, images, None, *words, **named)

    def broken(*words, **named):
        raise KeyboardInterrupt

    monkeypatch.setattr("invariscope.rig.search.measure_again", earlier)
    monkeypatch.setattr("invariscope.rig.search.HeldBackClaim.of", broken)
    session = make_session(asked(), DirectLink(make_brain(lost=0.0)))
    with pytest.raises(KeyboardInterrupt):
        session.run()
    shown = len(session.presenter.ledger.trials)
    session.close()
    monkeypatch.undo()
    session = make_session(asked(), DirectLink(make_brain(lost=0.0)))
    (record,) = session.run()
    assert len(session.presenter.ledger.trials) == shown
    table = pd.read_parquet(record.path / HELD_BACK)
    np.testing.assert_allclose(
        table["reference"], float(record.tensors["reference_activity"]), rtol=1e-6
    )


def test_unsettled_candidates_get_more_trials(make_session, asked):
    session = make_session(asked(search="repeats = 1\nmax_repeats = 4"))
    session.run()
    counts = [
        np.array(told["counts"])[:, session.targets[0]]
        for key, told in session.presenter.ledger.measured.items()
        if key.partition("/")[2].isdecimal()
    ]
    counts = np.concatenate(counts)
    assert counts.max() == 4
    assert counts.min() == 1


def test_without_noise_a_session_measures_the_true_rates(make_session, asked, network, tmp_path):
    class Exact:
        """Answers with the true rate, as a rig that reads its own windows does."""

        def __init__(self, brain):
            self.brain = brain

        def answer(self, manifest, images):
            self.brain._look(images)
            names = self.brain.names
            return [
                type(answer)(
                    answer.trial,
                    answer.image,
                    dict(zip(names, self.brain._known[answer.image].tolist(), strict=True)),
                )
                for answer in self.brain.answer(manifest, images)
            ]

    units = ["out:0", "out:1", "out:2"]
    brain = SimulatedBrain(network, units, ["a", "b", "c"], cortex=SimulatedRates(drift=0, lost=0))
    session = make_session(asked(), link=DirectLink(Exact(brain)))
    (record,) = session.run()
    table = pd.read_parquet(record.path / HELD_BACK)
    shown = torch.stack([session.presenter.image(name) for name in table["image"]])
    true = brain.rates(shown)[:, session.targets[0]]
    np.testing.assert_allclose(table["activation"], true, rtol=1e-5)
    np.testing.assert_allclose(table["selected_activation"], table["activation"], rtol=1e-5)


def test_a_stretch_site_of_a_proxy(make_session, asked, conv_subject):
    file = asked(search='stretch = "conv1"\nproxy = "conv"')
    session = make_session(file, proxy=conv_subject)
    (record,) = session.run()
    table = pd.read_parquet(record.path / HELD_BACK)
    shown = torch.stack([session.presenter.image(name) for name in table["image"]])
    reference = record.tensors["reference_image"].mul(255).round() / 255
    both = conv_subject.respond(torch.cat([shown, reference[None]]), ["conv1"])["conv1"].flatten(1)
    distance = (both[:-1] - both[-1]).norm(dim=1)
    np.testing.assert_allclose(table["stretch"], distance, rtol=1e-4)
    pixels = (shown - reference).flatten(1).norm(dim=1)[table["front"].tolist()]
    np.testing.assert_allclose(sorted(record.front["pixel_distance"]), sorted(pixels), rtol=1e-5)


def test_several_targets_and_seeds_and_a_photo_to_depart_from(make_session, asked):
    file = asked()
    file = file.model_copy(
        update={
            "search": file.search.model_copy(
                update={"targets": ("a", "c"), "seeds": 2, "mei_generations": 0, "generations": 1}
            )
        }
    )
    session = make_session(file)
    records = session.run()
    assert [r.settings.unit for r in records] == ["rig:0", "rig:0", "rig:2", "rig:2"]
    assert [r.settings.seed for r in records] == [0, 1, 0, 1]


def test_a_budget_ends_a_search(make_session, asked, make_brain):
    link = DirectLink(make_brain(lost=0.0))
    session = make_session(asked(search="presentations = 30"), link=link)
    (record,) = session.run()
    assert record.outcome["status"] == "finished"
    assert record.outcome["generations"] == 2
    assert record.journal[-1]["presentations"] <= 30


def test_the_rig_answers_as_a_subject(make_session, picture):
    session = make_session()
    images = torch.stack([picture, 1 - picture])
    first = session.rig.respond(images, ["rig"])["rig"]
    shown = len(session.presenter.ledger.trials)
    again = session.rig.respond(images, ["rig"])["rig"]
    assert first.shape == (2, 3)
    torch.testing.assert_close(first, again, equal_nan=True)
    assert len(session.presenter.ledger.trials) == shown


@pytest.mark.parametrize("drift", [0.0, 300.0])
def test_the_range_block_describes_repeat_means(make_session, asked, drift):
    session = make_session(asked(blocks=f"drift = {drift}"))
    session.run()
    table = pd.read_parquet(session.folder / "natural.parquet")
    means = np.array(session.presenter.ledger.measured["range"]["means"])
    np.testing.assert_allclose(table["maximum"], means.max(0))
    np.testing.assert_allclose(table["sd"], means.std(0))
    assert list(table["unit"]) == ["rig:0", "rig:1", "rig:2"]


def break_in_the_search(monkeypatch):
    """Interrupt the fifth generation; three are of the search for the most exciting image."""
    tell, told = Search.tell, []

    def broken(search, *words):
        told.append(search)
        if len(told) == 5:
            raise KeyboardInterrupt
        return tell(search, *words)

    monkeypatch.setattr(Search, "tell", broken)


def test_a_twin_search_broken_off_ends_as_unbroken(make_session, asked, make_brain, monkeypatch):
    file = asked(search='strategy = "twin:codes"')
    (whole,) = make_session(file, DirectLink(make_brain(lost=0.0)), "whole").run()
    break_in_the_search(monkeypatch)
    session = make_session(file, DirectLink(make_brain(lost=0.0)), "broken")
    with pytest.raises(KeyboardInterrupt):
        session.run()
    session.close()
    monkeypatch.undo()
    (after,) = make_session(file, DirectLink(make_brain(lost=0.0)), "broken").run()
    assert torch.equal(after.tensors["codes"], whole.tensors["codes"])
    pd.testing.assert_frame_equal(after.front, whole.front)


def test_a_twin_learns_first_from_the_search_for_its_reference(make_session, asked, make_brain):
    file = asked(search='strategy = "twin:codes"\nseeds = 2')
    session = make_session(file, DirectLink(make_brain(lost=0.2)))
    records = session.run()
    unit, presenter = session.targets[0], session.presenter
    mei = records[0].settings.reference["run"][:12]
    keys = [key for key in presenter.ledger.requests if key.startswith(mei)]
    means, counts = (
        np.concatenate([np.array(presenter.ledger.measured[key][name], float) for key in keys])
        for name in ("means", "counts")
    )
    assert (counts[:, unit] > 1).any()
    known = counts[:, unit] > 0
    taught = images_of_reference(
        presenter, Reference(torch.zeros(3, 8, 8), recipe=records[0].settings.reference), unit
    )
    np.testing.assert_allclose(taught.activity, means[known, unit])
    np.testing.assert_allclose(
        taught.errors, presenter.noise.errors(means, counts)[known, unit], rtol=1e-9
    )
    assert torch.equal(
        taught.codes, torch.cat([presenter.codes(key) for key in keys])[known].double()
    )
    # No repeat teaches another.
    assert [r.settings.strategy["taught"] for r in records] == [taught.describe()] * 2
    assert images_of_reference(presenter, Reference(torch.zeros(3, 8, 8)), unit) is None


def test_a_search_begun_without_teaching_goes_on_without(
    make_session, asked, make_brain, monkeypatch
):
    file = asked(search='strategy = "twin:codes"')
    monkeypatch.setattr("invariscope.rig.session.images_of_reference", lambda *_: None)
    link = DirectLink(make_brain(lost=0.0))
    (whole,) = make_session(file, link, "whole").run()
    assert "taught" not in whole.settings.strategy
    break_in_the_search(monkeypatch)
    session = make_session(file, DirectLink(make_brain(lost=0.0)), "older")
    with pytest.raises(KeyboardInterrupt):
        session.run()
    session.close()
    monkeypatch.undo()
    (after,) = make_session(file, DirectLink(make_brain(lost=0.0)), "older").run()
    assert after.name == whole.name
    assert torch.equal(after.tensors["codes"], whole.tensors["codes"])


def test_a_session_that_fills_cells_searches_its_reference_without_and_keeps_measures(
    make_session, asked, tmp_path
):
    session = make_session(asked(search='strategy = "twin:codes?cells=luminance,contrast"'))
    (record,) = session.run()
    (path,) = (tmp_path / "session" / "mei").glob(f"*/{FILE}")
    assert "cells" not in load_run(path.parent).settings.strategy
    assert record.settings.strategy["cells"]
    images = session.generator.generate(record.tensors["codes"])
    light = luma(images).mean((1, 2))
    np.testing.assert_allclose(record.front["luminance"], light, atol=0.01)
    assert record.front["contrast"].between(0, 1).all()


def test_a_proxy_that_is_not_there_is_told_before_anything_is_shown(make_session, asked):
    shown = []
    with pytest.raises(InputError, match="unknown model 'nosuch'"):
        make_session(asked(search='strategy = "twin:nosuch"'), say=shown.append)
    assert shown == []


def test_too_few_presentations_for_a_generation_are_told_before_anything_is_shown(
    make_session, asked, tmp_path
):
    file = asked(search="presentations = 10\nrepeats = 2")
    with pytest.raises(InputError, match="presentations is 10; a generation of 8 candidates"):
        make_session(file)
    assert not (tmp_path / "session").exists()


def test_a_session_searches_by_twin_unless_told_otherwise():
    assert SearchRequest().strategy == "twin"
