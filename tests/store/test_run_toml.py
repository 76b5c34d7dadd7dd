"""The numeric contexts that a run went through."""

import pytest

from invariscope.errors import StoreError
from invariscope.store.run_toml import note_context, read_settings, write_settings

A, B, C = ({"threads": threads} for threads in (1, 2, 3))


@pytest.fixture
def note(tmp_path, settings):
    """Writes a run that began in A, notes contexts and gives what the file says then."""
    write_settings(tmp_path, settings, {}, A)

    def noted(*resumed):
        for kept, context in resumed:
            note_context(tmp_path, context, kept)
        document = read_settings(tmp_path)
        changes = [(c["generation"], c["threads"]) for c in document["context_changes"]]
        return document["context"]["threads"], changes

    return noted


@pytest.mark.parametrize(
    ("resumed", "began", "changes"),
    [
        ([], 1, []),
        ([(5, A)], 1, []),
        ([(5, B)], 1, [(6, 2)]),
        ([(5, B), (9, B)], 1, [(6, 2)]),
        ([(5, B), (9, A)], 1, [(6, 2), (10, 1)]),
        ([(5, B), (5, C)], 1, [(6, 3)]),  # nothing of B was kept
        ([(5, B), (5, A)], 1, []),
        ([(0, B)], 2, []),
        ([(5, B), (0, A)], 1, []),
        ([(0, B), (7, A)], 2, [(8, 1)]),
    ],
)
def test_each_kept_generation_has_the_context_it_was_computed_in(note, resumed, began, changes):
    assert note(*resumed) == (began, changes)


def test_an_unchanged_context_changes_no_file(note, tmp_path):
    path = tmp_path / "run.toml"
    before = path.read_bytes(), path.stat().st_ino
    note((5, A))
    assert (path.read_bytes(), path.stat().st_ino) == before
    assert b"context_changes" not in before[0]


@pytest.mark.parametrize("change", ["context_changes = 1", "[[context_changes]]\nthreads = 1"])
def test_damaged_contexts_are_refused(note, tmp_path, change):
    path = tmp_path / "run.toml"
    text = path.read_text()
    path.write_text(f"{text}\n{change}" if change.startswith("[[") else f"{change}\n{text}")
    with pytest.raises(StoreError, match="is damaged"):
        read_settings(tmp_path)
