"""Names of a session's units and animal, checked before anything is shown.

Units become columns: of the rig's answers, of the tables of trials and responses, and of an NWB
file. A name that collides there would be found out after the session, so it is refused before.
"""

from collections import Counter
from collections.abc import Iterator, Sequence

from invariscope.errors import InputError
from invariscope.rig.file import BEST, Recording
from invariscope.subjects.rig.folder import FIXED

TRIAL_COLUMNS = (
    *("trial", "image", "request", "kind", "generation", "candidate"),
    *("block", "shown", "answered"),
)
SUBJECT = (
    *("subject_id", "species", "sex", "age"),
    *("description", "genotype", "strain", "weight"),
)


def nwb_column(unit: str) -> str:
    """Name the column of a unit's responses in an NWB file."""
    return "response_" + "".join(c if c.isalnum() else "_" for c in unit)


def _tables(units: Sequence[str]) -> Iterator[tuple[str, tuple[str, ...], list[tuple[str, str]]]]:
    """List each table's name, its fixed columns, and the units' columns, with the unit."""
    own = [(unit, unit) for unit in units]
    yield "the rig's answers", FIXED, own
    yield "the table of trials", TRIAL_COLUMNS, own + [(f"gain {unit}", unit) for unit in units]
    counts = [(f"{unit} {word}", unit) for unit in units for word in ("trials", "error")]
    yield "the table of responses", ("image",), own + counts
    columns = [(nwb_column(unit), unit) for unit in units]
    yield "the NWB file", (), columns + [(f"{column}_gain", unit) for column, unit in columns]


def check_names(recording: Recording) -> None:
    """Make sure that a session's names can be kept to its end.

    Args:
        recording: from the session file.

    Raises:
        InputError: a unit's name that is empty, `best`, holds a comma, a quote or what cannot be
            printed, or collides with another column; a word of `subject` that NWB does not know.

    Example:
        Units `probe0/u1` and `probe0:u1` are refused: both are `response_probe0_u1` in NWB.
    """
    units = recording.units
    if not units:
        raise InputError("[rig] units is empty; expected what the rig answers for")
    for unit in units:
        if not unit.strip() or unit != unit.strip() or not unit.isprintable() or {*unit} & {*',"'}:
            raise InputError(
                f"[rig] unit {unit!r} cannot be a column; expected a name without comma, quote, "
                "line end, or space around it"
            )
        if unit == BEST:
            raise InputError(f"[rig] unit {unit!r} has the name of a target rule; rename it")
    for table, fixed, brought in _tables(units):
        _check_columns(table, fixed, brought)
    if not recording.name.strip() or not recording.name.isprintable():
        raise InputError(f"[rig] name is {recording.name!r}; expected a line of text")
    _check_subject(recording)


def _check_columns(table: str, fixed: Sequence[str], brought: list[tuple[str, str]]) -> None:
    counts = Counter(column for column, _ in brought)
    for column, unit in brought:
        if column in fixed:
            raise InputError(
                f"[rig] unit {unit!r} has the name of a column of {table}; rename it (taken are "
                f"{', '.join(fixed)})"
            )
        if counts[column] > 1:
            others = " and ".join(repr(u) for c, u in brought if c == column)
            raise InputError(
                f"[rig] units {others} end in the same column, {column!r}, of {table}; rename one"
            )


def _check_subject(recording: Recording) -> None:
    for word, value in recording.subject.items():
        if word not in SUBJECT:
            raise InputError(
                f"[rig] subject has {word!r}, which NWB does not take as text; choose from "
                f"{', '.join(SUBJECT)}"
            )
        if not value.strip() or not value.replace("\n", " ").isprintable():
            raise InputError(f"[rig] subject {word} is {value!r}; expected text")
