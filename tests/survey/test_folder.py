"""A survey's table of images names files in its own folder only."""

from dataclasses import replace

import pytest

from invariscope.errors import InputError
from invariscope.survey.folder import IMAGES, SurveyFolder, read_stimuli, write_stimuli


@pytest.mark.parametrize(
    "name",
    [
        *("/etc/passwd", "../token", "a/../../token", "..", "", "C:/x.png", "..\\token"),
        *("a\\b.png", "a\x1bb.png"),
    ],
)
def test_an_image_elsewhere_is_refused(survey_folder, name):
    stimuli = survey_folder.stimuli
    write_stimuli(survey_folder.path / IMAGES, [replace(stimuli[0], file=name), *stimuli[1:]])
    with pytest.raises(InputError, match="expected a file in images/"):
        read_stimuli(survey_folder.path / IMAGES)


def test_a_link_that_leads_out_is_refused_and_one_inside_is_not(survey_folder, tmp_path):
    first, second = (survey_folder.path / "images" / s.file for s in survey_folder.stimuli[:2])
    first.unlink()
    first.symlink_to(second)
    SurveyFolder(survey_folder.path).check()
    (tmp_path / "secret").write_text("secret")
    first.unlink()
    first.symlink_to(tmp_path / "secret")
    with pytest.raises(InputError, match="leads out of its folder images"):
        SurveyFolder(survey_folder.path).check()
