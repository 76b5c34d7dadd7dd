"""`invariscope recording FILE`: a lab's recording as responses to images."""

import math
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from invariscope.cli.numbers import Count, Natural, Number, Positive
from invariscope.cli.terminal import STARTS_AGAIN, output, print_table, tell_start
from invariscope.plurals import number_of
from invariscope.recordings.options import RecordingOptions
from invariscope.recordings.read import read_recording
from invariscope.recordings.responses import RecordedResponses
from invariscope.recordings.variability import mean_correlation, unit_table
from invariscope.recordings.write import write_recording

SHOWN = 12  # units in the printed table
COLUMNS = {
    "unit": "unit",
    "trials": "trials",
    "mean": "mean",
    "largest": "largest",
    "signal_to_noise": "signal/noise",
    "reliability": "reliability",
    "reliability_mean": "of the mean",
    "fano": "Fano factor",
}


def recording(
    file: Annotated[Path, Parameter(help="NWB, NEV, Plexon, npy, mat, CSV; or a folder.")],
    /,
    *,
    out: Annotated[
        Path | None, Parameter(alias="-o", help="A folder for tables and recorded:FOLDER.")
    ] = None,
    window: Annotated[
        tuple[Number, Number], Parameter(help="First and last ms from onset; spikes there count.")
    ] = (50.0, 150.0),
    baseline: Annotated[
        tuple[Number, Number] | None, Parameter(help="A window whose rate is subtracted.")
    ] = None,
    event: Annotated[
        str | None,
        Parameter(help="What carries the images: a channel, an index series, or TABLE:COLUMN."),
    ] = None,
    events: Annotated[
        Path | None, Parameter(help="A file with the events: CSV (time, code) or a recording.")
    ] = None,
    events_offset: Annotated[
        Number, Parameter(help="Seconds to add to the events' times, to be on the spikes' clock.")
    ] = 0.0,
    sync: Annotated[
        tuple[Path, Path] | None,
        Parameter(help="Common pulses of two clocks: the spikes' file, and the events'."),
    ] = None,
    sync_channels: Annotated[
        tuple[str, str] | None,
        Parameter(help="Their event channels, CHANNEL or CHANNEL=CODE; else the only ones."),
    ] = None,
    order: Annotated[
        Path | None, Parameter(help="A CSV with the image of each event in turn.")
    ] = None,
    onset: Annotated[str, Parameter(help="Column of a trials table with the onset.")] = (
        "start_time"
    ),
    images: Annotated[
        Path | None, Parameter(help="The photos' folder, in order, or a CSV (code, image).")
    ] = None,
    first_code: Annotated[
        Natural | None,
        Parameter(help="Code of the first image; by default 1, of an NWB index series 0."),
    ] = None,
    other_codes: Annotated[
        Literal["refuse", "drop"], Parameter(help="What becomes of codes that are no image.")
    ] = "refuse",
    kinds: Annotated[
        list[Literal["sorted", "multiunit", "unsorted", "noise"]],
        Parameter(help="Which units count.", consume_multiple=True),
    ] = ["sorted", "multiunit"],  # noqa: B006
    label: Annotated[str | None, Parameter(help="Column with the units' labels (NWB).")] = None,
    time_unit: Annotated[
        Literal["s", "ms", "us", "samples"], Parameter(help="Of the times in a CSV or NWB file.")
    ] = "s",
    sampling_rate: Annotated[Positive | None, Parameter(help="In Hz, of times in samples.")] = None,
    values: Annotated[
        Literal["counts", "rates", "other"],
        Parameter(help="What an array holds: spikes in the window, spikes/s, or other numbers."),
    ] = "counts",
    axes: Annotated[
        list[Literal["neurons", "images", "repeats"]] | None,
        Parameter(help="What each axis of an array counts, in order.", consume_multiple=True),
    ] = None,
    variable: Annotated[str | None, Parameter(help="Of a MATLAB or npz file.")] = None,
    segment: Annotated[Natural | None, Parameter(help="Of a recording in several.")] = None,
    fastest: Annotated[
        Positive, Parameter(help="Spikes/s beyond which a unit's times are doubted.")
    ] = 1000.0,
    image_size: Annotated[
        Count | None, Parameter(help="Pixels to bring the images to; else their own.")
    ] = None,
) -> None:
    """Read a recording of neurons as responses to images: reliability, noise, tables."""
    options = RecordingOptions(
        window=window,
        baseline=baseline,
        event=event,
        events=events,
        events_offset=events_offset,
        sync=sync,
        sync_channels=sync_channels,
        order=order,
        onset=onset,
        images=images,
        first_code=first_code,
        other_codes=other_codes,
        kinds=tuple(kinds),
        label=label,
        time_unit=time_unit,
        sampling_rate=sampling_rate,
        values=values,
        axes=tuple(axes) if axes else None,
        variable=variable,
        segment=segment,
        fastest=fastest,
    )
    recorded = read_recording(file, options)
    console = output()
    _tell(recorded)
    if out is not None:
        tell_start(out, STARTS_AGAIN)
        for note in write_recording(recorded, out, options, image_size=image_size):
            console.print(note, markup=False)
        console.print(str(out), markup=False)


def _tell(recorded: RecordedResponses) -> None:
    size = f"{number_of(len(recorded.units), 'unit')}, {number_of(len(recorded.images), 'image')}"
    trials = number_of(len(recorded.shown), "trial")
    quantity = recorded.quantity
    if quantity != "other":
        quantity += f", window of {1000 * recorded.seconds:g} ms"
    lines = [f"{recorded.name}: {size}, {trials}, in {quantity}"]
    lines += map(str, recorded.dropped)
    correlation = mean_correlation(recorded)
    if not math.isnan(correlation):
        lines.append(f"noise correlation: {correlation:.3f} (mean over pairs)")
    for line in lines:
        output().print(line, markup=False)
    found = unit_table(recorded)
    rows = [
        (str(row["unit"]), str(row["trials"]), *(_cell(row[name]) for name in list(COLUMNS)[2:]))
        for row in found.head(SHOWN).to_dict("records")
    ]
    print_table(list(COLUMNS.values()), rows, "units")
    if len(found) > SHOWN:
        output().print(f"{number_of(len(found) - SHOWN, 'more unit')} in units.csv")


def _cell(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.2f}"
