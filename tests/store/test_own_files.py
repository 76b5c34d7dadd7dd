"""Only what a command wrote itself is replaced, whatever it is called."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from PIL import Image

from invariscope.errors import InputError
from invariscope.report import page
from invariscope.report.networks import FIRST_LINE as NETWORKS
from invariscope.report.sns_page import FIRST_LINE as PAGE
from invariscope.store.own_files import (
    PNG_MARK,
    begins_with,
    check_may_replace,
    is_figure,
    is_json_with,
    is_page,
)
from invariscope.study.pack import is_pack

CHECKS = {
    "page": is_page,
    "figure": is_figure,
    "pack": is_pack,
    "markdown": begins_with(PAGE),
    "json": is_json_with("schema", "cases"),
}
FOREIGN = {
    "text": b"my thesis",
    "html": b"<!doctype html><title>invariscope</title>",
    "png": b"\x89PNG\r\n\x1a\n",
    "json": b'{"schema": 1}',
    "list": b"[]",
    "nested": b"[" * 100_000,
    "zeros": bytes(10_240),  # an empty tar file
}


@pytest.mark.parametrize("what", CHECKS)
@pytest.mark.parametrize("content", FOREIGN)
def test_a_foreign_file_is_kept_unless_forced(tmp_path, what, content):
    path = tmp_path / "file"
    path.write_bytes(FOREIGN[content])
    with pytest.raises(InputError, match=r"no file that invariscope wrote.*--force"):
        check_may_replace(path, CHECKS[what])
    check_may_replace(path, CHECKS[what], force=True)
    assert path.read_bytes() == FOREIGN[content]


@pytest.mark.parametrize("what", CHECKS)
def test_what_is_not_there_or_empty_may_be_written_and_no_folder(tmp_path, what):
    check_may_replace(tmp_path / "new", CHECKS[what])
    (tmp_path / "empty").touch()
    check_may_replace(tmp_path / "empty", CHECKS[what])
    os.mkfifo(tmp_path / "pipe")
    for candidate in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(InputError, match=r"is a folder|is no plain file"):
            check_may_replace(candidate, CHECKS[what], force=True)


def test_own_files_are_known_by_their_content(tmp_path):
    figure = Figure()
    figure.savefig(tmp_path / "ours", format="png", metadata=PNG_MARK)
    assert is_figure(tmp_path / "ours")
    figure.savefig(tmp_path / "theirs", format="png")
    assert not is_figure(tmp_path / "theirs")
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(tmp_path / "photo.png")
    assert not is_figure(tmp_path / "photo.png")
    (tmp_path / "a.json").write_text('{"schema": 1, "cases": {}, "more": 0}')
    assert is_json_with("schema", "cases")(tmp_path / "a.json")
    (tmp_path / "rows.json").write_text('[{"figure": 1}, {"figure": 2}]')
    assert is_json_with("figure")(tmp_path / "rows.json")
    assert NETWORKS.startswith("# Robustness")
    (tmp_path / "a.csv").write_text(pd.DataFrame({"a": [1], "b": [2]}).to_csv(index=False))
    assert begins_with("a,b\n")(tmp_path / "a.csv")


def test_every_page_of_ours_has_the_mark():
    for name in ("report.html", "invariance.html", "networks.html"):
        assert is_page(Path(page.__file__).with_name(name))
