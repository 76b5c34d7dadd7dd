"""The files that are shipped."""

import shutil
from dataclasses import replace

import pytest
import torch

from invariscope import load_generator, load_subject
from invariscope.errors import InputError, StoreError
from invariscope.natural.statistics import PERCENTILES, SPLITS, NaturalStatistics, unit_names
from invariscope.zoo import registry
from invariscope.zoo.embedded import EmbeddedDecoder, EmbeddedResNet
from invariscope.zoo.weight_file import load_weights

SHIPPED = sorted(name for name, entry in registry.entries().items() if not entry.url)
NAMES = [name for name in SHIPPED if registry.entries()[name].kind != "natural"]
CLASSIFIERS = [name for name in NAMES if registry.entries()[name].kind == "classifier"]
MOST_BYTES = 30_000_000  # two generators; 25 million was the aim


def millions(module):
    return sum(p.numel() for p in module.parameters()) / 1e6


@pytest.mark.parametrize("name", SHIPPED)
def test_checksums_hold_and_the_origin_is_told(name):
    entry = registry.entries()[name]
    assert registry.file_hash(entry.path) == entry.sha256
    assert entry.licence
    assert entry.kind in ("classifier", "generator", "natural")


@pytest.mark.parametrize("name", NAMES)
def test_tensors_are_finite_float32(name):
    tensors, metadata = load_weights(registry.entries()[name])
    assert metadata
    for key, tensor in tensors.items():
        if tensor.is_floating_point():
            assert tensor.dtype == torch.float32, key
            assert bool(tensor.isfinite().all()), key


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_a_classifier_answers_images_of_the_generator(name):
    subject, generator = load_subject(name), load_generator()
    assert subject.name == name
    assert subject.sites()["fc"] == (len(subject.classes),)
    assert len(set(subject.classes)) == len(subject.classes) >= 2
    images = generator.generate(torch.zeros(2, generator.code_dim))
    logits = subject.respond(images, ["fc"])["fc"]
    assert bool(logits.isfinite().all())


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_a_classifiers_natural_statistics_fit_its_sites(name):
    subject = load_subject(name)
    table = NaturalStatistics.load(subject.natural, subject).table
    shapes = subject.sites()
    sites = {unit.rpartition(":")[0] for unit in table["unit"]}
    assert "fc" in sites
    expected = {unit for site in sites for unit in unit_names(site, shapes[site])}
    for split in SPLITS:
        units = table.loc[table["split"] == split, "unit"]
        assert units.is_unique
        assert set(units) == expected
    ladder = table[["minimum", *(f"p{q:g}" for q in PERCENTILES), "maximum"]].to_numpy(float)
    assert (ladder[:, 1:] >= ladder[:, :-1] - 1e-5 * abs(ladder[:, :-1])).all()
    assert table["at_minimum"].between(0, 1).all()
    assert (table["images"] > 1).all()


def test_all_weights_together_stay_small():
    size = sum(path.stat().st_size for path in registry.WEIGHTS.rglob("*") if path.is_file())
    assert 0 < size <= MOST_BYTES


@pytest.fixture
def copied(tmp_path, monkeypatch):
    """A copy of the smallest shipped file, where the registry looks for it."""
    entry = min((registry.entries()[n] for n in NAMES), key=lambda e: e.path.stat().st_size)
    shutil.copy(entry.path, tmp_path)
    monkeypatch.setattr(registry, "WEIGHTS", tmp_path)
    return entry


def test_a_copy_of_a_file_loads(copied):
    tensors, _ = load_weights(copied)
    assert tensors


@pytest.mark.parametrize("how", ["changed", "cut", "missing"])
def test_a_changed_file_is_refused(copied, how):
    content = bytearray(copied.path.read_bytes())
    copied.path.unlink()
    if how == "changed":
        content[-1] ^= 1
        copied.path.write_bytes(content)
    if how == "cut":
        copied.path.write_bytes(content[:-10])
    with pytest.raises(StoreError, match="not the file that was shipped; reinstall"):
        load_weights(copied)


def test_another_checksum_in_the_index_is_refused(copied):
    with pytest.raises(StoreError, match="not the file that was shipped"):
        load_weights(replace(copied, sha256="0" * 64))


@pytest.mark.parametrize(("name", "kind"), [("embedded", "classifier"), ("x", "generator")])
def test_a_name_of_another_kind_is_unknown(name, kind):
    with pytest.raises(InputError, match=f"unknown {kind} '{name}'"):
        registry.find(name, kind)


def test_networks_are_as_large_as_they_say():
    assert millions(EmbeddedResNet()) == pytest.approx(2.8, abs=0.05)
    assert millions(EmbeddedDecoder()) == pytest.approx(1.4, abs=0.05)


def test_a_fresh_network_starts_as_its_shortcuts():
    block = EmbeddedResNet().eval().get_submodule("layer1.0")
    x = torch.linspace(-1, 1, 32 * 16).view(1, 32, 4, 4)
    assert torch.equal(block(x.clone()), x.clamp(min=0))
