"""`invariscope rig …`: a session on a brain, or on a simulated brain."""

import math
import time
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Annotated

import pandas as pd
from cyclopts import App, Parameter

from invariscope.cli.numbers import Positive
from invariscope.cli.options import Force, NetworkOptions
from invariscope.cli.rig_plan import RateOptions, print_refuted
from invariscope.cli.terminal import STARTS_AGAIN, notes, output, print_table, tell_start
from invariscope.errors import InputError
from invariscope.natural.statistics import NaturalStatistics
from invariscope.plurals import number_of
from invariscope.rig.export import RecordedSession
from invariscope.rig.file import SessionFile, read_session
from invariscope.rig.names import check_names
from invariscope.rig.nwb import is_session, write_nwb
from invariscope.rig.plan import load_predictions
from invariscope.rig.range_block import NATURAL
from invariscope.rig.search import HELD_BACK
from invariscope.rig.session import RigSession
from invariscope.rig.simulate import SimulatedBrain, play
from invariscope.store.own_files import check_may_replace
from invariscope.store.record import RunRecord
from invariscope.subjects.kinds import natural_kind
from invariscope.subjects.rig.folder import FolderLink, FolderRig
from invariscope.subjects.rig.link import Link, OtherSide
from invariscope.subjects.rig.zeromq import ZeroMQLink, ZeroMQRig

rig = App(name="rig", help="The same search on a brain: images out, responses in.")
rig.command(
    "invariscope.cli.rig_plan:plan",
    name="plan",
    help="Rehearse a session on a fitted network: presentations, minutes, power, claims.",
)

File = Annotated[Path, Parameter(help="The session file (TOML).")]
Out = Annotated[
    Path, Parameter(alias="-o", help="The session's folder: log, images, runs, exchange.")
]
EXCHANGE = "exchange"
POLL = 0.05


@rig.command
def serve(
    file: File,
    /,
    *,
    out: Out,
    plan: Annotated[
        Path | None,
        Parameter(help="What `rig plan` made: its model's invariances are put to the neuron."),
    ] = None,
) -> None:
    """Begin a session, or go on with an earlier session: show images, take responses, search."""
    predictions = load_predictions(plan) if plan else []
    asked = read_session(file)
    check_names(asked.rig)

    def say(text: str) -> None:
        output().print(text, markup=False)

    with _link(asked, out) as link:
        tell_start(out)
        where = link.address if isinstance(link, ZeroMQLink) else str(out / EXCHANGE)
        say(f"session {asked.rig.name!r}: waiting for the rig at {where}")
        with closing(RigSession(asked, out, link, base=file.parent, say=say)) as session:
            records = session.run()
            tested = {p.unit: (p, session.test_predictions(p)) for p in predictions}
            natural = NaturalStatistics.load(out / NATURAL, session.rig)
    _print_range(natural)
    _print_fronts(records)
    for each in tested.values():
        print_refuted(*each)
    RecordedSession.load(out).write_responses()
    say(f"the session is over; export it with `invariscope rig export {out}`")


def _link(asked: SessionFile, out: Path) -> Link:
    if asked.rig.link == "folder":
        return FolderLink(out / EXCHANGE)
    return ZeroMQLink(asked.rig.address)


def _print_range(natural: NaturalStatistics) -> None:
    columns = ("unit", "smallest", "mean", "largest", "SD", "reliability", "kind")
    rows = []
    for row in natural.table.to_dict("records"):
        numbers = [row[key] for key in ("minimum", "mean", "maximum", "sd", "reliability")]
        words = ("–" if math.isnan(number) else f"{number:.2f}" for number in numbers)
        rows.append((str(row["name"]), *words, natural_kind(row) or "–"))
    print_table(columns, rows, "the range block")


def _print_fronts(records: list[RunRecord]) -> None:
    columns = ("run", "reference", "members", "farthest that holds", "its response", "hold")
    rows = []
    for record in records:
        again = pd.read_parquet(record.path / HELD_BACK)
        holds = again.loc[again["holds"].to_numpy(bool)].sort_values("stretch")
        best = holds.iloc[-1] if len(holds) else None
        reference = float(record.tensors["reference_activity"].mean())
        farthest = ("–", "–")
        if best is not None:
            response = f"{best['activation']:.1f} ± {best['error']:.1f}"
            farthest = (f"{best['stretch']:.1f}", response)
        hold = f"{len(holds)} of {len(again)}"
        members = str(len(record.front))
        rows.append((record.path.name, f"{reference:.1f}", members, *farthest, hold))
    print_table(columns, rows, "fronts on held-back repeats")


@rig.command
def simulate(
    file: File,
    /,
    *,
    out: Out,
    model: Annotated[str, Parameter(help="The network behind it.")] = "embedded:standard",
    units: Annotated[
        list[str], Parameter(help="Its units, one a recorded unit.", consume_multiple=True)
    ],
    natural: Annotated[
        Path | None,
        Parameter(help="The network's natural statistics, by which its activity becomes rates."),
    ] = None,
    fired: RateOptions | None = None,
    idle: Annotated[
        Positive, Parameter(help="Seconds without a wanted block before it ends.")
    ] = 60.0,
    source: NetworkOptions | None = None,
) -> None:
    """Play the rig: units of a network fire spikes, drift, and trials get lost."""
    asked = read_session(file)
    check_names(asked.rig)
    subject = (source or NetworkOptions()).subject(model)
    subject.natural = natural or subject.natural
    fired = fired or RateOptions()
    brain = SimulatedBrain(subject, units, asked.rig.units, cortex=fired.rates(), seed=fired.seed)
    other: OtherSide
    if asked.rig.link == "folder":
        other = FolderRig(out / EXCHANGE)
    else:
        other = ZeroMQRig(asked.rig.address)
    with closing(other):
        notes().print("the simulated rig waits for blocks")
        last, played = time.monotonic(), 0
        served = out / EXCHANGE if asked.rig.link == "folder" else Path()
        while time.monotonic() - last < idle:
            if served.is_dir() and play(brain, other):
                last, played = time.monotonic(), played + 1
            else:
                time.sleep(POLL)
    if not served.is_dir():
        raise InputError(
            f"no session was served in {str(out)!r} for {idle:g} s; start `invariscope rig serve` "
            "with the same --out"
        )
    notes().print(f"{number_of(played, 'block')} played; for {idle:g} s none was wanted")


@rig.command
def export(
    folder: Annotated[Path, Parameter(help="The session's folder.")],
    /,
    *,
    nwb: Annotated[Path | None, Parameter(help="An NWB file; FOLDER/session.nwb by default.")] = (
        None
    ),
    start: Annotated[
        datetime | None, Parameter(help="When the first image came up, as 2026-11-22T09:30:00.")
    ] = None,
    force: Force = False,
) -> None:
    """Write a session as NWB, and as a table that `recorded:FOLDER` reads."""
    if start is not None and start.tzinfo is None:
        start = start.astimezone()
    target = nwb or folder / "session.nwb"
    check_may_replace(target, is_session, force=force)
    recorded = RecordedSession.load(folder)
    tell_start(target, STARTS_AGAIN)
    table = recorded.write_responses()
    path = write_nwb(recorded, target, start=start)
    output().print(f"{path}\n{table}")
