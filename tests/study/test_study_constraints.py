"""Constraints in study files and session files: part of names, addresses and references."""

import pytest
import torch
from PIL import Image

from invariscope import seeds
from invariscope.errors import InputError
from invariscope.jobs.engines import LocalEngine
from invariscope.rig.file import parse_session
from invariscope.study.analyses import analyze
from invariscope.study.analyses.material import AnalysisMaterial
from invariscope.study.file import parse_study
from invariscope.study.folder import StudyFolder
from invariscope.study.plan import plan_study
from invariscope.study.result import StudyResult
from invariscope.study.runner import StudyRunner

STUDY = """
[conditions.a]
subjects = ["embedded:standard"]
units = ["fc:3"]
population = 8
generations = 2
{more}
"""
FIXED = "constraints = { luminance = 0.5, contrast = 0.3, aperture = [48, 48, 20, 5] }"


def planned(tmp_path, more):
    return plan_study(parse_study(STUDY.format(more=more)), tmp_path)


def test_constraints_of_a_condition_are_part_of_its_runs_names(tmp_path):
    plain, fixed = planned(tmp_path, ""), planned(tmp_path, FIXED)
    assert not {run.name for run in plain} & {run.name for run in fixed}
    assert {run.generator for run in fixed} == {
        "embedded?luminance=0.5&contrast=0.3&aperture=48,48,20,5"
    }
    by_address = planned(tmp_path, 'generators = ["embedded?luminance=0.5&contrast=0.3"]')
    words = planned(tmp_path, "constraints = { luminance = 0.5, contrast = 0.3 }")
    assert [run.name for run in by_address] == [run.name for run in words]


def test_searches_with_several_generators_are_never_averaged(tmp_path):
    text = STUDY.format(more='generators = ["embedded", "embedded?code_percentile=90"]')
    folder = StudyFolder(tmp_path / "store", "two")
    folder.write(text, plan_study(parse_study(text), tmp_path))
    with LocalEngine("cpu") as engine:
        StudyRunner(folder, engine).run()
    study = StudyResult(folder)
    assert study.table()["generator"].nunique() == 2
    told = r"several generators or constraints \(embedded, embedded\?code_percentile=90\).*for each"
    for only in ([], ["distance"]):
        with pytest.raises(InputError, match=told):
            analyze(AnalysisMaterial(study, device="cpu"), only)


def test_photos_to_depart_from_are_shown_under_the_constraints(tmp_path):
    pixels = (seeds.uniform(["photo"], (96, 96, 3))[0] * 255).byte().numpy()
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    where = 'reference = { kind = "photos", photos = ["photo.png"] }\n'
    (plain,), (fixed,) = planned(tmp_path, where), planned(tmp_path, where + FIXED)
    assert plain.name != fixed.name


def test_a_display_counts_from_the_files_folder(tmp_path):
    (tmp_path / "screen.csv").write_text("0,0.1\n255,100\n")
    more = 'constraints = { display = "screen.csv", luminance = 40 }'
    runs = planned(tmp_path, more)
    assert str(tmp_path / "screen.csv") in runs[0].generator
    with pytest.raises(InputError, match="cannot read display table"):
        planned(tmp_path, more.replace("screen", "other"))


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ("constraints = { lumen = 1 }", "unknown constraint 'lumen'"),
        ("constraints = { contrast = 0.2 }", "needs a fixed luminance"),
        ("constraints = { luminance = 2 }", "between 0 and 1"),
        ("constraints = 3", "dict"),
    ],
)
def test_constraints_that_cannot_be_are_told_with_their_place(more, says):
    with pytest.raises(InputError, match=says):
        parse_study(STUDY.format(more=more))
    session = f'[rig]\nname = "s"\nunits = ["u"]\n[range]\nphotos = "p"\n[search]\n{more}\n'
    with pytest.raises(InputError, match=says):
        parse_session(session)


def test_everything_that_a_session_shows_keeps_to_its_constraints(tmp_path):
    from invariscope import constrain_generator, load_generator
    from invariscope.rig.range_block import range_photos

    (tmp_path / "photos").mkdir()
    for i in range(4):
        pixels = (seeds.uniform([("photo", i)], (96, 96, 3))[0] * 255).byte().numpy()
        Image.fromarray(pixels).save(tmp_path / "photos" / f"{i}.png")
    text = '[rig]\nname = "s"\nunits = ["u"]\n[range]\nphotos = "photos"\n[search]\n' + FIXED
    asked = parse_session(text)
    generator = constrain_generator(load_generator(), **asked.search.constraints)
    photos = range_photos(asked.range, tmp_path, generator)
    grey = generator.constrain(torch.full((1, 3, 96, 96), 0.2))
    for shown in (photos, grey):
        levels = generator.levels(shown)
        assert (levels.luminance - 0.5).abs().max() < 1e-5
        assert levels.outside.max() < 1e-6
    assert (generator.levels(photos).contrast - 0.3).abs().max() < 1e-5
